"""Paired comparison of two methods over a few seeds: the mean difference, its interval, tests and their power.

A pair is one supernet seed on one data set of one space. Each (space, data set) is a
stratum. The difference is the mean over strata of each stratum's mean difference, so
that every stratum weighs the same however many seeds it has. What is undefined is None,
with its reason in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import nctdtr, ndtr, stdtr, stdtrit

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.statistics.intervals import LEAST_SEEDS, LEVEL, TOO_FEW

ALPHA = 1 - LEVEL
POWER = 0.8
"""How often a difference worth naming should be found."""
MOST_SEEDS = 1_000
"""More seeds than anyone trains supernets for; where these do not suffice, the report
says so.
"""
MANY = 1_000
"""Most pairs whose signs are sampled; the sum over more follows the normal distribution
closely.
"""
MANY_RANKS = 200
"""Most pairs of which the signed-rank test is exact; its work grows with their third
power.
"""
ALL_EQUAL = "all differences equal"
_EXACT = 16
"""Most pairs of which every pattern of signs is looked at."""
_SAMPLED = 10_000
"""Patterns of signs that are sampled where there are more pairs."""
_SEED = 20_203


@dataclass(frozen=True)
class Stratum:
    """Values of two methods for the same seeds of one (space, data set), in the same order."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def differences(self) -> Floats:
        """Ours minus theirs, by seed."""
        # Equal accuracies must have a difference of zero, whatever the order in which
        # trials were added up.
        return np.round(
            np.asarray(self.ours, dtype=np.float64)
            - np.asarray(self.theirs, dtype=np.float64),
            9,
        )


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs.

    Attributes:
        pairs: how many seeds there are, over all strata.
        strata: how many strata there are.
        mean: the mean over strata of the mean differences; None without pairs.
        low, high: interval by Student's t, degrees of freedom by Welch and
            Satterthwaite. None for fewer than three pairs, and where all differences
            are equal: no spread in a few seeds is no certainty.
        p_t: p-value of the paired t-test that belongs to the interval; None where the
            interval is.
        p_permutation: exact two-sided sign-flip test of the mean (sampled above 16
            pairs).
        p_wilcoxon: exact two-sided signed-rank test, zeros left out (normal above
            MANY_RANKS pairs).
        improvement: the probability that a run of ours is higher than a run of theirs,
            ties counting half; over all pairs of runs of a stratum, mean over strata
            (Agarwal et al., NeurIPS 2021, section 4.3).
        error, freedom: standard error of the mean, and its degrees of freedom; None
            where undefined.
        reason: why the interval is undefined; empty where it is not.
        rows: the factor by which the interval's error rate is divided; see
            :meth:`among`.
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
        """The p-value that verdicts go by: the t-test's, or the exact sign-flip test's where all are equal.

        None for fewer than three pairs.
        """
        return self.p_permutation if self.reason == ALL_EQUAL else self.p_t

    def among(self, rows: float) -> Difference:
        """Return the same with a wider interval: its error rate is the usual one divided by `rows` (Bonferroni)."""
        if not self.error or self.mean is None or self.freedom is None:
            return self
        half = float(stdtrit(self.freedom, 1 - ALPHA / (2 * rows))) * self.error
        return replace(self, low=self.mean - half, high=self.mean + half, rows=rows)

    @property
    def moved(self) -> bool:
        """Whether any seed differs."""
        return bool(self.mean) or bool(self.error)

    @cached_property
    def detectable(self) -> float | None:
        """The smallest difference that so many seeds with such a spread show in four of five cases, to four digits.

        None where the spread is not known, or all differences are equal.
        """
        if not self.error:
            return None
        low = 0.0
        high = self.error
        while self._power(high) < POWER:
            high *= 2
        while high - low > 1e-4 * high:
            middle = (low + high) / 2
            if self._power(middle) < POWER:
                low = middle
            else:
                high = middle
        return high

    def numbers(self) -> dict[str, object]:
        """Return what files of numbers hold of it, by the name of the column or field."""
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
        """Return the seeds per stratum with which a difference of this size would be found in four of five cases.

        None where the spread is not known, or more than MOST_SEEDS would be needed.
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
        """Return how often the t-test finds a difference, with the seeds there are, or with so many per stratum."""
        assert self.error is not None and self.freedom is not None
        now = self.pairs / self.strata
        more = 1.0 if seeds is None else seeds / now
        freedom = (
            self.freedom if seeds is None else self.freedom * (seeds - 1) / (now - 1)
        )
        shift = difference / self.error * float(np.sqrt(more))
        bound = float(stdtrit(freedom, 1 - ALPHA / (2 * self.rows)))
        power = float(1 - nctdtr(freedom, shift, bound))
        # Far in the tail the series gives nan; there the normal distribution is as
        # good.
        return float(ndtr(shift - bound)) if np.isnan(power) else power


@dataclass(frozen=True)
class Finding:
    """What one difference shows among the rows of its family.

    Attributes:
        difference: with an interval as wide as Holm's procedure asks of this row, so
            that it excludes zero exactly where the verdict is better or worse.
        p: after Holm; None where undefined.
        verdict: better, worse, no evidence, or undefined with the reason.
    """

    difference: Difference
    p: float | None
    verdict: str


def pair(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Stratum:
    """Return the values of the seeds that both have."""
    seeds = sorted(ours.keys() & theirs.keys())
    return Stratum(
        tuple(ours[seed] for seed in seeds), tuple(theirs[seed] for seed in seeds)
    )


def compare(strata: Sequence[Stratum]) -> Difference:
    """Compare ours with theirs.

    Args:
        strata: one for each (space, data set); those without pairs are left out.

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
    seen = Difference(
        pairs=len(joined),
        strata=len(strata),
        mean=float(np.mean([part.mean() for part in differences])),
        p_permutation=permutation(differences),
        p_wilcoxon=wilcoxon(joined),
        improvement=float(np.mean([_improvement(stratum) for stratum in strata])),
    )
    if len(joined) < LEAST_SEEDS:
        return replace(seen, reason=TOO_FEW)
    if min(map(len, differences)) < 2:
        return replace(seen, reason="one seed in one of the strata")
    if all(np.ptp(part) == 0 for part in differences):
        return replace(seen, reason=ALL_EQUAL)
    error, freedom = _standard_error(differences)
    assert seen.mean is not None
    p_t = float(2 * stdtr(freedom, -abs(seen.mean) / error))
    return replace(seen, p_t=p_t, error=error, freedom=freedom).among(1)


def judge(differences: Sequence[Difference], better: str) -> list[Finding]:
    """Return what each of a family of differences shows, after Holm's adjustment over all of them.

    Args:
        better: "higher" or "lower", of ours.
    """
    adjusted = holm([difference.p for difference in differences])
    return [
        _finding(difference, p, better)
        for difference, p in zip(differences, adjusted, strict=True)
    ]


def _finding(difference: Difference, adjusted: float | None, better: str) -> Finding:
    if adjusted is None:
        return Finding(difference, None, f"undefined: {difference.reason}")
    if difference.p:
        difference = difference.among(adjusted / difference.p)
    return Finding(
        difference, min(1.0, adjusted), verdict(difference, adjusted, better)
    )


def verdict(difference: Difference, p: float | None, better: str) -> str:
    """Return better, worse or no evidence, of ours; or that it is undefined, and why."""
    if p is None or difference.mean is None:
        return f"undefined: {difference.reason}"
    if p >= ALPHA or difference.mean == 0:
        return "no evidence"
    return "better" if (difference.mean > 0) == (better == "higher") else "worse"


def permutation(differences: Sequence[Floats]) -> float:
    """Return the two-sided p-value of the mean over strata, under random signs of the differences.

    It is exact up to 16 pairs, over all patterns of signs. Above, it is from a sample
    of patterns with the observed one among them; of more than MANY pairs, from the
    normal distribution that the sum approaches.
    """
    weights = np.concatenate([own / len(own) for own in differences])
    seen = abs(weights.sum())
    if len(weights) > MANY:
        return float(2 * ndtr(-seen / np.sqrt(weights @ weights))) if seen else 1.0
    if len(weights) <= _EXACT:
        sums = np.array([0.0])
        for weight in weights:
            sums = np.concatenate((sums + weight, sums - weight))
        return float(np.mean(np.abs(sums) >= seen * (1 - 1e-12)))
    signs = (
        np.random.default_rng(_SEED).integers(0, 2, (_SAMPLED, len(weights))) * 2.0
        - 1.0
    )
    hits = int((np.abs(signs @ weights) >= seen * (1 - 1e-12)).sum())
    return (hits + 1) / (_SAMPLED + 1)


def wilcoxon(differences: Floats) -> float | None:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; exact up to MANY_RANKS pairs, above it normal.

    Differences of zero are left out, as Wilcoxon did; None where no other is left. The
    distribution is that of the sum of the positive ranks over all patterns of signs, by
    convolution. Ties have their average rank.
    """
    left = differences[differences != 0]
    if not len(left):
        return None
    sizes = np.abs(left)
    ordered = np.sort(sizes)
    # Twice the average rank is a whole number.
    twice = (
        np.searchsorted(ordered, sizes)
        + np.searchsorted(ordered, sizes, side="right")
        + 1
    )
    if len(left) > MANY_RANKS:
        off = abs(float((twice * np.sign(left)).sum()))
        return float(2 * ndtr(-off / np.sqrt((twice.astype(np.float64) ** 2).sum())))
    doubled = twice.tolist()
    total = sum(doubled)
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in doubled:
        ways[rank:] = (ways[rank:] + ways[: total + 1 - rank]) / 2
        ways[:rank] /= 2
    seen = sum(rank for rank, own in zip(doubled, left, strict=True) if own > 0)
    places = np.abs(2 * np.arange(total + 1) - total)
    return float(min(1.0, ways[places >= abs(2 * seen - total)].sum()))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values, in the same order and not cut at one; None takes no part."""
    known = sorted(
        (value, place) for place, value in enumerate(values) if value is not None
    )
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, value * (len(known) - rank))
        adjusted[place] = highest
    return adjusted


def interquartile_mean(values: Sequence[float]) -> float:
    """Return the mean without the lowest and the highest quarter of the values, rounded down (Agarwal et al., 2021)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def _standard_error(differences: Sequence[Floats]) -> tuple[float, float]:
    """Return that of the mean over strata, and its degrees of freedom after Welch and Satterthwaite."""
    parts = (
        np.array([part.var(ddof=1) / len(part) for part in differences])
        / len(differences) ** 2
    )
    freedom = np.array([len(part) - 1 for part in differences])
    total = float(parts.sum())
    return float(np.sqrt(total)), total**2 / float((parts**2 / freedom).sum())


def _improvement(stratum: Stratum) -> float:
    theirs = np.sort(stratum.theirs)
    below, up_to = (
        np.searchsorted(theirs, stratum.ours, side=side).sum()
        for side in ("left", "right")
    )
    return float((below + up_to) / 2 / (len(stratum.ours) * len(theirs)))
