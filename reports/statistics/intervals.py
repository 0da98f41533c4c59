"""Confidence intervals of a mean over few seeds, and their coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, inf
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from archselect.nasbench_adapters.rank_correlations import Floats

Better = Literal["higher", "lower"]
"""Whether higher or lower values of a measure are better."""

LEVEL = 0.95
LEAST_SEEDS = 3
"""Fewest values for an interval or a verdict.

Two values of a coarse measure are often equal, although the measure varies.
"""
ALL_EQUAL = "all values equal"
TOO_FEW = "fewer than three seeds"

PERCENT = (0.0, 100.0)
"""Bounds of an accuracy."""
COEFFICIENT = (-1.0, 1.0)
"""Bounds of a rank correlation."""

_DECIMALS = 9
"""Decimals to compare; means of the same trials can differ in later decimals."""
_DRAWS = 20_000
_SEED = 20_204
_POPULATION = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean over supernet seeds and its 95 % interval.

    Attributes:
        mean: mean; None without values.
        low, high: bounds of the interval; None if it is undefined.
        reason: why the interval is undefined; empty if it is defined.
    """

    mean: float | None
    low: float | None
    high: float | None
    reason: str = ""


def student_quantile(freedom: float, error_rate: float = 1 - LEVEL) -> float:
    """Return the two-sided quantile of Student's t distribution (Student, 1908).

    Args:
        freedom: degrees of freedom; not always an integer (Welch).
        error_rate: probability of a value beyond the quantile, on both sides together;
            5 % by default.
    """
    return float(stdtrit(freedom, 1 - error_rate / 2))


def middle_range(values: Floats) -> tuple[float, float]:
    """Return the 2.5 % and the 97.5 % quantile of simulated values.

    These are the bounds of the percentile bootstrap (Efron, 1979).
    """
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def student(
    values: Sequence[float], bounds: tuple[float, float] = (-inf, inf)
) -> Interval:
    """Return the mean and its 95 % interval by Student's t, cut at `bounds`.

    Method: mean ± t · s / sqrt(n) with n - 1 degrees of freedom (Student, 1908).

    Coverage: 95 % for normally distributed values. It is lower for NAS-Bench-201's
    accuracies: 70 % for random cells. :func:`coverage` simulates it, and
    `docs/statistics.md` has a table.

    The interval is undefined for fewer than three values, and if all values are equal:
    equal values of a few seeds do not prove that there is no spread.

    Args:
        values: one value per supernet seed.
        bounds: lowest and highest possible value of the measure.

    Raises:
        ValueError: a value is not finite.
    """
    if not values:
        return Interval(None, None, None, "no value")
    rounded = np.round(np.asarray(values, dtype=np.float64), _DECIMALS)
    if not np.isfinite(rounded).all():
        raise ValueError("an interval needs finite values")
    mean = float(np.mean(values))
    if len(rounded) < LEAST_SEEDS:
        return Interval(mean, None, None, TOO_FEW)
    if np.ptp(rounded) == 0:
        return Interval(mean, None, None, ALL_EQUAL)
    deviation = float(rounded.std(ddof=1))
    half_width = student_quantile(len(rounded) - 1) * deviation / len(rounded) ** 0.5
    lowest, highest = bounds
    return Interval(
        mean,
        low=max(lowest, mean - half_width),
        high=min(highest, mean + half_width),
    )


def best_of(values: Sequence[float], runs: int) -> float:
    """Return the expected best of several runs, from at least as many values.

    Method: the highest of `runs` values, averaged over all ways to draw them from
    `values` without replacement. With as many values as runs it is the highest value.

    Coverage: there is no interval. In simulations of the best of four, from five to
    eight values, bootstrap and jackknife intervals cover only 50 % to 90 %.

    Args:
        values: one value per run; higher is better.
        runs: number of runs of which to take the best.

    Raises:
        ValueError: there are fewer values than runs, or `runs` is less than one.
    """
    if not 1 <= runs <= len(values):
        raise ValueError(f"the best of {runs} of {len(values)} values")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # A value is the highest of a draw if all other values of the draw are lower.
    draws = [comb(below, runs - 1) for below in range(len(ordered))]
    weights = np.array(draws, dtype=np.float64)
    return float(ordered @ weights / weights.sum())


@cache
def coverage(quantiles: tuple[float, ...], seeds: int) -> float:
    """Return how often :func:`student`'s interval contains a skewed population's mean.

    Method: simulation of 20,000 samples. Samples of equal values have no interval and
    do not count.

    Args:
        quantiles: quantiles of the population at equal steps from the minimum to the
            maximum, such as the accuracies of all cells of a search space; values are
            uniform between them.
        seeds: number of values per sample, at least three.

    Returns:
        The coverage, between 0 and 1.
    """
    population = _spread_evenly(quantiles)
    samples = np.random.default_rng(_SEED).choice(population, (_DRAWS, seeds))
    deviations = samples.std(axis=1, ddof=1)
    half_widths = student_quantile(seeds - 1) * deviations / seeds**0.5
    errors = np.abs(samples.mean(axis=1) - population.mean())
    holds = errors <= half_widths
    has_interval = np.ptp(samples, axis=1) > 0
    return float(holds[has_interval].mean())


def _spread_evenly(quantiles: tuple[float, ...]) -> Floats:
    """Return a population of 10,000 values with these quantiles."""
    places = np.linspace(0, 1, len(quantiles))
    middles = (np.arange(_POPULATION) + 0.5) / _POPULATION
    return np.interp(middles, places, quantiles)
