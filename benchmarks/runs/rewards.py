"""What answers the queries of a run: a column of a ground truth, or its supernet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archselect.benchmarks.plan.parts import SupernetReward, TableReward, TruthPart
from archselect.benchmarks.plan.rewards import PlannedReward
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, Decisions, SearchSpace
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth
from archselect.selectors.queries import Counting, Queries

Reward = Callable[[Architecture], float]
"""A function that returns the reward of an architecture; higher is better."""


def table_reward(truth: GroundTruth, reward: TableReward, clock: PhaseClock) -> Reward:
    """Return a column of a ground truth as a reward, in per cent.

    The reward raises UserError for an architecture that the truth lacks.

    Args:
        truth: ground truth of the searched space.
        reward: the column, and which of its trials to use.
        clock: clock that counts each query as a call of phase "query".
    """
    column = (reward.dataset, reward.split, reward.epochs)

    def look_up(architecture: Architecture) -> float:
        with clock.phase("query"):
            mean = truth.mean(architecture, *column)  # rounded, so that equal means tie
            if mean is not None and reward.trial == "mean":
                return mean
            return truth.lookup(architecture, *column).accuracies[0]

    return look_up


def supernet_reward(task: SupernetTask, reward: SupernetReward) -> Reward:
    """Return the supernet's accuracy with one operation per edge, in per cent.

    It is measured on the validation images, with the supernet's current weights.
    """

    def evaluate(architecture: Architecture) -> float:
        with task.clock.phase("query"):
            mixture = task.mixture(Decisions.of(architecture))
            return task.evaluate(mixture, reward.norm).accuracy

    return evaluate


def new_queries(
    space: SearchSpace, planned: PlannedReward, truth: GroundTruth | None
) -> Queries:
    """Return the account of the queries of one run.

    Args:
        space: the searched space.
        planned: the reward and the budget.
        truth: ground truth that answers; None if the supernet answers.
    """
    pool = None
    if truth is not None and planned.part is not None:
        pool = find_pool(truth, planned.part, planned.inputs.counting)
    queries = Queries(space, planned.queries, planned.inputs.counting, pool)
    # A process lists a space only once: do not count that time in a run.
    _ = queries.listed
    return queries


def find_pool(
    truth: GroundTruth, part: TruthPart, counting: Counting
) -> tuple[Architecture, ...] | None:
    """Return the architectures that have a reward; None if the whole space has one.

    Each occurs once, in the order of the table. If classes are counted, these are the
    representatives of classes. A class whose representative has no reward is left out,
    even if other members have one, because a query of the class has no answer.

    Raises UserError if no architecture is left.
    """
    column = (part.dataset, part.split, part.epochs)
    if truth.predicts or truth.holds_whole_space(*column):
        return None
    space = truth.space
    known = np.isfinite(truth.reference.means(*column))
    rows = truth.reference.population.choices[known]
    stored = dict.fromkeys(unflatten(space, choices) for choices in rows)
    if counting == "texts":
        return tuple(stored)
    asked_for = dict.fromkeys(space.canonical(architecture) for architecture in stored)
    pool = tuple(architecture for architecture in asked_for if architecture in stored)
    if not pool:
        raise UserError(
            f"truth '{truth.name}' has no reward for a representative of a class of {space.name}, "
            'so no query has an answer: set counting = "texts" in the data'
        )
    return pool
