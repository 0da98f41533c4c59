"""What a run selected, and the scores and decisions that led to it."""

from __future__ import annotations

from typing import NamedTuple

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import (
    Fact,
)
from archselect.benchmarks.store.ranges import (
    check_choices,
    check_graph,
    check_same_length,
)
from archselect.selectors.selection import Decision, EdgeScore, OperationScore, Scale


class ArchitectureScore(NamedTuple):
    """One score of one whole architecture."""

    architecture: str
    value: float


class CellGraph(Fact):
    """A cell as a drawable graph: nodes 0 .. nodes - 1, the inputs first, and edges (source, target, operation)."""

    name: str
    inputs: int
    nodes: int
    output: list[int]
    edges: list[tuple[int, int, str]]

    def check_as(self, name: str) -> None:
        """Raise Impossible, with the name of this graph, for what cannot be drawn."""
        check_graph(name, self.inputs, self.nodes, self.output, self.edges)


class Selected(Fact):
    """The architecture, in text, as a drawable graph and as its class's representative, and all scores looked at.

    A scale is None where the selector gives no such scores. `operations[c][e]` names
    the operations of edge e. `uniform`: the architecture was drawn as the space draws
    one, so that a truth of the whole space knows what to expect of it.
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


def _check_cells(selected: Selected) -> None:
    """Raise Impossible for cells without operations, or that cannot be drawn."""
    check_choices(selected.operations, selected.edges)
    check_same_length("graph", selected.graph, "operations", selected.operations)
    for cell, graph in enumerate(selected.graph):
        graph.check_as(f"graph.{cell}")
