"""The table of paired differences between the selectors of a study."""

from __future__ import annotations

from collections import defaultdict

from archselect.reports.metrics import Metric, Series, quality
from archselect.reports.paired import (
    ALPHA,
    MANY_RANKS,
    POWER,
    Difference,
    Stratum,
    compare,
    holm,
    interquartile_mean,
    pair,
    verdict,
)
from archselect.reports.results import Results
from archselect.reports.stats import MANY, RESAMPLES
from archselect.reports.tables.table import NONE, Row, Table, listed, make_table

WORTH = {"points": 0.5, "coefficient": 0.05}
"""A difference that one would like to be able to see, by unit."""

_COLUMNS = (
    *("place", "metric", "selector", "minus", "pairs", "strata", "difference", "low", "high"),
    *("bootstrap_low", "bootstrap_high", "p_t", "p_holm", "p_permutation", "p_wilcoxon", "improvement"),
    *("iqm_selector", "iqm_minus", "detectable", "seeds_needed", "verdict"),
)
_SHOWN = (
    *("Landscape", "Metric", "Selector", "Minus", "Seeds", "Difference", "95 % interval", "p (Holm)", "Verdict"),
    *("P(higher)", "Detectable", "Seeds needed", "p, permutation", "p, Wilcoxon", "Bootstrap", "IQM"),
)


def differences_table(results: Results) -> Table:
    """The study's reference, such as one's own selector, against every other; else every one against the best."""
    families: dict[tuple[str, Metric], dict[str, Series]] = defaultdict(dict)
    for series in quality(results):
        families[series.place, series.metric][series.label] = series
    rows = [row for (place, metric), own in families.items() for row in _family(results, place, metric, own)]
    rows += _pooled(results, families)
    worth = ", ".join(
        f"{value:g} ({'points of accuracy' if unit == 'points' else 'of τ-b'})" for unit, value in WORTH.items()
    )
    told = (
        f"It is {' and '.join(results.info.references)} minus every other; above zero it is the higher one."
        if results.info.references
        else "It is every selector minus the one that has the best mean here, which favours that one a little."
    )
    caption = (
        "Differences between selectors, paired by supernet seed and data; several selections from one supernet are one "
        f"value, their mean. {told} Interval and p by Student's t (verdicts: {100 * ALPHA:.0f} %, p after Holm within "
        "the rows of one place and metric). Bootstrap: percentiles of the mean of resampled pairs "
        f"({RESAMPLES:,} resamples), for comparison; of few seeds it is too narrow. Permutation (of signs) and "
        "Wilcoxon: exact two-sided tests, not adjusted; with n pairs they cannot fall below 2 to the power 1 - n. "
        "P(higher): the probability that a run of the selector is above a run of the other. IQM: interquartile mean of "
        f"the one and the other. Detectable: the smallest difference that so many seeds would show {POWER:.0%} of the "
        f"time; seeds needed: to show {worth} as often."
    )
    if any(len(group.records) > MANY_RANKS for group in results.groups):
        caption += (
            f" Of more than {MANY_RANKS} pairs Wilcoxon's test, of more than {MANY:,} bootstrap and permutations, too, "
            "are by the normal distribution that they come to."
        )
    return make_table(
        "differences",
        "Differences between selectors",
        rows,
        answer=_answer(rows),
        columns=(_COLUMNS, _SHOWN),
        text=("Landscape", "Metric", "Selector", "Minus", "Verdict"),
        brief=_SHOWN[:9],
        caption=caption,
        notes=results.status(),
    )


def _answer(rows: list[Row]) -> str:
    """How many of the differences are shown, and which."""
    if not rows:
        return "There are no two selectors to compare."
    shown = [row.shown for row in rows if row.full["verdict"] in ("better", "worse")]
    if not shown:
        what = "The difference is not" if len(rows) == 1 else f"Of {len(rows)} differences none is"
        return f"{what} shown, which of so few seeds says little: see Detectable."
    said = [f"{o['Selector']} is {o['Verdict']} than {o['Minus']} ({o['Metric']}; {o['Landscape']})" for o in shown]
    return f"{len(shown)} of {len(rows)} differences {'is' if len(shown) == 1 else 'are'} shown: {listed(said)}."


def compared(results: Results, values: dict[str, list[float]]) -> list[tuple[str, str]]:
    """(selector, other) of every row: the study's references minus the others, else the others minus the best."""
    means = {label: sum(own) / len(own) for label, own in values.items() if own}
    if not means:
        return []
    if references := [label for label in results.info.references if label in means]:
        pairs = [(own, label) for own in references for label in values if label != own]
        # Two references are compared with one another once.
        return [(a, b) for place, (a, b) in enumerate(pairs) if (b, a) not in pairs[:place]]
    best = max(means, key=means.__getitem__)
    return [(label, best) for label in values if label != best]


def _family(results: Results, place: str, metric: Metric, series: dict[str, Series]) -> list[Row]:
    """The rows of one place and metric, and their p-values adjusted to one another."""
    pairs = compared(results, {label: list(own.values.values()) for label, own in series.items()})
    return _rows(place, metric, pairs, [[pair(series[label].values, series[base].values)] for label, base in pairs])


def _pooled(results: Results, families: dict[tuple[str, Metric], dict[str, Series]]) -> list[Row]:
    """Rows over several spaces and data sets, each with the first truth that judges it; none where there is one."""
    first: dict[Metric, dict[str, dict[str, Series]]] = defaultdict(dict)
    for (_, metric), own in families.items():
        first[metric].setdefault(next(iter(own.values())).search, own)
    rows = []
    for metric, by_search in first.items():
        if len(by_search) < 2:
            continue
        labels = [set(own) for own in by_search.values()]
        common = [label for label in next(iter(by_search.values())) if all(label in own for own in labels)]
        means = {
            label: [sum(v.values()) / len(v) for own in by_search.values() if (v := own[label].values)]
            for label in common
        }
        pairs = compared(results, means)
        strata = [[pair(own[label].values, own[base].values) for own in by_search.values()] for label, base in pairs]
        rows += _rows(f"all {len(by_search)} searches", metric, pairs, strata)
    return rows


def _rows(place: str, metric: Metric, pairs: list[tuple[str, str]], strata: list[list[Stratum]]) -> list[Row]:
    found = [compare(own) for own in strata]
    adjusted = holm([difference.p_t for difference in found])
    return [
        _row(place, metric, label, base, own, difference, p)
        for (label, base), own, difference, p in zip(pairs, strata, found, adjusted, strict=True)
    ]


def _row(
    place: str, metric: Metric, label: str, base: str, strata: list[Stratum], found: Difference, p: float | None
) -> Row:
    worth = WORTH[metric.unit]
    needed, numbers, detectable = found.seeds_for(worth), found.numbers(), found.detectable
    ours = [value for stratum in strata for value in stratum.ours]
    theirs = [value for stratum in strata for value in stratum.theirs]
    iqm = (interquartile_mean(ours), interquartile_mean(theirs)) if ours else (None, None)
    said = verdict(found, p, metric.better)
    digits = 2 if metric.unit == "points" else 3

    def number(value: float | None, sign: bool = False) -> str:
        return NONE if value is None else f"{value:{'+' if sign else ''}.{digits}f}"

    full: dict[str, object] = {
        "place": place,
        "metric": metric.name,
        "selector": label,
        "minus": base,
        "strata": found.strata,
        "difference": found.mean,
        "p_holm": p,
        **numbers,
        "iqm_selector": iqm[0],
        "iqm_minus": iqm[1],
        "seeds_needed": needed,
        "verdict": said,
    }
    shown = {
        "Landscape": place,
        "Metric": metric.title,
        "Selector": label,
        "Minus": base,
        "Seeds": f"{found.pairs}",
        "Difference": number(found.mean, sign=True),
        "95 % interval": interval(found.low, found.high, digits),
        "Bootstrap": interval(found.boot_low, found.boot_high, digits),
        "p (Holm)": p_value(p),
        "p, permutation": p_value(found.p_permutation),
        "p, Wilcoxon": p_value(found.p_wilcoxon),
        "P(higher)": NONE if found.improvement is None else f"{found.improvement:.2f}",
        "IQM": f"{number(iqm[0])}, {number(iqm[1])}",
        "Detectable": number(detectable),
        "Seeds needed": NONE if detectable is None else "> 1,000" if needed is None else f"{needed:,}",
        "Verdict": said,
    }
    return Row(full, shown)


def interval(low: float | None, high: float | None, digits: int) -> str:
    """An interval in brackets."""
    return NONE if low is None or high is None else f"[{low:+.{digits}f}, {high:+.{digits}f}]"


def p_value(p: float | None) -> str:
    """A p-value to three digits."""
    return NONE if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
