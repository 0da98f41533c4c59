"""The base class of selectors, and the task that a selector works on.

A selector chooses an architecture: `select(task) -> Selection`. Most selectors read it
out of a supernet. A selector is one file that follows its paper's pseudo-code. The
harness handles seeds, devices, files and reports. Settings are fields with defaults::

    class First(Selector):
        name: ClassVar[str] = "first"
        summary: ClassVar[str] = "keeps the first operation of every edge"

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
        images: normalised images, (batch, channels, height, width).
        labels: class of each image, (batch,).
    """

    images: Tensor
    labels: Tensor


class Evaluation(NamedTuple):
    """Accuracy and loss of a supernet on a part of the data.

    Attributes:
        accuracy: accuracy in per cent.
        loss: mean cross-entropy.
    """

    accuracy: float
    loss: float


class Task(ABC):
    """Everything that a selector may use: the supernet, its data and the budget.

    The harness implements this class (`archselect.benchmarks.runs.task`) and gives each
    run a separate copy of the supernet. `archselect check` and the estimate of costs
    implement it, too.
    """

    space: SearchSpace
    supernet: Supernet
    """This run's copy of the supernet, with trained or initial weights."""
    alphas: tuple[Tensor, ...]
    """Architecture parameters, one (edges, operations) tensor per cell type; `tune` may
    change them.
    """
    activation: str = "softmax"
    """Name of the function from alphas to weights; names of scores contain it."""
    rng: np.random.Generator
    """Generator for random choices, such as the order of edges; seeded by the selection
    seed.
    """
    queries: Queries | None = None
    """Queries made and left; None if the study gives no reward."""

    def search(
        self,
        score: str | None = None,
        *,
        better: Better = "higher",
        architectures: Scale | None = None,
    ) -> Search:
        """Return a new :class:`.Search`, in which all edges are open.

        Args:
            score: name of the scores of operations and edges in reports; None if the
                selector has no such scores.
            better: whether higher or lower scores are better.
            architectures: name and direction of the scores of whole architectures;
                None if the selector has no such scores.
        """
        operations = None if score is None else Scale(score, better)
        return Search(self, operations, architectures)

    def pick(self, items: Sequence[Item]) -> Item:
        """Return a random item, drawn uniformly with `rng`."""
        place = int(self.rng.integers(len(items)))
        return items[place]

    def query(self, architecture: Architecture) -> float:
        """Return the reward of an architecture; more is better.

        The first query of an architecture costs one query of the budget; repeated ones
        are free (:class:`.Queries`). Selectors call :meth:`.Search.query`, which also
        records the reward as a score.

        Raises:
            BudgetSpent: no query is left.
            ValueError: the study gives no reward, or this architecture has none.
        """
        if self.queries is None:
            raise ValueError(NO_REWARD)
        return self.queries.ask(architecture, self._reward)

    def _reward(self, architecture: Architecture) -> float:
        """Return the reward of an architecture that is queried for the first time."""
        raise NotImplementedError(f"{type(self).__name__} has no reward")

    @abstractmethod
    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """Return the weights of all operations under some decisions.

        An open edge has the activation of its alphas, by default softmax(alpha). A
        decided edge has weight one on its operation, and a dropped edge has zeros.

        Args:
            decisions: which edges are decided.
            alphas: one (edges, operations) tensor per cell type; None for the task's.
        """

    @abstractmethod
    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return new initial alphas, drawn again at each call.

        Each is 1e-3 times a standard normal number, plus the start value of the
        supernet's activation. There is one (edges, operations) tensor per cell type.
        """

    @abstractmethod
    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return the supernet's accuracy and loss over the whole validation half.

        The supernet does not change.

        Args:
            mixture: weights of the supernet's operations.
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

        It works like :meth:`tune` followed by :meth:`evaluate`, but then restores the
        supernet and the alphas. So every candidate starts from the same weights and
        sees the same batches.

        Args:
            decisions: the edges that are fixed during the tuning.
            epochs: number of epochs to train.
            learning_rate: constant learning rate of the weights.
            norm: as for :meth:`evaluate`.
            augment: as for :meth:`evaluate`.
        """

    @abstractmethod
    def minibatch(self, size: int) -> Minibatch:
        """Return a random minibatch of the training half, augmented as in training.

        Each call draws a new one. Raises ValueError if the half has fewer than `size`
        images: the run then fails, and the study continues.
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

        The supernet does not change.

        Args:
            name: name of the proxy.
            mixture: weights of the supernet's operations.
            batch: images and labels.
            norm: batch-norm mode, "running" or "batch".

        Raises Undefined (:mod:`archselect.selectors.proxies.base`) if there is no
        score; the message names the proxy, the candidate and the reason.
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

        It returns the same scores, and raises the same errors, as :meth:`proxy`. On a
        GPU, mixtures that differ on one edge only are scored in one forward if
        `without` or `fixed` of the same mixture made them.
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

        It is the mean over the images that the recipe trains on;
        :class:`.networks.output_information.OutputInformation` has the formula. The
        supernet does not change.

        Args:
            mixture: weights of the operations in the forward.
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
            name: name of the proxy.
            architecture: architecture of the network.
            batches: number of minibatches; their scores are added.
            size: images per minibatch.

        Raises Undefined like :meth:`proxy`.
        """

    @abstractmethod
    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """Return the memory of one training step under some decisions, in bytes.

        :class:`.StepMemoryCounter` counts the bytes and does not measure them, so the
        number is the same on every machine.

        Args:
            decisions: which operations are live.
            batch_size: images of the step; None for the batch size of :meth:`tune`.
        """

    @abstractmethod
    def tune(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
    ) -> None:
        """Continue to train the supernet, with decided edges fixed.

        The alphas are trained, too, if the recipe updates them.

        Args:
            decisions: the edges that are fixed.
            epochs: number of epochs to train.
            learning_rate: constant learning rate of the weights.
        """


class Selector(BaseModel, ABC):
    """Base of all selectors: fields are settings, checked when the study is read.

    `small` holds settings that make `archselect check` fast, for example fewer
    repetitions. It need not hold batches and epochs: a check uses few of them anyway.

    `needs` holds what the selector works with, from :data:`NEEDS`. A study refuses a
    selector that needs a supernet on a space without one.

    `needs_probabilities` is true for a selector that reads an edge's weights as
    probabilities. A study refuses it on a supernet whose activation gives weights that
    do not sum to one.

    `queries_pool` is true for a selector that queries only architectures of the pool.
    It then also works if only a part of the space has rewards.

    `formulation` is part of a run's id. Raise it when you change the selector's numbers
    on purpose.
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
        """Raise ValueError unless a new class's `needs` are among :data:`NEEDS`."""
        super().__pydantic_init_subclass__(**kwargs)
        if not isinstance(cls.needs, frozenset) or not cls.needs <= NEEDS:
            words = ", ".join(sorted(NEEDS))
            raise ValueError(f"{cls.__name__}.needs must be a frozenset of {words}")

    def settings(self) -> dict[str, Any]:
        """Return the settings in the form that records hold.

        A setting that names a user's file holds the name without the folder;
        :meth:`sources` holds the hash of the file's content.
        """
        return self.model_dump(mode="json")

    def sources(self) -> list[str]:
        """Return the origin of code that a setting names and archselect does not hold.

        Each entry is the hash of a user's file, or a package and its version.
        """
        return []

    @abstractmethod
    def select(self, task: Task) -> Selection:
        """Return the selected architecture, with the scores and decisions behind it."""
