"""A task that counts what a selection would cost, without computing anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Concatenate

import numpy as np
import torch
from torch import Tensor

from archselect.benchmarks.optimisers.supernets import memory_counter
from archselect.benchmarks.plan.parts import DataPart, SupernetReward
from archselect.benchmarks.runs.delegating_task import (
    Answer,
    Arguments,
    DelegatingTask,
)
from archselect.benchmarks.runs.supernet_counter import SupernetCounter, add_counts
from archselect.benchmarks.store.records import Counts
from archselect.nasbench_adapters.networks import Mixture, mixture_of
from archselect.nasbench_adapters.networks.step_memory import StepMemoryCounter
from archselect.nasbench_adapters.space import Architecture, Decisions
from archselect.selectors.base import Evaluation, Minibatch, Selector, Task
from archselect.selectors.queries import Queries


class RandomTask(Task):
    """A task that answers immediately with random numbers.

    Args:
        counter: counter that has the supernet and the images.
        queries: budget of queries; None if the study gives no reward.
    """

    def __init__(self, counter: SupernetCounter, queries: int | None = None) -> None:
        self.space = counter.space
        self.supernet = counter.supernet
        self.alphas = tuple(alpha.detach().clone() for alpha in counter.alphas)
        self._activation = counter.activation
        self.activation = counter.activation.name
        self.rng = np.random.default_rng(0)
        self._images = counter.images
        self._batch_size = counter.recipe.batch_size
        self._answers = np.random.default_rng(1)
        if queries is not None:
            self.queries = Queries(counter.space, queries)

    def _reward(self, architecture: Architecture) -> float:
        """Return a random reward, in per cent."""
        del architecture
        return 100 * float(self._answers.random())

    def mixture(
        self,
        decisions: Decisions,
        alphas: Sequence[Tensor] | None = None,
    ) -> Mixture:
        """Return the mixture of the alphas under some decisions."""
        weights = self.alphas if alphas is None else alphas
        return mixture_of(self.space, weights, decisions, self._activation)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return the task's alphas; they are the same in every call."""
        return self.alphas

    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return a random accuracy and loss."""
        del mixture, norm, augment
        return Evaluation(*self._answers.random(2).tolist())

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return a random accuracy and loss."""
        del epochs, learning_rate
        return self.evaluate(self.mixture(decisions), norm, augment)

    def minibatch(self, size: int) -> Minibatch:
        """Return one image repeated `size` times, in the memory of one image."""
        first = self._images.index("train")[:1]
        image, label = self._images.batch(first)
        images = image.expand(size, -1, -1, -1)
        return Minibatch(images, label.expand(size))

    def proxy(
        self,
        name: str,
        mixture: Mixture,
        batch: Minibatch,
        norm: str = "running",
    ) -> float:
        """Return a random score."""
        del name, mixture, batch, norm
        return float(self._answers.random())

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """Return a random score per mixture."""
        return [self.proxy(name, mixture, batch, norm) for mixture in mixtures]

    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """Return random output information, by cell type, edge and operation."""
        del mixture, norm, augment, skips_flat
        by_cell = []
        for edges in self.space.edges:
            numbers = [self._answers.random(len(edge.operations)) for edge in edges]
            by_cell.append([(1 + drawn).tolist() for drawn in numbers])
        return by_cell

    def proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> float:
        """Return a random score."""
        del name, architecture, batches, size
        return float(self._answers.random())

    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """Return the bytes of a training step under some decisions."""
        size = self._batch_size if batch_size is None else batch_size
        return self._memory.count(decisions).total(size)

    @cached_property
    def _memory(self) -> StepMemoryCounter:
        """The counter of the memory of the supernet's steps."""
        skeleton = self.supernet.skeleton
        return memory_counter(self.space, skeleton, self._images, self._activation)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Change the alphas at random; do not change the weights."""
        del decisions, epochs, learning_rate
        for alpha in self.alphas:
            moved = self._answers.random(tuple(alpha.shape))
            alpha.add_(torch.as_tensor(moved, dtype=alpha.dtype))


class CountingTask(DelegatingTask):
    """A task that counts what its answers would cost.

    Args:
        task: the task that answers.
        counter: counter of the task's supernet.
        reward: what queries measure on the supernet; None if rewards are looked up.

    Attributes:
        counts: the counts of all answers so far.
    """

    def __init__(
        self,
        task: Task,
        counter: SupernetCounter,
        reward: SupernetReward | None = None,
    ) -> None:
        super().__init__(task)
        self.counts = Counts()
        self._counter = counter
        self._measured = reward
        self._counters: dict[str, Callable[..., Counts]] = {
            "evaluate": counter.count_evaluation,
            "evaluate_tuned": self._count_tuned_evaluation,
            "proxy": self._count_proxy,
            "proxies": self._count_proxies,
            "proxy_of_network": counter.count_proxy_of_network,
            "output_information": self._count_information,
            "tune": self._count_tuning,
            "_reward": self._count_reward,
        }

    def _ask(
        self,
        question: Callable[Concatenate[Task, Arguments], Answer],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer:
        """Return the task's answer, and count its cost."""
        count = self._counters.get(question.__name__)
        if count is not None:
            self._add(count(*arguments, **keywords))
        return super()._ask(question, *arguments, **keywords)

    def _add(self, counts: Counts) -> None:
        self.counts = add_counts(self.counts, counts)

    def _count_tuning(self, decisions: Decisions, epochs: int, _: float) -> Counts:
        mixture = self._task.mixture(decisions)
        return self._counter.count_epochs(epochs, mixture)

    def _count_tuned_evaluation(
        self,
        decisions: Decisions,
        epochs: int,
        rate: float,
        norm: str,
        augment: bool,
    ) -> Counts:
        tuning = self._count_tuning(decisions, epochs, rate)
        mixture = self._task.mixture(decisions)
        evaluation = self._counter.count_evaluation(mixture, norm, augment)
        return add_counts(tuning, evaluation)

    def _count_information(
        self, mixture: Mixture, norm: str, augment: bool, skips_flat: bool
    ) -> Counts:
        del norm, augment, skips_flat
        return self._counter.count_pass(mixture)

    def _count_reward(self, architecture: Architecture) -> Counts:
        if self._measured is None:
            return Counts()
        mixture = self._task.mixture(Decisions.of(architecture))
        return self._counter.count_evaluation(mixture, self._measured.norm, False)

    def _count_proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, _: str
    ) -> Counts:
        return self._counter.count_proxy(name, mixture, len(batch.labels))

    def _count_proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str,
    ) -> Counts:
        counts = Counts()
        for mixture in mixtures:
            more = self._count_proxy(name, mixture, batch, norm)
            counts = add_counts(counts, more)
        return counts


def count_selection(
    selector: Selector, counter: SupernetCounter, data: DataPart
) -> Counts:
    """Return what one selection on a data set would cost.

    A query that is looked up costs nothing.
    """
    reward = data.reward if isinstance(data.reward, SupernetReward) else None
    task = CountingTask(RandomTask(counter, data.queries), counter, reward)
    selector.select(task)
    return task.counts
