"""Paired comparison of two methods from few seeds: the mean difference, its interval, tests, and what could be seen.

Pairs are of one supernet seed on one data set of one space. Each (space, data set) is a stratum: the difference is the
mean over strata of the strata's mean differences, so that every stratum weighs the same however many seeds it has.
Everything undefined is None, with the reason in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import nctdtr, ndtr, ndtri, stdtr, stdtrit

from archselect.reports.ranks import Floats
from archselect.reports.stats import LEVEL, MANY, RESAMPLES

ALPHA = 1 - LEVEL
POWER = 0.8
"""How often a difference worth naming should be found."""
MOST_SEEDS = 1_000
"""More seeds than anyone trains supernets for; where these do not suffice, that is said."""
_EXACT = 16
"""Most pairs of which every pattern of signs is looked at."""
MANY_RANKS = 200
"""Most pairs of which the signed-rank test is exact; its work grows with their third power."""
_SEED = 20_203


@dataclass(frozen=True)
class Stratum:
    """Values of two methods for the same seeds of one (space, data set), in the same order."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def differences(self) -> Floats:
        """Ours minus theirs, by seed."""
        # Equal accuracies must have a difference of zero, whatever the order in which trials were added up.
        return np.round(np.asarray(self.ours, dtype=np.float64) - np.asarray(self.theirs, dtype=np.float64), 9)


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs.

    Attributes:
        pairs: how many seeds there are, over all strata; `strata` how many of these.
        mean: the mean over strata of the mean differences; None without pairs.
        low, high: interval by Student's t, degrees of freedom by Welch and Satterthwaite.
        boot_low, boot_high: percentile bootstrap, pairs resampled within strata.
        p_t: of the paired t-test that belongs to the interval.
        p_permutation: exact two-sided sign-flip test of the mean (sampled above 16 pairs).
        p_wilcoxon: exact two-sided signed-rank test, zeros left out (normal above MANY_RANKS pairs).
        improvement: the probability that a run of ours is higher than a run of theirs, ties counting half; over all
            pairs of runs of a stratum, mean over strata (Agarwal et al., NeurIPS 2021, section 4.3).
        error, freedom: standard error of the mean, and its degrees of freedom; None where undefined.
        reason: why the interval and the tests are undefined; empty where they are not.
        rows: how many intervals are to hold together; see :meth:`among`.
    """

    pairs: int
    strata: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    boot_low: float | None = None
    boot_high: float | None = None
    p_t: float | None = None
    p_permutation: float | None = None
    p_wilcoxon: float | None = None
    improvement: float | None = None
    error: float | None = None
    freedom: float | None = None
    reason: str = ""
    rows: int = 1

    def among(self, rows: int) -> Difference:
        """The same with an interval so wide that `rows` such intervals hold together (Bonferroni)."""
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
        low, high = 0.0, self.error
        while self._power(high) < POWER:
            high *= 2
        while high - low > 1e-4 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if self._power(middle) < POWER else (low, middle)
        return high

    def numbers(self) -> dict[str, object]:
        """What files of numbers have of it, by the name of the column or field."""
        return {
            "pairs": self.pairs,
            "low": self.low,
            "high": self.high,
            "bootstrap_low": self.boot_low,
            "bootstrap_high": self.boot_high,
            "p_t": self.p_t,
            "p_permutation": self.p_permutation,
            "p_wilcoxon": self.p_wilcoxon,
            "improvement": self.improvement,
            "detectable": self.detectable,
        }

    def seeds_for(self, difference: float) -> int | None:
        """Seeds per stratum with which a difference of this size would be found in four of five cases.

        None where the spread is not known, or more than MOST_SEEDS would be needed.
        """
        if not self.error or difference <= 0:
            return None
        if self._power(difference, MOST_SEEDS) < POWER:
            return None
        low, high = 1, MOST_SEEDS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._power(difference, middle) < POWER else (low, middle)
        return high

    def _power(self, difference: float, seeds: float | None = None) -> float:
        """How often the t-test finds a difference, with the seeds there are, or with so many in each stratum."""
        assert self.error is not None and self.freedom is not None
        now = self.pairs / self.strata
        more = 1.0 if seeds is None else seeds / now
        freedom = self.freedom if seeds is None else self.freedom * (seeds - 1) / (now - 1)
        shift = difference / self.error * float(np.sqrt(more))
        bound = float(stdtrit(freedom, 1 - ALPHA / (2 * self.rows)))
        found = float(1 - nctdtr(freedom, shift, bound))
        # Far in the tail the series gives nan; there the normal distribution is as good.
        return float(ndtr(shift - bound)) if np.isnan(found) else found


def pair(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Stratum:
    """The values of the seeds that both have."""
    seeds = sorted(ours.keys() & theirs.keys())
    return Stratum(tuple(ours[seed] for seed in seeds), tuple(theirs[seed] for seed in seeds))


def compare(strata: Sequence[Stratum]) -> Difference:
    """Compare ours with theirs.

    Args:
        strata: one for each (space, data set); those without pairs are left out. Values must not be nan.
    """
    found = [stratum for stratum in strata if stratum.ours]
    if not found:
        return Difference(0, 0, reason="no seed in common")
    differences = [stratum.differences for stratum in found]
    pairs = sum(map(len, differences))
    mean = float(np.mean([own.mean() for own in differences]))
    improvement = float(np.mean([_improvement(stratum) for stratum in found]))
    if min(map(len, differences)) < 2:
        where = "" if len(found) == 1 else " in one of the strata"
        return Difference(pairs, len(found), mean, improvement=improvement, reason=f"one seed{where}")
    error, freedom = _standard_error(differences)
    low, high, p_t = mean, mean, float(mean == 0)
    if error > 0:
        half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * error
        low, high, p_t = mean - half, mean + half, float(2 * stdtr(freedom, -abs(mean) / error))
    boot_low, boot_high = _bootstrap(differences)
    return Difference(
        pairs=pairs,
        strata=len(found),
        mean=mean,
        low=low,
        high=high,
        boot_low=boot_low,
        boot_high=boot_high,
        p_t=p_t,
        p_permutation=permutation(differences),
        p_wilcoxon=wilcoxon(np.concatenate(differences)),
        improvement=improvement,
        error=error,
        freedom=freedom,
    )


def verdict(found: Difference, p: float | None, better: str) -> str:
    """better, worse or no evidence, of ours; or that it is undefined, and why."""
    if p is None or found.mean is None:
        return f"undefined: {found.reason}"
    if p >= ALPHA or found.mean == 0:
        return "no evidence"
    return "better" if (found.mean > 0) == (better == "higher") else "worse"


def permutation(differences: Sequence[Floats]) -> float:
    """Two-sided p-value of the mean over strata, under random signs of the differences.

    Exact up to 16 pairs, that is over all patterns of signs; above, from RESAMPLES of them, the observed one included;
    of more than MANY pairs from the normal distribution that the sum comes to.
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
    signs = np.random.default_rng(_SEED).integers(0, 2, (RESAMPLES, len(weights))) * 2.0 - 1.0
    hits = int((np.abs(signs @ weights) >= seen * (1 - 1e-12)).sum())
    return (hits + 1) / (RESAMPLES + 1)


def wilcoxon(differences: Floats) -> float | None:
    """Two-sided p-value of Wilcoxon's signed-rank test, with ties; exact up to MANY_RANKS pairs, above it normal.

    Differences of zero are left out, as Wilcoxon did; None where no other is left. The distribution is that of the
    sum of the positive ranks (ties have their average rank) over all patterns of signs, by convolution.
    """
    left = differences[differences != 0]
    if not len(left):
        return None
    sizes = np.abs(left)
    ordered = np.sort(sizes)
    # Twice the average rank is a whole number.
    twice = np.searchsorted(ordered, sizes) + np.searchsorted(ordered, sizes, side="right") + 1
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
    """Holm's adjusted p-values, in the same order; what is None takes no part."""
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, value * (len(known) - rank)))
        adjusted[place] = highest
    return adjusted


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean without the lowest and the highest quarter of the values, rounded down (Agarwal et al., 2021)."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean())


def _standard_error(differences: Sequence[Floats]) -> tuple[float, float]:
    """Of the mean over strata, and its degrees of freedom after Welch and Satterthwaite."""
    parts = np.array([own.var(ddof=1) / len(own) for own in differences]) / len(differences) ** 2
    freedom = np.array([len(own) - 1 for own in differences])
    total = float(parts.sum())
    if total == 0:
        return 0.0, float(freedom.sum())
    return float(np.sqrt(total)), total**2 / float((parts**2 / freedom).sum())


def _bootstrap(differences: Sequence[Floats]) -> tuple[float, float]:
    """Percentile interval of the mean over strata, pairs resampled within each; of more than MANY the normal one."""
    if sum(map(len, differences)) > MANY:
        mean = float(np.mean([own.mean() for own in differences]))
        error = float(np.sqrt(sum(own.var() / len(own) for own in differences))) / len(differences)
        half = float(ndtri((1 + LEVEL) / 2)) * error
        return mean - half, mean + half
    rng = np.random.default_rng(_SEED)
    means = np.zeros(RESAMPLES)
    for own in differences:
        means += own[rng.integers(0, len(own), (RESAMPLES, len(own)))].mean(axis=1)
    low, high = np.quantile(means / len(differences), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _improvement(stratum: Stratum) -> float:
    theirs = np.sort(stratum.theirs)
    below, up_to = (np.searchsorted(theirs, stratum.ours, side=side).sum() for side in ("left", "right"))
    return float((below + up_to) / 2 / (len(stratum.ours) * len(theirs)))
