"""The table of what a search costs: seconds by phase, memory, counts."""

from __future__ import annotations

from operator import attrgetter

import numpy as np

from archselect.benchmarks.store.records import Cost, Counts
from archselect.reports.results.results import Group, Results
from archselect.reports.tables.table import NONE, Row, Table, deviation, make_table
from archselect.reports.tables.words import device, short

PHASES = ("data", "supernet", "score", "tune", "validate")
_FIELDS = attrgetter(*Counts.model_fields)
_NO_COUNTS = _FIELDS(Counts())


def time_table(results: Results) -> Table:
    """Seconds by phase, memory and hardware-free counts, per selector."""
    extra = sorted(
        {phase for group in results.groups for phase in group.phases} - set(PHASES)
    )
    machines = sorted(
        {device(m) for g in results.groups for m in (*g.machines, *g.supernet_machines)}
    )
    memories = sorted({record.cost.memory_kind for record in results.records})
    rows = [
        _time_row(group, [*PHASES, *extra]) for group in results.groups if group.records
    ]
    told = {
        "Device": len(machines) == 1,
        "Memory": len(memories) == 1,
    }  # in a note instead
    rows = [
        Row(row.full, {k: v for k, v in row.shown.items() if not told.get(k)})
        for row in rows
    ]
    caption = (
        "Cost of one run, mean over the seeds of a selector. Seconds by phase, with a device synchronise at "
        "each boundary; total: sum of the phases (± sample standard deviation over seeds); warm-up (first "
        "use of the device) is apart. Supernet: training it; all selectors of a seed share it, and it is "
        "counted in full for each selector that needs it. Counts are hardware-free and over all phases: "
        "forward and backward passes, images (once per forward), GFLOP (10⁹ floating-point operations; a "
        f"backward counts as two forwards). {NONE}: the phase was never entered."
    )
    notes = [
        f"All runs and supernets on {machines[0]}."
        if len(machines) == 1
        else f"{len(machines)} kinds of machine, whose times do not compare: {'; '.join(machines)}.",
        f"Memory: {', '.join(memories)}, the highest peak of the seeds.",
    ]
    return make_table(
        "time",
        "Cost of the search",
        rows,
        answer=_answer(rows, one_machine=len(machines) == 1),
        columns=(tuple(rows[0].full), tuple(rows[0].shown)),
        text=("Selector", "Memory", "Device"),
        brief=(
            "Selector",
            "Seeds",
            "Supernet s ↓",
            "Score s ↓",
            "Tune s ↓",
            "Total s ↓",
            "Forwards ↓",
        ),
        caption=caption,
        notes=[*notes, *results.status()],
    )


def _time_row(group: Group, phases: list[str]) -> Row:
    costs = [record.cost for record in group.records]
    spent = {phase: float(np.mean(seconds)) for phase, seconds in group.phases.items()}
    totals = np.array(group.seconds)
    spread = deviation(totals)
    warmup = float(np.mean([cost.warmup for cost in costs]))
    # Many records share one object.
    distinct = {id(cost.counts): cost for cost in costs}
    sums = {key: _counted(cost) for key, cost in distinct.items()}
    counted = zip(*(sums[id(cost.counts)] for cost in costs), strict=True)
    counts = {
        field: float(np.mean(own))
        for field, own in zip(Counts.model_fields, counted, strict=True)
    }
    peak = max(cost.peak_memory for cost in costs)
    memory_kind = ", ".join(sorted({cost.memory_kind for cost in costs}))
    devices = "; ".join(sorted({device(machine) for machine in group.machines}))
    full: dict[str, object] = {
        "selector": group.name,
        "seeds": len(costs),
        **{f"{phase}_s": spent.get(phase) for phase in phases},
        "total_s": float(totals.mean()),
        "total_std_s": spread,
        "warmup_s": warmup,
        "peak_memory_bytes": peak,
        "memory_kind": memory_kind,
        "forwards": counts["forwards"],
        "backwards": counts["backwards"],
        "images": counts["images"],
        "gflop": counts["flops"] / 1e9,
        "device": devices,
    }
    shown = {
        "Selector": group.name,
        "Seeds": f"{len(costs)}",
        **{
            f"{phase.capitalize()} s ↓": short(spent[phase]) if phase in spent else NONE
            for phase in phases
        },
        "Total s ↓": short(float(totals.mean()), spread),
        "Warm-up s": short(warmup),
        "Peak MiB ↓": f"{peak / 2**20:,.0f}",
        "Memory": memory_kind,
        "Forwards ↓": _whole(counts["forwards"]),
        "Backwards ↓": _whole(counts["backwards"]),
        "Images ↓": _whole(counts["images"]),
        "GFLOP ↓": short(counts["flops"] / 1e9),
        "Device": devices,
    }
    return Row(full, shown)


def _answer(rows: list[Row], one_machine: bool) -> str:
    """The dearest and the cheapest selector: by seconds on one machine, by floating-point operations on several."""
    key, unit = ("total_s", "s") if one_machine else ("gflop", "GFLOP")
    cost = {str(row.full["selector"]): float(str(row.full[key])) for row in rows}
    low, high = min(cost, key=cost.__getitem__), max(cost, key=cost.__getitem__)
    if low == high:
        return f"One run of {low} costs {short(cost[low])} {unit}."
    return (
        f"One run of {high} costs most, {short(cost[high])} {unit}, "
        f"and one of {low} least, {short(cost[low])} {unit}."
    )


def _counted(cost: Cost) -> list[int]:
    """The sums over all phases, in the order of the fields."""
    return [
        sum(own)
        for own in zip(_NO_COUNTS, *map(_FIELDS, cost.counts.values()), strict=True)
    ]


def _whole(value: float) -> str:
    return f"{value:,.0f}"
