"""Schedules: when the alphas are stepped."""

from __future__ import annotations

from archselect.benchmarks.optimisers.schedules.base import BATCH, Schedule
from archselect.benchmarks.optimisers.schedules.every import EveryStep
from archselect.benchmarks.optimisers.schedules.informed import InformedSchedule
from archselect.benchmarks.optimisers.schedules.registry import SCHEDULES, get_schedule

__all__ = [
    "BATCH",
    "SCHEDULES",
    "EveryStep",
    "InformedSchedule",
    "Schedule",
    "get_schedule",
]
