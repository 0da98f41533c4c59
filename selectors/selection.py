"""What a selector returns: the architecture, and every score and decision before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from archselect.nasbench_adapters.space import Architecture

Better = Literal["higher", "lower"]
"""Which way a score is better."""


@dataclass(frozen=True)
class ScoreScale:
    """What scores are called, and which way is better for what is scored.

    Attributes:
        name: in reports.
        better: "higher" or "lower".
    """

    name: str
    better: Better

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1: times the sign, more is always better."""
        return 1 if self.better == "higher" else -1


@dataclass(frozen=True)
class ScoredOperation:
    """The score of an operation on an edge.

    Attributes:
        round: how often the search started over before.
        step: of the scoring; see :mod:`.search`.
        cell: index of the cell type.
        edge: index of the edge.
        choice: index of the operation.
        value: the score.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


@dataclass(frozen=True)
class ScoredEdge:
    """The score of an edge as a whole: of the supernet without it.

    Attributes:
        round: how often the search started over before.
        step: of the scoring; see :mod:`.search`.
        cell: index of the cell type.
        node: index of the node that the edge enters.
        edge: index of the edge.
        value: the score.
    """

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


@dataclass(frozen=True)
class DecidedEdge:
    """The decision of an edge.

    Attributes:
        round: how often the search started over before.
        step: of the decision; see :mod:`.search`.
        cell: index of the cell type.
        edge: index of the edge.
        choice: index of the operation that it keeps, or DROPPED.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int


class ScoredArchitecture(NamedTuple):
    """The score of a whole architecture.

    Attributes:
        architecture: of the space.
        value: the score.
    """

    architecture: Architecture
    value: float


@dataclass(frozen=True)
class Selection:
    """What a selector returns: the architecture, and every score it looked at.

    Attributes:
        architecture: the one selected.
        operation_scale: of the scores of operations and edges; None without them.
        operation_scores: in the order in which they were noted.
        edge_scores: in that order, too.
        decisions: in that order, too.
        architecture_scale: of the scores of whole architectures; None without them.
        architecture_scores: in that order, too.
        uniform: whether the architecture was drawn as the space draws one, without a
            look at anything. The ground truth of a whole space then gives the
            expectation exactly, and reports use that in place of the few cells drawn.
    """

    architecture: Architecture
    operation_scale: ScoreScale | None
    operation_scores: tuple[ScoredOperation, ...]
    edge_scores: tuple[ScoredEdge, ...]
    decisions: tuple[DecidedEdge, ...]
    architecture_scale: ScoreScale | None
    architecture_scores: tuple[ScoredArchitecture, ...]
    uniform: bool = False
