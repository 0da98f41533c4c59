"""Results of runs after numbers of queries, for the table of budgets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.records import (
    Accuracy,
    Landscape,
    QueriedPopulation,
    QueryBaseline,
    RandomQueries,
    Record,
    RewardInputs,
    TrainedInputs,
    query_baseline_id,
    query_marks,
    query_numbers,
)
from archselect.nasbench_adapters.random_best import incumbents
from archselect.nasbench_adapters.rank_correlations import Floats, Ints
from archselect.reports.results.metrics import describe_search
from archselect.reports.results.results import Group, Results


@dataclass(frozen=True)
class QueryRuns:
    """The runs of one selector, by number of queries.

    The incumbent of a run is the architecture with the highest reward among those that
    it has queried; among equals, the first. A run that ends early keeps its last
    incumbent.

    Attributes:
        group: runs of the selector.
        numbers: numbers of queries, ascending; the last one is the budget.
        seeds: supernet seed of each run.
        paid: number of paid queries of each run, shape (runs,).
        rewards: reward of the incumbent, shape (runs, numbers).
        reported: reported accuracy of the incumbent in per cent, shape (runs, numbers);
            NaN if the truth has none.
        highest: highest reported accuracy of all queried architectures in per cent,
            shape (runs, numbers); NaN if the truth has none.
        without_query: number of further runs that made no query.
    """

    group: Group
    numbers: tuple[int, ...]
    seeds: tuple[int, ...]
    paid: Ints
    rewards: Floats
    reported: Floats
    highest: Floats
    without_query: int

    @property
    def name(self) -> str:
        """The name of the selector."""
        return self.group.name

    @property
    def budget(self) -> int:
        """The budget of queries of a run."""
        return self.numbers[-1]

    @property
    def marks(self) -> list[int]:
        """The numbers of queries that the table shows."""
        return query_marks(self.budget)

    @property
    def leaks(self) -> Floats:
        """Highest reported accuracy minus the incumbent's, shape (runs, numbers)."""
        return self.highest - self.reported

    def at(self, values: Floats, queries: int) -> Floats:
        """Return the values of all runs after a number of queries, shape (runs,).

        Args:
            values: one of this object's arrays, shape (runs, numbers).
            queries: one of the `numbers`.
        """
        return values[:, self.numbers.index(queries)]


@dataclass(frozen=True)
class QueryPlane:
    """The selectors that query one reward and are judged by one truth.

    Attributes:
        landscape: landscape of the truth.
        search: space and images of the search, as text.
        title: title, unique among the planes of a study.
        reward: inputs of the reward, with the largest budget.
        reward_title: description of the reward.
        runs: runs of each selector, in the order of the study.
        baselines: results of random queries, by budget; empty if they are not known.
    """

    landscape: Landscape
    search: str
    title: str
    reward: RewardInputs
    reward_title: str
    runs: tuple[QueryRuns, ...]
    baselines: tuple[QueryBaseline, ...]

    @cached_property
    def marks(self) -> list[int]:
        """The numbers of queries that the table shows for any selector."""
        marks: set[int] = set()
        for runs in self.runs:
            marks |= set(runs.marks)
        return sorted(marks)

    def baseline(self, queries: int) -> QueryBaseline | None:
        """Return a baseline with a result for a number of queries; None if none has."""
        for baseline in self.baselines:
            if queries in baseline.queries:
                return baseline
        return None

    def population(self, baseline: QueryBaseline) -> QueriedPopulation:
        """Return the population in which each architecture costs one query."""
        return baseline.population(self.reward.counting)

    def random_search(self, baseline: QueryBaseline) -> RandomQueries | None:
        """Return the expected results of the selector `random-search`.

        If the space does not give the probabilities of its draws, all architectures
        count as equally likely.
        """
        population = self.population(baseline)
        return population.random_search() or population.equally_likely()


def find_query_planes(results: Results) -> list[QueryPlane]:
    """Return a plane per truth, search and queried reward."""
    planes = []
    for landscape in results.landscapes:
        queried = list(_queried_runs(results, landscape))
        keys = dict.fromkeys(_key(runs.group) for runs in queried)
        for key in keys:
            of_key = [runs for runs in queried if _key(runs.group) == key]
            title = _title(results, landscape, key, list(keys))
            planes.append(_plane(results, landscape, of_key, title))
    return planes


def _queried_runs(results: Results, landscape: Landscape) -> Iterator[QueryRuns]:
    """Yield the runs with queries of every selector that a truth judges."""
    for group in results.groups:
        judged = group.judged(landscape)
        reward = group.inputs.reward
        if reward is None:
            continue
        pairs = [
            (record, accuracy)
            for record, accuracy in zip(judged.records, judged.accuracies, strict=True)
            if len(record.selected.architecture_scores)
        ]
        if pairs:
            yield _query_runs(group, reward, pairs, len(judged) - len(pairs))


def _query_runs(
    group: Group,
    reward: RewardInputs,
    pairs: Sequence[tuple[Record, Accuracy]],
    without_query: int,
) -> QueryRuns:
    numbers = query_numbers(reward.queries)
    shape = (len(pairs), len(numbers))
    rewards = np.empty(shape)
    reported = np.empty(shape)
    highest = np.empty(shape)
    paid = np.empty(len(pairs), dtype=np.int64)
    for run, (record, accuracy) in enumerate(pairs):
        answers = record.selected.architecture_scores.column("value")
        accuracies = _reported(accuracy, len(answers))
        paid[run] = len(answers)
        ends = np.minimum(numbers, len(answers)) - 1
        places = incumbents(answers)[ends]
        rewards[run] = answers[places]
        reported[run] = accuracies[places]
        highest[run] = np.fmax.accumulate(accuracies)[ends]
    return QueryRuns(
        group=group,
        numbers=tuple(numbers),
        seeds=tuple(record.inputs.supernet_seed for record, _ in pairs),
        paid=paid,
        rewards=rewards,
        reported=reported,
        highest=highest,
        without_query=without_query,
    )


def _reported(accuracy: Accuracy, queries: int) -> Floats:
    """Return the reported accuracy of every query; NaN if there is none."""
    if not accuracy.scored:
        return np.full(queries, np.nan)
    return np.array(accuracy.scored, dtype=np.float64)


class _Key(NamedTuple):
    """The common inputs of the groups of a plane.

    Attributes:
        search: space and images of the search, as text.
        data: name of the images.
        reward: inputs of the reward, without its budget.
    """

    search: str
    data: str
    reward: RewardInputs


def _key(group: Group) -> _Key:
    """Return the key of a group's plane."""
    of_any_budget = {"queries": 1, "is_reported": False}
    reward = _reward_of(group).model_copy(update=of_any_budget)
    return _Key(describe_search(group), group.inputs.data.name, reward)


def _title(
    results: Results, landscape: Landscape, key: _Key, keys: Sequence[_Key]
) -> str:
    """Return a unique title: the landscape's, with images and reward if necessary."""
    title = results.title(landscape)
    if len({other.search for other in keys}) > 1:
        title = f"{title}, searched on {key.data}"
    if len({other.reward for other in keys}) > 1:
        title = f"{title}, chosen by {_describe_reward(results, key.reward)}"
    return title


def _plane(
    results: Results, landscape: Landscape, runs: Sequence[QueryRuns], title: str
) -> QueryPlane:
    first = runs[0].group
    budgets = sorted({each.budget for each in runs}, reverse=True)
    reward = _reward_of(first).model_copy(update={"queries": budgets[0]})
    return QueryPlane(
        landscape=landscape,
        search=describe_search(first),
        title=title,
        reward=reward,
        reward_title=_describe_reward(results, reward),
        runs=tuple(runs),
        baselines=tuple(_baselines(results, landscape, reward, budgets)),
    )


def _reward_of(group: Group) -> RewardInputs:
    reward = group.inputs.reward
    assert reward is not None
    return reward


def _describe_reward(results: Results, reward: RewardInputs) -> str:
    """Return a description of a reward."""
    if reward.source == "supernet":
        title = f"the supernet's validation accuracy ({reward.norm} statistics)"
    elif reward.training is not None:
        title = _describe_training(reward.training)
    else:
        titles = {
            landscape.id: results.title(landscape) for landscape in results.landscapes
        }
        title = titles.get(reward.landscape or "", "a ground truth")
        if reward.trial == "first":
            title = f"the first trial of {title}"
    if reward.counting == "texts":
        title = f"{title} (counting architecture strings)"
    return title


def _describe_training(training: TrainedInputs) -> str:
    """Return a description of a reward that trains the queried networks."""
    sharing = {
        "none": "from scratch",
        "free": "with weights shared freely",
        "homogeneous": "with weights shared by homogeneous layers",
    }[training.sharing]
    return f"validation accuracy on {training.graph}, trained {sharing} for {training.epochs} epochs"


def _baselines(
    results: Results,
    landscape: Landscape,
    reward: RewardInputs,
    budgets: Sequence[int],
) -> Iterator[QueryBaseline]:
    """Yield the known baselines of a reward and a truth, one per budget."""
    if reward.landscape is None:
        return
    known = {baseline.id: baseline for baseline in results.baselines}
    for budget in budgets:
        trial = reward.trial or "mean"
        id = query_baseline_id(reward.landscape, trial, landscape.id, budget)
        if id in known:
            yield known[id]
