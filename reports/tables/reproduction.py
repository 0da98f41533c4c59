"""The reproduction table: published numbers next to our measurements.

A number is judged only if ours has the same reduction, split, number of epochs or final
training, search protocol and oracle, and is measured rather than predicted. The table
says where no result could have changed the verdict.
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
"""Most differing settings of a protocol that the table lists; the CSV lists all."""

_IN_WORDS = {
    NOT_SHOWN: "not shown to differ",
    DIFFERS: "shown to differ",
    NO_TEST: "that no value could have shown to differ (no test)",
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
"""Fields of a published number that are columns of the same name."""
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
    f"Published numbers and ours. Brackets: {100 * LEVEL:.0f} % intervals. "
    "Difference: our value minus the published number. "
    f"Verdict: '{DIFFERS}' if the interval of the difference excludes 0, with an allowance for the rounding of the "
    f"printed number; '{NOT_SHOWN}' if it includes 0, which does not prove agreement; '{NO_INTERVAL}' if our values "
    f"do "
    f"not vary. Would differ: the possible values that would have got the verdict '{DIFFERS}', given the spread of "
    f"our "
    f"runs; '{NO_TEST}': with so few runs, no result could have been significant. "
    "By: how the interval is computed. A published mean is compared with our mean by both standard errors (Welch's t; "
    "selections from one supernet count as one value), or by ours alone if the published one is not known or the "
    "number "
    "is exact. A published single run or best of n is compared with the spread of our runs: the interval is for one "
    "more "
    "run or best of n. It contains the value in 95 % of cases if runs are normally distributed, "
    f"and in {100 * SKEWED_RUNS:.0f} % for some parts "
    "of NAS-Bench-201's skewed cells. The mean of a whole table is compared with means of as many random cells. "
    f"'{NOT_COMPARABLE}', with the reason: reduction, split, number of epochs, training, search protocol, oracle "
    "or device differ; our value is shown without a verdict."
)


def reproduction_table(results: Results) -> Table:
    """Return the table of the published numbers that the study names, and ours.

    Raises UserError for an unknown published number.
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
    """Return the published numbers on data sets for which the group has accuracies.

    Return all if there are none: the table then says why they are not comparable.
    """
    datasets = {
        landscape.dataset for landscape in results.landscapes if group.known(landscape)
    }
    return [number for number in published if number.dataset in datasets] or published


# One published number beside ours


@dataclass(frozen=True)
class Reproduction:
    """The reproduction of a published number.

    Attributes:
        summary: our value, reduced as the published number is; None if that is
            impossible.
        judgement: verdict.
        settings: settings in which the two searches differ, as text.
        images: images of our search if it did not use the whole data set, as text.
    """

    summary: Summary | None
    judgement: Judgement
    settings: tuple[str, ...] = ()
    images: str = ""


def _reproduce(
    results: Results, published: PublishedNumber, group: Group
) -> Reproduction:
    """Return our value for a published number, with a verdict if it is comparable."""
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
        reason = "the settings of the published search are not known here"
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
    """Return our search time, shown without a verdict; None for other metrics."""
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
    """Return the kind of the published number, such as "mean of 4" or "exact"."""
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
    """Return a metric as text, with the oracle of a correlation."""
    matched = CORRELATION.fullmatch(published.metric)
    if matched is None:
        return _UNITS.get(published.metric, published.metric)
    sign = "τ" if matched["kind"] == "kendall" else "ρ"
    iteration = matched["iteration"]
    when = f", iteration {iteration}" if iteration else ""
    return f"{sign} with {matched['oracle']}-acc ({published.oracle}){when}"


def _published_in_words(published: PublishedNumber, digits: int) -> str:
    """Return the published number as text, with its spread and kind."""
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
    """Return a number as text, with its interval if it has one."""
    if interval.mean is None:
        return NONE
    form = f"{sign}.{digits}f"
    number = f"{interval.mean:{form}}"
    if interval.low is None or interval.high is None:
        return number
    return f"{number} [{interval.low:{form}}, {interval.high:{form}}]"


def _would_differ(judgement: Judgement, digits: int) -> str:
    """Return the values of ours that would have got the verdict "differs", as text."""
    if judgement.verdict == NO_TEST:
        return "no possible value"
    parts = []
    if judgement.differs_below is not None:
        parts.append(f"below {judgement.differs_below:.{digits}f}")
    if judgement.differs_above is not None:
        parts.append(f"above {judgement.differs_above:.{digits}f}")
    return " or ".join(parts) or NONE


def _verdict_in_words(judgement: Judgement, settings: Sequence[str]) -> str:
    """Return the verdict with its reason; of many settings, list only the first."""
    if len(settings) > MOST_SETTINGS + 1:
        first = ", ".join(settings[:MOST_SETTINGS])
        rest = len(settings) - MOST_SETTINGS
        return f"{judgement.verdict}: another protocol ({first} and {rest} more)"
    if judgement.reason:
        return f"{judgement.verdict}: {judgement.reason}"
    return judgement.verdict


# The answer and the notes


def _answer(rows: Sequence[Row]) -> str:
    """Return the number of published numbers for each verdict, as a sentence."""
    if not rows:
        return "There is no published number for the selectors of this study."
    counts = Counter(str(row.full["verdict"]) for row in rows)
    compared = len(rows) - counts[NOT_COMPARABLE]
    if not compared:
        which = (
            "The published number cannot"
            if len(rows) == 1
            else f"None of the {len(rows)} published numbers can"
        )
        return f"{which} be compared with ours."
    verdicts = ", ".join(
        f"{counts[verdict]} {words}"
        for verdict, words in _IN_WORDS.items()
        if counts[verdict]
    )
    more = counts[NOT_COMPARABLE]
    rest = f"; {more} more cannot be compared" if more else ""
    return f"Of {compared} comparable published numbers: {verdicts}{rest}."


def _notes(results: Results, rows: Sequence[Row]) -> list[str]:
    """Return the notes under the table.

    They give the study's differences from the original, its status, its images, and
    remarks on the published numbers.
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
        f"Our search used {images}; the published search used the whole data set."
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
