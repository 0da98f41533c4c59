"""The reproduction table: what papers print, what was measured here, and whether the two agree.

The verdict follows one rule, which the table's caption states. Numbers are held against each other only where they are
of one kind: the same reduction (a mean against a mean, a best of four against a best of four), the same split and
horizon or protocol of final training, measured and not predicted, and no wall clock of other devices.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archselect.benchmarks.records import Landscape, Record
from archselect.reports.intervals import LEVEL, Interval, best_of, student
from archselect.reports.published import Published, find
from archselect.reports.results import Group, Results
from archselect.reports.stats import by_supernet, iterations
from archselect.reports.tables.table import NONE, Row, Table, make_table

INSIDE, REACHES, OUTSIDE, ONE_RUN = "inside", "within our interval", "outside", "outside (one run)"
NOT_COMPARABLE = "not comparable"

_IN_WORDS = {
    INSIDE: "inside the published spread",
    REACHES: "within our interval",
    OUTSIDE: "outside both",
    ONE_RUN: "outside (of one run)",
}

TIMES = {"seconds": 1.0, "search_minutes": 60.0, "search_gpu_days": 86_400.0}
"""Metrics of wall clock, and how many seconds a unit of each has."""

_UNITS = {
    "test_error_percent": "test error, %",
    "test_accuracy_percent": "test accuracy, %",
    "params_millions": "parameters, 10⁶",
    "search_gpu_days": "search, GPU days",
    "search_minutes": "search, minutes",
    "seconds": "search, seconds",
}
_CORRELATION = re.compile(r"(?P<kind>kendall|spearman)_vs_(?P<oracle>best|avg)_acc(_iteration_(?P<iteration>\d+))?")
"""Metrics of operation scores; of the first iteration where none is named."""
_COLUMNS = (
    *("paper", "table", "space", "dataset", "method", "metric"),
    *("published", "published_low", "published_high", "published_spread", "published_reduction", "published_source"),
    *("selector", "measured", "measured_low", "measured_high", "runs", "measured_reduction"),
    *("difference", "verdict", "reason"),
)
_SHOWN = (
    *("Published in", "Method", "Selector", "Metric", "Published", "Measured", "95 % interval", "Difference"),
    "Verdict",
)


class Incomparable(Exception):
    """Why a published number and ours cannot be held against each other, in a few words."""


@dataclass(frozen=True)
class Measured:
    """Ours in the published number's unit: value and interval, of how many runs, reduced how."""

    interval: Interval
    runs: int
    reduction: str


def reproduction_table(results: Results) -> Table:
    """Every published number that the study names, beside ours. Raises UserError if one of them does not exist."""
    rows = []
    for entry in results.info.reproduces:
        for group in results.groups:
            if group.label == entry.selector and group.records:
                of_space = [row for row in find(entry) if group.inputs.space == (entry.space or row.space)]
                rows += [_row(results, row, group) for row in _of_its_data(results, of_space, group)]
    info = results.info
    notes = list(results.status())
    if info.variant_of:
        notes.insert(
            0,
            f"This study is a variant of {info.variant_of}. Settings that differ ({len(info.differences)}): "
            f"{'; '.join(info.differences)}.",
        )
    caption = (
        "Published numbers beside ours. Published: with its spread, which is ± the printed standard deviation, the "
        "lowest to the highest of single runs, or, where neither is known, what rounds to the printed number. "
        f"Measured: reduced as the published number is; {100 * LEVEL:.0f} % interval by Student's t for means, "
        "over supernets (the mean of all selections from one is one value), by bootstrap over runs for a best of n. "
        f"Verdict: '{INSIDE}' if the measured value lies in the published spread; "
        f"else '{REACHES}' if its interval reaches into the spread; else '{OUTSIDE}'. '{NOT_COMPARABLE}', with the "
        "reason, where reduction, split, horizon, protocol or device differ."
    )
    return make_table(
        "reproduction",
        "Published and measured",
        rows,
        answer=_answer(rows),
        columns=(_COLUMNS, _SHOWN),
        text=("Published in", "Method", "Metric", "Selector", "Published", "Measured", "Verdict"),
        brief=("Method", "Metric", "Published", "Measured", "95 % interval", "Verdict"),
        caption=caption,
        notes=notes,
    )


def _answer(rows: list[Row]) -> str:
    """How many published numbers there are of each verdict."""
    counts = Counter(str(row.full["verdict"]) for row in rows)
    compared = len(rows) - counts[NOT_COMPARABLE]
    said = ", ".join(f"{counts[verdict]} {words}" for verdict, words in _IN_WORDS.items() if counts[verdict])
    if not compared:
        which = "The published number cannot" if len(rows) == 1 else f"None of the {len(rows)} published numbers can"
        return f"{which} be held against ours." if rows else "No published number is known of what was run."
    rest = f"; {len(rows) - compared} more cannot be compared" if compared < len(rows) else ""
    return f"Of {compared} published numbers that can be held against ours: {said}{rest}."


def _of_its_data(results: Results, rows: list[Published], group: Group) -> list[Published]:
    """Those on data sets on which the group was judged; all, with the reason in the table, if there is none."""
    datasets = {landscape.dataset for landscape in results.landscapes if group.known(landscape)}
    return [row for row in rows if row.dataset in datasets] or rows


def _row(results: Results, row: Published, group: Group) -> Row:
    measured: Measured | None
    try:
        measured, reason = _measured(results, row, group), ""
        verdict = judge(row, measured.interval)
    except Incomparable as why:
        measured, reason, verdict = _shown_anyway(row, group), f"{why}", NOT_COMPARABLE
    found = measured.interval if measured else Interval(None, None, None)
    difference = None if found.mean is None or reason else found.mean - row.value
    reduced = _reduction(row)
    full: dict[str, object] = {
        **{key: getattr(row, key) for key in ("paper", "table", "space", "dataset", "method", "metric")},
        "published": row.value,
        "published_low": row.low,
        "published_high": row.high,
        "published_spread": row.spread,
        "published_reduction": reduced,
        "published_source": row.source,
        "selector": group.name,
        "measured": found.mean,
        "measured_low": found.low,
        "measured_high": found.high,
        "runs": measured.runs if measured else None,
        "measured_reduction": measured.reduction if measured else None,
        "difference": difference,
        "verdict": verdict,
        "reason": reason,
    }
    digits = 3 if "_vs_" in row.metric else 2
    shown = {
        "Published in": f"{row.short_paper}, {row.table}, {row.space}, {row.dataset}",
        "Method": row.method,
        "Selector": group.name,
        "Metric": _metric(row.metric),
        "Published": f"{_published(row, digits)} ({reduced})",
        "Measured": NONE if found.mean is None or not measured else f"{found.mean:.{digits}f} ({measured.reduction})",
        "95 % interval": NONE if found.low is None else f"[{found.low:.{digits}f}, {found.high:.{digits}f}]",
        "Difference": NONE if difference is None else f"{difference:+.{digits}f}",
        "Verdict": f"{verdict}: {reason}" if reason else verdict,
    }
    return Row(full, shown)


def judge(row: Published, ours: Interval) -> str:
    """The verdict of the rule in the table's caption; rounding of the last bit is no difference."""
    tolerance = 1e-9 * max(1.0, abs(row.value))
    low, high = row.low - tolerance, row.high + tolerance
    assert ours.mean is not None
    if low <= ours.mean <= high:
        return INSIDE
    if ours.low is None or ours.high is None:
        return ONE_RUN
    return REACHES if ours.low <= high and ours.high >= low else OUTSIDE


def _reduction(row: Published) -> str:
    """What the published number stands for, in words."""
    if row.reduction == "runs":
        return f"{row.runs} single runs"
    if row.reduction in ("mean", "best") and row.runs:
        return f"{row.reduction} of {row.runs}"
    return row.reduction or "reduction not stated"


def _metric(name: str) -> str:
    """A metric in words."""
    if matched := _CORRELATION.fullmatch(name):
        sign = "τ" if matched["kind"] == "kendall" else "ρ"
        when = f", iteration {matched['iteration']}" if matched["iteration"] else ""
        return f"{sign} with {matched['oracle']}-acc{when}"
    return _UNITS.get(name, name)


def _published(row: Published, digits: int) -> str:
    if row.spread.startswith("±"):
        return f"{row.value:.{digits}f} ± {row.high - row.value:.{digits}f}"
    if row.reduction == "runs":
        return f"{row.value:.{digits}f}, {row.low:.{digits}f} to {row.high:.{digits}f}"
    return f"{row.value:.{digits}f}"


def _measured(results: Results, row: Published, group: Group) -> Measured:
    """Ours, reduced as the published number is. Raises Incomparable."""
    values, seeds, higher = _values(results, row, group)
    runs = len(values)
    if row.reduction in ("mean", "runs", "mean over edges"):
        return _mean(row, values, seeds)
    if row.reduction == "best":
        if row.metric == "params_millions":
            raise Incomparable("it is of the published best run alone")
        if row.runs is None:
            raise Incomparable("it is not said of how many runs it is the best")
        if runs < row.runs:
            raise Incomparable(f"the best of {row.runs} runs, and here are {runs}")
        best = best_of(values if higher else [-value for value in values], row.runs)
        if not higher:
            best = Interval(*(None if v is None else -v for v in (best.mean, best.high, best.low)))
        return Measured(best, runs, f"best of {row.runs}" + (f", expected of {runs}" if runs > row.runs else ""))
    raise Incomparable("the paper does not say what it is the mean or best of")


def _mean(row: Published, values: Sequence[float], seeds: Sequence[int]) -> Measured:
    """The mean over runs; its interval is over supernets."""
    supernets = len(set(seeds))
    said = f"mean of {len(values)}" + (f" from {supernets} supernets" if supernets < len(values) else "")
    return Measured(_within(row, student(by_supernet(values, seeds))), len(values), said)


def _within(row: Published, interval: Interval) -> Interval:
    """The interval without what no accuracy or correlation can be."""
    if interval.low is None or interval.high is None:
        return interval
    low, high = (-1.0, 1.0) if _CORRELATION.fullmatch(row.metric) else (0.0, 100.0)
    return Interval(interval.mean, max(low, interval.low), min(high, interval.high))


def _values(results: Results, row: Published, group: Group) -> tuple[list[float], list[int], bool]:
    """One value per run in the published number's unit, its supernet seed, and whether higher is better.

    Raises Incomparable.
    """
    if row.metric in TIMES:
        raise Incomparable("wall clock of another device")
    if row.metric in ("test_error_percent", "test_accuracy_percent"):
        found = group.known(_landscape(results, row, group))
        error = row.metric == "test_error_percent"
        return ([100 - mean for mean in found.means] if error else found.means), found.seeds, not error
    if row.metric == "params_millions":
        return _parameters(results, row, group), _seeds(group.records), False
    if _CORRELATION.fullmatch(row.metric):
        return *_correlations(results, row, group), True
    raise Incomparable(f"no study of selectors measures {row.metric}")


def _seeds(records: Iterable[Record]) -> list[int]:
    return [record.inputs.supernet_seed for record in records]


def _landscape(results: Results, row: Published, group: Group) -> Landscape:
    """The landscape whose accuracies are of the published number's kind. Raises Incomparable."""
    judged = [landscape for landscape in results.landscapes if group.known(landscape)]
    wanted = f"protocol {row.protocol}" if row.protocol else f"{row.split} at {row.epochs} epochs, measured"
    for landscape in judged:
        if landscape.dataset == row.dataset and _same_kind(row, landscape):
            return landscape
    there = ", ".join(f"{results.title(landscape)} ({landscape.truth})" for landscape in judged)
    raise Incomparable(f"it is of {row.dataset}, {wanted}; ours: {there or 'none'}")


def _same_kind(row: Published, landscape: Landscape) -> bool:
    if row.protocol:
        return landscape.truth == f"trained: {row.protocol}"
    measured = landscape.provenance == "measured" and not landscape.surrogate and landscape.architectures > 0
    return measured and (landscape.split, landscape.epochs) == (row.split, row.epochs)


def _parameters(results: Results, row: Published, group: Group) -> list[float]:
    """Millions of parameters of the trained networks of what was selected, one per run."""
    sizes = {
        training.inputs.architecture: training.parameters / 1e6
        for training in results.trainings
        if training.inputs.protocol == row.protocol and not training.overrides
    }
    found = [sizes.get(record.selected.architecture) for record in group.records]
    values = [size for size in found if size is not None]
    if not values or len(values) < len(found):
        raise Incomparable(f"it is of networks trained by protocol {row.protocol}")
    return values


def _correlations(results: Results, row: Published, group: Group) -> tuple[list[float], list[int]]:
    """Per run its rank correlation with an oracle at an iteration, mean over edges, and its supernet seed.

    Raises Incomparable.
    """
    matched = _CORRELATION.fullmatch(row.metric)
    assert matched is not None
    kind, oracle, iteration = matched["kind"], matched["oracle"], int(matched["iteration"] or 0)
    landscape = _landscape(results, row, group)
    records = group.judged(landscape).records
    found = iterations(records, landscape.oracle_best if oracle == "best" else landscape.oracle_mean)
    if not found:
        raise Incomparable("the selector gives no scores of operations")
    every = sum(map(len, records[0].selected.edges))
    if found[0].edges < every:
        raise Incomparable(f"it is of scores of all {every} edges at once, and ours are of {found[0].edges} at a time")
    if iteration >= len(found):
        raise Incomparable(f"it is of iteration {iteration}, and ours ends with {len(found) - 1}")
    own = found[iteration].correlation
    every_seed = own.per_seed if kind == "kendall" else own.rho_per_seed
    known = [(value, r.inputs.supernet_seed) for value, r in zip(every_seed, records, strict=True) if value is not None]
    if not known:
        raise Incomparable("it is undefined for ours")
    return [value for value, _ in known], [seed for _, seed in known]


def _shown_anyway(row: Published, group: Group) -> Measured | None:
    """A wall clock is shown though it is not held against the published one."""
    if row.metric not in TIMES:
        return None
    values = [seconds / TIMES[row.metric] for seconds in group.seconds]
    return Measured(student(by_supernet(values, _seeds(group.records))), len(values), f"mean of {len(values)}")
