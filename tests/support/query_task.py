"""A task without a supernet, whose reward is a function of the architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from archselect.benchmarks.runs.supernet_free_task import SupernetFreeTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth
from archselect.selectors.queries import Counting, Queries


def query_task(
    space: SearchSpace,
    reward: Callable[[Architecture], float],
    budget: int,
    *,
    seed: int = 0,
    counting: Counting = "classes",
    pool: Sequence[Architecture] | None = None,
) -> SupernetFreeTask:
    """Return a task that answers queries and nothing else."""
    queries = Queries(space, budget, counting, pool)
    rng = np.random.default_rng(seed)
    clock = PhaseClock(torch.device("cpu"))
    task = SupernetFreeTask(space, rng, clock)
    task.answer_queries(queries, reward)
    return task


def reward_of_table(
    truth: GroundTruth, dataset: str, split: str, epochs: int
) -> Callable[[Architecture], float]:
    """Return a column of a ground truth as a reward: the mean of trials."""

    def reward(architecture: Architecture) -> float:
        mean = truth.mean(architecture, dataset, split, epochs)
        assert mean is not None
        return mean

    return reward
