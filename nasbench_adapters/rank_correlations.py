"""Rank correlations of two sequences, and bootstrap intervals over their pairs.

A rank correlation is undefined, and the result None, if there are fewer than two pairs,
if one sequence is constant, or if a value is not finite. This file does not import
torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 0.95
"""Share of intervals that contain the true value, in the long run."""


class PercentileInterval(NamedTuple):
    """The ends of a bootstrap interval."""

    low: float
    high: float


def tau_b(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Return Kendall's tau-b of two equally long sequences; None if undefined.

    The algorithm is Knight's (Journal of the American Statistical Association, 1966):
    sort by one sequence, and count the inversions of the other.
    """
    a = _places(x)
    b = _places(y)
    if a is None or b is None:
        return None
    order = np.lexsort((b, a))
    discordant = _count_inversions(b[order])
    pairs = len(a) * (len(a) - 1) // 2
    tied_a = _count_tied_pairs(a)
    tied_b = _count_tied_pairs(b)
    _, places_of_both = np.unique(a * (b.max() + 1) + b, return_inverse=True)
    tied_both = _count_tied_pairs(places_of_both)
    concordance = pairs - tied_a - tied_b + tied_both - 2 * discordant
    untied_a = float(pairs - tied_a)
    untied_b = float(pairs - tied_b)
    return float(concordance / np.sqrt(untied_a * untied_b))


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Return Spearman's rho, with average ranks for ties; None if undefined."""
    a = _places(x)
    b = _places(y)
    if a is None or b is None:
        return None
    u = _centred_ranks_of(a)
    v = _centred_ranks_of(b)
    return float((u @ v) / np.sqrt((u @ u) * (v @ v)))


def centred_ranks(values: Sequence[float] | Floats) -> Floats:
    """Return the ranks of finite values minus their mean; ties get average ranks."""
    _, places = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True)
    return _centred_ranks_of(places.astype(np.int64))


def bootstrap_interval(
    measure: Callable[[Ints], float | None],
    pairs: int,
    *,
    resamples: int,
    seed: int,
    level: float = LEVEL,
) -> PercentileInterval | None:
    """Return the percentile bootstrap interval of a measure of pairs.

    Each draw takes `pairs` pairs with replacement. Draws for which the measure is
    undefined are left out.

    Args:
        measure: a function of the indices of the drawn pairs; its result is None or
            NaN if the measure is undefined.
        pairs: number of pairs.
        resamples: number of draws.
        seed: seed of the generator.
        level: share of such intervals that contain the true value.

    Returns:
        the ends; None if the measure is undefined for every draw.
    """
    generator = np.random.default_rng(seed)
    draws = generator.integers(0, pairs, (resamples, pairs))
    values = [measure(draw) for draw in draws]
    array = np.array(values, dtype=np.float64)  # None becomes NaN
    defined = array[~np.isnan(array)]
    if not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return PercentileInterval(low, high)


def _places(values: Sequence[float] | Floats) -> Ints | None:
    """Return each value's index among the sorted distinct values; None if undefined."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return None
    distinct, places = np.unique(array, return_inverse=True)
    return places.astype(np.int64) if len(distinct) > 1 else None


def _centred_ranks_of(places: Ints) -> Floats:
    """Return ranks minus their mean, with average ranks for ties."""
    sizes = np.bincount(places)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    return ranks - ranks.mean()


def _count_tied_pairs(places: Ints) -> int:
    """Return the number of pairs with equal values."""
    sizes = np.bincount(places).astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def _count_inversions(places: Ints) -> int:
    """Return the number of pairs in which the larger value comes first.

    It merges sorted runs that double in length.
    """
    above = int(places.max()) + 1
    size = 1 << (len(places) - 1).bit_length()
    runs = np.full(size, above, dtype=np.int64)
    runs[: len(places)] = places
    inversions = 0
    width = 1
    while width < size:
        halves = runs.reshape(-1, 2, width)
        # Every pair of runs gets a separate range of numbers, so that one search is
        # enough for all pairs.
        shift = np.arange(len(halves), dtype=np.int64)[:, None] * (above + 1)
        left = (halves[:, 0] + shift).ravel()
        right = (halves[:, 1] + shift).ravel()
        ends = np.repeat(np.arange(1, len(halves) + 1) * width, width)
        not_above = np.searchsorted(left, right, side="right")
        inversions += int((ends - not_above).sum())
        runs = np.sort(runs.reshape(-1, 2 * width), axis=1).ravel()
        width *= 2
    return inversions
