"""Margins: how far our value may lie from a published one before it is said to differ.

Each function takes our runs and what is known of the published number, and returns a
:class:`Margin` of 95 %. A margin supposes normally distributed values, except where a
function says otherwise. On NAS-Bench-201's skewed accuracies it holds less often: see
:data:`SKEWED_MEANS` and :data:`SKEWED_RUNS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import ndtri

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.statistics.intervals import (
    LEAST_SEEDS,
    LEVEL,
    middle_range,
    student_quantile,
)

DRAWS = 100_000
"""Simulated draws for a margin that has no formula.

Its ends then move by about a hundredth of its width from seed to seed.
"""
MANY = 1_000
"""Most cells whose mean is simulated; the mean of more is taken as normal."""
_SEED = 20_201
_EQUAL_SHARE = 1e-9
"""Values count as equal if they differ by less than this share of the first one."""

SKEWED_MEANS = 0.93
"""How often, at least, a margin between two means holds for NAS-Bench-201's accuracies.

The tests simulate it.
"""
SKEWED_RUNS = 0.88
"""How often, at least, a margin of one run or of a best of several holds there."""

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
        """Return the margin with more on both sides, as for a rounded number."""
        if self.below is None or self.above is None:
            return self
        return replace(self, below=self.below + by, above=self.above + by)


def margin_of_our_mean(ours: Sequence[float], why: str) -> Margin:
    """Return the margin of our mean about a number that has no standard error.

    Method: Student's t (Student, 1908). Coverage: 95 % for normal values; for skewed
    accuracies see :func:`..intervals.coverage`.

    Args:
        ours: one value per independent run.
        why: why the published number has no standard error, in words.
    """
    cause = _why_scatter_is_unknown(ours)
    if cause:
        return Margin(None, None, cause)
    half_width = student_quantile(len(ours) - 1) * _deviation(ours) / np.sqrt(len(ours))
    return _symmetric(half_width, f"our standard error alone: {why}")


def margin_between_means(
    ours: Sequence[float], deviation: float | None, runs: int | None
) -> Margin:
    """Return the margin of our mean about a published mean, by both standard errors.

    Method: Welch's t (Welch, 1947). One run of ours is compared with the scatter of the
    published runs. Where the published standard error is not known, the margin is that
    of our mean alone, and its basis says why.

    Coverage: 95 % for normal values; at least :data:`SKEWED_MEANS` for NAS-Bench-201.

    Args:
        ours: one value per independent run.
        deviation: the published sample standard deviation of single runs.
        runs: how many runs the published mean is of.
    """
    if deviation is None:
        return margin_of_our_mean(ours, PUBLISHED_WITHOUT_DEVIATION)
    if runs is None:
        return margin_of_our_mean(ours, PUBLISHED_RUNS_UNKNOWN)
    if runs < 2:
        return margin_of_one_run(ours, len(ours))
    if deviation == 0:
        return margin_of_our_mean(ours, PUBLISHED_EQUAL)
    if len(ours) == 1:
        half_width = student_quantile(runs - 1) * deviation * np.sqrt(1 + 1 / runs)
        basis = f"our one run within the scatter of {runs} published runs"
        return _symmetric(half_width, basis)
    cause = _why_scatter_is_unknown(ours)
    if cause:
        return Margin(None, None, cause)
    our_mean = _SquaredError(_deviation(ours) ** 2 / len(ours), len(ours) - 1)
    their_mean = _SquaredError(deviation**2 / runs, runs - 1)
    return _welch(our_mean, their_mean)


def margin_between_samples(ours: Sequence[float], theirs: Sequence[float]) -> Margin:
    """Return the margin between the means of our runs and of published single runs.

    Method and coverage: those of :func:`margin_between_means`. A single value on one
    side is compared with the scatter of the other side.
    """
    if len(theirs) == 1:
        return margin_of_one_run(ours, len(ours))
    return margin_between_means(ours, _deviation(theirs), len(theirs))


def margin_of_one_run(ours: Sequence[float], independent: int) -> Margin:
    """Return the margin of one published run about our mean.

    Method: the prediction interval of one more run, by Student's t. Coverage: 95 % for
    normal values; at least :data:`SKEWED_RUNS` for NAS-Bench-201.

    Args:
        ours: one value per run.
        independent: how many of them count as independent, such as the number of
            supernets they were selected from.
    """
    cause = _why_scatter_is_unknown(ours[:1] if independent < 2 else ours)
    if cause:
        return Margin(None, None, cause)
    quantile = student_quantile(independent - 1)
    half_width = quantile * _deviation(ours) * np.sqrt(1 + 1 / independent)
    basis = f"one published run within the scatter of our {len(ours)} runs"
    return _symmetric(half_width, basis)


def margin_of_best(
    ours: Sequence[float], independent: int, of: int, expected: float, higher: bool
) -> Margin:
    """Return the margin of a published best of several about our expected best.

    Method: a published best is one draw, so this is the prediction interval of one best
    of `of` further runs, from our mean and deviation; see :func:`best_quantiles`.
    Coverage: 95 % for normal values; at least :data:`SKEWED_RUNS` for NAS-Bench-201.

    Args:
        ours: one value per run.
        independent: how many of them count as independent.
        of: of how many runs the published number is the best.
        expected: our expected best of as many, about which the margin is.
        higher: whether the highest is the best.
    """
    cause = _why_scatter_is_unknown(ours[:1] if independent < 2 else ours)
    if cause:
        return Margin(None, None, cause)
    sign = 1.0 if higher else -1.0
    lowest, highest = best_quantiles(independent, of)
    centre = float(np.mean(ours)) * sign
    worse = max(0.0, expected * sign - (centre + lowest * _deviation(ours)))
    better = max(0.0, centre + highest * _deviation(ours) - expected * sign)
    basis = f"one best of {of} within the scatter of our {len(ours)} runs"
    # Ours may lie above a published number by as much as a best of theirs may fall
    # short of ours.
    if higher:
        return Margin(better, worse, basis)
    return Margin(worse, better, basis)


def margin_of_random_cells(quantiles: Sequence[float], cells: int) -> Margin:
    """Return the margin of the mean of some random cells about the mean of their space.

    Method: simulation from the accuracies of the space; of more than :data:`MANY` cells
    the normal distribution. Coverage: 95 % whatever the distribution, for the
    accuracies of the space are known.

    Args:
        quantiles: accuracies of the space at equal steps from 0 to 100 %, in per cent.
        cells: how many are drawn.
    """
    values = np.asarray(quantiles, dtype=np.float64)
    basis = f"the scatter of a mean of {cells} random cells of the table"
    if cells > MANY:
        normal_quantile = float(ndtri((1 + LEVEL) / 2))
        half_width = normal_quantile * float(values.std()) / np.sqrt(cells)
        return _symmetric(half_width, basis)
    places = np.linspace(0, 1, len(values))
    finer = np.linspace(0, 1, 10 * len(values))
    centre = float(np.interp(finer, places, values).mean())
    low, high = middle_range(_simulate_means(values, places, cells))
    return Margin(max(0.0, centre - low), max(0.0, high - centre), basis)


def _simulate_means(values: Floats, places: Floats, cells: int) -> Floats:
    """Return :data:`DRAWS` means of so many random cells."""
    rng = np.random.default_rng(_SEED)
    total = np.zeros(DRAWS)
    for _ in range(cells):
        total += np.interp(rng.random(DRAWS), places, values)
    return total / cells


@cache
def best_quantiles(runs: int, of: int) -> tuple[float, float]:
    """Return how far from our mean a best of further runs lies, in our deviations.

    Method: with normally distributed values the distance depends on neither their mean
    nor their deviation; its 2.5 % and 97.5 % quantiles are simulated.

    Args:
        runs: how many runs our mean and deviation are of.
        of: how many further runs the best is of.
    """
    rng = np.random.default_rng(_SEED)
    highest = ndtri(rng.random(DRAWS) ** (1 / of))
    means = rng.normal(size=DRAWS) / np.sqrt(runs)
    deviations = np.sqrt(rng.chisquare(runs - 1, DRAWS) / (runs - 1))
    return middle_range((highest - means) / deviations)


def all_equal(values: Sequence[float]) -> bool:
    """Return whether the values are equal but for the last bits."""
    tolerance = _EQUAL_SHARE * max(1.0, abs(values[0]))
    return max(values) - min(values) <= tolerance


@dataclass(frozen=True)
class _SquaredError:
    """The squared standard error of a mean, and its degrees of freedom."""

    value: float
    freedom: int


def _welch(ours: _SquaredError, theirs: _SquaredError) -> Margin:
    """Return the margin between two means by Welch's t."""
    both = ours.value + theirs.value
    spread = ours.value**2 / ours.freedom + theirs.value**2 / theirs.freedom
    half_width = student_quantile(both**2 / spread) * np.sqrt(both)
    return _symmetric(half_width, "both standard errors")


def _why_scatter_is_unknown(values: Sequence[float]) -> str:
    """Return why the scatter of our values is not known; empty if it is."""
    if len(values) < 2:
        return "ours is one independent run, whose scatter is not known"
    if len(values) < LEAST_SEEDS:
        return f"ours are {len(values)} independent runs, too few to know their scatter"
    if all_equal(values):
        return f"our {len(values)} values are all equal, so their scatter is not known"
    return ""


def _deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 of values equal but for the last bits."""
    if all_equal(values):
        return 0.0
    return float(np.std(np.asarray(values, dtype=np.float64), ddof=1))


def _symmetric(half_width: float, basis: str) -> Margin:
    return Margin(float(half_width), float(half_width), basis)
