"""The base class of tasks that wrap another task and add to its answers."""

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
    """A task that passes its questions on to another task.

    All questions go through :meth:`_ask`, the only method that a derived class
    overrides. It gets every argument by position, including defaults.

    Args:
        task: the task that answers. The attributes (space, supernet, alphas, …) are
            its.
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
        """Return the wrapped task's answer to a question, which is a method of Task."""
        method: Callable[Arguments, Answer] = getattr(self._task, question.__name__)
        return method(*arguments, **keywords)

    def mixture(
        self,
        decisions: Decisions,
        alphas: Sequence[Tensor] | None = None,
    ) -> Mixture:
        """Return the mixture of the alphas under some decisions."""
        return self._ask(Task.mixture, decisions, alphas)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return new initial alphas."""
        return self._ask(Task.new_alphas)

    def evaluate(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return the accuracy and loss of a mixture on the validation images."""
        return self._ask(Task.evaluate, mixture, norm, augment)

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return the evaluation after tuning; undo the tuning."""
        return self._ask(
            Task.evaluate_tuned,
            decisions,
            epochs,
            learning_rate,
            norm,
            augment,
        )

    def minibatch(self, size: int) -> Minibatch:
        """Return a random minibatch of training images."""
        return self._ask(Task.minibatch, size)

    def proxy(
        self,
        name: str,
        mixture: Mixture,
        batch: Minibatch,
        norm: str = "running",
    ) -> float:
        """Return a proxy's score of the supernet under a mixture."""
        return self._ask(Task.proxy, name, mixture, batch, norm)

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """Return a proxy's score of the supernet under each mixture."""
        return self._ask(Task.proxies, name, mixtures, batch, norm)

    def output_information(
        self,
        mixture: Mixture,
        norm: str = "running",
        augment: bool = False,
        skips_flat: bool = False,
    ) -> list[list[list[float]]]:
        """Return the output information by cell type, edge and operation."""
        return self._ask(Task.output_information, mixture, norm, augment, skips_flat)

    def proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> float:
        """Return a proxy's score of the stand-alone network of an architecture."""
        return self._ask(Task.proxy_of_network, name, architecture, batches, size)

    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """Return the bytes of a training step under some decisions."""
        return self._ask(Task.memory, decisions, batch_size)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Train the supernet for some epochs under some decisions."""
        self._ask(Task.tune, decisions, epochs, learning_rate)

    def _reward(self, architecture: Architecture) -> float:
        """Return the reward of an architecture."""
        return self._ask(Task._reward, architecture)
