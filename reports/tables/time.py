"""The table of search costs: seconds by phase, memory, counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter

import numpy as np

from archselect.benchmarks.store.records import Counts, Machine, SearchCost
from archselect.reports.results.results import Group, Results
from archselect.reports.results.simulated_training import (
    has_training_cost,
    mean_simulated_training,
    simulated_training,
)
from archselect.reports.tables.table import (
    NONE,
    Row,
    Table,
    TableColumn,
    deviation,
    make_table,
)
from archselect.reports.tables.words import machine_in_words, short

PHASES = ("data", "supernet", "score", "tune", "validate")
_BRIEF_PHASES = ("supernet", "score", "tune")
"""Phases that fit a terminal."""
_COUNT_NAMES = tuple(Counts.model_fields)
_read_counts = attrgetter(*_COUNT_NAMES)
_MIB = 2**20
_SIMULATED = "Training simulated s"
_SIMULATED_NOTE = (
    "Training simulated: seconds that training all queried architectures would have taken, by the study's cost "
    "'training'. This time was not spent; no other number includes it."
)

_CAPTION = (
    "Cost of one run, mean over the seeds of a selector. Seconds by phase; the device is synchronised at "
    "each boundary. Total: sum of the phases (± sample standard deviation over seeds), without the warm-up "
    "(first use of the device). Supernet: training of the supernet; all selectors of a seed share it, and each "
    "selector that needs it counts it in full. Counts do not depend on the hardware and cover all phases: "
    "forward and backward passes, images (once per forward pass), GFLOP (10⁹ floating-point operations; a "
    f"backward pass counts as two forward passes). {NONE}: no run had this phase."
)


def time_table(results: Results) -> Table:
    """Return the table of seconds by phase, memory and counts, by selector."""
    phases = _phases(results)
    machines = _machines(results)
    memories = sorted({record.cost.memory_kind for record in results.records})
    rows = [_row(group, phases) for group in results.groups if group.records]
    # A value that all rows share stands in a note instead of a column.
    simulates = any(row.full["training_simulated_s"] is not None for row in rows)
    told_once = set()
    if len(machines) == 1:
        told_once.add("Device")
    if len(memories) == 1:
        told_once.add("Memory")
    columns = [
        replace(column, header="") if column.header in told_once else column
        for column in _columns(phases, simulates)
    ]
    return make_table(
        "time",
        "Cost of the search",
        rows,
        answer=_answer(rows, one_machine=len(machines) == 1),
        columns=columns,
        caption=_CAPTION,
        notes=[
            _machines_note(machines),
            f"Memory: {', '.join(memories)}, the highest peak of the seeds.",
            *([_SIMULATED_NOTE] if simulates else []),
            *_unknown_training_notes(results),
            *results.status(),
        ],
    )


def _phases(results: Results) -> list[str]:
    """Return the phases of the table: the usual ones, then others that occur."""
    others: set[str] = set()
    for group in results.groups:
        others |= set(group.phases) - set(PHASES)
    return [*PHASES, *sorted(others)]


def _machines(results: Results) -> list[str]:
    """Return descriptions of the machines of all runs and supernets."""
    machines: set[Machine] = set()
    for group in results.groups:
        machines |= {*group.machines, *group.supernet_machines}
    return sorted({machine_in_words(machine) for machine in machines})


def _machines_note(machines: Sequence[str]) -> str:
    if len(machines) == 1:
        return f"All runs and supernets used {machines[0]}."
    return f"{len(machines)} kinds of machines; their times are not comparable: {'; '.join(machines)}."


def _unknown_training_notes(results: Results) -> Iterator[str]:
    """Yield notes on selectors with queries whose training cost is not known."""
    for group in results.groups:
        seconds = [simulated_training(record) for record in group.records]
        unknown = seconds.count(None)
        if unknown and any(map(has_training_cost, group.records)):
            yield (
                f"{group.name}: in {unknown} of {len(seconds)} runs, the training cost of some queried architectures "
                f"is not "
                "known, so there is no mean."
            )


def _columns(phases: Sequence[str], simulates: bool) -> list[TableColumn]:
    """Return the columns of the table; all of them are shown.

    Args:
        phases: phases, with a column each.
        simulates: whether any selector has simulated training seconds.
    """
    of_phases = [
        TableColumn(f"{phase}_s", _phase_header(phase), brief=phase in _BRIEF_PHASES)
        for phase in phases
    ]
    simulated = [TableColumn("training_simulated_s", _SIMULATED)] if simulates else []
    return [
        TableColumn("selector", "Selector", text=True, brief=True),
        TableColumn("seeds", "Seeds", brief=True),
        *of_phases,
        TableColumn("total_s", "Total s ↓", brief=True),
        TableColumn("total_std_s"),
        *simulated,
        TableColumn("warmup_s", "Warm-up s"),
        TableColumn("peak_memory_bytes", "Peak MiB ↓"),
        TableColumn("memory_kind", "Memory", text=True),
        TableColumn("forwards", "Forwards ↓", brief=True),
        TableColumn("backwards", "Backwards ↓"),
        TableColumn("images", "Images ↓"),
        TableColumn("gflop", "GFLOP ↓"),
        TableColumn("device", "Device", text=True),
    ]


def _phase_header(phase: str) -> str:
    return f"{phase.capitalize()} s ↓"


def _row(group: Group, phases: Sequence[str]) -> Row:
    """Return the row of the mean cost of a selector's runs."""
    costs = [record.cost for record in group.records]
    spent = {phase: float(np.mean(seconds)) for phase, seconds in group.phases.items()}
    totals = np.array(group.seconds)
    total = float(totals.mean())
    spread = deviation(totals)
    warmup = float(np.mean([cost.warmup for cost in costs]))
    counts = _mean_counts(costs)
    gflop = counts["flops"] / 1e9
    peak = max(cost.peak_memory for cost in costs)
    memory_kind = ", ".join(sorted({cost.memory_kind for cost in costs}))
    trainings = mean_simulated_training(group.records)
    devices = "; ".join(
        sorted({machine_in_words(machine) for machine in group.machines})
    )
    full: dict[str, object] = {
        "selector": group.name,
        "seeds": len(costs),
        "total_s": total,
        "total_std_s": spread,
        "training_simulated_s": trainings,
        "warmup_s": warmup,
        "peak_memory_bytes": peak,
        "memory_kind": memory_kind,
        "forwards": counts["forwards"],
        "backwards": counts["backwards"],
        "images": counts["images"],
        "gflop": gflop,
        "device": devices,
    }
    shown = {
        "Selector": group.name,
        "Seeds": f"{len(costs)}",
        "Total s ↓": short(total, spread),
        _SIMULATED: NONE if trainings is None else short(trainings),
        "Warm-up s": short(warmup),
        "Peak MiB ↓": f"{peak / _MIB:,.0f}",
        "Memory": memory_kind,
        "Forwards ↓": _whole(counts["forwards"]),
        "Backwards ↓": _whole(counts["backwards"]),
        "Images ↓": _whole(counts["images"]),
        "GFLOP ↓": short(gflop),
        "Device": devices,
    }
    for phase in phases:
        seconds = spent.get(phase)
        full[f"{phase}_s"] = seconds
        shown[_phase_header(phase)] = NONE if seconds is None else short(seconds)
    return Row(full, shown)


def _mean_counts(costs: Sequence[SearchCost]) -> dict[str, float]:
    """Return the mean over runs of each count, summed over phases."""
    # Many records share one dictionary of counts.
    distinct = {id(cost.counts): cost for cost in costs}
    sums = {key: _summed_counts(cost) for key, cost in distinct.items()}
    by_count = zip(*(sums[id(cost.counts)] for cost in costs), strict=True)
    return {
        name: float(np.mean(values))
        for name, values in zip(_COUNT_NAMES, by_count, strict=True)
    }


def _summed_counts(cost: SearchCost) -> list[int]:
    """Return the counts summed over all phases, in the order of the fields."""
    totals = [0] * len(_COUNT_NAMES)
    for counts in cost.counts.values():
        of_phase = _read_counts(counts)
        totals = [total + count for total, count in zip(totals, of_phase, strict=True)]
    return totals


def _answer(rows: Sequence[Row], one_machine: bool) -> str:
    """Return a sentence with the most expensive and the cheapest selector.

    Compare seconds if all runs used one kind of machine, else floating-point
    operations.
    """
    name = "total_s" if one_machine else "gflop"
    unit = "s" if one_machine else "GFLOP"
    costs = {str(row.full["selector"]): float(str(row.full[name])) for row in rows}
    cheapest = min(costs, key=costs.__getitem__)
    dearest = max(costs, key=costs.__getitem__)
    if cheapest == dearest:
        return f"One run of {cheapest} costs {short(costs[cheapest])} {unit}."
    return (
        f"{dearest} costs most, {short(costs[dearest])} {unit} per run, "
        f"and {cheapest} least, {short(costs[cheapest])} {unit}."
    )


def _whole(value: float) -> str:
    return f"{value:,.0f}"
