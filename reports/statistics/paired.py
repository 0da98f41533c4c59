"""Paired comparison of two methods over few seeds: interval, tests and power.

A pair is one supernet seed on one data set of one space. Each (space, data set) is a
stratum. The difference is the mean over strata of each stratum's mean difference; so
all strata have the same weight, whatever their number of seeds. An undefined value is
None, and a text gives the reason.

The tests are the paired t-test (with Student's interval), the permutation test of the
signs of the differences, and Wilcoxon's signed-rank test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import nctdtr, ndtr, stdtr

from archselect.nasbench_adapters.rank_correlations import Floats, Ints
from archselect.reports.statistics.intervals import (
    LEAST_SEEDS,
    LEVEL,
    TOO_FEW,
    Better,
    student_quantile,
)

ALPHA = 1 - LEVEL
POWER = 0.8
"""Probability with which the test should show a difference."""
MOST_SEEDS = 1_000
"""Largest number of seeds to suggest; more supernets are not practical."""
MANY = 1_000
"""Most pairs for sampled signs; above, the normal distribution is used."""
MANY_RANKS = 200
"""Most pairs for the exact signed-rank test.

Its work grows with the third power of the number of pairs.
"""
ALL_EQUAL = "all differences equal"
_EXACT = 16
"""Most pairs for which all patterns of signs are enumerated."""
_SAMPLED = 10_000
"""Number of sampled patterns of signs for more pairs."""
_SEED = 20_203
_DECIMALS = 9
"""Decimals of a difference.

The rounding makes the difference of equal accuracies zero, even if their trials were
summed in different orders.
"""
_AS_FAR = 1 - 1e-12
"""Fraction of the observed sum from which another sum counts as equally extreme."""
_PRECISION = 1e-4
"""Relative precision of :attr:`Difference.detectable`."""


@dataclass(frozen=True)
class Stratum:
    """The values of two methods for the same seeds of one (space, data set)."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def differences(self) -> Floats:
        """Ours minus theirs, by seed, shape (seeds,)."""
        ours = np.asarray(self.ours, dtype=np.float64)
        theirs = np.asarray(self.theirs, dtype=np.float64)
        return np.round(ours - theirs, _DECIMALS)


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs, with its interval, p-values and power.

    Coverage of the interval: 95 % for normally distributed differences; 95 to 98 % for
    differences of NAS-Bench-201's accuracies (`docs/statistics.md`).

    Attributes:
        pairs: number of seeds, over all strata. strata: number of strata. mean: mean
            over strata of the mean differences; None without pairs. low, high: interval
            by Student's t, with degrees of freedom by Welch (1947) and Satterthwaite
            (1946). None for fewer than three pairs, and if all differences are equal:
            that does not prove that there is no spread. p_t: p-value of the paired
            t-test that matches the interval; None if there is no interval.
        p_permutation: p-value of :func:`sign_flip_test`.
        p_wilcoxon: p-value of :func:`signed_rank_test`.
        improvement: probability that a run of ours is higher than a run of theirs, with
            ties counted as half; over all pairs of runs of a stratum, then the mean
            over strata (Agarwal et al., NeurIPS 2021, section 4.3). error, freedom:
            standard error of the mean, and its degrees of freedom; None if undefined.
            reason: why the interval is undefined; empty if it is defined. rows: divisor
            of the interval's error rate; see :meth:`among`.
    """

    pairs: int
    strata: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p_t: float | None = None
    p_permutation: float | None = None
    p_wilcoxon: float | None = None
    improvement: float | None = None
    error: float | None = None
    freedom: float | None = None
    reason: str = ""
    rows: float = 1.0

    @property
    def p(self) -> float | None:
        """The p-value for verdicts; None for fewer than three pairs.

        It comes from the t-test or, if all differences are equal, from the exact
        sign-flip test.
        """
        return self.p_permutation if self.reason == ALL_EQUAL else self.p_t

    def among(self, rows: float) -> Difference:
        """Return the difference with the wider interval of one row among several.

        The error rate is divided by `rows` (Bonferroni), so that all intervals hold
        simultaneously with 95 % probability.
        """
        if not self.error or self.mean is None or self.freedom is None:
            return self
        half_width = student_quantile(self.freedom, ALPHA / rows) * self.error
        return replace(
            self,
            low=self.mean - half_width,
            high=self.mean + half_width,
            rows=rows,
        )

    @property
    def moved(self) -> bool:
        """Whether any seed differs."""
        return bool(self.mean) or bool(self.error)

    @cached_property
    def detectable(self) -> float | None:
        """The smallest difference that these seeds would show with probability 80 %.

        It has four digits and assumes the spread of these seeds. It is None if the
        spread is not known or all differences are equal.
        """
        if not self.error:
            return None
        low = 0.0
        high = self.error
        while self._power(high) < POWER:
            high *= 2
        while high - low > _PRECISION * high:
            middle = (low + high) / 2
            if self._power(middle) < POWER:
                low = middle
            else:
                high = middle
        return high

    def numbers(self) -> dict[str, object]:
        """Return the numbers for CSV and JSON files, by name of the column or field."""
        return {
            "pairs": self.pairs,
            "low": self.low,
            "high": self.high,
            "p_t": self.p_t,
            "p_permutation": self.p_permutation,
            "p_wilcoxon": self.p_wilcoxon,
            "improvement": self.improvement,
        }

    def seeds_for(self, difference: float) -> int | None:
        """Return the number of seeds per stratum that shows a difference.

        They show it with probability 80 %. Return None if the spread is not known, or
        if more than MOST_SEEDS are needed.
        """
        if not self.error or difference <= 0:
            return None
        if self._power(difference, MOST_SEEDS) < POWER:
            return None
        low = LEAST_SEEDS - 1
        high = MOST_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            if self._power(difference, middle) < POWER:
                low = middle
            else:
                high = middle
        return high

    def _power(self, difference: float, seeds: float | None = None) -> float:
        """Return the power of the t-test, by the noncentral t distribution.

        Args:
            difference: true difference, positive in the tested direction.
            seeds: seeds per stratum; by default, the present ones.
        """
        assert self.error is not None
        assert self.freedom is not None
        factor = 1.0
        freedom = self.freedom
        if seeds is not None:
            present_seeds = self.pairs / self.strata
            factor = seeds / present_seeds
            freedom = self.freedom * (seeds - 1) / (present_seeds - 1)
        shift = difference / self.error * float(np.sqrt(factor))
        bound = student_quantile(freedom, ALPHA / self.rows)
        power = float(1 - nctdtr(freedom, shift, bound))
        if np.isnan(power):
            # Far in the tail the series gives NaN; there the normal distribution is
            # accurate.
            return float(ndtr(shift - bound))
        return power


@dataclass(frozen=True)
class JudgedDifference:
    """The verdict on one difference of a family.

    Attributes:
        difference: difference with the interval of Holm's method, which excludes zero
            if and only if the verdict is "better" or "worse".
        p: Holm-adjusted p-value; None if undefined.
        verdict: "better", "worse", "no evidence", or "undefined: " with the reason.
    """

    difference: Difference
    p: float | None
    verdict: str


def pair(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Stratum:
    """Return the paired values of the seeds that both have."""
    seeds = sorted(ours.keys() & theirs.keys())
    return Stratum(
        ours=tuple(ours[seed] for seed in seeds),
        theirs=tuple(theirs[seed] for seed in seeds),
    )


def compare(strata: Sequence[Stratum]) -> Difference:
    """Return the mean difference between ours and theirs, its interval and its tests.

    Args:
        strata: paired values per (space, data set); empty ones are ignored.

    Raises:
        ValueError: a value is not finite.
    """
    strata = [stratum for stratum in strata if stratum.ours]
    if not strata:
        return Difference(0, 0, reason="no seed in common")
    differences = [stratum.differences for stratum in strata]
    joined = np.concatenate(differences)
    if not np.isfinite(joined).all():
        raise ValueError("a comparison needs finite values")
    means = [part.mean() for part in differences]
    improvements = [_improvement(stratum) for stratum in strata]
    difference = Difference(
        pairs=len(joined),
        strata=len(strata),
        mean=float(np.mean(means)),
        p_permutation=sign_flip_test(differences),
        p_wilcoxon=signed_rank_test(joined),
        improvement=float(np.mean(improvements)),
    )
    reason = _why_no_interval(differences)
    if reason:
        return replace(difference, reason=reason)
    error, freedom = _standard_error(differences)
    assert difference.mean is not None
    p_t = float(2 * stdtr(freedom, -abs(difference.mean) / error))
    return replace(difference, p_t=p_t, error=error, freedom=freedom).among(1)


def _why_no_interval(differences: Sequence[Floats]) -> str:
    """Return why the differences have no interval; empty if they have one."""
    sizes = [len(part) for part in differences]
    if sum(sizes) < LEAST_SEEDS:
        return TOO_FEW
    if min(sizes) < 2:
        return "one seed in one of the strata"
    if all(np.ptp(part) == 0 for part in differences):
        return ALL_EQUAL
    return ""


def judge(differences: Sequence[Difference], better: Better) -> list[JudgedDifference]:
    """Return the verdicts on a family of differences, Holm-adjusted.

    Args:
        differences: all differences of the family.
        better: whether higher or lower values are better.
    """
    adjusted = adjust_by_holm([difference.p for difference in differences])
    return [
        _judge_one(difference, p, better)
        for difference, p in zip(differences, adjusted, strict=True)
    ]


def _judge_one(
    difference: Difference, adjusted: float | None, better: Better
) -> JudgedDifference:
    if adjusted is None:
        return JudgedDifference(difference, None, f"undefined: {difference.reason}")
    if difference.p:
        difference = difference.among(adjusted / difference.p)
    return JudgedDifference(
        difference,
        p=min(1.0, adjusted),
        verdict=verdict(difference, adjusted, better),
    )


def verdict(difference: Difference, p: float | None, better: Better) -> str:
    """Return "better", "worse", "no evidence", or "undefined: " with the reason."""
    if p is None or difference.mean is None:
        return f"undefined: {difference.reason}"
    if p >= ALPHA or difference.mean == 0:
        return "no evidence"
    higher = difference.mean > 0
    return "better" if higher == (better == "higher") else "worse"


def sign_flip_test(differences: Sequence[Floats]) -> float:
    """Return the two-sided p-value of the mean under random signs of the differences.

    Method: the permutation test of paired values (Fisher, 1935). Up to 16 pairs, it is
    exact over all patterns of signs. Above, it uses a sample of patterns that includes
    the observed one; for more than MANY pairs, the normal approximation.

    Args:
        differences: differences by stratum; the mean is over strata.
    """
    weights = np.concatenate([part / len(part) for part in differences])
    observed = abs(weights.sum())
    if len(weights) > MANY:
        if not observed:
            return 1.0
        return float(2 * ndtr(-observed / np.sqrt(weights @ weights)))
    if len(weights) <= _EXACT:
        as_far = np.abs(_signed_sums(weights)) >= observed * _AS_FAR
        return float(np.mean(as_far))
    rng = np.random.default_rng(_SEED)
    signs = rng.integers(0, 2, (_SAMPLED, len(weights))) * 2.0 - 1.0
    as_far = np.abs(signs @ weights) >= observed * _AS_FAR
    return (int(as_far.sum()) + 1) / (_SAMPLED + 1)


def _signed_sums(weights: Floats) -> Floats:
    """Return the sums under all patterns of signs."""
    sums = np.array([0.0])
    for weight in weights:
        sums = np.concatenate((sums + weight, sums - weight))
    return sums


def signed_rank_test(differences: Floats) -> float | None:
    """Return the two-sided p-value of Wilcoxon's signed-rank test (Wilcoxon, 1945).

    Differences of zero are left out, as in Wilcoxon's paper; return None if all are
    zero. Ties have their average rank. The test is exact up to MANY_RANKS pairs; above,
    it uses the normal approximation.
    """
    nonzero = differences[differences != 0]
    if not len(nonzero):
        return None
    doubled = _doubled_ranks(np.abs(nonzero))
    if len(nonzero) > MANY_RANKS:
        distance = abs(float((doubled * np.sign(nonzero)).sum()))
        variance = (doubled.astype(np.float64) ** 2).sum()
        return float(2 * ndtr(-distance / np.sqrt(variance)))
    observed = int(doubled[nonzero > 0].sum())
    total = int(doubled.sum())
    distribution = _rank_sum_distribution(doubled.tolist())
    distances = np.abs(2 * np.arange(total + 1) - total)
    as_far = distances >= abs(2 * observed - total)
    return float(min(1.0, distribution[as_far].sum()))


def _doubled_ranks(sizes: Floats) -> Ints:
    """Return twice the rank of each size; twice an average rank is an integer."""
    ordered = np.sort(sizes)
    below = np.searchsorted(ordered, sizes)
    up_to = np.searchsorted(ordered, sizes, side="right")
    return below + up_to + 1


def _rank_sum_distribution(ranks: Sequence[int]) -> Floats:
    """Return the probability of each sum of positive ranks, over all patterns of signs.

    It is computed by convolution, rank by rank.

    Returns:
        Probabilities, shape (sum of the ranks + 1,).
    """
    total = sum(ranks)
    probability = np.zeros(total + 1)
    probability[0] = 1.0
    for rank in ranks:
        without = probability[rank:]
        with_it = probability[: total + 1 - rank]
        probability[rank:] = (without + with_it) / 2
        probability[:rank] /= 2
    return probability


def adjust_by_holm(values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values (Holm, 1979) in order; None stays None.

    They are not cut at one.
    """
    known = [(p, place) for place, p in enumerate(values) if p is not None]
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, place) in enumerate(sorted(known)):
        highest = max(highest, p * (len(known) - rank))
        adjusted[place] = highest
    return adjusted


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter of the values.

    The sizes of the quarters are rounded down (Agarwal et al., NeurIPS 2021, section
    4.3).
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def _standard_error(differences: Sequence[Floats]) -> tuple[float, float]:
    """Return the standard error of the mean over strata, and its degrees of freedom.

    The method is that of Welch (1947) and Satterthwaite (1946).
    """
    variances = [part.var(ddof=1) / len(part) for part in differences]
    parts = np.array(variances) / len(differences) ** 2
    freedom = np.array([len(part) - 1 for part in differences])
    total = float(parts.sum())
    spread = float((parts**2 / freedom).sum())
    return float(np.sqrt(total)), total**2 / spread


def _improvement(stratum: Stratum) -> float:
    """Return how often a run of ours is above one of theirs; ties count as half."""
    theirs = np.sort(stratum.theirs)
    below = np.searchsorted(theirs, stratum.ours, side="left").sum()
    up_to = np.searchsorted(theirs, stratum.ours, side="right").sum()
    pairs = len(stratum.ours) * len(theirs)
    return float((below + up_to) / 2 / pairs)
