"""What a selector returns: the architecture, and every score and decision on the way to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archselect.nasbench_adapters.space import Architecture

Better = Literal["higher", "lower"]
"""Which way a score is better."""


@dataclass(frozen=True)
class ScoreScale:
    """What scores are called and which way is better, for the operation or architecture that is scored."""

    name: str
    better: Better

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1: times the sign, more is always better."""
        return 1 if self.better == "higher" else -1


@dataclass(frozen=True)
class ScoredOperation:
    """The score of operation `choice` on an edge, at `step` (a scoring of one or more edges) of `round`."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


@dataclass(frozen=True)
class ScoredEdge:
    """The score of an edge into `node` as a whole: of the supernet without it, at `step` of `round`."""

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


@dataclass(frozen=True)
class DecidedEdge:
    """At `step` of `round` the edge was decided for operation `choice`, or dropped (DROPPED)."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


@dataclass(frozen=True)
class Selection:
    """What a selector returns: the architecture, and every score it looked at with the scores' direction.

    `uniform` says that the architecture was drawn as the space draws one, without a
    look at anything. A truth of the whole space then knows the expectation exactly, and
    reports use that in place of the few cells drawn.
    """

    architecture: Architecture
    operation_scale: ScoreScale | None
    operation_scores: tuple[ScoredOperation, ...]
    edge_scores: tuple[ScoredEdge, ...]
    decisions: tuple[DecidedEdge, ...]
    architecture_scale: ScoreScale | None
    architecture_scores: tuple[tuple[Architecture, float], ...]
    uniform: bool = False
