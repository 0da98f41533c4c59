"""The table of the accuracy of what was selected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archselect.benchmarks.store.records import Landscape
from archselect.reports.results.metrics import (
    accuracy_by_seed,
    describe_search,
    is_random_sample,
)
from archselect.reports.results.results import Group, JudgedRuns, Results, seed_name
from archselect.reports.statistics.intervals import LEAST_SEEDS
from archselect.reports.statistics.margins import margin_of_random_cells
from archselect.reports.tables.standing import others_in_words, standings
from archselect.reports.tables.table import (
    BEST,
    NONE,
    WHERE,
    Row,
    Table,
    deviation,
    listed,
    make_table,
    where,
)
from archselect.reports.tables.words import extent, random_cell, reference, source

_ACCURACY = (
    *WHERE,
    *(
        "selector",
        "source",
        "surrogate_tau",
        "seeds",
        "mean",
        "std",
        "best",
        "worst",
        "mean_rank",
        "rank_error",
    ),
    *("architectures", "gap", "gap_corrected", "every_seed"),
)
_ACCURACY_SHOWN = (
    *(
        "Landscape",
        "Selector",
        "Source",
        "Seeds",
        "Mean ± std ↑",
        "Best ↑",
        "Worst ↑",
        "Mean rank ↓",
        "Rank error",
    ),
    *("Gap ↓", "Every seed"),
)
RANDOM_CELL = "random cell (exact mean)"
"""The name of the baseline's row."""


def accuracy_table(results: Results) -> Table:
    """Accuracy of the selected cells, per landscape and selector."""
    rows: list[Row] = []
    best: list[_Best] = []
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.known(landscape)]
        standing: dict[str, str] = {}
        selectors = [
            group for group in judged if not is_random_sample(landscape, group)
        ]
        for search in dict.fromkeys(map(describe_search, judged)):
            groups = [group for group in selectors if describe_search(group) == search]
            of_search = standings(
                {group.name: accuracy_by_seed(landscape, group) for group in groups}
            )
            best.append(_best(results, landscape, groups, of_search))
            standing |= of_search
        beaten = _random_is_highest(landscape, selectors)
        if beaten:
            standing = {}
        rows += [
            _accuracy_row(results, landscape, group, standing.get(group.name, ""))
            for group in judged
        ]
        if judged and landscape.mean is not None:
            rows.append(_random_row(results, landscape, BEST if beaten else ""))
    used = [s for s in results.landscapes if any(g.judged(s) for g in results.groups)]
    caption = (
        "Accuracy in per cent of the selected cell. Source: looked up in a table, predicted by a surrogate (with "
        "its cross-validated Kendall's τ-b), or trained here to the end. One seed's number is the trial mean of its "
        "cell; mean ± std, best, worst and rank are over the seeds of a selector (std: sample standard deviation). "
        "Rank: mean of the seeds' ranks in the table, of which 1 is the best; rank error: its standard error from the "
        "noise between trials. Gap: accuracy of the best of the space minus the mean of the seeds. The highest of many "
        "noisy means is too high, so the accuracy of the best is corrected for noise; the raw gap is to the highest "
        "mean. A gap below zero means that a selected cell's own trials were lucky. "
        f"{RANDOM_CELL.capitalize()}: what a cell drawn as the random selector draws it has on average over the "
        "whole space, ± the standard deviation of single cells; it is computed and not sampled, so it has no seeds and "
        "no interval, and stands for the random selector in all comparisons. Where a note says that a truth holds a "
        "part of the space only, rank and gap are within that part. Seeds are supernet seed/selection seed."
    )
    absent = filter(None, (random_cell(results, landscape) for landscape in used))
    return make_table(
        "accuracy",
        "Accuracy of the selected cell",
        rows,
        answer=_answer(best),
        columns=(_ACCURACY, _ACCURACY_SHOWN),
        text=("Landscape", "Selector", "Source", "Every seed"),
        brief=(
            "Landscape",
            "Selector",
            "Source",
            "Seeds",
            "Mean ± std ↑",
            "Best ↑",
            "Gap ↓",
        ),
        caption=caption,
        notes=[
            *(reference(results, s) for s in used),
            *(sentence for s in used for sentence in _luck(results, s)),
            *absent,
            *_without_accuracy(results),
            *results.status(),
        ],
    )


def _accuracy_row(
    results: Results, landscape: Landscape, group: Group, standing: str
) -> Row:
    found = group.known(landscape)
    names = [seed_name(record.inputs) for record in found.records]
    means = np.array(found.means)
    mean, spread = float(means.mean()), deviation(means)
    ranks = [own.rank for own in found.accuracies if own.rank is not None]
    rank = float(np.mean(ranks)) if ranks else None
    rank_error = None if rank is None else _rank_error(landscape, found)
    said, tau = (
        source(landscape, found.accuracies[0]),
        found.accuracies[0].surrogate_tau,
    )
    full: dict[str, object] = {
        **where(landscape),
        "selector": group.name,
        "source": said,
        "surrogate_tau": tau,
        "seeds": len(means),
        "mean": mean,
        "std": spread,
        "best": float(means.max()),
        "worst": float(means.min()),
        "mean_rank": rank,
        "rank_error": rank_error,
        "architectures": landscape.architectures,
        "gap": _below(landscape.optimum, mean),
        "gap_corrected": _below(landscape.optimum_corrected, mean),
        "every_seed": ";".join(
            f"{name}={float(value)!r}" for name, value in zip(names, means, strict=True)
        ),
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": group.name,
        "Source": said if tau is None else f"{said}, τ-b {tau:.2f}",
        "Seeds": f"{len(means)}",
        "Mean ± std ↑": f"{mean:.2f} (one seed)"
        if spread is None
        else f"{mean:.2f} ± {spread:.2f}",
        "Best ↑": f"{means.max():.2f}",
        "Worst ↑": f"{means.min():.2f}",
        "Mean rank ↓": _rank_in_words(landscape, rank),
        "Rank error": NONE if rank_error is None else f"± {rank_error:,.1f}",
        "Gap ↓": _gap_in_words(landscape, mean),
        "Every seed": ", ".join(
            f"{name}: {value:.2f}" for name, value in zip(names, means, strict=True)
        ),
    }
    return Row(full, shown, {"Mean ± std ↑": standing} if standing else {})


def _random_row(results: Results, landscape: Landscape, standing: str) -> Row:
    """The baseline: the exact expectation of a random cell, which the landscape must know."""
    assert landscape.mean is not None
    said = (
        "looked up"
        if landscape.provenance == "measured"
        else "looked up, itself predicted"
    )
    full: dict[str, object] = {
        **where(landscape),
        "selector": RANDOM_CELL,
        "source": said,
        "seeds": 0,
        "mean": landscape.mean,
        "std": landscape.std,
        "mean_rank": landscape.mean_rank,
        "architectures": landscape.architectures,
        "gap": _below(landscape.optimum, landscape.mean),
        "gap_corrected": _below(landscape.optimum_corrected, landscape.mean),
        "every_seed": "",
    }
    shown = {
        "Landscape": results.title(landscape),
        "Selector": RANDOM_CELL,
        "Source": said,
        "Seeds": NONE,
        "Mean ± std ↑": f"{landscape.mean:.2f} ± {landscape.std:.2f}",
        "Best ↑": NONE,
        "Worst ↑": NONE,
        "Mean rank ↓": _rank_in_words(landscape, landscape.mean_rank),
        "Rank error": NONE,
        "Gap ↓": _gap_in_words(landscape, landscape.mean),
        "Every seed": "none: computed over the whole space; ± is the spread of single cells",
    }
    return Row(full, shown, {"Mean ± std ↑": standing} if standing else {})


def _below(optimum: float | None, mean: float) -> float | None:
    return None if optimum is None else optimum - mean


def _gap_in_words(landscape: Landscape, mean: float) -> str:
    """Return the corrected gap with the raw one beside it, such as "1.73 (raw 2.31)"."""
    raw = _below(landscape.optimum, mean)
    corrected = _below(landscape.optimum_corrected, mean)
    if raw is None:
        return NONE
    if corrected is None:
        return f"{raw:.2f} (raw)"
    return (
        f"{corrected:.2f}" if corrected == raw else f"{corrected:.2f} (raw {raw:.2f})"
    )


def _rank_in_words(landscape: Landscape, rank: float | None) -> str:
    return NONE if rank is None else f"{rank:,.1f} of {landscape.architectures:,}"


def _rank_error(landscape: Landscape, found: JudgedRuns) -> float | None:
    """Return the standard error of a mean rank that comes from the noise between trials.

    It is half of how much the rank changes from one standard error of a cell's mean
    below it to one above it. None where a cell has fewer than two trials.
    """
    errors: dict[str, list[float]] = defaultdict(list)
    for record, accuracy in zip(found.records, found.accuracies, strict=True):
        if len(accuracy.trials) < 2 or accuracy.mean is None:
            return None
        error = float(np.std(accuracy.trials, ddof=1)) / len(accuracy.trials) ** 0.5
        higher, lower = (
            _rank_at(landscape, accuracy.mean + error),
            _rank_at(landscape, accuracy.mean - error),
        )
        errors[record.selected.canonical].append((lower - higher) / 2)
    # The same cell has the same noise in every seed that selects it.
    return float(
        np.sqrt(sum(sum(own) ** 2 for own in errors.values())) / len(found.records)
    )


def _rank_at(landscape: Landscape, accuracy: float) -> float:
    """Return the rank that an accuracy has among the landscape's, interpolated between its quantiles."""
    share_below = np.interp(
        accuracy, landscape.quantiles, np.linspace(0, 1, len(landscape.quantiles))
    )
    return float(1 + (1 - share_below) * (landscape.architectures - 1))


def _mean(by_seed: dict[int, float]) -> float:
    return sum(by_seed.values()) / len(by_seed)


def _random_is_highest(landscape: Landscape, selectors: Sequence[Group]) -> bool:
    """Return whether the exact mean of a random cell is above the mean of every selector."""
    means = [_mean(accuracy_by_seed(landscape, group)) for group in selectors]
    return bool(means) and landscape.mean is not None and landscape.mean > max(means)


def _luck(results: Results, landscape: Landscape) -> list[str]:
    """Return what means of as many random cells as there are seeds reach, where the truth knows the whole space."""
    if landscape.mean is None:
        return []
    ranges = []
    for seeds in results.seed_counts:
        margin = margin_of_random_cells(landscape.quantiles, seeds)
        assert margin.below is not None and margin.above is not None
        low = landscape.mean - margin.below
        high = landscape.mean + margin.above
        what = "a single one" if seeds == 1 else f"the mean of {seeds}"
        ranges.append(f"{what} is between {low:.2f} and {high:.2f} %")
    return [
        f"Random cells of {results.title(landscape)}: in 95 % of the cases {listed(ranges)} (simulated from the table)."
    ]


@dataclass(frozen=True)
class _Best:
    """Which selectors do best on a landscape, whether a random cell beats them all, and that in one sentence.

    `rest` says in brackets how the others do; it is empty where there is none.
    """

    title: str
    names: list[str]
    beaten: bool
    sentence: str
    rest: str = ""


def _best(
    results: Results,
    landscape: Landscape,
    selectors: Sequence[Group],
    standing: dict[str, str],
) -> _Best:
    title = results.title(landscape)
    means = {
        group.name: _mean(accuracy_by_seed(landscape, group)) for group in selectors
    }
    if not means:
        return _Best(
            title,
            [],
            True,
            f"On {title} there are random cells alone, which have {landscape.mean:.2f} %",
        )
    highest = max(means.values())
    reached = f"{highest:.2f} %{_gap_in_answer(landscape, highest)}{_above_random(landscape, highest)}"
    if _random_is_highest(landscape, selectors):
        sentence = (
            f"On {title} no selector beats a random cell, which has {landscape.mean:.2f} % on average: "
            f"the highest mean is {highest:.2f} %{_gap_in_answer(landscape, highest)}"
        )
        return _Best(title, [], True, sentence)
    names = [
        name for name, mean in means.items() if round(mean, 9) == round(highest, 9)
    ]
    several = len(names) > 1
    if len(means) == 1:
        return _Best(
            title,
            names,
            False,
            f"On {title} {names[0]} selects cells of {reached}",
            f", {highest:.2f} %",
        )
    if BEST not in standing.values():
        few = f"of fewer than {LEAST_SEEDS} supernets, which show nothing"
        sentence = f"On {title} {listed(names)} {'have' if several else 'has'} the highest mean, {few}: {reached}"
        return _Best(title, names, False, sentence, " (nothing is shown)")
    others = others_in_words(means, standing) if len(means) > len(names) else ""
    sentence = f"On {title} {listed(names)} select{'' if several else 's'} the best cells: {reached}"
    if others:
        sentence += f"; {others}"
    return _Best(title, names, False, sentence, f" ({others})" if others else "")


def _above_random(landscape: Landscape, mean: float) -> str:
    """Return how far a mean is above a random cell, in words; empty where that is not known."""
    return (
        ""
        if landscape.mean is None
        else f", {mean - landscape.mean:.2f} points above a random cell"
    )


def _gap_in_answer(landscape: Landscape, mean: float) -> str:
    """Return how far a mean is from the best of the space, in words; empty where that is not known."""
    corrected = landscape.optimum_corrected
    below = _below(landscape.optimum if corrected is None else corrected, mean)
    if below is None:
        return ""
    of = "the space" if landscape.space_size is None else "those that the truth holds"
    how = (
        ""
        if corrected is None or corrected == landscape.optimum
        else ", corrected for noise"
    )
    if below < 0 and landscape.space_size is None:
        return ", as good as the best of the space within its noise"
    return f", {abs(below):.2f} points {'below' if below >= 0 else 'above'} the best of {of}{how}"


def _answer(found: list[_Best]) -> str:
    """Return the first truth in full, and who is the best on the others."""
    if not found:
        return "Of nothing that was selected is the accuracy known."
    first, *others = found
    sentences = [first.sentence]
    led = [other for other in others if not other.beaten]
    if led and led[0].rest.startswith(","):
        sentences.append(
            f"On {listed([f'{other.title}{other.rest}' for other in led])}"
        )
    elif led:
        alike = [other for other in led if other.names == first.names]
        parts = (
            [
                f"also on {listed([other.title for other in alike])}{_rest_in_words(alike)}"
            ]
            if alike
            else []
        )
        parts += [
            f"on {other.title} {listed(other.names)}{other.rest}"
            for other in led
            if other.names != first.names
        ]
        sentences.append(f"Highest mean {'; '.join(parts)}")
    unbeaten = [other.title for other in others if other.beaten]
    if unbeaten:
        either = " either" if first.beaten else ""
        sentences.append(
            f"On {listed(unbeaten)} no selector beats a random cell{either}"
        )
    return " ".join(f"{sentence}." for sentence in sentences)


def _rest_in_words(alike: list[_Best]) -> str:
    """Return how the others do on several truths, where it is the same on all of them or there is one; else each."""
    rests = dict.fromkeys(best.rest for best in alike)
    if len(rests) == 1:
        return next(iter(rests))
    each = [
        f"{best.title}: {best.rest.removeprefix(' (').removesuffix(')')}"
        for best in alike
        if best.rest
    ]
    return f" ({'; '.join(each)})"


def _without_accuracy(results: Results) -> list[str]:
    """One sentence for each group of which a landscape does not know, or was not asked about, some runs."""
    sentences = []
    for landscape in results.landscapes:
        for group in results.groups:
            asked, known = group.judged(landscape), group.known(landscape)
            runs = f"of {len(group.records)} runs of {group.name}"
            if 0 < len(asked) < len(group.records):
                sentences.append(
                    f"{results.title(landscape)} says nothing of {len(group.records) - len(asked)} {runs}."
                )
            if len(known) < len(asked):
                sentences.append(
                    f"{results.title(landscape)} ({landscape.truth}): what {len(asked) - len(known)} {runs} selected "
                    f"is not in the table, which has {extent(landscape)}; these runs are in no mean of it."
                )
    return sentences
