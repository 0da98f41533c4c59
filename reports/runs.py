"""Where every run comes from: seeds, settings, machine, versions and commit, as a table and in words."""

from __future__ import annotations

import pandas as pd

from archselect.benchmarks.records import Record
from archselect.reports.results import Results, seed_name
from archselect.reports.tables.table import NONE, Table
from archselect.reports.words import short

_MACHINE = ("device", "device_name", "threads", "deterministic", "platform", "python", "torch")


def runs_table(results: Results) -> Table:
    """One row for every finished run."""
    records = results.records
    inputs = [record.inputs for record in records]
    names = [group.name for group in results.groups for _ in group.records]
    seconds = [total for group in results.groups for total in group.seconds]
    machines = [record.cost.machine for record in records]
    versions = [_version(record) for record in records]
    frame = pd.DataFrame(
        {
            "record": [record.id for record in records],
            "selector": names,
            "supernet_seed": [own.supernet_seed for own in inputs],
            "selection_seed": [own.selection_seed for own in inputs],
            "space": [own.space for own in inputs],
            "data": [own.data.name for own in inputs],
            "data_checksum": [own.data.checksum for own in inputs],
            "supernet": [own.supernet.recipe for own in inputs],
            "architecture": [record.selected.architecture for record in records],
            "canonical": [record.selected.canonical for record in records],
            "total_s": seconds,
            **{field: [getattr(machine, field) for machine in machines] for field in _MACHINE},
            "archselect": [own.code_version for own in inputs],
            "commit": [record.commit for record in records],
        }
    )
    shown = pd.DataFrame(
        {
            "Selector": names,
            "Seed": [seed_name(own) for own in inputs],
            "Space": frame["space"],
            "Images": frame["data"],
            "Seconds": [short(total) for total in seconds],
            "Device": [machine.device_name or NONE for machine in machines],
            "Threads": [f"{machine.threads}" for machine in machines],
            "torch": frame["torch"],
            "archselect": versions,
            "Record": frame["record"],
        },
        dtype=object,
    )
    return Table(
        name="runs",
        title="Where every run comes from",
        answer=f"{len(records)} runs, by archselect {', '.join(sorted(set(versions)))}.",
        frame=frame,
        shown=shown,
        marks=({},) * len(records),
        numeric=("Seconds", "Threads"),
        brief=tuple(shown.columns),
        caption=(
            "Seed: supernet seed/selection seed. Record: the file in records/ with all that the run measured. The "
            "settings of a selector, supernet and data set are below; report/runs.csv has the architectures, too."
        ),
        notes=(),
    )


def _version(record: Record) -> str:
    """Version, and the commit where it is known, shortened."""
    if record.commit is None:
        return f"{record.inputs.code_version} (commit not known)"
    commit, _, changed = record.commit.partition("-")
    return f"{record.inputs.code_version} ({commit[:10]}{' with changes' if changed else ''})"
