"""The table of query budgets: accuracy after a number of queries, and by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.records import (
    QueriedPopulation,
    QueryBaseline,
    RandomQueries,
)
from archselect.nasbench_adapters.limits import MOST_CANDIDATES
from archselect.reports.results.query_runs import (
    QueryPlane,
    QueryRuns,
    find_query_planes,
)
from archselect.reports.results.results import Results
from archselect.reports.results.score_correlations import mean_by_seed
from archselect.reports.tables.budget_judging import (
    average,
    beside_random,
    expected_accuracy,
)
from archselect.reports.tables.marks import mark_selectors
from archselect.reports.tables.table import (
    LANDSCAPE_FIELDS,
    NONE,
    Mark,
    Row,
    Table,
    TableColumn,
    frame_columns,
    join_words,
    landscape_fields,
    make_table,
)
from archselect.reports.tables.words import describe_landscape, extent

RANDOM_SEARCH = "random-search"
"""The selector whose expected result is the row marked †."""
BEST_BY_REWARD = "best by reward of all"
_REWARD = "Reward ± std ↑"
_ACCURACY = "Accuracy ± std ↑"
_OVER_RANDOM = "Over random ↑"
_LEAK = "Leak ↓"
_FAR = 3.0
"""Most standard errors between runs of random search and its expected result."""
_LEAST_RUNS = 3
"""Fewest runs for a useful standard error."""

_COLUMNS = (
    *frame_columns(*LANDSCAPE_FIELDS, "search", "reward", "counting", "queries"),
    TableColumn(header="Queries", text=True, brief=True, heading=True),
    *frame_columns("kind"),
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("runs", "Runs", brief=True),
    TableColumn("paid", "Paid", brief=True),
    TableColumn("reward_mean", _REWARD, brief=True),
    TableColumn("reward_std"),
    TableColumn("accuracy", _ACCURACY, brief=True),
    TableColumn("accuracy_std"),
    TableColumn("accuracy_runs"),
    TableColumn("over_random", _OVER_RANDOM, brief=True),
    TableColumn("over_random_error"),
    TableColumn("leak", _LEAK, brief=True),
    TableColumn("leak_std"),
)
_CAPTION = (
    "Results after a number of queries, in per cent: mean ± sample standard deviation over the runs of a selector. "
    "Incumbent: the architecture with the highest reward among those that a run has queried so far; among equals, the "
    "first. Reward: reward of the incumbent; selectors see it. Accuracy: accuracy of the incumbent in the truth; "
    "selectors never see it. Paid: mean number of queries that cost something; a run that ends early keeps its "
    "incumbent. Over random: accuracy minus that of the row marked †, ± its standard error over the runs. Leak: the "
    "highest accuracy among the queried architectures minus the incumbent's. A report that chose by the truth would "
    "claim this much more. Random: the one with the highest reward among n different random architectures. Over "
    "texts, "
    "every architecture string is equally likely; over classes, every class of architectures that compute the same "
    "function, with one representative each. Both are exact expectations. As drawn: for a space of more than "
    f"{MOST_CANDIDATES:,} architectures, simulated with the probability that the space gives to each. †: expected "
    f"result "
    f"of random-search. {BEST_BY_REWARD.capitalize()}: the architecture with the highest reward of all; a selector "
    f"that "
    "maximises the reward without a budget ends there. Its leak is the highest accuracy of all minus its own."
)


def budget_table(results: Results) -> Table:
    """Return the table of results after several numbers of queries, by truth."""
    planes = find_query_planes(results)
    rows: list[Row] = []
    for plane in planes:
        for queries in plane.marks:
            rows += _block(plane, queries)
    return make_table(
        "budget",
        "Accuracy under a budget of queries",
        rows,
        answer=_answer(planes),
        columns=_COLUMNS,
        caption=" ".join([*results.leaks(), _CAPTION]),
        notes=[*_notes(results, planes), *results.status()],
    )


def _block(plane: QueryPlane, queries: int) -> Iterator[Row]:
    """Yield the rows for one number of queries: selectors, random, best by reward."""
    baseline = plane.baseline(queries)
    runs = [each for each in plane.runs if queries in each.numbers]
    accuracies = {
        each.name: mean_by_seed(_known_or_none(each, queries), each.seeds)
        for each in runs
    }
    marks = mark_selectors(accuracies)
    for each in runs:
        yield _selector_row(plane, each, queries, marks.get(each.name))
    if baseline is None:
        return
    for population in baseline.populations:
        for random in population.random:
            yield _random_row(plane, baseline, population, random, queries)
    yield _best_row(plane, baseline, queries)


def _known_or_none(runs: QueryRuns, queries: int) -> list[float | None]:
    """Return the reported accuracy of each run; None if it has none."""
    values = runs.at(runs.reported, queries).tolist()
    return [None if np.isnan(value) else value for value in values]


# Selectors


def _selector_row(
    plane: QueryPlane, runs: QueryRuns, queries: int, mark: Mark | None
) -> Row:
    """Return the row of a selector's runs after a number of queries."""
    reward = average(runs.at(runs.rewards, queries))
    accuracy = average(runs.at(runs.reported, queries))
    leak = average(runs.at(runs.leaks, queries))
    paid = float(np.minimum(runs.paid, queries).mean())
    beside = beside_random(plane, runs, queries)
    full: dict[str, object] = {
        **_block_fields(plane, queries),
        "kind": "selector",
        "selector": runs.name,
        "runs": len(runs.paid),
        "paid": paid,
        "reward_mean": reward.mean,
        "reward_std": reward.std,
        "accuracy": accuracy.mean,
        "accuracy_std": accuracy.std,
        "accuracy_runs": accuracy.known,
        "over_random": None if beside is None else beside.difference,
        "over_random_error": None if beside is None else beside.error,
        "leak": leak.mean,
        "leak_std": leak.std,
    }
    shown = {
        "Queries": _heading(plane, queries),
        "Selector": runs.name,
        "Runs": f"{len(runs.paid)}",
        "Paid": f"{paid:,.4g}",
        _REWARD: _in_words(reward.mean, reward.std),
        _ACCURACY: _in_words(accuracy.mean, accuracy.std),
        _OVER_RANDOM: NONE if beside is None else _in_words(*beside, sign="+"),
        _LEAK: _in_words(leak.mean),
    }
    return Row(full, shown, {} if mark is None else {_ACCURACY: mark})


def _block_fields(plane: QueryPlane, queries: int) -> dict[str, object]:
    return {
        **landscape_fields(plane.landscape),
        "search": plane.search,
        "reward": plane.reward_title,
        "counting": plane.reward.counting,
        "queries": queries,
    }


def _heading(plane: QueryPlane, queries: int) -> str:
    return f"{plane.title}: {queries:,} {'query' if queries == 1 else 'queries'}"


def _in_words(mean: float | None, spread: float | None = None, sign: str = "") -> str:
    """Return a number with two decimals, and "± spread" if it is given."""
    if mean is None:
        return NONE
    text = f"{mean:{sign}.2f}"
    return text if spread is None else f"{text} ± {spread:.2f}"


# Baselines


def random_name(population: QueriedPopulation, random: RandomQueries) -> str:
    """Return the name of a row of random architectures."""
    if random.repetitions:
        return f"random {population.over} as drawn ({random.repetitions:,} simulated)"
    return f"random {population.over} (exact)"


def _random_row(
    plane: QueryPlane,
    baseline: QueryBaseline,
    population: QueriedPopulation,
    random: RandomQueries,
    queries: int,
) -> Row:
    """Return the row of the expected result of random architectures."""
    place = baseline.queries.index(queries)
    accuracy = random.reported[place] if random.reported else None
    leak = random.highest[place] - accuracy if accuracy is not None else None
    name = random_name(population, random)
    is_reference = random is plane.random_search(baseline)
    paid = min(queries, population.architectures)
    full: dict[str, object] = {
        **_block_fields(plane, queries),
        "kind": "random",
        "selector": name,
        "paid": paid,
        "reward_mean": random.rewards[place],
        "accuracy": accuracy,
        "leak": leak,
    }
    shown = {
        "Queries": _heading(plane, queries),
        "Selector": f"{name} †" if is_reference else name,
        "Runs": NONE,
        "Paid": f"{paid:,}",
        _REWARD: _in_words(random.rewards[place]),
        _ACCURACY: _in_words(accuracy),
        _OVER_RANDOM: NONE,
        _LEAK: _in_words(leak),
    }
    return Row(full, shown)


def _best_row(plane: QueryPlane, baseline: QueryBaseline, queries: int) -> Row:
    """Return the row of the architecture with the highest reward of all."""
    best = plane.population(baseline)
    leak = None
    if best.best_reported is not None and best.highest_reported is not None:
        leak = best.highest_reported - best.best_reported
    full: dict[str, object] = {
        **_block_fields(plane, queries),
        "kind": "best",
        "selector": BEST_BY_REWARD,
        "paid": best.architectures,
        "reward_mean": best.best_reward,
        "accuracy": best.best_reported,
        "leak": leak,
    }
    shown = {
        "Queries": _heading(plane, queries),
        "Selector": BEST_BY_REWARD,
        "Runs": NONE,
        "Paid": f"{best.architectures:,}",
        _REWARD: _in_words(best.best_reward),
        _ACCURACY: _in_words(best.best_reported),
        _OVER_RANDOM: NONE,
        _LEAK: _in_words(leak),
    }
    return Row(full, shown)


# The answer


class Lead(NamedTuple):
    """The best selectors on a plane at the end of the budget.

    Attributes:
        plane: plane of the selectors.
        names: selectors with the highest mean accuracy; empty if none is known.
        accuracy: that mean, in per cent.
    """

    plane: QueryPlane
    names: tuple[str, ...]
    accuracy: float

    @property
    def queries(self) -> int:
        """The budget."""
        return self.plane.marks[-1]


def _lead(plane: QueryPlane) -> Lead:
    """Return the best selectors on a plane at the end of the budget."""
    queries = plane.marks[-1]
    means = {}
    for runs in plane.runs:
        if queries in runs.numbers:
            mean = average(runs.at(runs.reported, queries)).mean
            if mean is not None:
                means[_name_within(plane, runs)] = round(mean, 9)
    highest = max(means.values(), default=0.0)
    names = [name for name, mean in means.items() if mean == highest]
    return Lead(plane, tuple(names), highest)


def _name_within(plane: QueryPlane, runs: QueryRuns) -> str:
    """Return the shortest name of a selector that is unique on its plane."""
    labels = [each.group.label for each in plane.runs]
    label = runs.group.label
    return label if labels.count(label) == 1 else runs.name


def _answer(planes: Sequence[QueryPlane]) -> str:
    """Return sentences on every plane's best selectors at the end of the budget."""
    if not planes:
        return "No run of this study queries a reward."
    leads = [_lead(plane) for plane in planes]
    if len(leads) == 1:
        return _answer_of_one(leads[0])
    counts = Counter(chain.from_iterable(lead.names for lead in leads))
    most = max(counts.values(), default=0)
    names = [name for name, count in counts.items() if count == most]
    sentences = []
    if most:
        verb = "has" if len(names) == 1 else "have"
        sentences.append(
            f"At the end of the budget, {join_words(names)} {verb} the highest mean accuracy in {most} of "
            f"{len(leads)} cases."
        )
    return " ".join([*sentences, *map(_answer_of_several, leads)])


def _answer_of_one(lead: Lead) -> str:
    """Return a sentence on the best selectors of the only plane."""
    title = lead.plane.title
    if not lead.names:
        return f"On {title}, no accuracy of an incumbent is known after {lead.queries:,} queries."
    verb = "has" if len(lead.names) == 1 else "have"
    return (
        f"On {title}, after {lead.queries:,} queries of {lead.plane.reward_title}, "
        f"{join_words(lead.names)} {verb} the highest mean accuracy, {lead.accuracy:.2f}"
        f"{_beside_highest(lead.plane, lead.queries)}."
    )


def _answer_of_several(lead: Lead) -> str:
    """Return the best selectors of one of several planes, and random search there."""
    if not lead.names:
        return f"{lead.plane.title}: no accuracy of an incumbent is known."
    expected = expected_accuracy(lead.plane, lead.queries)
    random = "" if expected is None else f" (random search: {expected:.2f})"
    names = join_words(lead.names)
    return f"{lead.plane.title}: {names}, {lead.accuracy:.2f}{random}."


def _beside_highest(plane: QueryPlane, queries: int) -> str:
    """Return the accuracy of random search and of the best by reward, if known."""
    expected = expected_accuracy(plane, queries)
    baseline = plane.baseline(queries)
    if baseline is None or expected is None:
        return ""
    best = plane.population(baseline).best_reported
    return f"; random search has {expected:.2f} on average, and the best by reward of all {_in_words(best)}"


# Notes


def _notes(results: Results, planes: Sequence[QueryPlane]) -> list[str]:
    """Return the notes under the table, each once."""
    notes: list[str] = []
    for plane in planes:
        notes += _baseline_notes(plane)
        for runs in plane.runs:
            notes += _missing_notes(plane, runs)
            notes += _sample_notes(plane, runs)
    for plane in planes:
        notes.append(describe_landscape(results, plane.landscape))
    return list(dict.fromkeys(notes))


def _baseline_notes(plane: QueryPlane) -> Iterator[str]:
    """Yield notes on the reward and on the random rows, or why there are none."""
    paid = (
        "each architecture string"
        if plane.reward.counting == "texts"
        else "each class of architectures that compute the same function"
    )
    yield f"{plane.title}: the reward is {plane.reward_title}; {paid} costs one query."
    if not plane.baselines:
        yield f"{plane.title}: there are no random rows, because {_why_none(plane)}."
        return
    baseline = plane.baselines[0]
    parts = [
        f"{population.architectures:,} {population.over}"
        for population in baseline.populations
    ]
    where = "the whole space"
    if not baseline.is_whole_space:
        where = "the part of the space that has a reward; random-search draws from the same part"
    yield f"{plane.title}: the random rows are over {join_words(parts)}, {where}."
    if baseline.unrepresented and plane.reward.counting == "classes":
        classes = "class" if baseline.unrepresented == 1 else "classes"
        yield (
            f"{plane.title}: {baseline.unrepresented:,} {classes} cannot be queried and are left out, because the "
            "representative of the class has no reward."
        )
    equal = plane.population(baseline)
    if equal.best_count > 1:
        yield (
            f"{plane.title}: {equal.best_count} architectures share the highest reward; the row shows their mean "
            f"accuracy."
        )
    if baseline.unreported:
        yield (
            f"{plane.title}: {baseline.unreported:,} architectures have a reward but no accuracy, so the accuracy of "
            f"random "
            "architectures is not known."
        )
    expected = plane.random_search(baseline)
    if expected is not None and not expected.is_random_search:
        yield (
            f"{plane.title}: the probabilities with which random-search draws architectures are not known; † takes "
            f"all as "
            "equally likely."
        )


def _why_none(plane: QueryPlane) -> str:
    """Return why the expected result of random queries is not known."""
    if plane.reward.source == "supernet":
        return "a supernet answers the queries"
    if plane.reward.source == "training":
        return "each query trains a network"
    landscape = plane.landscape
    if landscape.surrogate:
        return "a surrogate predicts the accuracies"
    if not landscape.architectures:
        return "only the selected architectures were trained"
    return f"none were stored for {extent(landscape)}: run the study's command again"


def _missing_notes(plane: QueryPlane, runs: QueryRuns) -> Iterator[str]:
    """Yield notes on incumbents without an accuracy and on runs that ended early.

    A run without a query has no incumbent.
    """
    if runs.without_query:
        every = len(runs.paid) + runs.without_query
        yield (
            f"{plane.title}: {runs.without_query} of {every} runs of {runs.name} made no query; no number here "
            f"includes "
            "them."
        )
    counts = {
        queries: average(runs.at(runs.reported, queries)).known
        for queries in runs.marks
    }
    unknown = [queries for queries, count in counts.items() if count < len(runs.paid)]
    if unknown:
        fewest = min(counts.values())
        marks = join_words([f"{queries:,}" for queries in unknown])
        yield (
            f"{plane.title}: the truth lacks the accuracy of some incumbents of {runs.name} after {marks} queries "
            f"(at least "
            f"{fewest} of {len(runs.paid)} runs have one); no mean accuracy includes those without."
        )
    ended = int((runs.paid < runs.budget).sum())
    if ended:
        yield (
            f"{plane.title}: {ended} of {len(runs.paid)} runs of {runs.name} ended before they had paid for "
            f"{runs.budget:,} queries; they keep their last incumbent."
        )


def _sample_notes(plane: QueryPlane, runs: QueryRuns) -> Iterator[str]:
    """Yield the distance between runs of random search and its expected result."""
    if runs.group.inputs.selector.name != RANDOM_SEARCH or len(runs.paid) < _LEAST_RUNS:
        return
    distances = []
    for queries in runs.marks:
        beside = beside_random(plane, runs, queries)
        if beside is not None and beside.error:
            distances.append(abs(beside.difference) / beside.error)
    if not distances:
        return
    farthest = max(distances)
    verdict = (
        "as expected of random search"
        if farthest <= _FAR
        else "too far to be plain random search"
    )
    yield (
        f"{plane.title}: {runs.name} is within {farthest:.1f} standard errors of the row marked †, {verdict}."
    )


BUDGET_WORDS = {
    "query": "A request for the reward of one architecture. To repeat a query is free.",
    "incumbent": "The architecture with the highest reward among those that a run has queried so far; among equals, "
    "the first.",
    "reward": "The answer to a query, such as an accuracy on validation images. Selectors see no other number.",
    "leak": "How much too high a report is if it chooses by the same numbers that it reports.",
}
"""The table's entries in the glossary."""
