"""The reproduction table: what papers print, and what was measured here.

Like is compared with like: the same reduction, split and horizon or final training, the
same search protocol, the same oracle, measured and not predicted. A row whose verdict
could not have been another says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from archselect.reports.published.numbers import PublishedNumber, find_published
from archselect.reports.published.search_protocols import (
    other_images,
    protocol_differences,
)
from archselect.reports.results.own_values import (
    CORRELATION,
    TIMES,
    Incomparable,
    times_like,
    values_like,
)
from archselect.reports.results.results import Group, Results
from archselect.reports.statistics.intervals import LEVEL, Interval, student
from archselect.reports.statistics.margins import SKEWED_RUNS
from archselect.reports.tables.published_verdicts import (
    DIFFERS,
    NO_INTERVAL,
    NO_NUMBER,
    NO_TEST,
    NOT_COMPARABLE,
    NOT_SHOWN,
    Judgement,
    Summary,
    judge_published,
    summarise,
)
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    frame_columns,
    make_table,
)

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
_PUBLISHED_FIELDS = ("paper", "table", "space", "dataset", "method", "metric")
"""Fields of a published number that are columns of the same names."""
_COLUMNS = (
    *frame_columns(*_PUBLISHED_FIELDS),
    TableColumn(header="Published in", text=True, brief=True, heading=True),
    TableColumn(header="Method", text=True, brief=True),
    TableColumn(header="Selector", text=True),
    TableColumn(header="Metric", text=True, brief=True),
    TableColumn("published", "Published", text=True, brief=True),
    *frame_columns(
        "published_std",
        "published_reduction",
        "published_runs",
        "published_source",
        "published_note",
        "search_protocol",
        "oracle",
        "selector",
    ),
    TableColumn("measured", "Measured", text=True, brief=True),
    *frame_columns("measured_low", "measured_high", "runs", "measured_reduction"),
    TableColumn("difference", "Difference", brief=True),
    *frame_columns("difference_low", "difference_high"),
    TableColumn("compared_by", "By", text=True),
    TableColumn(header="Would differ", text=True, brief=True),
    *frame_columns("differs_below", "differs_above"),
    TableColumn("verdict", "Verdict", text=True, brief=True),
    *frame_columns("reason", "images"),
)
_CAPTION = (
    f"Published numbers beside ours. Brackets: {100 * LEVEL:.0f} % intervals. "
    "Difference: ours less the published number. "
    f"Verdict: '{DIFFERS}' if the interval of the difference excludes 0, rounding of the printed number allowed for; "
    f"'{NOT_SHOWN}' if it does not, which is no proof of agreement; '{NO_INTERVAL}' where our values show no scatter. "
    f"Would differ: which of the values that are possible would have been called '{DIFFERS}', "
    f"with the scatter that our runs have; '{NO_TEST}': too few runs, no result could have been significant. "
    "By: what the interval is made of. A published mean is held against our mean "
    "by both standard errors (Welch's t; a supernet's selections are one value), or by ours alone where the published "
    "one is not known or the number is exact; a published run or best of n against the scatter of our runs (for one "
    "more run or best of n; such an interval holds 95 % where runs scatter normally, "
    f"and {100 * SKEWED_RUNS:.0f} % for some parts "
    "of NAS-Bench-201's skewed cells); the mean of a whole table against means of as many random cells. "
    f"'{NOT_COMPARABLE}', with the reason, where reduction, split, horizon, training, search protocol, oracle "
    "or device differ: then ours is shown, and not judged."
)


def reproduction_table(results: Results) -> Table:
    """Return every published number that the study names, beside ours.

    Raises UserError for one that does not exist.
    """
    rows = []
    for entry in results.info.reproduces:
        for group in results.groups:
            if group.label != entry.selector or not group.records:
                continue
            space = group.inputs.space
            published = [
                number
                for number in find_published(entry)
                if space == (entry.space or number.space)
            ]
            for number in _on_its_data(results, published, group):
                rows.append(_row(number, group, _reproduce(results, number, group)))
    return make_table(
        "reproduction",
        "Published and measured",
        rows,
        answer=_answer(rows),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=_notes(results, rows),
    )


def _on_its_data(
    results: Results, published: list[PublishedNumber], group: Group
) -> list[PublishedNumber]:
    """Return the numbers on data sets on which the group has accuracies.

    All of them if there is none: then the table says why they cannot be compared.
    """
    datasets = {
        landscape.dataset for landscape in results.landscapes if group.known(landscape)
    }
    return [number for number in published if number.dataset in datasets] or published


# One published number beside ours


@dataclass(frozen=True)
class Reproduction:
    """A published number beside ours.

    Attributes:
        summary: ours as the published number is; None where there is no such thing.
        judgement: the verdict.
        settings: in which the searches were not made alike, in words.
        images: that ours had where the published search had a whole data set, in words.
    """

    summary: Summary | None
    judgement: Judgement
    settings: tuple[str, ...] = ()
    images: str = ""


def _reproduce(
    results: Results, published: PublishedNumber, group: Group
) -> Reproduction:
    """Return our values beside a published number, judged if they can be compared."""
    try:
        ours = values_like(results, published, group)
        summary = summarise(published, ours)
    except Incomparable as why:
        judgement = Judgement(NOT_COMPARABLE, f"{why}")
        return Reproduction(_measured_time(published, group), judgement)
    protocol = published.search_protocol
    if not protocol and published.reduction == "exact":
        return Reproduction(summary, judge_published(published, ours))
    if not protocol:
        reason = "how the published search was made is not on record"
        return Reproduction(summary, Judgement(NOT_COMPARABLE, reason))
    settings = protocol_differences(protocol, published.dataset, group.inputs)
    if settings:
        reason = f"another protocol ({', '.join(settings)})"
        judgement = Judgement(NOT_COMPARABLE, reason)
        return Reproduction(summary, judgement, tuple(settings))
    return Reproduction(
        summary,
        judge_published(published, ours),
        images=other_images(protocol, published.dataset, group.inputs),
    )


def _measured_time(published: PublishedNumber, group: Group) -> Summary | None:
    """Return our time, which is shown but not compared; None for other metrics."""
    if published.metric not in TIMES:
        return None
    ours = times_like(published, group)
    runs = len(ours.values)
    return Summary(student(ours.independent), runs, f"mean of {runs}")


# Rows


def _row(published: PublishedNumber, group: Group, reproduction: Reproduction) -> Row:
    """Return the row of one published number."""
    summary = reproduction.summary
    judgement = reproduction.judgement
    interval = summary.interval if summary else NO_NUMBER
    digits = 3 if CORRELATION.fullmatch(published.metric) else 2
    fields = {name: getattr(published, name) for name in _PUBLISHED_FIELDS}
    full: dict[str, object] = {
        **fields,
        "published": published.value,
        "published_std": published.std,
        "published_reduction": _reduction_in_words(published),
        "published_runs": published.runs,
        "published_source": published.source,
        "published_note": published.note,
        "search_protocol": published.search_protocol,
        "oracle": published.oracle,
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
        "images": reproduction.images,
    }
    where = (published.short_paper, published.table, published.space, published.dataset)
    shown = {
        "Published in": ", ".join(where),
        "Method": published.method,
        "Selector": group.name,
        "Metric": _metric_in_words(published),
        "Published": _published_in_words(published, digits),
        "Measured": _summary_in_words(summary, digits),
        "Difference": _interval_in_words(judgement.difference, digits, sign="+"),
        "By": judgement.basis or NONE,
        "Would differ": _would_differ(judgement, digits),
        "Verdict": _verdict_in_words(judgement, reproduction.settings),
    }
    return Row(full, shown)


def _reduction_in_words(published: PublishedNumber) -> str:
    """Return what the published number is: a mean, a best, single runs."""
    if published.reduction == "exact":
        return "exact"
    if published.reduction == "single":
        supernets = len(published.independent)
        is_of_fewer = supernets < len(published.values)
        source = f" from {supernets} supernets" if is_of_fewer else ""
        plural = "" if published.runs == 1 else "s"
        return f"{published.runs} single run{plural}{source}"
    if published.reduction not in ("mean", "best"):
        return published.reduction or "reduction not stated"
    if published.runs:
        return f"{published.reduction} of {published.runs}"
    return f"{published.reduction}, runs not stated"


def _metric_in_words(published: PublishedNumber) -> str:
    """Return a metric in words, with the oracle of a correlation."""
    matched = CORRELATION.fullmatch(published.metric)
    if matched is None:
        return _UNITS.get(published.metric, published.metric)
    sign = "τ" if matched["kind"] == "kendall" else "ρ"
    iteration = matched["iteration"]
    when = f", iteration {iteration}" if iteration else ""
    return f"{sign} with {matched['oracle']}-acc ({published.oracle}){when}"


def _published_in_words(published: PublishedNumber, digits: int) -> str:
    """Return the published number with its scatter, and what it is of."""
    number = f"{published.value:.{digits}f}"
    reduction = _reduction_in_words(published)
    if len(published.values) > 1:
        lowest = f"{min(published.values):.{digits}f}"
        highest = f"{max(published.values):.{digits}f}"
        return f"{number} ({reduction}, {lowest} to {highest})"
    if published.std is None:
        return f"{number} ({reduction})"
    spread = f"{published.std:.{digits}f}"
    if published.reduction == "exact":
        return f"{number} (exact; single values ± {spread})"
    return f"{number} ± {spread} ({reduction})"


def _summary_in_words(summary: Summary | None, digits: int) -> str:
    if summary is None:
        return NONE
    return f"{_interval_in_words(summary.interval, digits)} ({summary.reduction})"


def _interval_in_words(interval: Interval, digits: int, sign: str = "") -> str:
    """Return a number with its interval, if it has one."""
    if interval.mean is None:
        return NONE
    form = f"{sign}.{digits}f"
    number = f"{interval.mean:{form}}"
    if interval.low is None or interval.high is None:
        return number
    return f"{number} [{interval.low:{form}}, {interval.high:{form}}]"


def _would_differ(judgement: Judgement, digits: int) -> str:
    """Return which values of ours would have been called different, in words."""
    if judgement.verdict == NO_TEST:
        return "none that is possible"
    parts = []
    if judgement.differs_below is not None:
        parts.append(f"below {judgement.differs_below:.{digits}f}")
    if judgement.differs_above is not None:
        parts.append(f"above {judgement.differs_above:.{digits}f}")
    return " or ".join(parts) or NONE


def _verdict_in_words(judgement: Judgement, settings: Sequence[str]) -> str:
    """Return the verdict with its reason, which names the first of many settings."""
    if len(settings) > MOST_SETTINGS + 1:
        first = ", ".join(settings[:MOST_SETTINGS])
        rest = len(settings) - MOST_SETTINGS
        return f"{judgement.verdict}: another protocol ({first} and {rest} more)"
    if judgement.reason:
        return f"{judgement.verdict}: {judgement.reason}"
    return judgement.verdict


# The answer and the notes


def _answer(rows: Sequence[Row]) -> str:
    """Return how many published numbers there are of each verdict."""
    if not rows:
        return "No published number is known of what was run."
    counts = Counter(str(row.full["verdict"]) for row in rows)
    compared = len(rows) - counts[NOT_COMPARABLE]
    if not compared:
        which = (
            "The published number cannot"
            if len(rows) == 1
            else f"None of the {len(rows)} published numbers can"
        )
        return f"{which} be held against ours."
    verdicts = ", ".join(
        f"{counts[verdict]} {words}"
        for verdict, words in _IN_WORDS.items()
        if counts[verdict]
    )
    more = counts[NOT_COMPARABLE]
    rest = f"; {more} more cannot be compared" if more else ""
    return f"Of {compared} published numbers that can be held against ours: {verdicts}{rest}."


def _notes(results: Results, rows: Sequence[Row]) -> list[str]:
    """Return what holds for several rows.

    That is how the study differs from the one it is a variant of, its status, its
    images, and what is known of the published numbers.
    """
    info = results.info
    notes = []
    if info.variant_of:
        notes.append(
            f"This study is a variant of {info.variant_of}. Settings that differ ({len(info.differences)}): "
            f"{'; '.join(info.differences)}."
        )
    notes += results.status()
    used_images = dict.fromkeys(str(row.full["images"]) for row in rows)
    notes += [
        f"Ours searched on {images}, where the published search had the whole data set."
        for images in used_images
        if images
    ]
    note_of: dict[tuple[object, object], object] = {}
    for row in rows:
        note_of[row.full["table"], row.full["method"]] = row.full["published_note"]
    for (table, method), note in note_of.items():
        if note:
            notes.append(f"{table}, {method}: {note}.")
    return notes
