"""Intervals of a mean over a few seeds, and how often they hold where values are skewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import comb, inf

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

LEVEL = 0.95
LEAST_SEEDS = 3
"""Fewest values that get an interval or a verdict: two of a coarse measure are equal
too often to show a spread.
"""
ALL_EQUAL = "all values equal"
TOO_FEW = "fewer than three seeds"

PERCENT = (0.0, 100.0)
"""Bounds of an accuracy."""
COEFFICIENT = (-1.0, 1.0)
"""Bounds of a rank correlation."""

_DRAWS = 20_000
_SEED = 20_204


@dataclass(frozen=True)
class Interval:
    """A mean over supernet seeds and its interval.

    `mean` is None without values. `low` and `high` are None where the interval is not
    defined; `reason` says why.
    """

    mean: float | None
    low: float | None
    high: float | None
    reason: str = ""


def student(
    values: Sequence[float], bounds: tuple[float, float] = (-inf, inf)
) -> Interval:
    """Return the mean and its 95 % interval by Student's t, cut at the bounds of what is measured.

    The interval is not defined for fewer than three values, nor where all are equal: a
    spread of zero in a few seeds is no certainty.

    Raises:
        ValueError: a value is not finite.
    """
    if not values:
        return Interval(None, None, None, "no value")
    array = np.round(np.asarray(values, dtype=np.float64), 9)
    if not np.isfinite(array).all():
        raise ValueError("an interval needs finite values")
    mean = float(np.mean(values))
    if len(array) < LEAST_SEEDS:
        return Interval(mean, None, None, TOO_FEW)
    spread = float(array.std(ddof=1))
    if np.ptp(array) == 0:
        return Interval(mean, None, None, ALL_EQUAL)
    half = float(stdtrit(len(array) - 1, (1 + LEVEL) / 2)) * spread / len(array) ** 0.5
    return Interval(mean, max(bounds[0], mean - half), min(bounds[1], mean + half))


def best_of(values: Sequence[float], runs: int) -> float:
    """Return the highest of `runs` values, averaged over all ways to draw them from `values` without replacement.

    With as many values as runs it is their highest. It has no interval: simulated for
    the best of four of five to eight values, bootstrap and jackknife intervals cover
    between half and nine tenths of the cases.

    Raises:
        ValueError: there are fewer values than runs, or `runs` is below one.
    """
    if not 1 <= runs <= len(values):
        raise ValueError(f"the best of {runs} of {len(values)} values")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    # A value is the highest of a draw whose other members are all below it.
    ways = np.array(
        [comb(place, runs - 1) for place in range(len(ordered))], dtype=np.float64
    )
    return float(ordered @ ways / ways.sum())


@cache
def coverage(quantiles: tuple[float, ...], seeds: int) -> float:
    """Return how often the interval of :func:`student` holds the mean of a skewed population, by simulation.

    Args:
        quantiles: the population's quantiles at equal distances from the lowest to the
            highest value, such as the accuracies of all cells of a search space;
            between them values are spread evenly.
        seeds: how many values an interval is of, at least three.

    Samples whose values are all equal get no interval and do not count.
    """
    population = _evenly(quantiles)
    drawn = np.random.default_rng(_SEED).choice(population, (_DRAWS, seeds))
    spread = drawn.std(axis=1, ddof=1)
    half = stdtrit(seeds - 1, (1 + LEVEL) / 2) * spread / seeds**0.5
    holds = np.abs(drawn.mean(axis=1) - population.mean()) <= half
    return float(holds[np.ptp(drawn, axis=1) > 0].mean())


def _evenly(quantiles: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """Return a population of ten thousand values with these quantiles."""
    places = np.linspace(0, 1, len(quantiles))
    middles = (np.arange(10_000) + 0.5) / 10_000
    return np.interp(middles, places, quantiles)
