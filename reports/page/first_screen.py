"""The top of the page: which selector is best, by how much, and at what cost."""

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
"""Most rows of the small table; the table of accuracies shows all selectors."""
_VERDICTS = {BEST: "best", NOT_WORSE: "not shown to be worse", WORSE: "worse"}


@dataclass(frozen=True)
class Ranked:
    """A row of the small table, as text.

    Attributes:
        selector: name of the selector.
            mean: mean accuracy, in per cent.
            accuracy: mean and standard deviation over the runs, in per cent.
            gap: percentage points below the best architecture.
            seconds: mean duration of a search.
            verdict: comparison with the best selector; empty if no difference is shown.
    """

    selector: str
    mean: float
    accuracy: str
    gap: str
    seconds: str
    verdict: str


@dataclass(frozen=True)
class FirstScreen:
    """The content of the top of the page.

    Attributes:
        verdict: the study's answer in plain sentences.
        where: title of the truth that the accuracies come from.
            ranking: selectors, from the most accurate to the least.
            left_out: number of selectors that the ranking leaves out.
            figure: accuracy against search time.
    """

    verdict: str
    where: str
    ranking: tuple[Ranked, ...]
    left_out: int
    figure: Figure | None


def first_screen(results: Results) -> FirstScreen | None:
    """Return the top of the page; None if no accuracy is known.

    It uses the first truth with accuracies, and the first search that has some there.
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
    """Return the row of a random cell, with its exact expected accuracy."""
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
    """Return the best architecture's accuracy, corrected for noise where possible."""
    if landscape.optimum_corrected is not None:
        return landscape.optimum_corrected
    return landscape.optimum


def _verdict(
    results: Results,
    landscape: Landscape,
    compared: Sequence[Group],
    marks: Mapping[str, Mark],
) -> str:
    """Return the best selector on a truth, its lead, and the evidence for it."""
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
    """Return sentences on the selectors that are worse or not shown to be worse."""
    if len(means) < 2:
        return ""
    if BEST not in marks.values():
        return f" A comparison needs at least {LEAST_SEEDS} supernets."
    sentences = []
    for mark, words in ((NOT_WORSE, "Not shown to be worse"), (WORSE, "Worse")):
        names = [name for name in means if marks.get(name) == mark]
        if names:
            sentences.append(f" {words}: {join_words(names)}.")
    return "".join(sentences)


def _beside(landscape: Landscape) -> str:
    """Return the accuracies of a random cell and of the best one, in brackets."""
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
    """Return the mean search time of each named selector, in seconds."""
    means = [float(np.mean(group.seconds)) for group in groups if group.name in names]
    return join_words([short(mean) for mean in means])
