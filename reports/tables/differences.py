"""The table of paired differences between the selectors of a study."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

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
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    join_words,
    make_table,
)
from archselect.reports.tables.words import judged_landscapes

NOT_TESTED = "no test against an exact mean"
"""Reason why a difference from the mean of a random cell has no p-value."""

WORTH_SEEING = {"points": 0.5, "coefficient": 0.05}
"""The difference that the column "Seeds needed" is about, by unit."""

_COLUMNS = (
    TableColumn("place", "Landscape", text=True, brief=True, heading=True),
    TableColumn("metric", "Metric", text=True, brief=True),
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("minus", "Minus", text=True, brief=True),
    TableColumn("pairs", "Seeds", brief=True),
    TableColumn("strata"),
    TableColumn("difference", "Difference", brief=True),
    *frame_columns("low", "high"),
    TableColumn(header="95 % interval", brief=True),
    TableColumn("p_t"),
    TableColumn("p_holm", "p (Holm)", brief=True),
    TableColumn(header="Verdict", text=True, brief=True),
    *frame_columns("p_permutation", "p_wilcoxon"),
    TableColumn("improvement", "P(higher)"),
    *frame_columns("iqm_selector", "iqm_minus"),
    TableColumn("detectable", "Detectable"),
    TableColumn("seeds_needed", "Seeds needed"),
    TableColumn("verdict"),
    TableColumn(header="p, permutation"),
    TableColumn(header="p, Wilcoxon"),
    TableColumn(header="IQM"),
)


class _FamilyKey(NamedTuple):
    """The place and metric that rows of one family share; Holm adjusts within it."""

    place: str
    metric: Metric


Family = dict[str, Series]
"""The series of one place and metric, by selector label."""

ExactMeans = Mapping[tuple[str, str], float]
"""The exact mean of a random cell, by (place, label) of the random selector."""


@dataclass(frozen=True)
class _Pair:
    """Two selectors to compare, and their paired values by stratum.

    `exact`: one of them is the exact mean of a random cell. Such a pair is not tested:
    accuracies of random cells are too skewed for the tests.
    """

    selector: str
    minus: str
    strata: list[Stratum]
    exact: bool = False

    @property
    def difference(self) -> Difference:
        """Difference between both; without tests if one of them is exact."""
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

    @property
    def interquartile_means(self) -> tuple[float, float] | None:
        """Interquartile means of both; None without values or if one is exact."""
        ours: list[float] = []
        theirs: list[float] = []
        for stratum in self.strata:
            ours += stratum.ours
            theirs += stratum.theirs
        if not ours or self.exact:
            return None
        return interquartile_mean(ours), interquartile_mean(theirs)


def differences_table(results: Results) -> Table:
    """Return the table of differences between selectors, paired by supernet seed.

    Compare every reference of the study with every other selector; without references,
    compare every selector with the best. Rows of one place and metric form a family;
    p-values and intervals are Holm-adjusted within a family.
    """
    exact = exact_means(results)
    families = _families(results, exact)
    rows = []
    for key, family in families.items():
        values = {
            label: list(series.values.values()) for label, series in family.items()
        }
        pairs = [
            _pair(selector, minus, [family], exact)
            for selector, minus in choose_pairs(results, values)
        ]
        rows += _rows(key.place, key.metric, pairs)
    rows += _pooled_rows(results, families, exact)
    return make_table(
        "differences",
        "Differences between selectors",
        rows,
        answer=_answer(rows),
        columns=_COLUMNS,
        caption=_caption(results),
        notes=[*_baselines(results), *_coverages(results), *results.status()],
    )


def _families(results: Results, exact: ExactMeans) -> dict[_FamilyKey, Family]:
    """Return the series of the study by place and metric.

    Replace the accuracies of the random selector by their exact mean if it is known.
    """
    families: dict[_FamilyKey, Family] = defaultdict(dict)
    for series in quality_series(results):
        mean = exact.get((series.place, series.label))
        if series.metric == ACCURACY and mean is not None:
            values = dict.fromkeys(series.values, mean)
            series = series.model_copy(update={"values": values})
        families[_FamilyKey(series.place, series.metric)][series.label] = series
    return families


def _caption(results: Results) -> str:
    points = f"{WORTH_SEEING['points']:g} (points of accuracy)"
    coefficient = f"{WORTH_SEEING['coefficient']:g} (of τ-b)"
    references = " and ".join(results.info.references)
    direction = (
        f"Each row is {references} minus another selector; above zero, {references} is higher."
        if references
        else "Each row is a selector minus the one with the best mean; this choice slightly favours the latter."
    )
    caption = (
        "Differences between selectors, paired by supernet seed and data. Several selections from one supernet count "
        "as "
        f"one value, their mean. {direction} Interval and p: Student's t, Holm-adjusted within the rows of one place "
        f"and metric; the interval excludes zero if and only if the verdict is better or worse ({100 * ALPHA:.0f} %). "
        f"With fewer than {LEAST_SEEDS} seeds there is no interval and no verdict. If all differences are equal, "
        f"there is "
        "no interval, and p comes from the exact permutation test. Permutation (of signs) and Wilcoxon: exact "
        "two-sided "
        "tests, not adjusted; with n pairs their p-values cannot fall below 2 to the power 1 - n. P(higher): "
        "probability "
        "that a run of the selector is above a run of the other. IQM: interquartile means of the selector and the "
        "other. "
        f"Detectable: the smallest difference that this number of seeds shows with probability {POWER:.0%}, given the "
        f"number of rows of the place and metric. Seeds needed: to show {points} or {coefficient} with the same "
        f"probability."
    )
    if any(len(group.records) > MANY_RANKS for group in results.groups):
        caption += (
            f" Wilcoxon's test with more than {MANY_RANKS} pairs, and the permutation test with more than {MANY:,}, "
            f"use the "
            "normal approximation."
        )
    return caption


# The answer


def _answer(rows: list[Row]) -> str:
    """Return the number of significant differences, and list them."""
    if not rows:
        return "There are no two selectors to compare."
    verdicts = [str(row.full["verdict"]) for row in rows]
    untested = [verdict for verdict in verdicts if verdict.startswith("undefined")]
    reasons = dict.fromkeys(verdict.removeprefix("undefined: ") for verdict in untested)
    why = join_words(list(reasons))
    tested = len(rows) - len(untested)
    if not tested:
        what = (
            "The difference could not be"
            if len(rows) == 1
            else f"None of the {len(rows)} differences could be"
        )
        return f"{what} tested: {why}."
    rest = (
        f" {len(untested)} of {len(rows)} could not be tested: {why}."
        if untested
        else ""
    )
    significant = [
        row.shown for row in rows if row.full["verdict"] in ("better", "worse")
    ]
    if not significant:
        what = (
            "The difference is not"
            if tested == 1
            else f"None of the {tested} differences is"
        )
        return f"{what} significant; the column Detectable shows what this number of seeds could show.{rest}"
    sentences = [
        f"{shown['Selector']} is {shown['Verdict']} than {shown['Minus']} ({shown['Metric']}; {shown['Landscape']})"
        for shown in significant
    ]
    verb = "is" if len(significant) == 1 else "are"
    return f"{len(significant)} of {tested} differences {verb} significant: {join_words(sentences)}.{rest}"


# Which selectors are compared


def choose_pairs(
    results: Results, values: dict[str, list[float]]
) -> list[tuple[str, str]]:
    """Return the two selectors of every row.

    Pair every reference with every other selector; without a reference, pair every
    selector with the one that has the best mean. Ignore selectors without values.

    Args:
        results: results, which list the references of the study.
        values: values by selector label.
    """
    means = {
        label: sum(of_label) / len(of_label)
        for label, of_label in values.items()
        if of_label
    }
    if not means:
        return []
    references = [label for label in results.info.references if label in means]
    if references:
        return _pairs_of_references(references, list(values))
    best = max(means, key=means.__getitem__)
    return [(label, best) for label in values if label != best]


def _pairs_of_references(
    references: Sequence[str], labels: Sequence[str]
) -> list[tuple[str, str]]:
    """Return each reference with every other label; list two references only once."""
    pairs: list[tuple[str, str]] = []
    for reference in references:
        for label in labels:
            if label != reference and (label, reference) not in pairs:
                pairs.append((reference, label))
    return pairs


def _pair(
    selector: str, minus: str, families: Sequence[Family], exact: ExactMeans
) -> _Pair:
    """Return the pair of two selectors, with a stratum per family."""
    strata = []
    is_exact = False
    for family in families:
        ours = family[selector]
        theirs = family[minus]
        strata.append(pair(ours.values, theirs.values))
        if ours.metric == ACCURACY:
            keys = [(ours.place, selector), (theirs.place, minus)]
            is_exact |= any(key in exact for key in keys)
    return _Pair(selector, minus, strata, is_exact)


# Rows


def _pooled_rows(
    results: Results, families: dict[_FamilyKey, Family], exact: ExactMeans
) -> list[Row]:
    """Return rows that pool several searches, each with the first truth that judges it.

    A search is a space with its images. With a single search there are no rows.
    """
    by_metric: dict[Metric, dict[str, Family]] = defaultdict(dict)
    for key, family in families.items():
        search = next(iter(family.values())).search
        by_metric[key.metric].setdefault(search, family)
    rows = []
    for metric, by_search in by_metric.items():
        searches = list(by_search.values())
        if len(searches) < 2:
            continue
        common = set.intersection(*map(set, searches))
        labels = [label for label in searches[0] if label in common]
        means = {label: _means(searches, label) for label in labels}
        pairs = [
            _pair(selector, minus, searches, exact)
            for selector, minus in choose_pairs(results, means)
        ]
        rows += _rows(f"all {len(searches)} searches", metric, pairs)
    return rows


def _means(families: Sequence[Family], label: str) -> list[float]:
    """Return a label's mean in each family that has values of it."""
    values = [family[label].values.values() for family in families]
    return [sum(of_family) / len(of_family) for of_family in values if of_family]


def _rows(place: str, metric: Metric, pairs: list[_Pair]) -> list[Row]:
    """Return the rows of one place and metric."""
    findings = judge([compared.difference for compared in pairs], metric.better)
    tests = sum(finding.p is not None for finding in findings)
    return [
        _row(place, metric, compared, finding, max(tests, 1))
        for compared, finding in zip(pairs, findings, strict=True)
    ]


def _row(
    place: str, metric: Metric, compared: _Pair, finding: JudgedDifference, tests: int
) -> Row:
    """Return the row of one comparison.

    The detectable difference uses the widest interval of Holm's method for this number
    of tests.
    """
    difference = finding.difference
    power = difference.among(tests)
    detectable = power.detectable
    needed = power.seeds_for(WORTH_SEEING[metric.unit])
    iqm = compared.interquartile_means
    digits = 2 if metric.unit == "points" else 3
    full: dict[str, object] = {
        "place": place,
        "metric": metric.name,
        "selector": compared.selector,
        "minus": compared.minus,
        "strata": difference.strata,
        "difference": difference.mean,
        "p_holm": finding.p,
        **difference.numbers(),
        "iqm_selector": iqm[0] if iqm else None,
        "iqm_minus": iqm[1] if iqm else None,
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
        "Difference": _number(difference.mean, digits, sign="+"),
        "95 % interval": _shown_interval(difference, digits),
        "p (Holm)": p_value(finding.p),
        "p, permutation": p_value(difference.p_permutation),
        "p, Wilcoxon": p_value(difference.p_wilcoxon),
        "P(higher)": _number(difference.improvement, 2),
        "IQM": ", ".join(_number(mean, digits) for mean in iqm) if iqm else NONE,
        "Detectable": _number(detectable, digits),
        "Seeds needed": NONE if detectable is None else _seeds_in_words(needed),
        "Verdict": finding.verdict,
    }
    return Row(full, shown)


def _number(value: float | None, digits: int, sign: str = "") -> str:
    return NONE if value is None else f"{value:{sign}.{digits}f}"


def _seeds_in_words(needed: int | None) -> str:
    return "> 1,000" if needed is None else f"{needed:,}"


def _shown_interval(difference: Difference, digits: int) -> str:
    if difference.low is not None:
        return interval(difference.low, difference.high, digits)
    return f"not defined: {difference.reason}" if difference.pairs else NONE


def interval(low: float | None, high: float | None, digits: int) -> str:
    """Return an interval as text, in brackets."""
    if low is None or high is None:
        return NONE
    return f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def p_value(p: float | None) -> str:
    """Return a p-value with three decimals."""
    if p is None:
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


# Notes


def _baselines(results: Results) -> Iterator[str]:
    """Yield a sentence per truth with a comparison to the mean of a random cell."""
    draws = [group.label for group in results.groups if group.uniform]
    labels = list(dict.fromkeys(draws))
    if not labels:
        return
    for landscape in judged_landscapes(results):
        if landscape.mean is not None:
            yield (
                f"{results.title(landscape)}: {join_words(labels)} means the exact mean of a random cell, "
                f"{landscape.mean:.2f} %, not the few cells that the runs drew. There is no test against it; the "
                f"notes under "
                "the table of accuracies give the range of means of as many random cells."
            )


def _coverages(results: Results) -> Iterator[str]:
    """Yield, per truth, the coverage of Student's interval for its cells."""
    for landscape in judged_landscapes(results):
        for seeds in results.seed_counts:
            if seeds >= LEAST_SEEDS and landscape.quantiles:
                yield coverage_note(results.title(landscape), landscape, seeds)


def coverage_note(title: str, landscape: Landscape, seeds: int) -> str:
    """Return a sentence with the coverage of Student's interval for a truth's cells.

    It gives the coverage for the better half of the cells, and for all of them.
    """
    whole = tuple(landscape.quantiles)
    better_half = whole[len(whole) // 2 :]
    return (
        f"{title}: Student's interval of a mean over {seeds} seeds contains the true mean {100 * LEVEL:.0f} % of the "
        f"time "
        f"for normally distributed values, {100 * coverage(better_half, seeds):.0f} % for cells drawn from the "
        f"better half, "
        f"and {100 * coverage(whole, seeds):.0f} % for cells drawn from all, because some cells fail (simulated; "
        f"samples of "
        "equal values have no interval and do not count)."
    )
