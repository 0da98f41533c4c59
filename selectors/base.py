"""What a selector is, what it is given and what it gives back.

A selector reads an architecture out of a supernet: `select(task) -> Selection`. It reads like its paper's pseudo-code
in one file, and knows nothing of loops over seeds, devices, files or reports. Settings are fields with defaults::

    class First(Selector):
        name: ClassVar[str] = "first"
        summary: ClassVar[str] = "the first operation of every edge"

        def select(self, task: Task) -> Selection:
            log = Log()
            decisions = task.space.undecided()
            for cell, edge in decisions.open_edges():
                decisions = decisions.decide(cell, edge, 0)
            return log.selection(decisions.architecture())
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from archselect.nasbench_adapters.networks import Mixture, Supernet
from archselect.nasbench_adapters.space import Architecture, Decisions, SearchSpace


class Batch(NamedTuple):
    """Images (batch, channels, height, width), normalised, and labels (batch,), on the task's device."""

    images: Tensor
    labels: Tensor


class Evaluation(NamedTuple):
    """Accuracy in per cent and mean cross-entropy over a part of the data."""

    accuracy: float
    loss: float


class Task(Protocol):
    """All a selector may use. The harness implements it (`archselect.benchmarks.task`)."""

    space: SearchSpace
    supernet: Supernet
    """The run's own copy of the supernet, with trained or initial weights."""
    alphas: tuple[Tensor, ...]
    """Trained architecture weights, one (edges, operations) tensor per cell type; `tune` may move them."""
    rng: np.random.Generator
    """For choices such as the order of edges; seeded by the selection seed."""

    def mixture(self, decisions: Decisions, alphas: Sequence[Tensor] | None = None) -> Mixture:
        """softmax(alpha) on open edges and one-hot on decided ones; `alphas` default to the task's."""
        ...

    def new_alphas(self) -> tuple[Tensor, ...]:
        """Freshly drawn architecture weights, 1e-3 x normal; another draw at each call."""
        ...

    def evaluate(self, mixture: Mixture, norm: str = "running", augment: bool = False) -> Evaluation:
        """The supernet's accuracy and loss over the whole validation half. Leaves the supernet as it was.

        Args:
            mixture: what goes forward.
            norm: batch-norm mode, "running" or "batch".
            augment: whether the images are augmented as in training.
        """
        ...

    def evaluate_tuned(
        self, decisions: Decisions, epochs: int, learning_rate: float, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """The accuracy and loss that the supernet would have, were it tuned with these edges fixed.

        As :meth:`tune` and then :meth:`evaluate`, but the supernet and the alphas are left as they were, so that
        every candidate starts from the same weights and sees the same batches.
        """
        ...

    def minibatch(self, size: int) -> Batch:
        """Return a random minibatch of the training half, augmented as in training; another one at each call.

        Raises ValueError where the half has fewer images: the run then fails, and the study goes on.
        """
        ...

    def proxy(self, name: str, mixture: Mixture, batch: Batch, norm: str = "running") -> float:
        """Return a proxy's score of the supernet under a mixture, a finite number. Leaves the supernet as it was.

        Raises Undefined (:mod:`archselect.selectors.proxies.base`), naming proxy, candidate and reason, where there is
        none.
        """
        ...

    def proxies(self, name: str, mixtures: Sequence[Mixture], batch: Batch, norm: str = "running") -> list[float]:
        """A proxy's score of the supernet under each of some mixtures, as :meth:`proxy` gives them one by one.

        On a GPU, mixtures made of one by its `without` or `fixed` that differ on one edge go forward together.
        """
        ...

    def proxy_of_network(self, name: str, architecture: Architecture, batches: int, size: int) -> float:
        """Return a proxy's score of a freshly initialised stand-alone network, summed over minibatches.

        Raises as :meth:`proxy`.
        """
        ...

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Train the supernet on with decided edges fixed; alphas follow if the recipe updates them."""
        ...


@dataclass(frozen=True)
class Scale:
    """What scores are called and which way is better, for the operation or architecture that is scored."""

    name: str
    better: Literal["higher", "lower"]


@dataclass(frozen=True)
class OperationScore:
    """The score of operation `choice` on an edge, at `step` (a scoring of one or more edges) of `round`."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int
    value: float


@dataclass(frozen=True)
class EdgeScore:
    """The score of an edge into `node` as a whole: of the supernet without it, at `step` of `round`."""

    round: int
    step: int
    cell: int
    node: int
    edge: int
    value: float


@dataclass(frozen=True)
class Decision:
    """At `step` of `round` the edge was decided for operation `choice`, or dropped (DROPPED)."""

    round: int
    step: int
    cell: int
    edge: int
    choice: int


@dataclass(frozen=True)
class Selection:
    """What a selector gives back: the architecture, and every score it looked at with the scores' direction.

    `uniform` says that the architecture was drawn as the space draws one, without a look at anything. A truth of the
    whole space then knows the expectation exactly, and reports use that in place of the few cells drawn.
    """

    architecture: Architecture
    operation_scale: Scale | None
    operation_scores: tuple[OperationScore, ...]
    edge_scores: tuple[EdgeScore, ...]
    decisions: tuple[Decision, ...]
    architecture_scale: Scale | None
    architecture_scores: tuple[tuple[Architecture, float], ...]
    uniform: bool = False


@dataclass
class Log:
    """Collects scores and decisions while a selector runs.

    Args:
        operations: scale of the operation scores, and of edge scores; None where the selector gives none.
        architectures: scale of the architecture scores; None where the selector gives none.
    """

    operations: Scale | None = None
    architectures: Scale | None = None
    _scores: list[OperationScore] = field(default_factory=list)
    _edges: list[EdgeScore] = field(default_factory=list)
    _decisions: list[Decision] = field(default_factory=list)
    _architectures: list[tuple[Architecture, float]] = field(default_factory=list)

    def scores(self, round: int, step: int, cell: int, edge: int, values: Sequence[float]) -> int:
        """Note the scores of an edge's operations, in index order, and return the best one's index.

        Ties go to the lower index. Raises ValueError on a value that is not finite: a proxy that fails must surface.
        """
        higher = self._higher()
        for choice, value in enumerate(values):
            self._refuse(value, f"operation {choice} on edge {edge} of cell type {cell}")
        self._scores += [OperationScore(round, step, cell, edge, k, float(value)) for k, value in enumerate(values)]
        return int(np.argmax(values) if higher else np.argmin(values))

    def edges(self, round: int, step: int, cell: int, node: int, scores: Mapping[int, float]) -> int:
        """Note the scores of a node's incoming edges, by edge, and return the worst one: the edge to drop.

        Ties go to the later edge. Raises ValueError on a value that is not finite.
        """
        edges, values = list(scores), list(scores.values())
        higher = self._higher()
        for edge, value in scores.items():
            self._refuse(value, f"the supernet without edge {edge} of cell type {cell}")
        self._edges += [EdgeScore(round, step, cell, node, e, float(value)) for e, value in scores.items()]
        worst = (np.argmin if higher else np.argmax)(values[::-1])
        return edges[::-1][int(worst)]

    def _higher(self) -> bool:
        """Return whether a higher operation score is better. Raises ValueError without a scale."""
        if self.operations is None:
            raise ValueError("operation scores need a scale: Log(operations=Scale(...))")
        return self.operations.better == "higher"

    def _refuse(self, value: float, candidate: str) -> None:
        """Raise ValueError for an operation's or edge's score that is not finite."""
        assert self.operations is not None
        if not np.isfinite(value):
            raise ValueError(f"score {self.operations.name!r} of {candidate} is not finite: {value}")

    def decide(self, round: int, step: int, cell: int, edge: int, choice: int) -> None:
        """Note that the edge was decided, or dropped."""
        self._decisions.append(Decision(round, step, cell, edge, choice))

    def architecture(self, architecture: Architecture, value: float) -> None:
        """Note the score of a whole architecture. Raises ValueError without a scale, or if the value is not finite."""
        if self.architectures is None:
            raise ValueError("architecture scores need a scale: Log(architectures=Scale(...))")
        if not np.isfinite(value):
            raise ValueError(
                f"score {self.architectures.name!r} of architecture {architecture.choices} is not finite: {value}"
            )
        self._architectures.append((architecture, float(value)))

    def best_architecture(self) -> Architecture:
        """The best architecture noted; ties go to the one noted first."""
        if self.architectures is None or not self._architectures:
            raise ValueError("no architecture was scored")
        best = np.argmax if self.architectures.better == "higher" else np.argmin
        return self._architectures[int(best([value for _, value in self._architectures]))][0]

    def selection(self, architecture: Architecture, uniform: bool = False) -> Selection:
        """Return the selection of `architecture` with all that was noted; see :class:`Selection`."""
        return Selection(
            architecture,
            self.operations,
            tuple(self._scores),
            tuple(self._edges),
            tuple(self._decisions),
            self.architectures,
            tuple(self._architectures),
            uniform,
        )


class Selector(BaseModel, ABC):
    """Base of all selectors: fields are settings, checked when the study is read.

    `small` are settings with which a check of the selector (`archselect check`) is short; for example fewer
    repetitions. Batches and epochs need no mention, for the task of a check gives fewer than it is asked for.

    `formulation` is raised when the numbers that the selector produces change on purpose; it is part of a run's id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str] = ""
    formulation: ClassVar[int] = 1
    small: ClassVar[Mapping[str, object]] = {}

    @abstractmethod
    def select(self, task: Task) -> Selection:
        """Read an architecture out of the task's supernet."""
