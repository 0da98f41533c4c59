"""Rank correlations over a population of architectures, with a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import kendalltau, spearmanr

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.statistics.intervals import LEVEL

LEAST = 10
"""Fewest architectures for a correlation."""
RESAMPLES = 500
"""Number of bootstrap resamples."""
_SEED = 20_202

Measure = Callable[[Floats, Floats], float | None]
"""A function that correlates two arrays of equal length; None if undefined."""


class BootstrapInterval(NamedTuple):
    """A value and the bounds of its interval; None if undefined."""

    value: float | None
    low: float | None
    high: float | None


def tau(x: Floats, y: Floats) -> float | None:
    """Return Kendall's tau-b of finite values.

    Return None for fewer than :data:`LEAST` pairs, or if one side is constant.
    """
    if not _is_defined(x, y):
        return None
    return float(kendalltau(x, y, variant="b").statistic)


def rho(x: Floats, y: Floats) -> float | None:
    """Return Spearman's rho; None in the same cases as :func:`tau`."""
    if not _is_defined(x, y):
        return None
    return float(spearmanr(x, y).statistic)


def _is_defined(x: Floats, y: Floats) -> bool:
    is_constant = len(np.unique(x)) < 2 or len(np.unique(y)) < 2
    return len(x) >= LEAST and not is_constant


def over_seeds(values: Floats, other: Floats, measure: Measure) -> float | None:
    """Return the mean over seeds of a measure; None if it is None for one of them.

    Args:
        values: values, shape (seeds, architectures).
            other: values to correlate with, shape (architectures,).
            measure: correlation of a seed's values with `other`.
    """
    by_seed = [measure(row, other) for row in values]
    known = [value for value in by_seed if value is not None]
    if not by_seed or len(known) < len(by_seed):
        return None
    return float(np.mean(known))


def with_interval(values: Floats, other: Floats, measure: Measure) -> BootstrapInterval:
    """Return the mean over seeds and its percentile bootstrap over architectures.

    All seeds use the same resamples. The arguments are those of :func:`over_seeds`.
    """
    value = over_seeds(values, other, measure)
    if value is None:
        return BootstrapInterval(None, None, None)
    size = len(other)
    generator = np.random.default_rng(_SEED)
    resamples = generator.integers(0, size, (RESAMPLES, size))
    resampled = []
    for chosen in resamples:
        again = over_seeds(values[:, chosen], other[chosen], measure)
        if again is not None:
            resampled.append(again)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return BootstrapInterval(value, float(low), float(high))
