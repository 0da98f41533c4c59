"""The base of tasks that wrap another task and add something to its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from torch import Tensor

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import Architecture, Decisions
from archselect.selectors.base import Evaluation, Minibatch, Task

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")


class DelegatingTask(Task):
    """A task whose questions another task answers.

    All questions go through :meth:`_ask`, the one method that a derived class
    overrides. It gets every argument by position, defaults included.

    Args:
        task: answers the questions; space, supernet, alphas and the rest are its own.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.space = task.space
        if hasattr(task, "supernet"):  # a run can do without one
            self.supernet = task.supernet
        self.alphas = task.alphas
        self.activation = task.activation
        self.rng = task.rng
        self.queries = task.queries

    def _ask(
        self,
        question: Callable[Concatenate[Task, Arguments], Answer],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> Answer:
        """Return the other task's answer to a question, a method of :class:`.Task`."""
        method: Callable[Arguments, Answer] = getattr(self._task, question.__name__)
        return method(*arguments, **keywords)

    def mixture(
        self,
        decisions: Decisions,
        alphas: Sequence[Tensor] | None = None,
    ) -> Mixture:
        """See :meth:`.Task.mixture`."""
        return self._ask(Task.mixture, decisions, alphas)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """See :meth:`.Task.new_alphas`."""
        return self._ask(Task.new_alphas)

    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`."""
        return self._ask(Task.evaluate, mixture, norm, augment)

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""
        return self._ask(
            Task.evaluate_tuned,
            decisions,
            epochs,
            learning_rate,
            norm,
            augment,
        )

    def minibatch(self, size: int) -> Minibatch:
        """See :meth:`.Task.minibatch`."""
        return self._ask(Task.minibatch, size)

    def proxy(
        self,
        name: str,
        mixture: Mixture,
        batch: Minibatch,
        norm: str = "running",
    ) -> float:
        """See :meth:`.Task.proxy`."""
        return self._ask(Task.proxy, name, mixture, batch, norm)

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """See :meth:`.Task.proxies`."""
        return self._ask(Task.proxies, name, mixtures, batch, norm)

    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """See :meth:`.Task.output_information`."""
        return self._ask(Task.output_information, mixture, norm, augment, skips_flat)

    def proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> float:
        """See :meth:`.Task.proxy_of_network`."""
        return self._ask(Task.proxy_of_network, name, architecture, batches, size)

    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """See :meth:`.Task.memory`."""
        return self._ask(Task.memory, decisions, batch_size)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`."""
        self._ask(Task.tune, decisions, epochs, learning_rate)

    def _reward(self, architecture: Architecture) -> float:
        """See :meth:`.Task._reward`."""
        return self._ask(Task._reward, architecture)
