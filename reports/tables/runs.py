"""Where every run comes from: seeds, settings, machine, versions and commit, as a table and in words."""

from __future__ import annotations

from operator import attrgetter

import pandas as pd

from archselect.benchmarks.store.facts import short_commit
from archselect.reports.results.results import Results
from archselect.reports.tables.table import NONE, Table
from archselect.reports.tables.words import short

_MACHINE = (
    "device",
    "device_name",
    "threads",
    "deterministic",
    "platform",
    "python",
    "torch",
)
_TOLD = attrgetter(*_MACHINE)


def runs_frame(results: Results) -> pd.DataFrame:
    """One row for every finished run, with all that says where it is from."""
    records = results.records
    inputs = [record.inputs for record in records]
    machines = [record.cost.machine for record in records]
    # Many records share one object.
    told = {id(machine): _TOLD(machine) for machine in machines}
    of_machine = zip(*(told[id(machine)] for machine in machines), strict=True)
    return pd.DataFrame(
        {
            "record": [record.id for record in records],
            "selector": [group.name for group in results.groups for _ in group.records],
            "supernet_seed": [own.supernet_seed for own in inputs],
            "selection_seed": [own.selection_seed for own in inputs],
            "space": [own.space for own in inputs],
            "data": [own.data.name for own in inputs],
            "data_checksum": [own.data.checksum for own in inputs],
            "supernet": [own.supernet.recipe for own in inputs],
            "architecture": [record.selected.architecture for record in records],
            "canonical": [record.selected.canonical for record in records],
            "total_s": [total for group in results.groups for total in group.seconds],
            **dict(zip(_MACHINE, of_machine, strict=True)),
            "archselect": [record.code_version for record in records],
            "commit": [record.commit for record in records],
            "supernet_commit": [record.supernet_commit for record in records],
        },
        dtype=object,
    )


def runs_table(frame: pd.DataFrame, most: int) -> Table:
    """The first of the runs of a frame, no more than `most`, to be read on a page."""
    first = frame[:most]
    shown = pd.DataFrame(
        {
            "Selector": first.selector,
            "Seed": [
                f"{row.supernet_seed}/{row.selection_seed}"
                for row in first.itertuples()
            ],
            "Space": first.space,
            "Images": first.data,
            "Seconds": first.total_s.map(short),
            "Device": [name or NONE for name in first.device_name],
            "Threads": first.threads.map(str),
            "torch": first.torch,
            "archselect": list(map(_version, first.archselect, first.commit)),
            "Record": first.record,
        },
        dtype=object,
    )
    versions = {
        _version(*made)
        for made in set(zip(frame.archselect, frame.commit, strict=True))
    }
    return Table(
        name="runs",
        title="Where every run comes from",
        answer=f"{len(frame)} runs, by archselect {', '.join(sorted(versions))}.",
        frame=first,
        shown=shown,
        marks=({},) * len(first),
        numeric=("Seconds", "Threads"),
        brief=tuple(shown.columns),
        caption=(
            "Seed: supernet seed/selection seed. Record: the file in records/ with all that the run measured. The "
            "settings of a selector, supernet and data set are below; report/runs.csv has the architectures, too."
        ),
        notes=(),
    )


def _version(version: str, commit: str | None) -> str:
    """Return the version, and the commit in words."""
    return f"{version} ({short_commit(commit)})"
