"""What a selector is, what it is given and what it returns.

A selector reads an architecture out of a supernet: `select(task) -> Selection`. It
reads like its paper's pseudo-code in one file, and knows nothing of loops over seeds,
devices, files or reports. Settings are fields with defaults::

    class First(Selector):
        name: ClassVar[str] = "first"
        summary: ClassVar[str] = "the first operation of every edge"

        def select(self, task: Task) -> Selection:
            search = task.search()
            for edge in search.open_edges():
                search.decide(edge, operation=0)
            return search.selection()
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from archselect.nasbench_adapters.networks import Mixture, Supernet
from archselect.nasbench_adapters.space import Architecture, Decisions, SearchSpace
from archselect.selectors.queries import NO_REWARD, BudgetSpent, Queries
from archselect.selectors.search import Search
from archselect.selectors.selection import Better, Scale, Selection

__all__ = [
    "NEEDS",
    "BudgetSpent",
    "Evaluation",
    "Minibatch",
    "Scale",
    "Search",
    "Selection",
    "Selector",
    "Task",
]

Item = TypeVar("Item")

SUPERNET = "supernet"
ALPHAS = "alphas"
REWARDS = "reward"
NEEDS = frozenset({SUPERNET, ALPHAS, REWARDS})
"""What a selector can need: a supernet, its trained alphas, rewards under a budget."""


class Minibatch(NamedTuple):
    """A batch of images for a proxy, on the task's device.

    Attributes:
        images: (batch, channels, height, width), normalised.
        labels: (batch,).
    """

    images: Tensor
    labels: Tensor


class Evaluation(NamedTuple):
    """How good a supernet is on a part of the data.

    Attributes:
        accuracy: in per cent.
        loss: mean cross-entropy.
    """

    accuracy: float
    loss: float


class Task(ABC):
    """All that a selector may use.

    The harness implements it on a run's own copy of a supernet
    (`archselect.benchmarks.runs.task`), and so do the check of selectors and the
    estimate of costs.
    """

    space: SearchSpace
    supernet: Supernet
    """The run's own copy of the supernet, with trained or initial weights."""
    alphas: tuple[Tensor, ...]
    """Trained architecture weights, one (edges, operations) tensor per cell type;
    `tune` may move them.
    """
    activation: str = "softmax"
    """Name of the map from alphas to weights, for what scores are called."""
    rng: np.random.Generator
    """For choices such as the order of edges; seeded by the selection seed."""
    queries: Queries | None = None
    """The account of the queries; None where the study gives no reward."""

    def search(
        self,
        score: str | None = None,
        *,
        better: Better = "higher",
        architectures: Scale | None = None,
    ) -> Search:
        """Return a new search, with all edges open: see :class:`.Search`.

        Args:
            score: what the scores of operations and edges are called in reports; None
                where the selector has none.
            better: which way they are better.
            architectures: what scores of whole architectures are called, and which way
                they are better; None where the selector has none.
        """
        operations = None if score is None else Scale(score, better)
        return Search(self, operations, architectures)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of the items, each as likely as the others, drawn from `rng`."""
        place = int(self.rng.integers(len(items)))
        return items[place]

    def query(self, architecture: Architecture) -> float:
        """Return the reward of an architecture; more is better.

        It costs one query of the budget. What was asked before is free: see
        :class:`.Queries`. Selectors ask by :meth:`.Search.query`, which notes the
        reward as a score.

        Raises:
            BudgetSpent: no query is left.
            ValueError: the study gives no reward, or none to this architecture.
        """
        if self.queries is None:
            raise ValueError(NO_REWARD)
        return self.queries.ask(architecture, self._reward)

    def _reward(self, architecture: Architecture) -> float:
        """Return the reward of an architecture that is asked for the first time."""
        raise NotImplementedError(f"{type(self).__name__} has no reward")

    @abstractmethod
    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """Return the mixture under decisions.

        It is the activation of the alphas, softmax(alpha) if the recipe says nothing
        else, on open edges; one-hot on decided ones and zero on dropped ones.

        Args:
            decisions: which edges are decided.
            alphas: one (edges, operations) tensor per cell type; None for the task's.
        """

    @abstractmethod
    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return initial architecture weights, drawn again at each call.

        They are 1e-3 x normal, plus what the supernet's activation begins at.

        There is one (edges, operations) tensor per cell type.
        """

    @abstractmethod
    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return the supernet's accuracy and loss over the whole validation half.

        The supernet is left as it was.

        Args:
            mixture: of the supernet's operations.
            norm: batch-norm mode, "running" or "batch".
            augment: whether the images are augmented as in training.
        """

    @abstractmethod
    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return the accuracy and loss that the supernet would have after tuning.

        It does what :meth:`tune` and then :meth:`evaluate` do, but the supernet and the
        alphas are left as they were. So every candidate starts from the same weights
        and sees the same batches.

        Args:
            decisions: the edges that are fixed meanwhile.
            epochs: of training.
            learning_rate: of the weights, constant.
            norm: as for :meth:`evaluate`.
            augment: as for :meth:`evaluate`.
        """

    @abstractmethod
    def minibatch(self, size: int) -> Minibatch:
        """Return a random minibatch of the training half, augmented as in training.

        It is drawn again at each call. Raises ValueError where the half has fewer than
        `size` images: the run then fails, and the study continues.
        """

    @abstractmethod
    def proxy(
        self,
        name: str,
        mixture: Mixture,
        batch: Minibatch,
        norm: str = "running",
    ) -> float:
        """Return a proxy's score of the supernet under a mixture, a finite number.

        The supernet is left as it was.

        Args:
            name: of the proxy.
            mixture: of the supernet's operations.
            batch: images and labels.
            norm: batch-norm mode, "running" or "batch".

        Raises Undefined (:mod:`archselect.selectors.proxies.base`), naming proxy,
        candidate and reason, where there is no score.
        """

    @abstractmethod
    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """Return a proxy's score of the supernet under each mixture.

        The scores are those of :meth:`proxy`, which also says what is raised. On a GPU,
        mixtures made of one by its `without` or `fixed` that differ on one edge go
        forward together.
        """

    @abstractmethod
    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """Return the information measure of the operations' outputs.

        It is an average over the images that the recipe trains on; see
        :class:`.networks.output_information.OutputInformation`. The supernet is left as
        it was.

        Args:
            mixture: under which the images go forward.
            norm: batch-norm mode, "running" or "batch".
            augment: whether the images are augmented as in training.
            skips_flat: whether positions without a value are left out.

        Returns:
            values by cell type, edge and operation; infinite for an operation that is
            not computed.
        """

    @abstractmethod
    def proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> float:
        """Return a proxy's score of a freshly initialised stand-alone network.

        Args:
            name: of the proxy.
            architecture: of the network.
            batches: number of minibatches; their scores are added up.
            size: images per minibatch.

        Raises as :meth:`proxy`.
        """

    @abstractmethod
    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """Return the bytes of one training step under decisions.

        They are counted, not measured, and so the same on every machine: see
        :class:`.StepMemoryCounter`.

        Args:
            decisions: say which operations are live.
            batch_size: images of the step; None for as many as :meth:`tune` takes.
        """

    @abstractmethod
    def tune(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
    ) -> None:
        """Train the supernet further with decided edges fixed.

        The alphas are trained, too, if the recipe updates them.

        Args:
            decisions: the edges that are fixed.
            epochs: of training.
            learning_rate: of the weights, constant.
        """


class Selector(BaseModel, ABC):
    """Base of all selectors: fields are settings, checked when the study is read.

    `small` are settings with which a check of the selector (`archselect check`) is
    short; for example fewer repetitions. Batches and epochs need no mention, for the
    task of a check gives fewer than it is asked for.

    `needs` says what it selects by, of :data:`NEEDS`: a study refuses a selector that
    needs a supernet on a space without one.

    `needs_probabilities` says that the selector reads an edge's weights as
    probabilities: studies refuse it on a supernet whose activation's weights do not sum
    to one.

    `queries_pool` says that it queries only architectures of the pool, so that it works
    where the reward knows a part of the space.

    `formulation` is raised when the numbers that the selector produces change on
    purpose; it is part of a run's id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str] = ""
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({SUPERNET})
    needs_probabilities: ClassVar[bool] = False
    queries_pool: ClassVar[bool] = False
    small: ClassVar[Mapping[str, object]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        """Raise ValueError for a class whose `needs` are none of :data:`NEEDS`."""
        super().__pydantic_init_subclass__(**kwargs)
        if not isinstance(cls.needs, frozenset) or not cls.needs <= NEEDS:
            words = ", ".join(sorted(NEEDS))
            raise ValueError(f"{cls.__name__}.needs must be a frozenset of {words}")

    def settings(self) -> dict[str, Any]:
        """Return the settings as records hold them.

        What names a user's file stands there without its folder: :meth:`sources` has
        the hash of what is in the file.
        """
        return self.model_dump(mode="json")

    def sources(self) -> list[str]:
        """Return where code comes from that a setting names and is not archselect's.

        It is the hash of a user's file, or a package and its version.
        """
        return []

    @abstractmethod
    def select(self, task: Task) -> Selection:
        """Read an architecture out of the task's supernet."""
