"""What a selector returns: an architecture, and all its scores and decisions.

Records keep the same values. This file does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from archselect.nasbench_adapters.space import Architecture, Decisions

Better = Literal["higher", "lower"]
"""Whether higher or lower scores are better."""


@dataclass(frozen=True)
class Scale:
    """Name of the scores of operations or architectures, and the better direction."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: str
    better: Better

    @property
    def sign(self) -> int:
        """1 if higher scores are better, else -1."""
        return 1 if self.better == "higher" else -1


class OperationScore(NamedTuple):
    """Score of operation `choice` on an edge.

    `round` numbers the repetitions of the whole selection (the iterations of
    Zero-Cost-PT). `step` numbers the scorings in a round; each scores one or more
    edges.
    """

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


class EdgeScore(NamedTuple):
    """Score of a whole edge into `node`: the supernet's score without that edge."""

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
    """The part of a space that was left after operations were closed to save memory.

    Attributes:
        decisions: which operations are live.
        budget: limit for the memory of a training step, in bytes.
    """

    decisions: Decisions
    budget: int


class ScoredArchitecture(NamedTuple):
    """The score of a whole architecture.

    Attributes:
        architecture: the architecture that was scored.
        value: its score.
    """

    architecture: Architecture
    value: float


@dataclass(frozen=True)
class Selection:
    """What a selector returns: the architecture, and every score it used.

    All tuples are in the order in which the search recorded their entries.

    Attributes:
        architecture: the selected architecture.
        operation_scale: name and direction of the scores of operations and edges; None
            if there are no such scores.
        operation_scores: scores of operations.
        edge_scores: scores of whole edges.
        decisions: decisions of edges.
        architecture_scale: name and direction of the scores of whole architectures;
            None if there are no such scores.
        architecture_scores: scores of whole architectures.
        among: for each decision, the indices of the operations that were compared;
            empty if all of them were, or none. `archselect check` reads it; records do
            not hold it.
        closings: operations that were closed one by one.
        sub_space: the part of the space that was left after operations were closed to
            save memory; None if the selector has no memory budget.
        uniform: whether the architecture was drawn at random by `SearchSpace.sample`,
            with no score. The ground truth of a whole space then gives the exact
            expectation, and reports show it instead of the mean of a few draws.
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
