"""What it would have cost to train all that a run has queried.

A table answers a query at once. The cost of a study with the name `training`, in
seconds, says what the training took that the table has the result of.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from archselect.benchmarks.store.records import ArchitectureCost, Record

TRAINING = "training"
"""Name of the cost, which a study gives it."""
SECONDS = "s"
"""Unit of the cost."""


def has_training_cost(record: Record) -> bool:
    """Return whether a run has queried, and the study says what trainings cost."""
    return _training_cost(record) is not None


def simulated_training(record: Record) -> float | None:
    """Return the seconds of training all that a run has queried.

    None where the run has queried nothing, where the study has no such cost, and where
    that of any architecture is not known: the sum of the others would be too low.
    """
    cost = _training_cost(record)
    if cost is None or len(cost.scored) < len(record.selected.architecture_scores):
        return None
    known = [seconds for seconds in cost.scored if seconds is not None]
    return sum(known) if len(known) == len(cost.scored) else None


def mean_simulated_training(records: Sequence[Record]) -> float | None:
    """Return the mean of :func:`simulated_training`; None where one has none."""
    seconds = [simulated_training(record) for record in records]
    known = [value for value in seconds if value is not None]
    return fmean(known) if known and len(known) == len(seconds) else None


def _training_cost(record: Record) -> ArchitectureCost | None:
    """Return what the trainings of a run's queries cost; None if it is not asked."""
    if record.inputs.reward is None:
        return None
    for cost in record.costs:
        if cost.name == TRAINING and cost.unit == SECONDS:
            return cost
    return None
