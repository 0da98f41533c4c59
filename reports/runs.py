"""Where every run comes from: seeds, settings, machine, versions and commit, as a table and in words."""

from __future__ import annotations

from archselect.benchmarks.records import Record
from archselect.reports.results import Group, Results, seed_name
from archselect.reports.tables.table import NONE, Row, Table, make_table
from archselect.reports.words import short

_COLUMNS = (
    *("record", "selector", "supernet_seed", "selection_seed", "space", "data", "data_checksum", "supernet"),
    *("architecture", "canonical", "total_s", "device", "device_name", "threads", "deterministic", "platform"),
    *("python", "torch", "archselect", "commit"),
)
_SHOWN = ("Selector", "Seed", "Space", "Images", "Seconds", "Device", "Threads", "torch", "archselect", "Record")


def runs_table(results: Results) -> Table:
    """One row for every finished run."""
    rows = [
        _row(group, record, seconds)
        for group in results.groups
        for record, seconds in zip(group.records, group.seconds, strict=True)
    ]
    versions = sorted({_version(record) for record in results.records})
    return make_table(
        "runs",
        "Where every run comes from",
        rows,
        answer=f"{len(rows)} runs, by archselect {', '.join(versions)}.",
        columns=(_COLUMNS, _SHOWN),
        text=("Selector", "Seed", "Space", "Images", "Device", "torch", "archselect", "Record"),
        brief=_SHOWN,
        caption=(
            "Seed: supernet seed/selection seed. Record: the file in records/ with all that the run measured. The "
            "settings of a selector, supernet and data set are below; report/runs.csv has the architectures, too."
        ),
        notes=(),
    )


def _row(group: Group, record: Record, seconds: float) -> Row:
    inputs, machine = record.inputs, record.cost.machine
    full: dict[str, object] = {
        "record": record.id,
        "selector": group.name,
        "supernet_seed": inputs.supernet_seed,
        "selection_seed": inputs.selection_seed,
        "space": inputs.space,
        "data": inputs.data.name,
        "data_checksum": inputs.data.checksum,
        "supernet": inputs.supernet.recipe,
        "architecture": record.selected.architecture,
        "canonical": record.selected.canonical,
        "total_s": seconds,
        **machine.model_dump(),
        "archselect": inputs.code_version,
        "commit": record.commit,
    }
    shown = {
        "Selector": group.name,
        "Seed": seed_name(inputs),
        "Space": inputs.space,
        "Images": inputs.data.name,
        "Seconds": short(seconds),
        "Device": machine.device_name or NONE,
        "Threads": f"{machine.threads}",
        "torch": machine.torch,
        "archselect": _version(record),
        "Record": record.id,
    }
    return Row(full, shown)


def _version(record: Record) -> str:
    """Version, and the commit where it is known, shortened."""
    if record.commit is None:
        return f"{record.inputs.code_version} (commit not known)"
    commit, _, changed = record.commit.partition("-")
    return f"{record.inputs.code_version} ({commit[:10]}{' with changes' if changed else ''})"
