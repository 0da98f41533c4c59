"""The task of a run without a supernet, which answers only queries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Concatenate, NoReturn

import numpy as np
import torch

from archselect.benchmarks.runs.delegating_task import (
    Answer,
    Arguments,
    DelegatingTask,
)
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.base import Task
from archselect.selectors.queries import Queries


class SupernetFreeTask(DelegatingTask):
    """A task whose only questions are queries of architectures.

    Args:
        space: the search space.
        rng: random generator for choices.
        clock: clock that times the phases.
    """

    def __init__(
        self, space: SearchSpace, rng: np.random.Generator, clock: PhaseClock
    ) -> None:
        self.space = space
        self.rng = rng
        self.alphas = ()
        self.clock = clock
        self.networks = 0
        self.streams: dict[str, torch.Generator] = {}

    def answer_queries(
        self, queries: Queries, reward: Callable[[Architecture], float]
    ) -> None:
        """Answer queries with a reward, like :meth:`.SupernetTask.answer_queries`."""
        self.queries = queries
        self._measure_reward = reward

    def _ask(
        self,
        question: Callable[Concatenate[Task, Arguments], Answer],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> NoReturn:
        """Raise ValueError, because there is no supernet that could answer."""
        del arguments, keywords
        raise ValueError(
            f"the run has no supernet, so task.{question.__name__} has no answer: "
            'declare needs = {"supernet"}, or select by search.query'
        )

    def _reward(self, architecture: Architecture) -> float:
        """Return the reward of an architecture."""
        return self._measure_reward(architecture)
