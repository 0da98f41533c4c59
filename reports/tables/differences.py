"""The table of paired differences between the selectors of a study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from archselect.benchmarks.store.records import Landscape
from archselect.reports.results.metrics import (
    ACCURACY,
    Metric,
    Series,
    exact_means,
    quality_series,
)
from archselect.reports.results.results import Results
from archselect.reports.statistics.intervals import LEAST_SEEDS, LEVEL, coverage
from archselect.reports.statistics.paired import (
    ALPHA,
    MANY,
    MANY_RANKS,
    POWER,
    Difference,
    JudgedDifference,
    Stratum,
    compare,
    interquartile_mean,
    judge,
    pair,
)
from archselect.reports.tables.table import NONE, Row, Table, listed, make_table

NOT_TESTED = "no test against an exact mean"
"""Why a difference from the mean of a random cell has no p-value."""

WORTH = {"points": 0.5, "coefficient": 0.05}
"""A difference that one would like to be able to see, by unit."""

_COLUMNS = (
    *(
        "place",
        "metric",
        "selector",
        "minus",
        "pairs",
        "strata",
        "difference",
        "low",
        "high",
    ),
    *("p_t", "p_holm", "p_permutation", "p_wilcoxon", "improvement"),
    *("iqm_selector", "iqm_minus", "detectable", "seeds_needed", "verdict"),
)
_SHOWN = (
    *(
        "Landscape",
        "Metric",
        "Selector",
        "Minus",
        "Seeds",
        "Difference",
        "95 % interval",
        "p (Holm)",
        "Verdict",
    ),
    *(
        "P(higher)",
        "Detectable",
        "Seeds needed",
        "p, permutation",
        "p, Wilcoxon",
        "IQM",
    ),
)


@dataclass(frozen=True)
class _Pair:
    """One comparison: a selector, the one it is compared with, and their values, stratum by stratum.

    `exact`: one side is the exact mean of a random cell. Such a pair is not tested,
    because no test holds for accuracies as skewed as those of random cells.
    """

    selector: str
    minus: str
    strata: list[Stratum]
    exact: bool = False

    @property
    def difference(self) -> Difference:
        """The difference; without tests where one side is exact."""
        difference = compare(self.strata)
        if not self.exact:
            return difference
        return replace(
            difference,
            p_t=None,
            p_permutation=None,
            p_wilcoxon=None,
            improvement=None,
            error=None,
            reason=difference.reason or NOT_TESTED,
        )


def differences_table(results: Results) -> Table:
    """Return the study's reference, such as one's own selector, against every other; else every one against the best.

    Rows are in families of one place and metric, in which p-values and intervals are
    adjusted to one another.
    """
    families: dict[tuple[str, Metric], dict[str, Series]] = defaultdict(dict)
    exact = exact_means(results)
    for series in quality_series(results):
        if series.metric == ACCURACY and (series.place, series.label) in exact:
            values = dict.fromkeys(series.values, exact[series.place, series.label])
            series = series.model_copy(update={"values": values})
        families[series.place, series.metric][series.label] = series
    rows = []
    for (place, metric), by_label in families.items():
        rows += _family(results, place, metric, by_label, exact)
    rows += _pooled(results, families, exact)
    return make_table(
        "differences",
        "Differences between selectors",
        rows,
        answer=_answer(rows),
        columns=(_COLUMNS, _SHOWN),
        text=("Landscape", "Metric", "Selector", "Minus", "Verdict"),
        brief=_SHOWN[:9],
        caption=_caption(results),
        notes=[*_baselines(results), *_coverages(results), *results.status()],
    )


def _caption(results: Results) -> str:
    worth = ", ".join(
        f"{value:g} ({'points of accuracy' if unit == 'points' else 'of τ-b'})"
        for unit, value in WORTH.items()
    )
    references = " and ".join(results.info.references)
    direction = (
        f"Each row is {references} minus another selector; above zero it is the higher one."
        if references
        else "Each row is a selector minus the one with the best mean here, which favours that one a little."
    )
    caption = (
        "Differences between selectors, paired by supernet seed and data; several selections from one supernet are one "
        f"value, their mean. {direction} Interval and p: Student's t, adjusted after Holm within the rows of one place "
        f"and metric; the interval excludes zero exactly where the verdict is better or worse ({100 * ALPHA:.0f} %). "
        f"Fewer than {LEAST_SEEDS} seeds get no interval and no verdict. Where all differences are equal there is no "
        "interval either, and p is the exact permutation test's. Permutation (of signs) and Wilcoxon: exact two-sided "
        "tests, not adjusted; with n pairs they cannot fall below 2 to the power 1 - n. P(higher): the probability "
        "that a run of the selector is above a run of the other. IQM: interquartile mean of the one and the other. "
        f"Detectable: the smallest difference that so many seeds would show {POWER:.0%} of the time among the rows of "
        f"its place and metric. Seeds needed: to show {worth} as often."
    )
    if any(len(group.records) > MANY_RANKS for group in results.groups):
        caption += (
            f" Of more than {MANY_RANKS} pairs Wilcoxon's test, and of more than {MANY:,} the permutation test, are by "
            "the normal distribution that they approach."
        )
    return caption


def _baselines(results: Results) -> Iterator[str]:
    """Yield one sentence for each truth that knows what a random cell is worth and is compared with one."""
    labels = list(
        dict.fromkeys(group.label for group in results.groups if group.uniform)
    )
    for landscape in results.landscapes:
        if labels and landscape.mean is not None:
            yield (
                f"{results.title(landscape)}: {listed(labels)} stands for the exact mean of a random cell, "
                f"{landscape.mean:.2f} %, and not for the few cells that the runs drew. There is no test against it; "
                "under the table of accuracies stands what means of as many random cells reach."
            )


def _coverages(results: Results) -> Iterator[str]:
    """Yield, for each truth, how often an interval over so many seeds holds where cells are as skewed as its own."""
    for landscape in results.landscapes:
        for seeds in results.seed_counts:
            if seeds >= LEAST_SEEDS and landscape.quantiles:
                yield coverage_note(results.title(landscape), landscape, seeds)


def coverage_note(title: str, landscape: Landscape, seeds: int) -> str:
    """Return in words how often an interval holds for cells of a truth: of its better half, and of all of it."""
    half = tuple(landscape.quantiles[len(landscape.quantiles) // 2 :])
    whole = tuple(landscape.quantiles)
    return (
        f"{title}: Student's interval of a mean over {seeds} seeds holds {100 * LEVEL:.0f} % of the time for normal "
        f"values, {100 * coverage(half, seeds):.0f} % for cells drawn from the better half of these, and "
        f"{100 * coverage(whole, seeds):.0f} % for cells drawn from all of them, because of the failed ones "
        "(simulated; seeds that are all equal have no interval and do not count)."
    )


def _answer(rows: list[Row]) -> str:
    """Return how many of the differences are significant, and which."""
    if not rows:
        return "There are no two selectors to compare."
    significant = [
        row.shown for row in rows if row.full["verdict"] in ("better", "worse")
    ]
    untested = [
        str(row.full["verdict"])
        for row in rows
        if str(row.full["verdict"]).startswith("undefined")
    ]
    tested = len(rows) - len(untested)
    reasons = listed(
        list(dict.fromkeys(verdict.removeprefix("undefined: ") for verdict in untested))
    )
    rest = (
        f" {len(untested)} of {len(rows)} could not be tested: {reasons}."
        if untested
        else ""
    )
    if not tested:
        what = (
            "The difference could not be"
            if len(rows) == 1
            else f"None of the {len(rows)} differences could be"
        )
        return f"{what} tested: {reasons}."
    if not significant:
        what = (
            "The difference is not"
            if tested == 1
            else f"None of the {tested} differences is"
        )
        return f"{what} significant; what so few seeds could have shown is under Detectable.{rest}"
    sentences = [
        f"{shown['Selector']} is {shown['Verdict']} than {shown['Minus']} ({shown['Metric']}; {shown['Landscape']})"
        for shown in significant
    ]
    are = "is" if len(significant) == 1 else "are"
    return f"{len(significant)} of {tested} differences {are} significant: {listed(sentences)}.{rest}"


def compared(results: Results, values: dict[str, list[float]]) -> list[tuple[str, str]]:
    """Return (selector, other) of every row: each reference minus the others, else the others minus the best."""
    means = {
        label: sum(of_label) / len(of_label)
        for label, of_label in values.items()
        if of_label
    }
    if not means:
        return []
    if references := [label for label in results.info.references if label in means]:
        pairs = [
            (reference, label)
            for reference in references
            for label in values
            if label != reference
        ]
        # Two references are compared with one another once.
        return [
            (a, b) for place, (a, b) in enumerate(pairs) if (b, a) not in pairs[:place]
        ]
    best = max(means, key=means.__getitem__)
    return [(label, best) for label in values if label != best]


Exact = Mapping[tuple[str, str], float]
"""What a random cell has, by (place, label) of groups that are random draws."""


def _family(
    results: Results,
    place: str,
    metric: Metric,
    series: dict[str, Series],
    exact: Exact,
) -> list[Row]:
    """Return the rows of one place and metric."""
    labels = compared(
        results, {label: list(one.values.values()) for label, one in series.items()}
    )
    pairs = [_pair(a, b, [series], exact) for a, b in labels]
    return _rows(place, metric, pairs)


def _pair(
    selector: str, minus: str, searches: Sequence[dict[str, Series]], exact: Exact
) -> _Pair:
    strata = []
    is_exact = False
    for search in searches:
        ours = search[selector]
        theirs = search[minus]
        strata.append(pair(ours.values, theirs.values))
        if ours.metric == ACCURACY:
            is_exact |= (ours.place, selector) in exact or (
                theirs.place,
                minus,
            ) in exact
    return _Pair(selector, minus, strata, is_exact)


def _pooled(
    results: Results,
    families: dict[tuple[str, Metric], dict[str, Series]],
    exact: Exact,
) -> list[Row]:
    """Return rows over several spaces and data sets, each with the first truth that judges it; none where it is one."""
    first: dict[Metric, dict[str, dict[str, Series]]] = defaultdict(dict)
    for (_, metric), by_label in families.items():
        first[metric].setdefault(next(iter(by_label.values())).search, by_label)
    rows = []
    for metric, by_search in first.items():
        if len(by_search) < 2:
            continue
        searches = list(by_search.values())
        common = [
            label
            for label in searches[0]
            if all(label in search for search in searches)
        ]
        means = {label: _means(searches, label) for label in common}
        pairs = [_pair(a, b, searches, exact) for a, b in compared(results, means)]
        rows += _rows(f"all {len(by_search)} searches", metric, pairs)
    return rows


def _means(searches: Sequence[dict[str, Series]], label: str) -> list[float]:
    """Return the mean of a label's values in each search that has any."""
    values = [search[label].values.values() for search in searches]
    return [sum(of_search) / len(of_search) for of_search in values if of_search]


def _rows(place: str, metric: Metric, pairs: list[_Pair]) -> list[Row]:
    findings = judge([one.difference for one in pairs], metric.better)
    judged = sum(finding.p is not None for finding in findings)
    return [
        _row(place, metric, one, finding, finding.difference.among(max(judged, 1)))
        for one, finding in zip(pairs, findings, strict=True)
    ]


def _row(
    place: str,
    metric: Metric,
    compared: _Pair,
    finding: JudgedDifference,
    power: Difference,
) -> Row:
    """Return the row of one comparison; `power` has an interval as wide as the first of Holm's steps asks."""
    difference = finding.difference
    detectable = power.detectable
    needed = power.seeds_for(WORTH[metric.unit])
    ours = [value for stratum in compared.strata for value in stratum.ours]
    theirs = [value for stratum in compared.strata for value in stratum.theirs]
    iqm = (
        (interquartile_mean(ours), interquartile_mean(theirs))
        if ours and not compared.exact
        else (None, None)
    )
    digits = 2 if metric.unit == "points" else 3

    def number(value: float | None, sign: bool = False) -> str:
        return NONE if value is None else f"{value:{'+' if sign else ''}.{digits}f}"

    full: dict[str, object] = {
        "place": place,
        "metric": metric.name,
        "selector": compared.selector,
        "minus": compared.minus,
        "strata": difference.strata,
        "difference": difference.mean,
        "p_holm": finding.p,
        **difference.numbers(),
        "iqm_selector": iqm[0],
        "iqm_minus": iqm[1],
        "detectable": detectable,
        "seeds_needed": needed,
        "verdict": finding.verdict,
    }
    shown = {
        "Landscape": place,
        "Metric": metric.title,
        "Selector": compared.selector,
        "Minus": compared.minus,
        "Seeds": f"{difference.pairs}",
        "Difference": number(difference.mean, sign=True),
        "95 % interval": _shown_interval(difference, digits),
        "p (Holm)": p_value(finding.p),
        "p, permutation": p_value(difference.p_permutation),
        "p, Wilcoxon": p_value(difference.p_wilcoxon),
        "P(higher)": NONE
        if difference.improvement is None
        else f"{difference.improvement:.2f}",
        "IQM": NONE if iqm[0] is None else f"{number(iqm[0])}, {number(iqm[1])}",
        "Detectable": number(detectable),
        "Seeds needed": NONE
        if detectable is None
        else "> 1,000"
        if needed is None
        else f"{needed:,}",
        "Verdict": finding.verdict,
    }
    return Row(full, shown)


def _shown_interval(difference: Difference, digits: int) -> str:
    if difference.low is None:
        return f"not defined: {difference.reason}" if difference.pairs else NONE
    return interval(difference.low, difference.high, digits)


def interval(low: float | None, high: float | None, digits: int) -> str:
    """Return an interval in brackets."""
    return (
        NONE
        if low is None or high is None
        else f"[{low:+.{digits}f}, {high:+.{digits}f}]"
    )


def p_value(p: float | None) -> str:
    """Return a p-value to three digits."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
