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
"""A function that returns the reward of an architecture; more is better."""


def table_reward(truth: GroundTruth, reward: TableReward, clock: PhaseClock) -> Reward:
    """Return a column of a ground truth as a reward, in per cent.

    It raises UserError for an architecture that the truth does not hold.

    Args:
        truth: of the space that is searched.
        reward: the column, and which of its trials count.
        clock: counts each query as a call of its phase "query".
    """
    column = (reward.dataset, reward.split, reward.epochs)

    def look_up(architecture: Architecture) -> float:
        with clock.phase("query"):
            mean = truth.mean(architecture, *column)  # rounded: equal means are ties
            if mean is not None and reward.trial == "mean":
                return mean
            return truth.lookup(architecture, *column).accuracies[0]

    return look_up


def supernet_reward(task: SupernetTask, reward: SupernetReward) -> Reward:
    """Return the supernet's accuracy with one operation per edge, in per cent.

    It is that on the validation images, with the supernet's present weights.
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
        space: that is searched.
        planned: the reward and the budget.
        truth: that answers; None if the supernet does.
    """
    pool = None
    if truth is not None and planned.part is not None:
        pool = find_pool(truth, planned.part, planned.inputs.counting)
    queries = Queries(space, planned.queries, planned.inputs.counting, pool)
    # A process lists a space once: no run is to pay for it in its time.
    _ = queries.listed
    return queries


def find_pool(
    truth: GroundTruth, part: TruthPart, counting: Counting
) -> tuple[Architecture, ...] | None:
    """Return the architectures that have a reward; None if all of the space have one.

    They are in the order of the table, each once. Where classes are counted, they are
    the representatives: a class whose representative has no reward is left out, however
    many of its members have one, because a query of it has no answer.

    Raises UserError if that leaves none.
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
            f"truth '{truth.name}' has no representative of a class of {space.name}, which answers "
            'for the class: set counting = "texts" in the data'
        )
    return pool
