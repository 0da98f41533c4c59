"""How far a value of ours may lie from a published one before it is said to differ, like held against like.

Each function takes our runs and what is known of the published number, and returns a
:class:`Margin`. All are for 95 %. A margin supposes that values scatter about normally,
except where a function says otherwise. On NAS-Bench-201's skewed accuracies it holds
less often: see :data:`SKEWED_MEANS` and :data:`SKEWED_RUNS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import ndtri, stdtrit

from archselect.reports.statistics.intervals import LEAST_SEEDS, LEVEL

DRAWS = 100_000
"""Simulated draws for a margin that has no formula; its ends then move by about a
hundredth of its width.
"""
MANY = 1_000
"""From so many cells on, their mean is taken as normally distributed."""
_SEED = 20_201

SKEWED_MEANS = 0.93
"""How often a margin between two means holds, at least, on NAS-Bench-201's accuracies;
the tests simulate it.
"""
SKEWED_RUNS = 0.88
"""How often a margin of one further run, or of the best of several, holds there, at
least.
"""

PUBLISHED_RUNS_UNKNOWN = "the number of published runs is not known"
PUBLISHED_WITHOUT_DEVIATION = "the published mean has no standard deviation"
PUBLISHED_EQUAL = "the published runs are all equal"
PUBLISHED_EXACT = "the published number is exact"


@dataclass(frozen=True)
class Margin:
    """The 95 % margin within which a difference is not shown.

    Attributes:
        below, above: how far ours may lie below and above the published number; both
            None where there is no interval.
        basis: what the margin is made of, in words; without a margin, why there is
            none.
    """

    below: float | None
    above: float | None
    basis: str

    @property
    def known(self) -> bool:
        """Whether there is a margin."""
        return self.below is not None and self.above is not None

    def widened(self, by: float) -> Margin:
        """Return the margin with so much more on both sides, as for a rounded number."""
        if self.below is None or self.above is None:
            return self
        return replace(self, below=self.below + by, above=self.above + by)


def mean_alone(ours: Sequence[float], why: str) -> Margin:
    """Return the margin of our mean about a number without a standard error, by Student's t.

    Args:
        ours: one value per independent run.
        why: why the published number has no standard error, in words.
    """
    if cause := _no_scatter(ours):
        return Margin(None, None, cause)
    half = _t(len(ours) - 1) * _deviation(ours) / np.sqrt(len(ours))
    return _symmetric(half, f"our standard error alone: {why}")


def mean_and_mean(
    ours: Sequence[float], deviation: float | None, runs: int | None
) -> Margin:
    """Return the margin of our mean about a published mean, by both standard errors (Welch, 1947).

    One run of ours is held against the scatter of the published runs. Where the
    published standard error is not known, the margin is of our mean alone, and its
    basis says why.

    Args:
        ours: one value per independent run.
        deviation: the published sample standard deviation of single runs.
        runs: how many the published mean is of.
    """
    if deviation is None:
        return mean_alone(ours, PUBLISHED_WITHOUT_DEVIATION)
    if runs is None:
        return mean_alone(ours, PUBLISHED_RUNS_UNKNOWN)
    if runs < 2:
        return run_and_runs(ours, len(ours))
    if deviation == 0:
        return mean_alone(ours, PUBLISHED_EQUAL)
    if len(ours) == 1:
        half = _t(runs - 1) * deviation * np.sqrt(1 + 1 / runs)
        return _symmetric(
            half, f"our one run within the scatter of {runs} published runs"
        )
    if cause := _no_scatter(ours):
        return Margin(None, None, cause)
    return _welch(
        _deviation(ours) ** 2 / len(ours), len(ours) - 1, deviation**2 / runs, runs - 1
    )


def sample_and_sample(ours: Sequence[float], theirs: Sequence[float]) -> Margin:
    """Return the margin between the means of our runs and of published single runs, by Welch's t.

    A single value on one side is held against the scatter of the other side.
    """
    if len(theirs) == 1:
        return run_and_runs(ours, len(ours))
    return mean_and_mean(ours, _deviation(theirs), len(theirs))


def run_and_runs(ours: Sequence[float], independent: int) -> Margin:
    """Return the margin of one published run about our mean: the prediction interval of one more run.

    Args:
        ours: one value per run.
        independent: how many of them count as independent, such as the number of
            supernets they were selected from.
    """
    if cause := _no_scatter(ours[:1] if independent < 2 else ours):
        return Margin(None, None, cause)
    half = _t(independent - 1) * _deviation(ours) * np.sqrt(1 + 1 / independent)
    return _symmetric(
        half, f"one published run within the scatter of our {len(ours)} runs"
    )


def best_and_runs(
    ours: Sequence[float], independent: int, of: int, expected: float, higher: bool
) -> Margin:
    """Return the margin of one published best of several about our expected best of as many.

    A published best is one draw, so this is the prediction interval of one best of `of`
    further runs, from our mean and deviation.

    Args:
        ours: one value per run.
        independent: how many of them count as independent.
        of: of how many runs the published number is the best.
        expected: our expected best of as many, about which the margin is.
        higher: whether the highest is the best.
    """
    if cause := _no_scatter(ours[:1] if independent < 2 else ours):
        return Margin(None, None, cause)
    sign = 1.0 if higher else -1.0
    lowest, highest = best_quantiles(independent, of)
    centre = float(np.mean(ours)) * sign
    worse = max(0.0, expected * sign - (centre + lowest * _deviation(ours)))
    better = max(0.0, centre + highest * _deviation(ours) - expected * sign)
    # Ours may lie above a published number by as much as a best of theirs may fall
    # short of ours.
    below, above = (better, worse) if higher else (worse, better)
    return Margin(
        below, above, f"one best of {of} within the scatter of our {len(ours)} runs"
    )


def mean_of_cells(quantiles: Sequence[float], cells: int) -> Margin:
    """Return the margin of the mean of some cells, drawn at random from a space, about the mean of the space.

    It supposes no distribution: the accuracies of the space are known.

    Args:
        quantiles: accuracies of the space at equal steps from 0 to 100 %, in per cent.
        cells: how many are drawn.
    """
    values = np.asarray(quantiles, dtype=np.float64)
    basis = f"the scatter of a mean of {cells} random cells of the table"
    if cells > MANY:
        return _symmetric(
            float(ndtri((1 + LEVEL) / 2)) * float(values.std()) / np.sqrt(cells), basis
        )
    rng = np.random.default_rng(_SEED)
    places = np.linspace(0, 1, len(values))
    total = np.zeros(DRAWS)
    for _ in range(cells):
        total += np.interp(rng.random(DRAWS), places, values)
    means = total / cells
    centre = float(
        np.interp(np.linspace(0, 1, 10 * len(values)), places, values).mean()
    )
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Margin(max(0.0, centre - float(low)), max(0.0, float(high) - centre), basis)


@cache
def best_quantiles(runs: int, of: int) -> tuple[float, float]:
    """Return between which multiples of the deviation, from the mean of `runs`, the highest of `of` more lies.

    With normally distributed values the quantity depends on neither their mean nor
    their deviation; its 2.5 and 97.5 % quantiles are simulated.
    """
    rng = np.random.default_rng(_SEED)
    highest = ndtri(rng.random(DRAWS) ** (1 / of))
    means = rng.normal(size=DRAWS) / np.sqrt(runs)
    deviations = np.sqrt(rng.chisquare(runs - 1, DRAWS) / (runs - 1))
    low, high = np.quantile(
        (highest - means) / deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    return float(low), float(high)


def all_equal(values: Sequence[float]) -> bool:
    """Return whether the values are equal but for the last bits."""
    return max(values) - min(values) <= 1e-9 * max(1.0, abs(values[0]))


def _welch(ours: float, our_freedom: int, theirs: float, their_freedom: int) -> Margin:
    """Return Welch's margin from two squared standard errors and their degrees of freedom."""
    both = ours + theirs
    freedom = both**2 / (ours**2 / our_freedom + theirs**2 / their_freedom)
    return _symmetric(_t(freedom) * np.sqrt(both), "both standard errors")


def _no_scatter(values: Sequence[float]) -> str:
    """Return why the scatter of these values is not known; empty if it is."""
    if len(values) < 2:
        return "ours is one independent run, whose scatter is not known"
    if len(values) < LEAST_SEEDS:
        return f"ours are {len(values)} independent runs, too few to know their scatter"
    return (
        f"our {len(values)} values are all equal, so their scatter is not known"
        if all_equal(values)
        else ""
    )


def _deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 of values that differ in the last bits alone."""
    return (
        0.0
        if all_equal(values)
        else float(np.std(np.asarray(values, dtype=np.float64), ddof=1))
    )


def _t(freedom: float) -> float:
    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _symmetric(half: float, basis: str) -> Margin:
    return Margin(float(half), float(half), basis)
