"""What a selector returns: an architecture, and all scores and decisions on the way.

Records keep the same values. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from archselect.nasbench_adapters.space import Architecture, Decisions

Better = Literal["higher", "lower"]
"""Which way a score is better."""


@dataclass(frozen=True)
class Scale:
    """Name of the scores of operations or architectures, and which way is better."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    better: Better

    @property
    def sign(self) -> int:
        """1 if higher is better, else -1: times the sign, more is always better."""
        return 1 if self.better == "higher" else -1


class OperationScore(NamedTuple):
    """Score of operation `choice` on an edge.

    `round` counts repetitions of the whole selection (the iterations of Zero-Cost-PT),
    `step` the scorings within it, of one or more edges each.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


class EdgeScore(NamedTuple):
    """Score of an edge into `node` as a whole: of the supernet without it."""

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


class Decision(NamedTuple):
    """Decision of an edge, at `step` of `round`, for operation `choice` or DROPPED."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


class Closing(NamedTuple):
    """Closing of operation `choice` on an open edge, at `step` of `round`."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


class SubSpace(NamedTuple):
    """What was left after operations were closed for a memory, and then searched.

    Attributes:
        decisions: say which operations are live.
        budget: bytes that a training step was to take at most.
    """

    decisions: Decisions
    budget: int


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
        among: for each decision, the indices of the operations of which the best was
            taken; empty where it was of all, or where none was compared. Checks of a
            selector read it; records do not hold it.
        closings: operations closed one by one, in that order, too.
        sub_space: where operations were closed for a memory, what was left; None where
            the selector has no such budget.
        uniform: whether the architecture was drawn as the space draws one, without a
            look at anything. The ground truth of a whole space then gives the
            expectation exactly, and reports use that in place of the few cells drawn.
    """

    architecture: Architecture
    operation_scale: Scale | None
    operation_scores: tuple[OperationScore, ...]
    edge_scores: tuple[EdgeScore, ...]
    decisions: tuple[Decision, ...]
    architecture_scale: Scale | None
    architecture_scores: tuple[ScoredArchitecture, ...]
    uniform: bool = False
    among: tuple[tuple[int, ...], ...] = ()
    closings: tuple[Closing, ...] = ()
    sub_space: SubSpace | None = None
