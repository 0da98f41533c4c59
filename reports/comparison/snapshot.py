"""Snapshots: the values that a comparison reads from a folder or a baseline file."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from archselect.benchmarks.store.facts import Fact, flatten, parse_fact, write_fact
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import read_text
from archselect.reports.results.metrics import (
    Series,
    cost_series,
    describe_search,
    quality_series,
)
from archselect.reports.results.results import Group, Results, load, seed_name

LARGEST = 1e30
"""Largest accepted accuracy, coefficient, count or time.

Sums of larger numbers could overflow.
"""
RANGES = {
    "points": (0.0, 100.0),
    "coefficient": (-1 - 1e-9, 1 + 1e-9),
    "count": (0.0, LARGEST),
    "seconds": (0.0, LARGEST),
}
"""The lowest and the highest possible value of a metric, by unit.

Rounding errors can raise a coefficient above one.
"""


class SelectorRuns(Fact):
    """The number of finished runs and the failed runs of a selector in a search.

    `search` is the space and the images. `finished` is the number of runs with a
    record. `failed` lists the seeds of failed runs.
    """

    label: str
    search: str
    finished: int = Field(ge=0)
    failed: list[str]


class Snapshot(Fact):
    """The values of a study's selectors by seed, and its finished and failed runs.

    `labels` lists the selectors of the study, with or without runs. `settings` has, by
    label, everything that determines a selector's runs except seeds and images.
    `unfinished` is the number of runs that neither finished nor failed.
    """

    schema_version: Literal[2] = 2
    name: str
    title: str
    command: str
    code_versions: list[str]
    commits: list[str]
    labels: list[str]
    series: list[Series]
    settings: dict[str, dict[str, str]]
    runs: list[SelectorRuns]
    unfinished: int = Field(ge=0)

    @property
    def failures(self) -> Counter[str]:
        """Number of failed runs, by label of the selector."""
        count: Counter[str] = Counter()
        for runs in self.runs:
            count[runs.label] += len(runs.failed)
        return +count

    def runs_of(self, label: str, search: str) -> SelectorRuns:
        """Return the finished and failed runs of a selector in a search.

        Both are empty if there are no such runs.
        """
        for runs in self.runs:
            if (runs.label, runs.search) == (label, search):
                return runs
        return SelectorRuns(label=label, search=search, finished=0, failed=[])


def take_snapshot(results: Results) -> Snapshot:
    """Return the snapshot of a study's results.

    Raises UserError, with the folder and the series, for an impossible value.
    """
    labels_with_runs = [group.label for group in results.groups]
    without_runs = [
        label for label in results.info.labels if label not in labels_with_runs
    ]
    results = _with_distinct_labels(results)
    labels = [group.label for group in results.groups]
    series = [*quality_series(results), *cost_series(results)]
    remedy = "remove the damaged records and rerun the study"
    _refuse_values(results.source.root, series, remedy)
    return Snapshot(
        name=results.info.name,
        title=results.info.title,
        command=results.info.command,
        code_versions=results.versions,
        commits=sorted({record.commit for record in results.records if record.commit}),
        labels=list(dict.fromkeys([*labels, *without_runs])),
        series=series,
        settings={group.label: _settings(group) for group in results.groups},
        runs=[_runs(group) for group in results.groups],
        unfinished=len(results.missing),
    )


def _settings(group: Group) -> dict[str, str]:
    """Return everything that determines a selector's runs except seeds and images."""
    include: Any = {
        "supernet": True,
        "selector": {"settings", "source"},
        "formulations": True,
    }
    inputs = group.inputs.model_dump(mode="json", include=include)
    return {name: str(value) for name, value in flatten(inputs).items()}


def read_snapshot(path: Path) -> Snapshot:
    """Return the snapshot of a folder of records or of a baseline file.

    Raises UserError if the path is neither, or if it has no value or an impossible one.
    """
    if path.is_dir():
        return take_snapshot(load(path))
    return _read_baseline(path)


def read_new_snapshot(path: Path) -> Snapshot:
    """Return the snapshot as :func:`read_snapshot` does, even if all runs failed."""
    if path.is_dir():
        return take_snapshot(load(path, may_have_failed=True))
    return _read_baseline(path)


def write_baseline(snapshot: Snapshot, path: Path) -> None:
    """Write a baseline file; raise UserError if the path is not writable."""
    write_fact(path, snapshot)


def _read_baseline(path: Path) -> Snapshot:
    if not path.is_file():
        raise UserError(
            f"{path} does not exist: give a folder that 'archselect run' has written, or a baseline file"
        )
    remedy = "write it again with 'archselect baseline'"
    # Baselines are under version control, where people can edit and convert them.
    snapshot = parse_fact(path, read_text(path), Snapshot, remedy)
    if not any(series.values for series in snapshot.series):
        raise UserError(f"{path} has no value of any selector: {remedy}")
    _refuse_values(path, snapshot.series, remedy)
    _refuse_duplicates(path, snapshot.series, remedy)
    return snapshot


def _runs(group: Group) -> SelectorRuns:
    return SelectorRuns(
        label=group.label,
        search=describe_search(group),
        finished=len(group.records),
        failed=[seed_name(failure.inputs) for failure in group.failures],
    )


def _with_distinct_labels(results: Results) -> Results:
    """Return the results with distinct labels for the groups of a search.

    A study can have one selector on two sizes of a supernet, or on two parts of a data
    set; their values are different series. Groups that share label, space and images
    get their full name as label.
    """
    count = Counter((group.label, describe_search(group)) for group in results.groups)
    groups = []
    for group in results.groups:
        if count[group.label, describe_search(group)] > 1:
            selector = group.inputs.selector.model_copy(update={"label": group.name})
            inputs = group.inputs.model_copy(update={"selector": selector})
            group = replace(group, inputs=inputs)
        groups.append(group)
    return replace(results, groups=tuple(groups))


def _refuse_values(path: Path, every: list[Series], remedy: str) -> None:
    """Raise UserError for the first impossible value."""
    for series in every:
        for seed, value in series.values.items():
            fault = _fault(value, series)
            if fault:
                raise UserError(
                    f"{path}: {series.metric.name} of {series.label} at {series.place}, seed {seed}, is {value}, "
                    f"which is {fault}: {remedy}"
                )


def _fault(value: float, series: Series) -> str:
    """Return why a value is impossible; empty if it is possible."""
    lowest, highest = RANGES[series.metric.unit]
    if lowest <= value <= highest:
        return ""
    if not isfinite(value):
        return "not finite"
    if abs(value) > LARGEST:
        return f"larger than {LARGEST:g}"
    return f"not between {lowest:g} and {highest:g}"


def _refuse_duplicates(path: Path, every: list[Series], remedy: str) -> None:
    """Raise UserError if two series have the same selector, metric and place."""
    count = Counter(
        (series.label, series.metric.name, series.place) for series in every
    )
    for (label, metric, place), times in count.items():
        if times > 1:
            raise UserError(
                f"{path} has {metric} of {label} at {place} {times} times: {remedy}"
            )
