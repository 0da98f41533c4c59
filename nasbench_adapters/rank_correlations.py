"""Rank correlations of two sequences, and bootstrap intervals over their pairs.

No torch here. A rank correlation is undefined, and None, where there are fewer than two
pairs, where one sequence is constant, and where a value is not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 0.95
"""How often an interval holds the true value, in the long run."""


class PercentileInterval(NamedTuple):
    """The ends of a bootstrap interval."""

    low: float
    high: float


def tau_b(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Return Kendall's tau-b of two equally long sequences; None where undefined.

    It counts pairs as Knight does (Journal of the American Statistical Association,
    1966): sort by one side, and count the inversions of the other.
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
    """Return Spearman's rho, ties at their average rank; None where undefined."""
    a = _places(x)
    b = _places(y)
    if a is None or b is None:
        return None
    u = _centred_ranks_of(a)
    v = _centred_ranks_of(b)
    return float((u @ v) / np.sqrt((u @ u) * (v @ v)))


def centred_ranks(values: Sequence[float] | Floats) -> Floats:
    """Return the ranks of finite values, ties at their average, less their mean."""
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

    Pairs are drawn with replacement, as many as there are. Draws for which the measure
    is undefined are left out.

    Args:
        measure: is given the indices of the drawn pairs; None or NaN where undefined.
        pairs: how many there are.
        resamples: how often they are drawn.
        seed: of the generator that draws.
        level: how often such an interval holds the true value.

    Returns:
        The ends; None if the measure is undefined for every draw.
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
    """Return each value's place among the distinct values; None where undefined."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return None
    distinct, places = np.unique(array, return_inverse=True)
    return places.astype(np.int64) if len(distinct) > 1 else None


def _centred_ranks_of(places: Ints) -> Floats:
    """Return ranks, ties at their average, less their mean."""
    sizes = np.bincount(places)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    return ranks - ranks.mean()


def _count_tied_pairs(places: Ints) -> int:
    """Return how many pairs have the same place."""
    sizes = np.bincount(places).astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def _count_inversions(places: Ints) -> int:
    """Return how many pairs have the larger place first.

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
        # Every pair of runs gets a range of numbers to itself, so that one search
        # serves all pairs.
        shift = np.arange(len(halves), dtype=np.int64)[:, None] * (above + 1)
        left = (halves[:, 0] + shift).ravel()
        right = (halves[:, 1] + shift).ravel()
        ends = np.repeat(np.arange(1, len(halves) + 1) * width, width)
        not_above = np.searchsorted(left, right, side="right")
        inversions += int((ends - not_above).sum())
        runs = np.sort(runs.reshape(-1, 2 * width), axis=1).ravel()
        width *= 2
    return inversions
