"""Simulated training time of all architectures that a run has queried.

A table answers a query at once. A study's cost with the name `training`, in seconds,
gives the time of the training whose result the table holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from archselect.benchmarks.store.records import ArchitectureCost, Record

TRAINING = "training"
"""Name of the cost in a study."""
SECONDS = "s"
"""Unit of the cost."""


def has_training_cost(record: Record) -> bool:
    """Return whether a run has queries and its study has the cost of trainings."""
    return _training_cost(record) is not None


def simulated_training(record: Record) -> float | None:
    """Return the seconds of training all architectures that a run has queried.

    Return None if the run has no queries, if the study has no such cost, or if the cost
    of an architecture is not known: the sum of the others would be too low.
    """
    cost = _training_cost(record)
    if cost is None or len(cost.scored) < len(record.selected.architecture_scores):
        return None
    known = [seconds for seconds in cost.scored if seconds is not None]
    return sum(known) if len(known) == len(cost.scored) else None


def mean_simulated_training(records: Sequence[Record]) -> float | None:
    """Return the mean of :func:`simulated_training`; None if it is None for a run."""
    seconds = [simulated_training(record) for record in records]
    known = [value for value in seconds if value is not None]
    return fmean(known) if known and len(known) == len(seconds) else None


def _training_cost(record: Record) -> ArchitectureCost | None:
    """Return the cost of training a run's queries; None if there is none."""
    if record.inputs.reward is None:
        return None
    for cost in record.costs:
        if cost.name == TRAINING and cost.unit == SECONDS:
            return cost
    return None
