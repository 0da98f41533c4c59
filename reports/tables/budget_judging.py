"""Averages over runs that query, beside what random search has on average."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.results.query_runs import QueryPlane, QueryRuns
from archselect.reports.tables.table import deviation


class Average(NamedTuple):
    """The mean of the values that are known.

    Attributes:
        mean: None where none is known.
        std: sample standard deviation; None of fewer than two.
        known: how many are known.
    """

    mean: float | None
    std: float | None
    known: int

    @property
    def error(self) -> float | None:
        """Standard error of the mean; None of fewer than two values."""
        return None if self.std is None else self.std / self.known**0.5


class BesideRandom(NamedTuple):
    """A mean accuracy minus what random search has on average, in points.

    `error` is the standard error of the difference; None of fewer than two runs.
    """

    difference: float
    error: float | None


def average(values: Floats) -> Average:
    """Return the mean of values, without those that are NaN."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else None
    return Average(mean, deviation(known), len(known))


def expected_accuracy(plane: QueryPlane, queries: int) -> float | None:
    """Return the accuracy that random search has on average; None: not known."""
    baseline = plane.baseline(queries)
    expected = None if baseline is None else plane.random_search(baseline)
    if baseline is None or expected is None or not expected.reported:
        return None
    return expected.reported[baseline.queries.index(queries)]


def beside_random(
    plane: QueryPlane, runs: QueryRuns, queries: int
) -> BesideRandom | None:
    """Return how far the runs of a selector are from random search.

    None where one of the two accuracies is not known.
    """
    accuracy = average(runs.at(runs.reported, queries))
    expected = expected_accuracy(plane, queries)
    if accuracy.mean is None or expected is None:
        return None
    difference = accuracy.mean - expected
    if accuracy.error is None:
        return BesideRandom(difference, None)
    error = np.hypot(accuracy.error, _simulation_error(plane, queries))
    return BesideRandom(difference, float(error))


def _simulation_error(plane: QueryPlane, queries: int) -> float:
    """Return the standard error of what random search has; 0 where it is exact."""
    baseline = plane.baseline(queries)
    assert baseline is not None
    expected = plane.random_search(baseline)
    assert expected is not None
    return expected.reported_errors[baseline.queries.index(queries)]
