"""Averages over runs with queries, compared with the expectation of random search."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.results.query_runs import QueryPlane, QueryRuns
from archselect.reports.tables.table import deviation


class Average(NamedTuple):
    """Mean and spread of the known values.

    Attributes:
        mean: mean; None if no value is known.
        std: sample standard deviation (n − 1); None for fewer than two values.
        known: number of known values.
    """

    mean: float | None
    std: float | None
    known: int

    @property
    def error(self) -> float | None:
        """Standard error of the mean; None for fewer than two values."""
        return None if self.std is None else self.std / self.known**0.5


class BesideRandom(NamedTuple):
    """A mean accuracy minus the expectation of random search, in percentage points.

    `error` is the standard error of the difference; None for fewer than two runs.
    """

    difference: float
    error: float | None


def average(values: Floats) -> Average:
    """Return mean and spread of the values that are not NaN."""
    known = values[~np.isnan(values)]
    mean = float(known.mean()) if len(known) else None
    return Average(mean, deviation(known), len(known))


def expected_accuracy(plane: QueryPlane, queries: int) -> float | None:
    """Return the expected accuracy of random search; None if it is not known."""
    baseline = plane.baseline(queries)
    expected = None if baseline is None else plane.random_search(baseline)
    if baseline is None or expected is None or not expected.reported:
        return None
    return expected.reported[baseline.queries.index(queries)]


def beside_random(
    plane: QueryPlane, runs: QueryRuns, queries: int
) -> BesideRandom | None:
    """Return the difference between a selector's runs and random search.

    Return None if one of the two accuracies is not known.
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
    """Return the standard error of random search's expectation; 0 if it is exact."""
    baseline = plane.baseline(queries)
    assert baseline is not None
    expected = plane.random_search(baseline)
    assert expected is not None
    return expected.reported_errors[baseline.queries.index(queries)]
