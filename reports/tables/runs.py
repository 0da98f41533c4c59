"""The provenance of every run: seeds, settings, machine, versions and commit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

import pandas as pd

from archselect.benchmarks.store.facts import short_commit
from archselect.benchmarks.store.records import Accuracy, Landscape, Record
from archselect.reports.results.mixture_costs import mixture_columns
from archselect.reports.results.results import Results
from archselect.reports.results.trade_offs import CostKind, costs_of_group, kind_of
from archselect.reports.tables.table import NONE, Table
from archselect.reports.tables.words import short

_MACHINE_FIELDS = (
    "device",
    "device_name",
    "threads",
    "deterministic",
    "platform",
    "python",
    "torch",
)
_CAPTION = (
    "Seed: supernet seed/selection seed. Record: the file in records/ with all measurements of the run. The settings "
    "of "
    "selectors, supernets and data sets are listed below. report/runs.csv also has the architectures."
)


def runs_frame(results: Results) -> pd.DataFrame:
    """Return one row per finished run, with its result and provenance."""
    records = results.records
    inputs = [record.inputs for record in records]
    selectors: list[str] = []
    seconds: list[float] = []
    for group in results.groups:
        selectors += [group.name] * len(group.records)
        seconds += group.seconds
    columns: dict[str, object] = {
        "record": [record.id for record in records],
        "selector": selectors,
        "supernet_seed": [run.supernet_seed for run in inputs],
        "selection_seed": [run.selection_seed for run in inputs],
        "space": [run.space for run in inputs],
        "data": [run.data.name for run in inputs],
        "data_checksum": [run.data.checksum for run in inputs],
        "supernet": [run.supernet.recipe for run in inputs],
        "architecture": [record.selected.architecture for record in records],
        "canonical": [record.selected.canonical for record in records],
        "total_s": seconds,
        **_cost_columns(results),
        **mixture_columns(records),
        **_machine_columns(records),
        "archselect": [record.code_version for record in records],
        "commit": [record.commit for record in records],
        "supernet_commit": [record.supernet_commit for record in records],
    }
    return pd.DataFrame(columns, dtype=object)


class _Judgement(NamedTuple):
    """The accuracy of a run in a truth; None for values that are not known."""

    truth: str | None = None
    dataset: str | None = None
    split: str | None = None
    epochs: int | None = None
    source: str | None = None
    accuracy: float | None = None
    rank: int | None = None
    gap: float | None = None


def judged_frame(results: Results) -> pd.DataFrame:
    """Return one row per finished run and ground truth that judges it.

    To the columns of :func:`runs_frame` it adds the truth, the accuracy of the selected
    architecture (in per cent, mean over trials), its rank (1 is the best), and the gap:
    the highest mean of the truth minus the accuracy, in percentage points. A run
    without a truth has one row, in which these columns are empty.
    """
    landscapes = {landscape.id: landscape for landscape in results.landscapes}
    places: list[int] = []
    judgements: list[_Judgement] = []
    for place, record in enumerate(results.records):
        rows = [_judgement(one, landscapes[one.landscape]) for one in record.accuracies]
        rows = rows or [_Judgement()]
        places += [place] * len(rows)
        judgements += rows
    frame = runs_frame(results).iloc[places].reset_index(drop=True)
    judged = pd.DataFrame(judgements, columns=list(_Judgement._fields), dtype=object)
    after = frame.columns.get_loc("canonical") + 1
    before_costs = frame.iloc[:, :after]
    return pd.concat([before_costs, judged, frame.iloc[:, after:]], axis=1)


def _judgement(accuracy: Accuracy, landscape: Landscape) -> _Judgement:
    """Return the accuracy, rank and gap of a run in a truth."""
    gap = None
    if accuracy.mean is not None and landscape.optimum is not None:
        gap = landscape.optimum - accuracy.mean
    return _Judgement(
        truth=landscape.truth,
        dataset=landscape.dataset,
        split=landscape.split,
        epochs=landscape.epochs,
        source=accuracy.source,
        accuracy=accuracy.mean,
        rank=accuracy.rank,
        gap=gap,
    )


def _cost_columns(results: Results) -> dict[str, object]:
    """Return a column per cost of the selected architectures; None if not known."""
    kinds: dict[CostKind, None] = {}
    for record in results.records:
        kinds |= dict.fromkeys(map(kind_of, record.costs))
    names = Counter(kind.name for kind in kinds)
    columns: dict[str, object] = {}
    for kind in kinds:
        costs: list[float | None] = []
        for group in results.groups:
            costs += costs_of_group(group, kind)
        once = names[kind.name] == 1
        columns[f"cost_{kind.name}" if once else f"cost_{kind.name}_{kind.of}"] = costs
    return columns


def _machine_columns(records: list[Record]) -> dict[str, object]:
    """Return a column per field of the records' machines."""
    machines = [record.cost.machine for record in records]
    read_fields = attrgetter(*_MACHINE_FIELDS)
    # Many records share one Machine object.
    known = {id(machine): read_fields(machine) for machine in machines}
    by_field = zip(*(known[id(machine)] for machine in machines), strict=True)
    return dict(zip(_MACHINE_FIELDS, by_field, strict=True))


def runs_table(
    frame: pd.DataFrame, most: int, cells: Mapping[tuple[str, str], str]
) -> Table:
    """Return the table of the first runs of a frame, at most `most`, for the page.

    Args:
        frame: all runs, from :func:`runs_frame`.
        most: largest number of rows.
        cells: names of the drawn cells, by space and architecture.
    """
    first = frame[:most]
    seeds = zip(first.supernet_seed, first.selection_seed, strict=True)
    selected = zip(first.space, first.architecture, strict=True)
    drawn = [cells.get(cell) for cell in selected]
    shown = pd.DataFrame(
        {
            "Selector": first.selector,
            "Seed": [f"{supernet}/{selection}" for supernet, selection in seeds],
            "Space": first.space,
            "Images": first.data,
            "Cell": [name or NONE for name in drawn],
            "Seconds": first.total_s.map(short),
            "Device": [name or NONE for name in first.device_name],
            "Threads": first.threads.map(str),
            "torch": first.torch,
            "archselect": list(map(_version, first.archselect, first.commit)),
            "Record": first.record,
        },
        dtype=object,
    )
    distinct = set(zip(frame.archselect, frame.commit, strict=True))
    versions = {_version(version, commit) for version, commit in distinct}
    return Table(
        name="runs",
        title="Provenance of every run",
        answer=f"{len(frame)} runs, by archselect {', '.join(sorted(versions))}.",
        frame=first,
        shown=shown,
        marks=({},) * len(first),
        numeric=("Seconds", "Threads"),
        brief=tuple(shown.columns),
        caption=_CAPTION,
        notes=(),
        row_ids=tuple(f"run-{record}" for record in first.record),
        links=tuple({} if name is None else {"Cell": name} for name in drawn),
    )


def _version(version: str, commit: str | None) -> str:
    """Return the version with the short commit."""
    return f"{version} ({short_commit(commit)})"
