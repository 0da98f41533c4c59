"""The reproduction table: what papers print, what was measured here, and whether the two are shown to differ.

Like is held against like: the same reduction, split and horizon or final training, the
same search protocol, the same oracle, measured and not predicted. The margin of a
difference is what :mod:`archselect.reports.statistics.margins` has for that kind of
number. A row whose verdict could not have been another says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archselect.reports.published.numbers import PublishedNumber, find_published
from archselect.reports.published.search_protocols import (
    other_images,
    protocol_differences,
)
from archselect.reports.results.own_values import (
    CORRELATION,
    TIMES,
    Incomparable,
    OwnValues,
    times_like,
    values_like,
)
from archselect.reports.results.results import Group, Results
from archselect.reports.statistics import margins
from archselect.reports.statistics.intervals import LEVEL, Interval, best_of, student
from archselect.reports.statistics.margins import SKEWED_RUNS, Margin, all_equal
from archselect.reports.tables.table import NONE, Row, Table, make_table

NOT_SHOWN = "not shown to differ"
DIFFERS = "differs"
NO_TEST = "no test"
NO_INTERVAL = "no interval"
NOT_COMPARABLE = "not comparable"

MOST_SETTINGS = 3
"""Settings of another protocol that the shown table names; the CSV has all."""

_IN_WORDS = {
    NOT_SHOWN: "not shown to differ",
    DIFFERS: "shown to differ",
    NO_TEST: "could not have been shown to differ by any value (no test)",
    NO_INTERVAL: "without an interval",
}
_UNITS = {
    "test_error_percent": "test error, %",
    "test_accuracy_percent": "test accuracy, %",
    "params_millions": "parameters, 10⁶",
    "search_gpu_days": "search, GPU days",
    "search_minutes": "search, minutes",
    "seconds": "search, seconds",
}
_PUBLISHED = ("paper", "table", "space", "dataset", "method", "metric")
_COLUMNS = (
    *_PUBLISHED,
    *(
        "published",
        "published_std",
        "published_reduction",
        "published_runs",
        "published_source",
        "published_note",
    ),
    *("search_protocol", "oracle"),
    *(
        "selector",
        "measured",
        "measured_low",
        "measured_high",
        "runs",
        "measured_reduction",
    ),
    *(
        "difference",
        "difference_low",
        "difference_high",
        "compared_by",
        "differs_below",
        "differs_above",
    ),
    *("verdict", "reason", "images"),
)
_SHOWN = (
    *(
        "Published in",
        "Method",
        "Selector",
        "Metric",
        "Published",
        "Measured",
        "Difference",
        "By",
    ),
    *("Would differ", "Verdict"),
)
_CAPTION = (
    "Published numbers beside ours. Brackets: {level:.0f} % intervals. Difference: ours less the published number. "
    "Verdict: '{differs}' if the interval of the difference excludes 0, rounding of the printed number allowed for; "
    "'{not_shown}' if it does not, which is no proof of agreement; '{no_interval}' where our values show no scatter. "
    "Would differ: which of the values that are possible would have been called '{differs}', with the scatter that our "
    "runs have; '{no_test}' if none would. By: what the interval is made of. A published mean is held against our mean "
    "by both standard errors (Welch's t; a supernet's selections are one value), or by ours alone where the published "
    "one is not known or the number is exact; a published run or best of n against the scatter of our runs (for one "
    "more run or best of n; such an interval holds 95 % where runs scatter normally, and {skewed:.0f} % for some parts "
    "of NAS-Bench-201's skewed cells); the mean of a whole table against means of as many random cells. "
    "'{not_comparable}', with the reason, where reduction, split, horizon, training, search protocol, oracle or device "
    "differ: then ours is shown, and not judged."
)
_NOTHING = Interval(None, None, None)


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on.

    Attributes:
        verdict, reason: the verdict, and what more has to be said.
        difference: ours less the published number, with its interval.
        basis: what the interval is made of, in words.
        differs_below, differs_above: below and above which value ours would have been
            called "differs"; None where no such value is possible.
    """

    verdict: str
    reason: str = ""
    difference: Interval = _NOTHING
    basis: str = ""
    differs_below: float | None = None
    differs_above: float | None = None


@dataclass(frozen=True)
class Summary:
    """Ours as the published number is: value with its interval, of how many runs, and how reduced, in words."""

    interval: Interval
    runs: int
    reduction: str


def reproduction_table(results: Results) -> Table:
    """Return every published number that the study names, beside ours.

    Raises UserError for one that does not exist.
    """
    rows = []
    for entry in results.info.reproduces:
        for group in results.groups:
            if group.label == entry.selector and group.records:
                of_space = [
                    row
                    for row in find_published(entry)
                    if group.inputs.space == (entry.space or row.space)
                ]
                rows += [
                    _row(results, row, group)
                    for row in _of_its_data(results, of_space, group)
                ]
    return make_table(
        "reproduction",
        "Published and measured",
        rows,
        answer=_answer(rows),
        columns=(_COLUMNS, _SHOWN),
        text=(
            "Published in",
            "Method",
            "Metric",
            "Selector",
            "Published",
            "Measured",
            "By",
            "Would differ",
            "Verdict",
        ),
        brief=(
            "Method",
            "Metric",
            "Published",
            "Measured",
            "Difference",
            "Would differ",
            "Verdict",
        ),
        caption=_CAPTION.format(
            level=100 * LEVEL,
            skewed=100 * SKEWED_RUNS,
            differs=DIFFERS,
            not_shown=NOT_SHOWN,
            no_test=NO_TEST,
            no_interval=NO_INTERVAL,
            not_comparable=NOT_COMPARABLE,
        ),
        notes=_notes(results, rows),
    )


def judge(row: PublishedNumber, ours: OwnValues) -> Judgement:
    """Return the verdict on our values beside a published number of their kind.

    Raises Incomparable.
    """
    value = summarise(row, ours).interval.mean
    assert value is not None
    difference = value - row.value
    margin = _margin(row, ours, value).widened(
        row.rounding + 1e-9 * max(1.0, abs(row.value))
    )
    if margin.below is None or margin.above is None:
        same = all_equal(ours.values) and abs(difference) <= row.rounding + 1e-9
        reason = f"{margin.basis}; the published number is {'the same' if same else 'another'}"
        return Judgement(NO_INTERVAL, reason, Interval(difference, None, None))
    judgement = Judgement(
        verdict=NOT_SHOWN if -margin.below <= difference <= margin.above else DIFFERS,
        difference=Interval(
            difference, difference - margin.above, difference + margin.below
        ),
        basis=margin.basis,
        differs_below=low if (low := row.value - margin.below) > ours.lowest else None,
        differs_above=high
        if (high := row.value + margin.above) < ours.highest
        else None,
    )
    if judgement.differs_below is None and judgement.differs_above is None:
        return replace(
            judgement,
            verdict=NO_TEST,
            reason="no possible value would have been called different",
        )
    return judgement


def summarise(row: PublishedNumber, ours: OwnValues) -> Summary:
    """Return our values reduced as the published number is.

    Raises Incomparable if they cannot be.
    """
    runs = len(ours.values)
    if row.reduction == "best":
        return _best(row, ours)
    if row.reduction in ("mean", "single", "exact"):
        supernets = len(ours.independent)
        source = f" from {supernets} supernets" if supernets < runs else ""
        return Summary(
            student(ours.independent, (ours.lowest, ours.highest)),
            runs,
            f"mean of {runs}{source}",
        )
    raise Incomparable("the paper does not say what it is the mean or best of")


def _best(row: PublishedNumber, ours: OwnValues) -> Summary:
    """Our expected best of as many runs as the published number is of.

    Raises Incomparable.
    """
    runs = len(ours.values)
    if row.metric == "params_millions":
        raise Incomparable("it is of the published best run alone")
    if row.runs is None:
        raise Incomparable("it is not said of how many runs it is the best")
    if runs < row.runs:
        raise Incomparable(f"the best of {row.runs} runs, and here are {runs}")
    sign = 1.0 if ours.higher else -1.0
    expected = best_of([sign * value for value in ours.values], row.runs)
    words = f"best of {row.runs}" + (f", expected of {runs}" if runs > row.runs else "")
    return Summary(Interval(sign * expected, None, None), runs, words)


def _margin(row: PublishedNumber, ours: OwnValues, value: float) -> Margin:
    """The margin of a difference from that kind of published number."""
    independent = ours.independent
    if row.reduction == "best":
        assert row.runs is not None
        return margins.margin_of_best(
            ours.values, len(independent), row.runs, value, ours.higher
        )
    if row.reduction == "exact":
        landscape = ours.landscape
        if landscape is not None and _is_its_mean(row, landscape.mean, landscape.std):
            return margins.margin_of_random_cells(landscape.quantiles, len(independent))
        return margins.margin_of_our_mean(independent, margins.PUBLISHED_EXACT)
    if row.runs == 1:
        return margins.margin_of_one_run(ours.values, len(independent))
    if row.reduction == "single":
        return margins.margin_between_samples(independent, row.independent)
    return margins.margin_between_means(independent, row.std, row.runs)


def _is_its_mean(row: PublishedNumber, mean: float | None, std: float | None) -> bool:
    """Whether the published number is the mean of this very table, and its spread that of the table's cells."""
    if mean is None or std is None or row.std is None:
        return False
    return abs(mean - row.value) <= row.rounding and abs(std - row.std) <= row.rounding


def _notes(results: Results, rows: Sequence[Row]) -> list[str]:
    """What holds for several rows: how the study differs, its status, its images, what is known of the numbers."""
    info = results.info
    notes = []
    if info.variant_of:
        notes.append(
            f"This study is a variant of {info.variant_of}. Settings that differ ({len(info.differences)}): "
            f"{'; '.join(info.differences)}."
        )
    notes += results.status()
    images = dict.fromkeys(
        str(row.full["images"]) for row in rows if row.full["images"]
    )
    notes += [
        f"Ours searched on {of}, where the published search had the whole data set."
        for of in images
    ]
    known = {
        (row.full["table"], row.full["method"]): row.full["published_note"]
        for row in rows
    }
    return notes + [
        f"{table}, {method}: {note}." for (table, method), note in known.items() if note
    ]


def _answer(rows: list[Row]) -> str:
    """How many published numbers there are of each verdict."""
    counts = Counter(str(row.full["verdict"]) for row in rows)
    compared = len(rows) - counts[NOT_COMPARABLE]
    if not compared:
        which = (
            "The published number cannot"
            if len(rows) == 1
            else f"None of the {len(rows)} published numbers can"
        )
        return (
            f"{which} be held against ours."
            if rows
            else "No published number is known of what was run."
        )
    verdicts = ", ".join(
        f"{counts[verdict]} {words}"
        for verdict, words in _IN_WORDS.items()
        if counts[verdict]
    )
    rest = (
        f"; {len(rows) - compared} more cannot be compared"
        if compared < len(rows)
        else ""
    )
    return f"Of {compared} published numbers that can be held against ours: {verdicts}{rest}."


def _of_its_data(
    results: Results, rows: list[PublishedNumber], group: Group
) -> list[PublishedNumber]:
    """Those on data sets on which the group was judged; all, with the reason in the table, if there is none."""
    datasets = {
        landscape.dataset for landscape in results.landscapes if group.known(landscape)
    }
    return [row for row in rows if row.dataset in datasets] or rows


def _row(results: Results, row: PublishedNumber, group: Group) -> Row:
    held = _held(results, row, group)
    summary, judgement = held.summary, held.judgement
    interval = summary.interval if summary else _NOTHING
    full: dict[str, object] = {
        **{key: getattr(row, key) for key in _PUBLISHED},
        "published": row.value,
        "published_std": row.std,
        "published_reduction": _reduction(row),
        "published_runs": row.runs,
        "published_source": row.source,
        "published_note": row.note,
        "search_protocol": row.search_protocol,
        "oracle": row.oracle,
        "selector": group.name,
        "measured": interval.mean,
        "measured_low": interval.low,
        "measured_high": interval.high,
        "runs": summary.runs if summary else None,
        "measured_reduction": summary.reduction if summary else None,
        "difference": judgement.difference.mean,
        "difference_low": judgement.difference.low,
        "difference_high": judgement.difference.high,
        "compared_by": judgement.basis,
        "differs_below": judgement.differs_below,
        "differs_above": judgement.differs_above,
        "verdict": judgement.verdict,
        "reason": judgement.reason,
        "images": held.images,
    }
    digits = 3 if CORRELATION.fullmatch(row.metric) else 2
    shown = {
        "Published in": f"{row.short_paper}, {row.table}, {row.space}, {row.dataset}",
        "Method": row.method,
        "Selector": group.name,
        "Metric": _metric(row),
        "Published": _published(row, digits),
        "Measured": f"{_interval(interval, digits)} ({summary.reduction})"
        if summary
        else NONE,
        "Difference": _interval(judgement.difference, digits, sign="+"),
        "By": judgement.basis or NONE,
        "Would differ": _would_differ(judgement, digits),
        "Verdict": _verdict(judgement, held.settings),
    }
    return Row(full, shown)


@dataclass(frozen=True)
class Held:
    """A published number held against ours.

    Attributes:
        summary: ours as the published number is, None where there is no such thing.
        judgement: the verdict.
        settings: in which the searches were not made alike, in words.
        images: that ours had where the published search had a whole data set, in words.
    """

    summary: Summary | None
    judgement: Judgement
    settings: tuple[str, ...] = ()
    images: str = ""


def _held(results: Results, row: PublishedNumber, group: Group) -> Held:
    try:
        ours = values_like(results, row, group)
        summary = summarise(row, ours)
    except Incomparable as why:
        return Held(_shown_anyway(row, group), Judgement(NOT_COMPARABLE, f"{why}"))
    if not row.search_protocol:
        if row.reduction == "exact":
            return Held(summary, judge(row, ours))
        return Held(
            summary,
            Judgement(
                NOT_COMPARABLE, "how the published search was made is not on record"
            ),
        )
    if settings := protocol_differences(row.search_protocol, row.dataset, group.inputs):
        barred = Judgement(NOT_COMPARABLE, f"another protocol ({', '.join(settings)})")
        return Held(summary, barred, tuple(settings))
    return Held(
        summary,
        judge(row, ours),
        images=other_images(row.search_protocol, row.dataset, group.inputs),
    )


def _verdict(judgement: Judgement, settings: Sequence[str]) -> str:
    """The verdict with its reason; of many settings that differ the first ones."""
    if len(settings) > MOST_SETTINGS + 1:
        first = ", ".join(settings[:MOST_SETTINGS])
        return f"{judgement.verdict}: another protocol ({first} and {len(settings) - MOST_SETTINGS} more)"
    return (
        f"{judgement.verdict}: {judgement.reason}"
        if judgement.reason
        else judgement.verdict
    )


def _shown_anyway(row: PublishedNumber, group: Group) -> Summary | None:
    """A wall clock is shown though it is not held against the published one."""
    if row.metric not in TIMES:
        return None
    ours = times_like(row, group)
    return Summary(
        student(ours.independent), len(ours.values), f"mean of {len(ours.values)}"
    )


def _reduction(row: PublishedNumber) -> str:
    """What the published number is, in words."""
    if row.reduction == "exact":
        return "exact"
    if row.reduction == "single":
        supernets = (
            f" from {len(row.independent)} supernets"
            if len(row.independent) < len(row.values)
            else ""
        )
        return f"{row.runs} single run{'s' if row.runs != 1 else ''}{supernets}"
    if row.reduction in ("mean", "best"):
        return (
            f"{row.reduction} of {row.runs}"
            if row.runs
            else f"{row.reduction}, runs not stated"
        )
    return row.reduction or "reduction not stated"


def _metric(row: PublishedNumber) -> str:
    """A metric in words, with the oracle of a correlation."""
    matched = CORRELATION.fullmatch(row.metric)
    if matched is None:
        return _UNITS.get(row.metric, row.metric)
    sign = "τ" if matched["kind"] == "kendall" else "ρ"
    when = f", iteration {matched['iteration']}" if matched["iteration"] else ""
    return f"{sign} with {matched['oracle']}-acc ({row.oracle}){when}"


def _published(row: PublishedNumber, digits: int) -> str:
    """The published number with what is known of its scatter, and what it is of."""
    number, reduction = f"{row.value:.{digits}f}", _reduction(row)
    if len(row.values) > 1:
        return f"{number} ({reduction}, {min(row.values):.{digits}f} to {max(row.values):.{digits}f})"
    if row.std is None:
        return f"{number} ({reduction})"
    if row.reduction == "exact":
        return f"{number} (exact; single values ± {row.std:.{digits}f})"
    return f"{number} ± {row.std:.{digits}f} ({reduction})"


def _interval(interval: Interval, digits: int, sign: str = "") -> str:
    if interval.mean is None:
        return NONE
    number = f"{interval.mean:{sign}.{digits}f}"
    if interval.low is None or interval.high is None:
        return number
    return (
        f"{number} [{interval.low:{sign}.{digits}f}, {interval.high:{sign}.{digits}f}]"
    )


def _would_differ(judgement: Judgement, digits: int) -> str:
    """Which values of ours would have been called different, in words."""
    if judgement.verdict == NO_TEST:
        return "none that is possible"
    parts: Sequence[str] = [
        f"{word} {value:.{digits}f}"
        for word, value in (
            ("below", judgement.differs_below),
            ("above", judgement.differs_above),
        )
        if value is not None
    ]
    return " or ".join(parts) or NONE
