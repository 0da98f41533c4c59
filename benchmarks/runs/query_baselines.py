"""Baselines of queries: what random search, and the best reward, find in a space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple, Protocol

import numpy as np

from archselect.benchmarks.plan.parts import DataPart, TruthPart
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Inputs,
    Landscape,
    QueriedPopulation,
    QueryBaseline,
    RandomQueries,
    RewardInputs,
    query_baseline_id,
    query_numbers,
)
from archselect.benchmarks.store.records.query_baseline import Counting, Drawn
from archselect.nasbench_adapters.random_best import (
    RandomBest,
    random_best,
    simulated_best,
)
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.ground_truth import (
    DECIMALS,
    GroundTruth,
    StoredAccuracies,
)
from archselect.selectors.queries import is_listed


class RewardPart(Protocol):
    """The planned reward of a run."""

    @property
    def part(self) -> TruthPart | None:
        """The column of a ground truth; None if a supernet answers."""


class QueryingJob(Protocol):
    """A planned run, as far as a baseline needs it."""

    @property
    def inputs(self) -> Inputs:
        """Everything that determines the run."""

    @property
    def data(self) -> DataPart:
        """The data of the run, with the ground truths that judge it."""

    @property
    def reward(self) -> RewardPart | None:
        """The reward of the run's queries; None if the run makes no queries."""


def write_query_baselines(
    folder: Folder,
    jobs: Iterable[QueryingJob],
    landscapes: Mapping[TruthPart, Landscape],
) -> None:
    """Write the baseline for every reward and ground truth of some runs.

    A baseline that exists is not computed again. If :func:`query_baseline` returns
    None, nothing is written.

    Args:
        folder: folder of the study.
        jobs: the runs.
        landscapes: the landscapes of the ground truths that answer queries and judge
            the runs.
    """
    open_once = cache(open_truth)
    seen: set[str] = set()
    for job in jobs:
        column = None if job.reward is None else job.reward.part
        reward = job.inputs.reward
        if column is None or reward is None:
            continue
        space = get_space(job.inputs.space)
        for part in job.data.truth:
            pair = _Pair(landscapes[column], landscapes[part], reward)
            path = folder.path(QueryBaseline, pair.id)
            if not pair.is_of(space) or pair.id in seen or path.is_file():
                continue
            seen.add(pair.id)
            baseline = query_baseline(
                ReadColumn(open_once(column.table).within(space), column),
                ReadColumn(open_once(part.table).within(space), part),
                pair.report.id,
                reward.model_copy(update={"landscape": pair.reward.id}),
            )
            if baseline is not None:
                write_fact(path, baseline, folder.root)


class _Pair(NamedTuple):
    """The landscape of a reward, and the landscape that is reported."""

    reward: Landscape
    report: Landscape
    inputs: RewardInputs

    @property
    def id(self) -> str:
        """The id of the baseline."""
        trial = self.inputs.trial or "mean"
        budget = self.inputs.queries
        return query_baseline_id(self.reward.id, trial, self.report.id, budget)

    def is_of(self, space: SearchSpace) -> bool:
        """Return whether both landscapes are of a space."""
        return self.reward.space == self.report.space == space.name


class ReadColumn(NamedTuple):
    """A column of a ground truth."""

    truth: GroundTruth
    part: TruthPart

    @property
    def key(self) -> tuple[str, str, int]:
        """Data set, split and epochs."""
        return (self.part.dataset, self.part.split, self.part.epochs)


def query_baseline(
    reward: ReadColumn, report: ReadColumn, report_id: str, inputs: RewardInputs
) -> QueryBaseline | None:
    """Return what queries of a reward find, judged by another column of the space.

    The baseline covers all architectures that have a reward (:class:`.QueryBaseline`).

    Args:
        reward: the column that answers queries.
        report: the column that judges the architectures found.
        report_id: id of that column's landscape.
        inputs: how the reward is queried, with the id of its landscape.

    Returns:
        The baseline; None if one of the two columns is predicted.
    """
    if reward.truth.predicts or report.truth.predicts:
        return None
    assert inputs.landscape is not None
    trial = inputs.trial or "mean"
    is_whole = reward.truth.holds_whole_space(*reward.key)
    space = reward.truth.space
    texts = _read_texts(reward, report, trial)
    classes = _represent(space, texts, is_whole)
    numbers = query_numbers(inputs.queries)
    populations = []
    if classes.cells:
        populations.append(_population(space, classes, "classes", numbers))
    if len(classes.cells) < len(texts.cells):
        populations.append(_population(space, texts, "texts", numbers))
    return QueryBaseline(
        id=query_baseline_id(inputs.landscape, trial, report_id, inputs.queries),
        reward=inputs.landscape,
        trial=trial,
        report=report_id,
        budget=inputs.queries,
        is_whole_space=is_whole,
        unreported=int(np.isnan(texts.reported).sum()),
        unrepresented=classes.left_out,
        queries=numbers,
        populations=populations,
    )


class _Queried(NamedTuple):
    """Architectures that have a reward.

    Attributes:
        cells: the architectures.
        rewards: reward of each.
        reported: reported accuracy of each, in per cent; NaN for none.
        chances: chance of each, or of its class, in one draw of random search, up to a
            common factor; None if unknown.
        left_out: number of classes that are left out because their representative has
            no reward.
    """

    cells: list[Architecture]
    rewards: Floats
    reported: Floats
    chances: Floats | None
    left_out: int = 0


def _read_texts(reward: ReadColumn, report: ReadColumn, trial: str) -> _Queried:
    """Return every architecture that has a reward, with its reported accuracy."""
    space = reward.truth.space
    table = reward.truth.reference
    rewards = _read_rewards(table, reward.key, trial)
    known = np.flatnonzero(~np.isnan(rewards))
    choices = table.population.choices[known]
    reports = report.truth.reference
    accuracies = dict(
        zip(
            map(bytes, reports.population.choices),
            reports.means(*report.key).tolist(),
            strict=True,
        )
    )
    reported = [accuracies.get(bytes(row), np.nan) for row in choices]
    return _Queried(
        cells=[unflatten(space, row) for row in choices],
        rewards=rewards[known],
        reported=np.array(reported),
        chances=_draw_chances(reward, choices),
    )


def _read_rewards(
    table: StoredAccuracies, key: tuple[str, str, int], trial: str
) -> Floats:
    """Return the reward of each architecture of a table; NaN for none."""
    if trial == "mean":
        return table.means(*key)
    trials = table.matrix(*key)
    first = np.argmax(~np.isnan(trials), axis=1)
    return trials[np.arange(len(trials)), first][table.population.rows]


def _draw_chances(reward: ReadColumn, choices: np.ndarray) -> Floats | None:
    """Return how likely random search draws each architecture; None if unknown.

    In a listed space, and if only a part of the space has rewards, all architectures
    are equally likely (:meth:`.Search.draw`).
    """
    space = reward.truth.space
    is_whole = reward.truth.holds_whole_space(*reward.key)
    if is_whole and not is_listed(space):
        return space.draw_probabilities(choices)
    return np.ones(len(choices))


def _represent(space: SearchSpace, texts: _Queried, is_whole: bool) -> _Queried:
    """Return the representatives of the classes of some architectures.

    A class has a reward only if its representative has one.
    """
    places = {cell: place for place, cell in enumerate(texts.cells)}
    # The classes of a whole space are listed once. For a few cells, canonical is
    # faster.
    has_list = is_whole and space.enumerable
    class_of = space.classes.__getitem__ if has_list else space.canonical
    representatives = [class_of(cell) for cell in texts.cells]
    classes = np.array([places.get(cell, -1) for cell in representatives])
    kept = np.flatnonzero(classes == np.arange(len(classes)))
    chances = texts.chances
    if is_whole and chances is not None and not is_listed(space):
        chances = np.bincount(classes, chances).astype(np.float64)
    return _Queried(
        cells=[texts.cells[place] for place in kept],
        rewards=texts.rewards[kept],
        reported=texts.reported[kept],
        chances=None if chances is None else chances[kept],
        left_out=len(set(representatives) - set(places)),
    )


def _population(
    space: SearchSpace, queried: _Queried, over: Counting, numbers: Sequence[int]
) -> QueriedPopulation:
    """Return what is found among some architectures, on average and at best."""
    best = np.flatnonzero(queried.rewards == queried.rewards.max())
    best_reported = queried.reported[best]
    is_known = not np.isnan(best_reported).any()
    shown = queried.reported[~np.isnan(queried.reported)]
    return QueriedPopulation(
        over=over,
        architectures=len(queried.cells),
        best_architecture=space.format(queried.cells[best[0]]),
        best_reward=float(queried.rewards[best[0]]),
        best_count=len(best),
        best_reported=_rounded(best_reported.mean()) if is_known else None,
        highest_reported=float(shown.max()) if len(shown) else None,
        random=list(_random_queries(queried, numbers)),
    )


def _random_queries(
    queried: _Queried, numbers: Sequence[int]
) -> Iterator[RandomQueries]:
    """Yield the averages of equally likely architectures, then of drawn ones."""
    chances = queried.chances
    is_equal = chances is not None and np.ptp(chances) <= 1e-12 * chances.max()
    equal = random_best(queried.rewards, queried.reported, numbers)
    yield _as_fact(equal, "equally likely", is_equal)
    if chances is not None and not is_equal:
        drawn = simulated_best(queried.rewards, queried.reported, numbers, chances)
        yield _as_fact(drawn, "as the space draws", is_random_search=True)


def _as_fact(random: RandomBest, drawn: Drawn, is_random_search: bool) -> RandomQueries:
    """Return averages in their stored form; unknown ones are empty lists."""
    is_reported = not np.isnan(random.reported).any()
    lists = {}
    for key, values in random.averages().items():
        is_kept = is_reported or key.startswith("reward")
        lists[key] = [_rounded(value) for value in values] if is_kept else []
    return RandomQueries(
        drawn=drawn,
        is_random_search=is_random_search,
        repetitions=random.repetitions,
        **lists,
    )


def _rounded(value: float) -> float:
    """Return a number without the digits that differ between machines."""
    return round(float(value), DECIMALS)
