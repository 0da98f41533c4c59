"""Intervals of a mean over a few seeds, and how often they hold for skewed values."""

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
"""Which values of a measure are better."""

LEVEL = 0.95
LEAST_SEEDS = 3
"""Fewest values that get an interval or a verdict.

Two values of a coarse measure are often equal and then show no spread.
"""
ALL_EQUAL = "all values equal"
TOO_FEW = "fewer than three seeds"

PERCENT = (0.0, 100.0)
"""Bounds of an accuracy."""
COEFFICIENT = (-1.0, 1.0)
"""Bounds of a rank correlation."""

_DECIMALS = 9
"""Decimals that are compared: means of the same trials may differ beyond them."""
_DRAWS = 20_000
_SEED = 20_204
_POPULATION = 10_000


@dataclass(frozen=True)
class Interval:
    """A mean over supernet seeds and its interval.

    Attributes:
        mean: the mean; None without values.
        low, high: the ends of the interval; None where it is not defined.
        reason: why the interval is not defined; empty where it is.
    """

    mean: float | None
    low: float | None
    high: float | None
    reason: str = ""


def student_quantile(freedom: float, error_rate: float = 1 - LEVEL) -> float:
    """Return the two-sided quantile of Student's t distribution (Student, 1908).

    Args:
        freedom: the degrees of freedom; Welch's are not whole.
        error_rate: how often a value of the distribution lies beyond the quantile, on
            either side together; 5 % by default.
    """
    return float(stdtrit(freedom, 1 - error_rate / 2))


def middle_range(values: Floats) -> tuple[float, float]:
    """Return between which values the middle 95 % of simulated values lie.

    These are the 2.5 % and the 97.5 % quantile, as of the percentile bootstrap (Efron,
    1979).
    """
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def student(
    values: Sequence[float], bounds: tuple[float, float] = (-inf, inf)
) -> Interval:
    """Return the mean and its 95 % interval by Student's t, cut at bounds.

    Method: mean ± t · s / sqrt(n) with n - 1 degrees of freedom (Student, 1908).

    Coverage: 95 % for normal values. On NAS-Bench-201's accuracies it is lower, 70 %
    for random cells; :func:`coverage` simulates it, and `docs/statistics.md` has a
    table.

    The interval is not defined for fewer than three values, nor where all are equal: a
    spread of zero in a few seeds is no certainty.

    Args:
        values: one per supernet seed.
        bounds: the lowest and the highest value that the measure can have.

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
    `values` without replacement. With as many values as runs it is their highest.

    Coverage: it has no interval. Simulated for the best of four of five to eight
    values, bootstrap and jackknife intervals cover between half and nine tenths of the
    cases.

    Args:
        values: one per run; higher is better.
        runs: how many runs the best is of.

    Raises:
        ValueError: there are fewer values than runs, or `runs` is below one.
    """
    if not 1 <= runs <= len(values):
        raise ValueError(f"the best of {runs} of {len(values)} values")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # A value is the highest of a draw if all other members of the draw are below it.
    draws = [comb(below, runs - 1) for below in range(len(ordered))]
    weights = np.array(draws, dtype=np.float64)
    return float(ordered @ weights / weights.sum())


@cache
def coverage(quantiles: tuple[float, ...], seeds: int) -> float:
    """Return how often :func:`student`'s interval holds a skewed population's mean.

    Method: simulation of 20,000 samples. Samples whose values are all equal get no
    interval and do not count.

    Args:
        quantiles: the population's quantiles at equal distances from the lowest to the
            highest value, such as the accuracies of all cells of a search space;
            between them values are spread evenly.
        seeds: how many values an interval is of, at least three.

    Returns:
        A share between 0 and 1.
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
    """Return a population of ten thousand values with these quantiles."""
    places = np.linspace(0, 1, len(quantiles))
    middles = (np.arange(_POPULATION) + 0.5) / _POPULATION
    return np.interp(middles, places, quantiles)
