"""Tasks with random instead of measured answers, to try selectors on.

A random answer costs almost nothing, is the same on every machine, and leads a selector
into every case: ties, `none` as the best everywhere, scores that are not finite. A
:class:`PartlyMeasuredTask` measures its first answers.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property, wraps
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from archselect.benchmarks.conformance.state import StateTracker
from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.benchmarks.optimisers.supernets import memory_counter
from archselect.benchmarks.runs.task import SupernetTask
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import (
    Mixture,
    Supernet,
    mixture_of,
    new_alphas,
)
from archselect.nasbench_adapters.networks.activation import SOFTMAX
from archselect.nasbench_adapters.networks.step_memory import StepMemoryCounter
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import (
    DROPPED,
    OPEN,
    Architecture,
    Decisions,
    SearchSpace,
)
from archselect.selectors.base import Evaluation, Minibatch, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.queries import Queries

MOST_QUESTIONS = 20_000
"""A limit above the questions of any selector on any space."""
BATCH = 8
"""The maximal number of images in a batch."""
QUERIES = 40
"""The budget of queries in a trial."""
TUNING_STEP = 0.3
"""Standard deviation of the normal step by which tuning moves each alpha."""
NOT_FINITE = (float("nan"), float("inf"), -float("inf"))
"""Answers that stand for a score that cannot be computed."""
REDUCED = {"epochs": 1, "batches": 1, "size": BATCH}
"""Upper limits of what is measured, by the parameter of a task's method."""

Method = TypeVar("Method", bound=Callable[..., Any])


class DrawnAnswers:
    """Random answers from a seed; the same question always has the same answer.

    Args:
        seed: seed of the answers.
        levels: number of different answers; few levels make ties.
        share_undefined: share of answers that are not finite.

    Attributes:
        undefined: number of answers that were not finite.
    """

    def __init__(self, seed: int, levels: int, share_undefined: float = 0.0) -> None:
        self.undefined = 0
        self._questions = 0
        self._levels = levels
        self._share_undefined = share_undefined
        self._salt = str(seed).encode()

    def draw(self, purpose: bytes, question: bytes) -> float:
        """Return an answer from 0 to 1, or a number that is not finite."""
        self.count_question()
        lot = zlib.crc32(self._salt + b"undefined" + purpose + question)
        if lot < self._share_undefined * 2**32:
            self.undefined += 1
            return NOT_FINITE[lot % len(NOT_FINITE)]
        drawn = zlib.crc32(self._salt + purpose + question)
        return drawn % self._levels / self._levels

    def count_question(self) -> None:
        """Count a question; raise RuntimeError if there were too many."""
        self._questions += 1
        if self._questions > MOST_QUESTIONS:
            raise RuntimeError(
                f"it asked more than {MOST_QUESTIONS} questions: it seems to loop for ever"
            )


class FakeTask(Task):
    """A task with random answers (:class:`.Task`).

    It does less than a selector asks for, so that a trial is short: batches have at
    most :data:`BATCH` images, and tuning only moves the alphas at random.

    Args:
        space: the search space.
        supernet: the supernet, which stays unchanged.
        alphas: initial alphas; :meth:`tune` moves them.
        images: images whose training half gives batches.
        seed: seed of every random stream.
        answers: source of the scores.
        watch: watch that notes decisions for operations that an edge does not have.

    Attributes:
        state: tracker of changes of the state in other ways than by tuning.
    """

    def __init__(
        self,
        space: SearchSpace,
        supernet: Supernet,
        alphas: tuple[Tensor, ...],
        images: Images,
        seed: int,
        answers: DrawnAnswers,
        watch: SelectorWatch,
    ) -> None:
        self.space = space
        self.supernet = supernet
        self.alphas = alphas
        self.activation = SOFTMAX.name
        self.images = images
        self.answers = answers
        self.queries = Queries(space, QUERIES)
        self.state = StateTracker(supernet, alphas)
        self.rng = np.random.default_rng(stream_seed("rehearsal choices", seed))
        self._watch = watch
        self._streams = {
            purpose: torch.Generator().manual_seed(
                stream_seed(f"rehearsal {purpose}", seed)
            )
            for purpose in ("alphas", "batches", "tuning")
        }

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """Return the mixture of the alphas under some decisions."""
        self._check(decisions)
        chosen = self.alphas if alphas is None else alphas
        with torch.no_grad():
            return mixture_of(self.space, chosen, decisions)

    def new_alphas(self) -> tuple[Tensor, ...]:
        """Return new initial alphas."""
        return new_alphas(self.space, self._streams["alphas"], self.images.device)

    def minibatch(self, size: int) -> Minibatch:
        """Return a random minibatch of at most :data:`BATCH` images."""
        drawn = self.images.minibatch(
            "train", min(size, BATCH), self._streams["batches"]
        )
        return Minibatch(*drawn)

    def evaluate(
        self, mixture: Mixture, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """Return a random accuracy and loss."""
        question = _bytes_of(mixture)
        accuracy = 100 * self.answers.draw(b"accuracy", question)
        loss = 3 * self.answers.draw(b"loss", question)
        return Evaluation(accuracy, loss)

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """Return a random accuracy and loss."""
        return self.evaluate(self.mixture(decisions), norm, augment)

    def proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, norm: str = "running"
    ) -> float:
        """Return a random score."""
        get_proxy(name)
        return 1000 * self.answers.draw(name.encode(), _bytes_of(mixture))

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
        """Return random output information; values that are not finite become NaN."""
        del norm, augment, skips_flat
        question = _bytes_of(mixture)
        by_cell = []
        for edges in self.space.edges:
            by_edge = []
            for edge in edges:
                place = f"{edge.cell} {edge.index} ".encode()
                values = []
                for choice in edge.choices:
                    purpose = b"information " + place + str(choice).encode()
                    drawn = 1 + self.answers.draw(purpose, question)
                    values.append(drawn if math.isfinite(drawn) else math.nan)
                by_edge.append(values)
            by_cell.append(by_edge)
        return by_cell

    def proxy_of_network(
        self, name: str, architecture: Architecture, batches: int, size: int
    ) -> float:
        """Return a random score."""
        get_proxy(name)
        purpose = b"network " + name.encode()
        return 1000 * self.answers.draw(purpose, repr(architecture).encode())

    def _reward(self, architecture: Architecture) -> float:
        """Return a random reward."""
        return 100 * self.answers.draw(b"reward", repr(architecture).encode())

    def memory(self, decisions: Decisions, batch_size: int | None = None) -> int:
        """Return the bytes of a training step, counted as on a real task."""
        self._check(decisions)
        size = BATCH if batch_size is None else batch_size
        return self._memory.count(decisions).total(size)

    @cached_property
    def _memory(self) -> StepMemoryCounter:
        """The counter of the memory of the supernet's steps."""
        return memory_counter(self.space, self.supernet.skeleton, self.images, SOFTMAX)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Move the alphas at random."""
        self._check(decisions)
        self.answers.count_question()
        self.state.compare_alphas()
        with torch.no_grad():
            for alpha in self.alphas:
                step = torch.randn(alpha.shape, generator=self._streams["tuning"])
                alpha.add_(TUNING_STEP * bool(epochs) * step.to(alpha.device))
        self.state.expect_present_alphas()

    def _check(self, decisions: Decisions) -> None:
        """Note decisions for operations that their edges do not have."""
        for cell, choices in zip(self.space.cells, decisions.choices, strict=True):
            for edge, choice in enumerate(choices):
                names = cell.operations[edge]
                if choice in (OPEN, DROPPED) or 0 <= choice < len(names):
                    continue
                self._watch.note(
                    "decisions",
                    f"it decides edge {edge} of '{cell.name}' for operation {choice}, but the edge has "
                    f"{len(names)} ({', '.join(names)})",
                )


def _measured_first(drawing: Method) -> Method:
    """Return a method that measures until enough scores are measured, and then draws.

    Args:
        drawing: method of :class:`FakeTask`; the real task has a method of this name.
    """

    @wraps(drawing)
    def answer(self: PartlyMeasuredTask, *args: Any, **kwargs: Any) -> Any:
        self.scores_left -= 1
        if self.scores_left < 0:
            return drawing(self, *args, **kwargs)
        call = inspect.signature(drawing).bind(self, *args, **kwargs)
        for name, most in REDUCED.items():
            if name in call.arguments:
                call.arguments[name] = min(call.arguments[name], most)
        if "decisions" in call.arguments:
            self._check(call.arguments["decisions"])
        measuring = getattr(self.real, drawing.__name__)
        return measuring(*call.args[1:], **call.kwargs)

    return answer  # type: ignore[return-value]


class PartlyMeasuredTask(FakeTask):
    """A task that measures its first scores and tunings; all later answers are random.

    Args:
        real: task that measures, and has the supernet, the alphas and the generator.
        seed: seed of every other random stream.
        answers: source of the random answers.
        watch: watch, as in :class:`FakeTask`.
        scores: number of measured scores.
        tunings: number of real tunings.

    Attributes:
        scores_left: number of scores still to measure; negative if none.
        tunings_left: number of real tunings still to do; negative if none.
    """

    def __init__(
        self,
        real: SupernetTask,
        seed: int,
        answers: DrawnAnswers,
        watch: SelectorWatch,
        scores: int,
        tunings: int,
    ) -> None:
        super().__init__(
            real.space, real.supernet, real.alphas, real.images, seed, answers, watch
        )
        self.rng = real.rng
        self.real = real
        self.scores_left = scores
        self.tunings_left = tunings

    evaluate = _measured_first(FakeTask.evaluate)
    evaluate_tuned = _measured_first(FakeTask.evaluate_tuned)
    proxy = _measured_first(FakeTask.proxy)
    output_information = _measured_first(FakeTask.output_information)
    proxy_of_network = _measured_first(FakeTask.proxy_of_network)

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """Tune the supernet for at most one epoch, or move the alphas at random."""
        self.tunings_left -= 1
        if self.tunings_left < 0:
            super().tune(decisions, epochs, learning_rate)
            return
        self._check(decisions)
        self.state.compare()
        self.real.tune(decisions, min(epochs, 1), learning_rate)
        self.state.expect_present()


def _bytes_of(mixture: Mixture) -> bytes:
    return b"".join(rows.detach().cpu().numpy().tobytes() for rows in mixture.weights)
