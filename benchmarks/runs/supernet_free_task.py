"""The task of a run without a supernet: it answers queries, and nothing else."""

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
        space: of the architectures.
        rng: for choices.
        clock: takes the times.
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
        """Answer queries from now on; see :meth:`.SupernetTask.answer_queries`."""
        self.queries = queries
        self._measure_reward = reward

    def _ask(
        self,
        question: Callable[Concatenate[Task, Arguments], Answer],
        *arguments: Arguments.args,
        **keywords: Arguments.kwargs,
    ) -> NoReturn:
        """Raise ValueError: there is no supernet to ask."""
        del arguments, keywords
        raise ValueError(
            f"the run has no supernet, so task.{question.__name__} has no answer: "
            'declare needs = {"supernet"}, or select by search.query'
        )

    def _reward(self, architecture: Architecture) -> float:
        """See :meth:`.Task._reward`."""
        return self._measure_reward(architecture)
