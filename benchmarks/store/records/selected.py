"""The selection of a run, and the scores and decisions that led to it."""

from __future__ import annotations

from typing import NamedTuple

from archselect.benchmarks.store.cell_checks import check_choices, check_graph
from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import Fact
from archselect.benchmarks.store.ranges import Impossible
from archselect.selectors.selection import Decision, EdgeScore, OperationScore, Scale


class ArchitectureScore(NamedTuple):
    """Score of a whole architecture."""

    architecture: str
    value: float


class CellGraph(Fact):
    """A cell as a graph that can be drawn.

    Its nodes are 0 .. nodes - 1, inputs first; its edges are (source, target,
    operation).
    """

    name: str
    inputs: int
    nodes: int
    output: list[int]
    edges: list[tuple[int, int, str]]

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this graph, for what cannot be drawn."""
        check_graph(name, self.inputs, self.nodes, self.output, self.edges)


class Selected(Fact):
    """The selected architecture, and all scores that led to it.

    `architecture` is its text, `canonical` the text of its class of equal functions,
    and `graph` its cells. `operations[c][e]` names the operations of edge e of cell
    type c; `edges[c][e]` is (source, target). A scale is None if the selector gives no
    such scores. `uniform` says that the architecture was drawn as the space draws
    architectures; then a ground truth of the whole space knows its expected accuracy.
    """

    architecture: str
    canonical: str
    graph: list[CellGraph]
    operations: list[list[list[str]]]
    edges: list[list[tuple[int, int]]]
    operation_scale: Scale | None
    operation_scores: Columns[OperationScore]
    edge_scores: Columns[EdgeScore]
    decisions: Columns[Decision]
    architecture_scale: Scale | None
    architecture_scores: Columns[ArchitectureScore]
    uniform: bool = False

    def check_cells(self) -> None:
        """Raise Impossible for cells without operations, or that cannot be drawn."""
        check_choices(self.operations, self.edges)
        # A drawing may show several cell types in one graph.
        if not 1 <= len(self.graph) <= len(self.operations):
            raise Impossible(
                f"graph has {len(self.graph)} cells, but operations has {len(self.operations)}"
            )
        for cell, graph in enumerate(self.graph):
            graph.check_as(f"graph.{cell}")
