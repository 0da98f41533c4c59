"""The table of searches with a memory budget: memory, time and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archselect.benchmarks.store.records import (
    Failure,
    Landscape,
    StepMemoryFacts,
    SubSpaceAccuracy,
)
from archselect.reports.results.results import Group, Results
from archselect.reports.tables.table import (
    LANDSCAPE_COLUMNS,
    NONE,
    Row,
    Table,
    TableColumn,
    deviation,
    join_words,
    landscape_fields,
    make_table,
)
from archselect.reports.tables.words import short

EXPLORING = ("select", "query", "score", "validate", "data")
"""Phases in which a selector explores which operations to close."""
TUNING = ("supernet", "tune")
"""Phases in which supernet weights are trained."""
_MIB = 2**20

_CAPTION = (
    "Searches with a memory budget for the training step; means over the seeds that finished. Budget and step are "
    "counted, not measured: the tensors that a step keeps for its backward pass plus three times its weights, in "
    "float32. Step: with the operations that were left. Whole: with the whole supernet. Peak: measured memory of the "
    "process or the device; on a CPU it includes the interpreter and its libraries. Live: operations left, of all "
    "operations. Exploring: seconds spent to find operations to close. Tuning: seconds of training, including the "
    "supernet's. Selected: accuracy of the selected cell (± sample standard deviation). Sub-space mean and best: over "
    "the cells that use only live operations. The best alone says little, because it is high for random sub-spaces, "
    f"too. Failed: runs that did not finish. {NONE}: not known."
)

_COLUMNS = (
    *LANDSCAPE_COLUMNS,
    TableColumn("selector", "Selector", text=True, brief=True),
    TableColumn("seeds", "Seeds", brief=True),
    TableColumn("failed", "Failed", brief=True),
    TableColumn("budget_bytes", "Budget MiB", brief=True),
    TableColumn("step_bytes", "Step MiB ↓", brief=True),
    TableColumn("whole_bytes", "Whole MiB"),
    TableColumn("peak_memory_bytes", "Peak MiB ↓"),
    TableColumn("live", "Live", brief=True),
    TableColumn("operations"),
    TableColumn("exploring_s", "Exploring s ↓"),
    TableColumn("tuning_s", "Tuning s ↓"),
    TableColumn("selected", "Selected ↑", brief=True),
    TableColumn("selected_std"),
    TableColumn("sub_space_mean", "Sub-space mean ↑", brief=True),
    TableColumn("sub_space_best", "Sub-space best ↑"),
    TableColumn("sub_space_cells", "Cells"),
)


def memory_table(results: Results) -> Table:
    """Return memory, time and accuracy of every selector with a memory budget.

    There are rows per landscape; without a landscape, the accuracies are empty.
    """
    rows = []
    for landscape in results.landscapes or (None,):
        for group in results.groups:
            if _has_budget(group):
                rows.append(_row(results, landscape, group))
    return make_table(
        "memory",
        "Memory of the search",
        rows,
        answer=_answer(rows),
        columns=_COLUMNS,
        caption=_CAPTION,
        notes=[*_refusals(results), *results.status()],
    )


def _has_budget(group: Group) -> bool:
    """Return whether a run of a group has a memory budget."""
    return bool(_facts(group) or _refused(group))


def _facts(group: Group) -> list[StepMemoryFacts]:
    """Return the step memory of the finished runs that have a budget."""
    return [record.memory for record in group.records if record.memory is not None]


def _refused(group: Group) -> list[Failure]:
    """Return the runs that failed because a step needed too much memory."""
    return [failure for failure in group.failures if failure.memory is not None]


def _row(results: Results, landscape: Landscape | None, group: Group) -> Row:
    """Return the row of a selector: memory, time, and accuracy on a landscape."""
    facts = _facts(group)
    full: dict[str, object] = {
        "selector": group.name,
        "seeds": len(group.records),
        "failed": len(group.failures),
        "budget_bytes": _mean([fact.budget for fact in facts]),
        "step_bytes": _mean([fact.step for fact in facts]),
        "whole_bytes": _mean([fact.whole for fact in facts]),
        "live": _mean([fact.live for fact in facts]),
        "operations": _mean([fact.operations for fact in facts]),
        "exploring_s": _seconds(group, EXPLORING),
        "tuning_s": _seconds(group, TUNING),
    }
    if group.records:
        peaks = [record.cost.peak_memory for record in group.records]
        full["peak_memory_bytes"] = max(peaks)
    refused = [failure.memory for failure in _refused(group)]
    if not facts:
        needs = [refusal for refusal in refused if refusal is not None]
        full["budget_bytes"] = _mean([refusal.budget for refusal in needs])
        full["step_bytes"] = _mean([refusal.needed for refusal in needs])
    if landscape is not None:
        full |= landscape_fields(landscape)
        full |= _accuracies(landscape, group)
    title = "" if landscape is None else results.title(landscape)
    return Row(full, _show(full) | {"Landscape": title})


def _accuracies(landscape: Landscape, group: Group) -> dict[str, object]:
    """Return the accuracies of a group on a landscape, by column."""
    selected = []
    sub_spaces: list[SubSpaceAccuracy] = []
    for record in group.records:
        for accuracy in record.accuracies:
            if accuracy.landscape == landscape.id and accuracy.mean is not None:
                selected.append(accuracy.mean)
    for fact in _facts(group):
        sub_spaces += [
            each for each in fact.sub_spaces if each.landscape == landscape.id
        ]
    means = [each.mean for each in sub_spaces if each.mean is not None]
    bests = [each.best for each in sub_spaces if each.best is not None]
    return {
        "selected": _mean(selected),
        "selected_std": deviation(np.array(selected)),
        "sub_space_mean": _mean(means),
        "sub_space_best": _mean(bests),
        "sub_space_cells": _mean([each.architectures for each in sub_spaces]),
    }


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean of numbers; None for an empty sequence."""
    return float(np.mean(values)) if values else None


def _seconds(group: Group, phases: Sequence[str]) -> float | None:
    """Return the mean seconds that a group's runs spent in the phases."""
    totals = np.zeros(len(group.records))
    for phase in phases:
        if phase in group.phases:
            totals += np.array(group.phases[phase])
    return _mean(totals.tolist())


def _show(full: dict[str, object]) -> dict[str, str]:
    """Return a row's numbers as text under the headers of the table."""
    return {
        "Selector": str(full["selector"]),
        "Seeds": str(full["seeds"]),
        "Failed": str(full["failed"] or NONE),
        "Budget MiB": _mebibytes(full["budget_bytes"]),
        "Step MiB ↓": _mebibytes(full["step_bytes"]),
        "Whole MiB": _mebibytes(full["whole_bytes"]),
        "Peak MiB ↓": _mebibytes(full.get("peak_memory_bytes")),
        "Live": _live(full),
        "Exploring s ↓": _seconds_in_words(full["exploring_s"]),
        "Tuning s ↓": _seconds_in_words(full["tuning_s"]),
        "Selected ↑": _accuracy(full.get("selected"), full.get("selected_std")),
        "Sub-space mean ↑": _accuracy(full.get("sub_space_mean")),
        "Sub-space best ↑": _accuracy(full.get("sub_space_best")),
        "Cells": _count(full.get("sub_space_cells")),
    }


def _mebibytes(count: object) -> str:
    return short(count / _MIB) if isinstance(count, int | float) else NONE


def _seconds_in_words(seconds: object) -> str:
    return short(seconds) if isinstance(seconds, float) else NONE


def _accuracy(mean: object, spread: object = None) -> str:
    """Return an accuracy as text, with "± spread" if it is given."""
    if not isinstance(mean, float):
        return NONE
    return f"{mean:.2f} ± {spread:.2f}" if isinstance(spread, float) else f"{mean:.2f}"


def _count(mean: object) -> str:
    """Return a mean of counts as text, without decimals if it is whole."""
    if not isinstance(mean, float):
        return NONE
    return f"{mean:,.0f}" if mean == round(mean) else f"{mean:,.1f}"


def _live(full: dict[str, object]) -> str:
    """Return the number of live operations and of all operations, as text."""
    if full["live"] is None:
        return NONE
    return f"{_count(full['live'])} of {_count(full['operations'])}"


def _refusals(results: Results) -> list[str]:
    """Return a note per selector with runs that needed too much memory."""
    notes = []
    for group in results.groups:
        refused = _refused(group)
        if refused:
            runs = "1 run" if len(refused) == 1 else f"{len(refused)} runs"
            notes.append(f"{group.name}: {runs} refused, {refused[0].error}.")
    return notes


def _answer(rows: Sequence[Row]) -> str:
    """Return the selectors with the best sub-spaces, and those that did not finish."""
    by_title: dict[str, dict[str, float]] = {}
    for row in rows:
        mean = row.full.get("sub_space_mean")
        if isinstance(mean, float):
            means = by_title.setdefault(row.shown["Landscape"], {})
            means[str(row.full["selector"])] = round(mean, 9)
    sentences = []
    for title, means in by_title.items():
        highest = max(means.values())
        names = [name for name, mean in means.items() if mean == highest]
        verb = "leaves" if len(names) == 1 else "leave"
        where = f"On {title}, the" if len(by_title) > 1 else "The"
        sentences.append(
            f"{where} sub-space that {join_words(names)} {verb} has the highest mean accuracy, {highest:.2f} %."
        )
    refused = [row for row in rows if not row.full["seeds"]]
    if refused:
        names = list(dict.fromkeys(str(row.full["selector"]) for row in refused))
        sentences.append(f"No run of {join_words(names)} finished.")
    return " ".join(sentences) or "No search has a memory budget."
