"""The page's first screen: which selector is best, by how much, and at what cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from archselect.benchmarks.store.records import Landscape
from archselect.reports.figures.canvas import Figure
from archselect.reports.figures.pareto import search_figure
from archselect.reports.results.metrics import (
    accuracy_by_seed,
    describe_search,
    is_random_sample,
)
from archselect.reports.results.results import Group, Results
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.tables.accuracy import RANDOM_CELL
from archselect.reports.tables.marks import mark_selectors
from archselect.reports.tables.table import (
    BEST,
    NONE,
    NOT_WORSE,
    WORSE,
    Mark,
    join_words,
)
from archselect.reports.tables.words import short

MOST_RANKED = 12
"""Selectors of the small table; the table of accuracies has all."""
_VERDICTS = {BEST: "best", NOT_WORSE: "not shown to be worse", WORSE: "worse"}


@dataclass(frozen=True)
class Ranked:
    """One row of the small table, as text.

    Attributes:
        selector: its name.
        mean: of its accuracies, in per cent.
        accuracy: mean and standard deviation over its runs, in per cent.
        gap: points below the best of the space.
        seconds: mean of its searches.
        verdict: how it does beside the best selector; empty if nothing is shown.
    """

    selector: str
    mean: float
    accuracy: str
    gap: str
    seconds: str
    verdict: str


@dataclass(frozen=True)
class FirstScreen:
    """What a reader sees first.

    Attributes:
        verdict: the study's answer in plain sentences.
        where: the truth that judges, in words.
        ranking: selectors, the most accurate one first.
        left_out: how many selectors the ranking leaves out.
        figure: accuracy over the time of the search.
    """

    verdict: str
    where: str
    ranking: tuple[Ranked, ...]
    left_out: int
    figure: Figure | None


def first_screen(results: Results) -> FirstScreen | None:
    """Return the first screen of a study; None if no accuracy is known.

    It is of the first truth, and of the first search that this truth judges.
    """
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.known(landscape)]
        if judged:
            search = describe_search(judged[0])
            groups = [group for group in judged if describe_search(group) == search]
            return _screen(results, landscape, groups)
    return None


def _screen(
    results: Results, landscape: Landscape, groups: Sequence[Group]
) -> FirstScreen:
    compared = [group for group in groups if not is_random_sample(landscape, group)]
    values = {group.name: accuracy_by_seed(landscape, group) for group in compared}
    marks = mark_selectors(values)
    rows = [_ranked(landscape, group, marks) for group in groups]
    if landscape.mean is not None:
        rows.append(_random_cell(landscape))
    rows.sort(key=lambda row: -row.mean)
    return FirstScreen(
        verdict=_verdict(results, landscape, compared, marks),
        where=results.title(landscape),
        ranking=tuple(rows[:MOST_RANKED]),
        left_out=max(0, len(rows) - MOST_RANKED),
        figure=search_figure(results, landscape, groups),
    )


def _mean(landscape: Landscape, group: Group) -> float:
    return float(np.mean(group.known(landscape).means))


def _ranked(landscape: Landscape, group: Group, marks: Mapping[str, Mark]) -> Ranked:
    means = np.array(group.known(landscape).means)
    mean = float(means.mean())
    spread = f" ± {means.std(ddof=1):.2f}" if len(means) > 1 else ""
    mark = marks.get(group.name)
    return Ranked(
        selector=group.name,
        mean=mean,
        accuracy=f"{mean:.2f}{spread}",
        gap=_gap(landscape, mean),
        seconds=short(float(np.mean(group.seconds))),
        verdict=_VERDICTS[mark] if mark is not None else "",
    )


def _random_cell(landscape: Landscape) -> Ranked:
    """Return the row of the exact mean of a random cell."""
    assert landscape.mean is not None
    return Ranked(
        selector=RANDOM_CELL,
        mean=landscape.mean,
        accuracy=f"{landscape.mean:.2f}",
        gap=_gap(landscape, landscape.mean),
        seconds=NONE,
        verdict="",
    )


def _gap(landscape: Landscape, mean: float) -> str:
    best = _best(landscape)
    return NONE if best is None else f"{best - mean:.2f}"


def _best(landscape: Landscape) -> float | None:
    """Return the accuracy of the best architecture, corrected for noise if possible."""
    if landscape.optimum_corrected is not None:
        return landscape.optimum_corrected
    return landscape.optimum


def _verdict(
    results: Results,
    landscape: Landscape,
    compared: Sequence[Group],
    marks: Mapping[str, Mark],
) -> str:
    """Return who selects best on a truth, by how much, and how sure that is."""
    where = results.title(landscape)
    means = {group.name: _mean(landscape, group) for group in compared}
    if not means:
        return f"On {where}, only random cells were drawn."
    highest = max(means.values())
    names = [name for name, mean in means.items() if round(highest - mean, 9) <= 0]
    who = join_words(names)
    beside = _beside(landscape)
    if landscape.mean is not None and highest <= landscape.mean:
        return (
            f"On {where}, no selector is better than a random cell: {who} has the highest "
            f"mean, {highest:.2f} %{beside}."
        )
    seconds = _seconds(compared, names)
    select = "select" if len(names) > 1 else "selects"
    return (
        f"On {where}, {who} {select} the best cells: {highest:.2f} % on average{beside}, "
        f"in {seconds} s of search.{_how_sure(means, marks)}"
    )


def _how_sure(means: Mapping[str, float], marks: Mapping[str, Mark]) -> str:
    """Return which others are worse, and which are not shown to be, in sentences."""
    if len(means) < 2:
        return ""
    if BEST not in marks.values():
        return f" No difference is shown: that takes {LEAST_SEEDS} supernets or more."
    sentences = []
    for mark, words in ((NOT_WORSE, "Not shown to be worse"), (WORSE, "Worse")):
        names = [name for name in means if marks.get(name) == mark]
        if names:
            sentences.append(f" {words}: {join_words(names)}.")
    return "".join(sentences)


def _beside(landscape: Landscape) -> str:
    """Return what a random cell and the best one have, in words."""
    known = []
    if landscape.mean is not None:
        known.append(f"a random cell has {landscape.mean:.2f} %")
    best = _best(landscape)
    if best is not None:
        which = "one" if landscape.space_size is None else "known one"
        corrected = landscape.optimum_corrected is not None
        noise = ", corrected for noise," if corrected else ""
        known.append(f"the best {which}{noise} {best:.2f} %")
    return f" ({', '.join(known)})" if known else ""


def _seconds(groups: Sequence[Group], names: Sequence[str]) -> str:
    """Return the mean seconds of a search of the named selectors."""
    means = [float(np.mean(group.seconds)) for group in groups if group.name in names]
    return join_words([short(mean) for mean in means])
