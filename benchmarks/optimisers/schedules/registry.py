"""The schedules by name."""

from __future__ import annotations

from archselect.benchmarks.optimisers.schedules.base import Schedule
from archselect.benchmarks.optimisers.schedules.every import EveryStep
from archselect.benchmarks.optimisers.schedules.informed import InformedSchedule
from archselect.nasbench_adapters.errors import unknown

SCHEDULES: dict[str, type[Schedule]] = {
    schedule.name: schedule for schedule in (EveryStep, InformedSchedule)
}


def get_schedule(name: str) -> type[Schedule]:
    """Return a schedule by name. Raise UserError for an unknown name."""
    if name not in SCHEDULES:
        raise unknown("schedule", name, SCHEDULES)
    return SCHEDULES[name]
