"""Margins: the largest difference from a published number that is not significant.

Each function takes our runs and the known facts about the published number, and returns
a 95 % :class:`Margin`. A margin assumes normally distributed values, unless a function
says otherwise. Its coverage is lower for NAS-Bench-201's skewed accuracies: see
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
"""Number of simulated draws for a margin without a formula.

Between random seeds, its bounds differ by about 1 % of its width.
"""
MANY = 1_000
"""Most cells whose mean is simulated; above, the normal distribution is used."""
_SEED = 20_201
_EQUAL_SHARE = 1e-9
"""Values count as equal if they differ by less than this fraction of the first."""

SKEWED_MEANS = 0.93
"""Least coverage of a margin between two means, for NAS-Bench-201's accuracies.

The tests simulate it.
"""
SKEWED_RUNS = 0.88
"""Least coverage of a margin of one run or of a best of several, likewise."""

PUBLISHED_RUNS_UNKNOWN = "the number of published runs is not known"
PUBLISHED_WITHOUT_DEVIATION = "the published mean has no standard deviation"
PUBLISHED_EQUAL = "the published runs are all equal"
PUBLISHED_EXACT = "the published number is exact"


@dataclass(frozen=True)
class Margin:
    """The 95 % margin within which a difference is not significant.

    Attributes:
        below, above: margin for our value below and above the published number; both
            None if there is no margin.
        basis: how the margin is computed, or why there is none, as text.
    """

    below: float | None
    above: float | None
    basis: str

    @property
    def known(self) -> bool:
        """Whether there is a margin."""
        return self.below is not None and self.above is not None

    def widened(self, by: float) -> Margin:
        """Return the margin widened on both sides, for example for rounding."""
        if self.below is None or self.above is None:
            return self
        return replace(self, below=self.below + by, above=self.above + by)


def margin_of_our_mean(ours: Sequence[float], why: str) -> Margin:
    """Return the margin between our mean and a number without a standard error.

    Method: Student's t (Student, 1908). Coverage: 95 % for normally distributed values;
    for skewed accuracies see :func:`..intervals.coverage`.

    Args:
        ours: one value per independent run.
        why: why the published number has no standard error, as text.
    """
    cause = _why_scatter_is_unknown(ours)
    if cause:
        return Margin(None, None, cause)
    half_width = student_quantile(len(ours) - 1) * _deviation(ours) / np.sqrt(len(ours))
    return _symmetric(half_width, f"our standard error alone: {why}")


def margin_between_means(
    ours: Sequence[float], deviation: float | None, runs: int | None
) -> Margin:
    """Return the margin between our mean and a published mean.

    Method: Welch's t with both standard errors (Welch, 1947). A single run of ours is
    compared with the spread of the published runs. If the published standard error is
    not known, use our standard error alone; the basis says why.

    Coverage: 95 % for normally distributed values; at least :data:`SKEWED_MEANS` for
    NAS-Bench-201.

    Args:
        ours: one value per independent run.
        deviation: published sample standard deviation of single runs.
        runs: number of runs behind the published mean.
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
        basis = f"our single run against the spread of {runs} published runs"
        return _symmetric(half_width, basis)
    cause = _why_scatter_is_unknown(ours)
    if cause:
        return Margin(None, None, cause)
    our_mean = _SquaredError(_deviation(ours) ** 2 / len(ours), len(ours) - 1)
    their_mean = _SquaredError(deviation**2 / runs, runs - 1)
    return _welch(our_mean, their_mean)


def margin_between_samples(ours: Sequence[float], theirs: Sequence[float]) -> Margin:
    """Return the margin between the means of our runs and of published single runs.

    Method and coverage: those of :func:`margin_between_means`. A single value is
    compared with the spread of the other side.
    """
    if len(theirs) == 1:
        return margin_of_one_run(ours, len(ours))
    return margin_between_means(ours, _deviation(theirs), len(theirs))


def margin_of_one_run(ours: Sequence[float], independent: int) -> Margin:
    """Return the margin between our mean and a single published run.

    Method: the prediction interval of one more run, by Student's t. Coverage: 95 % for
    normally distributed values; at least :data:`SKEWED_RUNS` for NAS-Bench-201.

    Args:
        ours: one value per run.
        independent: number of independent values, such as the number of supernets.
    """
    cause = _why_scatter_is_unknown(ours[:1] if independent < 2 else ours)
    if cause:
        return Margin(None, None, cause)
    quantile = student_quantile(independent - 1)
    half_width = quantile * _deviation(ours) * np.sqrt(1 + 1 / independent)
    basis = f"one published run against the spread of our {len(ours)} runs"
    return _symmetric(half_width, basis)


def margin_of_best(
    ours: Sequence[float], independent: int, of: int, expected: float, higher: bool
) -> Margin:
    """Return the margin between our expected best and a published best of several runs.

    Method: a published best is one draw. So this is the prediction interval of the best
    of `of` more runs, from our mean and deviation; see :func:`best_quantiles`.
    Coverage: 95 % for normally distributed values; at least :data:`SKEWED_RUNS` for
    NAS-Bench-201.

    Args:
        ours: one value per run.
        independent: number of independent values.
        of: number of runs of which the published number is the best.
        expected: our expected best of as many runs; the centre of the margin.
        higher: whether the highest value is the best.
    """
    cause = _why_scatter_is_unknown(ours[:1] if independent < 2 else ours)
    if cause:
        return Margin(None, None, cause)
    sign = 1.0 if higher else -1.0
    lowest, highest = best_quantiles(independent, of)
    centre = float(np.mean(ours)) * sign
    worse = max(0.0, expected * sign - (centre + lowest * _deviation(ours)))
    better = max(0.0, centre + highest * _deviation(ours) - expected * sign)
    basis = f"one best of {of} against the spread of our {len(ours)} runs"
    # Ours may exceed a published best by as much as a published best may fall below
    # ours.
    if higher:
        return Margin(better, worse, basis)
    return Margin(worse, better, basis)


def margin_of_random_cells(quantiles: Sequence[float], cells: int) -> Margin:
    """Return the margin between the mean of random cells and the mean of their space.

    Method: simulation from the accuracies of the space; the normal distribution for
    more than :data:`MANY` cells. Coverage: 95 % for any distribution, because the
    accuracies of the space are known.

    Args:
        quantiles: quantiles of the space's accuracies at equal steps from 0 to 100 %,
            in per cent.
        cells: number of random cells.
    """
    values = np.asarray(quantiles, dtype=np.float64)
    basis = f"the spread of means of {cells} random cells of the table"
    if cells > MANY:
        normal_quantile = float(ndtri((1 + LEVEL) / 2))
        half_width = normal_quantile * float(values.std()) / np.sqrt(cells)
        return _symmetric(half_width, basis)
    places = np.linspace(0, 1, len(values))
    finer = np.linspace(0, 1, 10 * len(values))
    centre = float(np.interp(finer, places, values).mean())
    low, high = middle_range(_simulate_means(values, cells))
    return Margin(max(0.0, centre - low), max(0.0, high - centre), basis)


def _simulate_means(values: Floats, cells: int) -> Floats:
    """Return :data:`DRAWS` simulated means of random cells, shape (DRAWS,).

    Each accuracy is interpolated between two quantiles. Their steps are equal, so the
    pair is found without a search.

    Args:
        values: quantiles of the space's accuracies at equal steps, at least two.
        cells: number of random cells.
    """
    rng = np.random.default_rng(_SEED)
    steps = np.diff(values)
    total = np.zeros(DRAWS)
    for _ in range(cells):
        places = rng.random(DRAWS) * len(steps)
        lower = places.astype(np.intp)
        total += values[lower] + steps[lower] * (places - lower)
    return total / cells


@cache
def best_quantiles(runs: int, of: int) -> tuple[float, float]:
    """Return quantiles of the distance between a best of more runs and our mean.

    The unit is our standard deviation. Method: for normally distributed values, the
    distance depends on neither their mean nor their deviation; the 2.5 % and 97.5 %
    quantiles are simulated.

    Args:
        runs: number of runs behind our mean and deviation.
        of: number of further runs of which to take the best.
    """
    rng = np.random.default_rng(_SEED)
    highest = ndtri(rng.random(DRAWS) ** (1 / of))
    means = rng.normal(size=DRAWS) / np.sqrt(runs)
    deviations = np.sqrt(rng.chisquare(runs - 1, DRAWS) / (runs - 1))
    return middle_range((highest - means) / deviations)


def all_equal(values: Sequence[float]) -> bool:
    """Return whether the values are equal, apart from rounding errors."""
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
    """Return why the spread of our values is not known; empty if it is known."""
    if len(values) < 2:
        return "we have only one independent run, so its spread is not known"
    if len(values) < LEAST_SEEDS:
        return (
            f"we have only {len(values)} independent runs, too few to know their spread"
        )
    if all_equal(values):
        return f"our {len(values)} values are all equal, so their spread is not known"
    return ""


def _deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation; 0 if the values differ only by rounding."""
    if all_equal(values):
        return 0.0
    return float(np.std(np.asarray(values, dtype=np.float64), ddof=1))


def _symmetric(half_width: float, basis: str) -> Margin:
    return Margin(float(half_width), float(half_width), basis)
