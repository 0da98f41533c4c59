"""The table of the selected cells' accuracies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from archselect.benchmarks.store.records import Accuracy, Landscape
from archselect.nasbench_adapters.yardstick import Yardstick
from archselect.reports.results.metrics import (
    accuracy_by_seed,
    describe_search,
    is_random_sample,
)
from archselect.reports.results.results import Group, JudgedRuns, Results, seed_name
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.margins import margin_of_random_cells
from archselect.reports.tables.marks import describe_others, mark_selectors
from archselect.reports.tables.table import (
    BEST,
    LANDSCAPE_COLUMNS,
    NONE,
    Mark,
    Row,
    Table,
    TableColumn,
    deviation,
    join_words,
    landscape_fields,
    make_table,
)
from archselect.reports.tables.words import (
    describe_landscape,
    extent,
    judged_landscapes,
    looked_up_in_words,
    source_in_words,
    why_no_random_cell,
)

RANDOM_CELL = "random cell (exact mean)"
"""Name of the row of the random baseline."""

_MEAN = "Mean ± std ↑"
"""Header of the column that carries the marks."""

_COLUMNS = (
    *LANDSCAPE_COLUMNS,
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("source", "Source", text=True, brief=True),
    TableColumn("surrogate_tau"),
    TableColumn("seeds", "Seeds", brief=True),
    TableColumn("mean", _MEAN, brief=True),
    TableColumn("std"),
    TableColumn("best", "Best ↑", brief=True),
    TableColumn("worst", "Worst ↑"),
    TableColumn("mean_rank", "Mean rank ↓"),
    TableColumn("rank_error", "Rank error"),
    TableColumn("architectures"),
    TableColumn("gap", "Gap ↓", brief=True),
    TableColumn("gap_corrected"),
    TableColumn("every_seed", "Every seed", text=True),
)
_CAPTION = (
    "Accuracy of the selected cell, in per cent. Source: looked up in a table, predicted by a surrogate (with "
    "its cross-validated Kendall's τ-b), or trained by this study. The accuracy of a seed is the mean over the trials "
    "of its cell; mean ± std, best, worst and rank are over the seeds of a selector (std: sample standard deviation). "
    "Rank: mean rank of the seeds' cells in the table, where 1 is the best. Rank error: standard error of the mean "
    "rank "
    "due to the noise between trials. Gap: accuracy of the best architecture of the space minus the mean over seeds. "
    "The highest of many noisy means is too high; the accuracy of the best is therefore corrected for noise. The raw "
    "gap "
    "uses the highest mean itself. A gap below zero means that the trials of a selected cell were lucky. "
    f"{RANDOM_CELL.capitalize()}: expected accuracy of a cell that the random selector draws, ± the standard "
    f"deviation "
    "of single cells. It is computed from the whole space, not sampled; so it has no seeds and no interval. It "
    "replaces "
    "the random selector in all comparisons. "
    "A row named after a rule, where the space defines one, shows the one cell that follows this rule, for "
    "orientation. "
    "It is looked up, has no seeds and is not compared. "
    "Where a note says that a truth covers only a part of the space, rank and gap are within that part. Seeds are "
    "written supernet seed/selection seed."
)


def accuracy_table(results: Results) -> Table:
    """Return the table of the selected cells' accuracies, by landscape and selector."""
    rows: list[Row] = []
    leaders: list[_Leaders] = []
    for landscape in results.landscapes:
        part = _judge_landscape(results, landscape)
        rows += part.rows
        leaders += part.leaders
    return make_table(
        "accuracy",
        "Accuracy of the selected cell",
        rows,
        answer=_answer(leaders),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=_notes(results),
    )


@dataclass(frozen=True)
class _LandscapePart:
    """A landscape's part of the table: its rows, and the leaders of each search."""

    rows: list[Row]
    leaders: list[_Leaders]


def _judge_landscape(results: Results, landscape: Landscape) -> _LandscapePart:
    """Return a landscape's rows, and the leading selectors of each search on it."""
    judged = [group for group in results.groups if group.known(landscape)]
    selectors = [group for group in judged if not is_random_sample(landscape, group)]
    marks: dict[str, Mark] = {}
    leaders = []
    for search in dict.fromkeys(map(describe_search, judged)):
        groups = [group for group in selectors if describe_search(group) == search]
        values = {group.name: accuracy_by_seed(landscape, group) for group in groups}
        marks_of_search = mark_selectors(values)
        leaders.append(_find_leaders(results, landscape, groups, marks_of_search))
        marks |= marks_of_search
    random_is_best = _is_random_highest(landscape, selectors)
    if random_is_best:
        marks = {}
    rows = [
        _selector_row(results, landscape, group, marks.get(group.name))
        for group in judged
    ]
    if judged and landscape.mean is not None:
        mark = BEST if random_is_best else None
        rows.append(_random_row(results, landscape, mark))
    if judged:
        for yardstick in landscape.yardsticks:
            rows.append(_yardstick_row(results, landscape, yardstick))
    return _LandscapePart(rows, leaders)


def _notes(results: Results) -> list[str]:
    used = judged_landscapes(results)
    notes = [f"{note}." for note in results.info.notes]
    notes += [describe_landscape(results, landscape) for landscape in used]
    for landscape in used:
        notes += _range_of_random_cells(results, landscape)
    absent = [why_no_random_cell(results, landscape) for landscape in used]
    notes += [sentence for sentence in absent if sentence]
    notes += _without_accuracy(results)
    notes += results.status()
    return notes


# Rows


def _selector_row(
    results: Results, landscape: Landscape, group: Group, mark: Mark | None
) -> Row:
    """Return the row of a selector that has accuracies on the landscape."""
    known = group.known(landscape)
    names = [seed_name(record.inputs) for record in known.records]
    means = np.array(known.means)
    mean = float(means.mean())
    spread = deviation(means)
    rank = _mean_rank(known.accuracies)
    rank_error = None if rank is None else _rank_error(landscape, known)
    source = source_in_words(landscape, known.accuracies[0])
    tau = known.accuracies[0].surrogate_tau
    seeds = list(zip(names, known.means, strict=True))
    full: dict[str, object] = {
        **landscape_fields(landscape),
        "selector": group.name,
        "source": source,
        "surrogate_tau": tau,
        "seeds": len(means),
        "mean": mean,
        "std": spread,
        "best": float(means.max()),
        "worst": float(means.min()),
        "mean_rank": rank,
        "rank_error": rank_error,
        **_gaps(landscape, mean),
        "every_seed": ";".join(f"{name}={float(value)!r}" for name, value in seeds),
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": group.name,
        "Source": source if tau is None else f"{source}, τ-b {tau:.2f}",
        "Seeds": f"{len(means)}",
        _MEAN: _mean_in_words(mean, spread),
        "Best ↑": f"{means.max():.2f}",
        "Worst ↑": f"{means.min():.2f}",
        "Mean rank ↓": _rank_in_words(landscape, rank),
        "Rank error": NONE if rank_error is None else f"± {rank_error:,.1f}",
        "Gap ↓": _gap_in_words(landscape, mean),
        "Every seed": ", ".join(f"{name}: {value:.2f}" for name, value in seeds),
    }
    return Row(full, shown, {_MEAN: mark} if mark else {})


def _random_row(results: Results, landscape: Landscape, mark: Mark | None) -> Row:
    """Return the row of the exact expectation of a random cell.

    The landscape must have that expectation.
    """
    assert landscape.mean is not None
    source = looked_up_in_words(landscape)
    full: dict[str, object] = {
        **landscape_fields(landscape),
        "selector": RANDOM_CELL,
        "source": source,
        "seeds": 0,
        "mean": landscape.mean,
        "std": landscape.std,
        "mean_rank": landscape.mean_rank,
        **_gaps(landscape, landscape.mean),
        "every_seed": "",
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": RANDOM_CELL,
        "Source": source,
        "Seeds": NONE,
        _MEAN: f"{landscape.mean:.2f} ± {landscape.std:.2f}",
        "Best ↑": NONE,
        "Worst ↑": NONE,
        "Mean rank ↓": _rank_in_words(landscape, landscape.mean_rank),
        "Rank error": NONE,
        "Gap ↓": _gap_in_words(landscape, landscape.mean),
        "Every seed": "none: computed over the whole space; ± is the standard deviation of single cells",
    }
    return Row(full, shown, {_MEAN: mark} if mark else {})


def _yardstick_row(results: Results, landscape: Landscape, yardstick: Yardstick) -> Row:
    """Return the row of an architecture that the space defines by a simple rule."""
    source = looked_up_in_words(landscape)
    full: dict[str, object] = {
        **landscape_fields(landscape),
        "selector": yardstick.name,
        "source": source,
        "seeds": 0,
        "mean": yardstick.mean,
        "mean_rank": float(yardstick.rank),
        **_gaps(landscape, yardstick.mean),
        "every_seed": "",
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": yardstick.name,
        "Source": source,
        "Seeds": NONE,
        _MEAN: f"{yardstick.mean:.2f}",
        "Best ↑": NONE,
        "Worst ↑": NONE,
        "Mean rank ↓": _rank_in_words(landscape, yardstick.rank),
        "Rank error": NONE,
        "Gap ↓": _gap_in_words(landscape, yardstick.mean),
        "Every seed": f"none: one cell, defined by a rule: {yardstick.architecture}",
    }
    return Row(full, shown)


def _mean_in_words(mean: float, spread: float | None) -> str:
    if spread is None:
        return f"{mean:.2f} (one seed)"
    return f"{mean:.2f} ± {spread:.2f}"


def _gaps(landscape: Landscape, mean: float) -> dict[str, object]:
    """Return the gaps between the best and a mean, as columns of the frame."""
    return {
        "architectures": landscape.architectures,
        "gap": _below(landscape.optimum, mean),
        "gap_corrected": _below(landscape.optimum_corrected, mean),
    }


def _below(optimum: float | None, mean: float) -> float | None:
    return None if optimum is None else optimum - mean


def _gap_in_words(landscape: Landscape, mean: float) -> str:
    """Return the corrected gap and the raw one, such as "1.73 (raw 2.31)"."""
    raw = _below(landscape.optimum, mean)
    corrected = _below(landscape.optimum_corrected, mean)
    if raw is None:
        return NONE
    if corrected is None:
        return f"{raw:.2f} (raw)"
    if corrected == raw:
        return f"{corrected:.2f}"
    return f"{corrected:.2f} (raw {raw:.2f})"


# Ranks


def _mean_rank(accuracies: Sequence[Accuracy]) -> float | None:
    """Return the mean rank of the seeds; None if the truth has no ranks."""
    ranks = [accuracy.rank for accuracy in accuracies]
    known = [rank for rank in ranks if rank is not None]
    return float(np.mean(known)) if known else None


def _rank_in_words(landscape: Landscape, rank: float | None) -> str:
    return NONE if rank is None else f"{rank:,.1f} of {landscape.architectures:,}"


def _rank_error(landscape: Landscape, known: JudgedRuns) -> float | None:
    """Return the standard error of a mean rank due to the noise between trials.

    The error of one cell is half the difference between its ranks at its mean minus
    and plus one standard error. Return None if a cell has fewer than two trials.
    """
    errors: dict[str, float] = defaultdict(float)
    for record, accuracy in zip(known.records, known.accuracies, strict=True):
        trials = accuracy.trials
        if len(trials) < 2 or accuracy.mean is None:
            return None
        error = float(np.std(trials, ddof=1)) / len(trials) ** 0.5
        rank_above = _rank_at(landscape, accuracy.mean + error)
        rank_below = _rank_at(landscape, accuracy.mean - error)
        # Seeds that select the same cell share its noise.
        errors[record.selected.canonical] += (rank_below - rank_above) / 2
    squares = sum(error**2 for error in errors.values())
    return float(np.sqrt(squares) / len(known.records))


def _rank_at(landscape: Landscape, accuracy: float) -> float:
    """Return an accuracy's rank, interpolated between the landscape's quantiles."""
    levels = np.linspace(0, 1, len(landscape.quantiles))
    share_below = np.interp(accuracy, landscape.quantiles, levels)
    return float(1 + (1 - share_below) * (landscape.architectures - 1))


# A random cell


def _mean(by_seed: dict[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def _is_random_highest(landscape: Landscape, selectors: Sequence[Group]) -> bool:
    """Return whether the exact mean of a random cell is above every selector's mean."""
    means = [_mean(accuracy_by_seed(landscape, group)) for group in selectors]
    if not means or landscape.mean is None:
        return False
    return landscape.mean > max(means)


def _range_of_random_cells(results: Results, landscape: Landscape) -> list[str]:
    """Return a sentence with the range of means of as many random cells as seeds.

    Return an empty list if the truth does not cover the whole space.
    """
    if landscape.mean is None:
        return []
    ranges = []
    for seeds in results.seed_counts:
        margin = margin_of_random_cells(landscape.quantiles, seeds)
        assert margin.below is not None and margin.above is not None
        low = landscape.mean - margin.below
        high = landscape.mean + margin.above
        what = "random cells" if seeds == 1 else f"means of {seeds} random cells"
        ranges.append(f"95 % of {what} lie between {low:.2f} and {high:.2f} %")
    title = results.title(landscape)
    return [f"On {title} {join_words(ranges)} (simulated from the table)."]


# The answer


@dataclass(frozen=True)
class _Leaders:
    """The best selectors on a landscape.

    Attributes:
        title: title of the landscape.
        names: names of the best selectors; empty if a random cell is better than all.
        sentence: their result.
        others: comparison of the others with them, in brackets; may be empty.
    """

    title: str
    sentence: str
    names: list[str] = field(default_factory=list)
    others: str = ""


def _find_leaders(
    results: Results,
    landscape: Landscape,
    selectors: Sequence[Group],
    marks: dict[str, Mark],
) -> _Leaders:
    """Return the best selectors of one search on a landscape."""
    title = results.title(landscape)
    means = {
        group.name: _mean(accuracy_by_seed(landscape, group)) for group in selectors
    }
    if not means:
        return _Leaders(
            title,
            f"On {title} there are only random cells, with {landscape.mean:.2f} % on average",
        )
    highest = max(means.values())
    gap = _gap_in_answer(landscape, highest)
    if _is_random_highest(landscape, selectors):
        return _Leaders(
            title,
            f"On {title} no selector beats a random cell, which has {landscape.mean:.2f} % on average: "
            f"the highest mean is {highest:.2f} %{gap}",
        )
    names = [name for name, mean in means.items() if _is_equal(mean, highest)]
    reached = f"{highest:.2f} %{gap}{_above_random(landscape, highest)}"
    return _describe_leaders(title, names, reached, means, marks)


def _describe_leaders(
    title: str,
    names: list[str],
    reached: str,
    means: dict[str, float],
    marks: dict[str, Mark],
) -> _Leaders:
    """Return the leaders with their result and the comparison with the others.

    Args:
        title: title of the landscape.
        names: names of the leaders.
        reached: their mean accuracy, as text.
        means: mean accuracy of all selectors, by name.
        marks: marks of the selectors that have one, by name.
    """
    who = f"On {title} {join_words(names)}"
    several = len(names) > 1
    if len(means) == 1:
        (mean,) = means.values()
        sentence = f"{who} selects cells of {reached}"
        return _Leaders(title, sentence, names, f", {mean:.2f} %")
    if BEST not in marks.values():
        verb = "have" if several else "has"
        few = (
            f"from fewer than {LEAST_SEEDS} supernets; a comparison needs at least "
            f"{LEAST_SEEDS}"
        )
        sentence = f"{who} {verb} the highest mean: {reached}, {few}"
        return _Leaders(title, sentence, names, " (nothing is shown)")
    verb = "select" if several else "selects"
    sentence = f"{who} {verb} the best cells: {reached}"
    if len(means) == len(names):
        return _Leaders(title, sentence, names)
    others = describe_others(means, marks)
    return _Leaders(title, f"{sentence}; {others}", names, f" ({others})")


def _is_equal(mean: float, other: float) -> bool:
    """Return whether two means are equal, apart from rounding errors."""
    return round(mean, 9) == round(other, 9)


def _above_random(landscape: Landscape, mean: float) -> str:
    """Return the lead of a mean over a random cell as text; empty if not known."""
    if landscape.mean is None:
        return ""
    return f", {mean - landscape.mean:.2f} points above a random cell"


def _gap_in_answer(landscape: Landscape, mean: float) -> str:
    """Return the gap between a mean and the best as text; empty if not known."""
    corrected = landscape.optimum_corrected
    optimum = landscape.optimum if corrected is None else corrected
    below = _below(optimum, mean)
    if below is None:
        return ""
    is_whole = landscape.space_size is None
    if below < 0 and is_whole:
        return ", as good as the best of the space within its noise"
    side = "below" if below >= 0 else "above"
    which = "the space" if is_whole else "the part that the truth covers"
    is_corrected = corrected is not None and corrected != landscape.optimum
    how = ", corrected for noise" if is_corrected else ""
    return f", {abs(below):.2f} points {side} the best of {which}{how}"


def _answer(leaders: list[_Leaders]) -> str:
    """Return the leaders on the first landscape in full, then those on the others."""
    if not leaders:
        return "No selected architecture has a known accuracy."
    first, *others = leaders
    sentences = [first.sentence]
    led = [other for other in others if other.names]
    if led and led[0].others.startswith(","):
        results = [f"{other.title}{other.others}" for other in led]
        sentences.append(f"On {join_words(results)}")
    elif led:
        sentences.append(_further_leaders(first, led))
    beaten = [other.title for other in others if not other.names]
    if beaten:
        either = "" if first.names else " either"
        sentences.append(
            f"On {join_words(beaten)} no selector beats a random cell{either}"
        )
    return " ".join(f"{sentence}." for sentence in sentences)


def _further_leaders(first: _Leaders, others: list[_Leaders]) -> str:
    """Return a sentence on the leaders of the landscapes after the first."""
    same = [other for other in others if other.names == first.names]
    parts = []
    if same:
        titles = [other.title for other in same]
        parts.append(f"also on {join_words(titles)}{_others_in_words(same)}")
    for other in others:
        if other.names != first.names:
            parts.append(f"on {other.title} {join_words(other.names)}{other.others}")
    return f"Highest mean {'; '.join(parts)}"


def _others_in_words(leaders: list[_Leaders]) -> str:
    """Return the comparison with the other selectors on several landscapes.

    Write it once if it is the same on all of them, else per landscape.
    """
    distinct = dict.fromkeys(one.others for one in leaders)
    if len(distinct) == 1:
        return next(iter(distinct))
    each = [
        f"{one.title}: {one.others.removeprefix(' (').removesuffix(')')}"
        for one in leaders
        if one.others
    ]
    return f" ({'; '.join(each)})"


# Notes


def _without_accuracy(results: Results) -> list[str]:
    """Return a sentence per group that has runs without an accuracy."""
    sentences = []
    for landscape in results.landscapes:
        title = results.title(landscape)
        for group in results.groups:
            runs = len(group.records)
            asked = len(group.judged(landscape))
            known = len(group.known(landscape))
            whose = f"of {runs} runs of {group.name}"
            if 0 < asked < runs:
                sentences.append(f"{title} has not judged {runs - asked} {whose}.")
            if known < asked:
                sentences.append(
                    f"{title} ({landscape.truth}): {asked - known} {whose} selected architectures outside the table, "
                    f"which covers {extent(landscape)}; no mean includes these runs."
                )
    return sentences
