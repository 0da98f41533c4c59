"""What a run selected, and the scores and decisions that led to it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.facts import (
    Fact,
)
from archselect.benchmarks.store.ranges import (
    check_choices,
    check_graph,
    check_same_length,
)


class OperationScore(NamedTuple):
    """One score of one operation on one edge.

    `round` counts repetitions of the whole selection (iterations of Zero-Cost-PT),
    `step` the scorings within it.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


class EdgeScore(NamedTuple):
    """One score of an edge into `node` as a whole, of the supernet without it."""

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


class Decision(NamedTuple):
    """In `round`, at `step`, the edge was decided for the operation `choice`, or dropped (-2)."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


class ArchitectureScore(NamedTuple):
    """One score of one whole architecture."""

    architecture: str
    value: float


class Scale(Fact):
    """What a selector's scores are and which way is better."""

    name: str
    better: Literal["higher", "lower"]


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
