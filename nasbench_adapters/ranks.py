"""Rank correlations of two sequences: Kendall's tau-b and Spearman's rho.

Undefined ones are None.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def tau_b(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Return Kendall's tau-b of two equally long sequences.

    None where it is undefined: fewer than two pairs, a constant sequence, or a value
    that is not finite. It counts pairs as Knight does (JASA 1966): sort by one side,
    and count the inversions of the other.
    """
    a = _places(x)
    b = _places(y)
    if a is None or b is None:
        return None
    order = np.lexsort((b, a))
    discordant = _inversions(b[order])
    pairs = len(a) * (len(a) - 1) // 2
    tied_a = _tied_pairs(a)
    tied_b = _tied_pairs(b)
    tied_both = _tied_pairs(np.unique(a * (b.max() + 1) + b, return_inverse=True)[1])
    concordance = pairs - tied_a - tied_b + tied_both - 2 * discordant
    return float(concordance / np.sqrt(float(pairs - tied_a) * float(pairs - tied_b)))


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Return Spearman's rho, ties at their average rank; None where :func:`tau_b` is undefined."""
    a = _places(x)
    b = _places(y)
    if a is None or b is None:
        return None
    u = _centred_ranks(a)
    v = _centred_ranks(b)
    return float((u @ v) / np.sqrt((u @ u) * (v @ v)))


def _places(values: Sequence[float] | Floats) -> Ints | None:
    """Return each value's place among the distinct values; None where ranks are undefined."""
    array = np.asarray(values, dtype=np.float64)
    if not np.isfinite(array).all():
        return None
    distinct, places = np.unique(array, return_inverse=True)
    return places.astype(np.int64) if len(distinct) > 1 else None


def _centred_ranks(places: Ints) -> Floats:
    """Return ranks, ties at their average, less their mean."""
    sizes = np.bincount(places)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[places]
    return ranks - ranks.mean()


def _tied_pairs(places: Ints) -> int:
    """Return how many pairs have the same place."""
    sizes = np.bincount(places).astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def _inversions(places: Ints) -> int:
    """Return how many pairs have the larger place first, by merging sorted runs that double in length."""
    above = int(places.max()) + 1
    size = 1 << (len(places) - 1).bit_length()
    runs = np.full(size, above, dtype=np.int64)
    runs[: len(places)] = places
    inversions = 0
    width = 1
    while width < size:
        halves = runs.reshape(-1, 2, width)
        # Every pair of runs gets numbers of its own, so that one search serves them
        # all.
        shift = np.arange(len(halves), dtype=np.int64)[:, None] * (above + 1)
        left = (halves[:, 0] + shift).ravel()
        right = (halves[:, 1] + shift).ravel()
        ends = np.repeat(np.arange(1, len(halves) + 1) * width, width)
        inversions += int((ends - np.searchsorted(left, right, side="right")).sum())
        runs = np.sort(runs.reshape(-1, 2 * width), axis=1).ravel()
        width *= 2
    return inversions
