"""Kendall's tau-b and Spearman's rho: of one set of pairs, and of many small ones at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_AT_ONCE = 4_000_000
"""Pairs that are compared in one go, so that memory stays bounded."""


@dataclass(frozen=True)
class Coefficient:
    """Kendall's tau-b and Spearman's rho of one set of pairs; both None, with the reason, where undefined."""

    tau: float | None
    rho: float | None
    reason: str = ""


@dataclass(frozen=True)
class Coefficients:
    """Both coefficients of many sets, nan where undefined; `undefined` counts those by reason."""

    tau: Floats
    rho: Floats
    undefined: Counter[str]


def tau_b(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Kendall's tau-b of two equally long sequences; infinities are values like any other.

    None where it is undefined: fewer than two pairs, a constant sequence, or a nan.
    """
    a, b = _places(x), _places(y)
    if a is None or b is None:
        return None
    concordance = tied_a = tied_b = 0
    for i in range(len(a) - 1):
        left, right = np.sign(a[i + 1 :] - a[i]), np.sign(b[i + 1 :] - b[i])
        concordance += int(left @ right)
        tied_a += int((left == 0).sum())
        tied_b += int((right == 0).sum())
    pairs = len(a) * (len(a) - 1) // 2
    return float(concordance / np.sqrt(float(pairs - tied_a) * float(pairs - tied_b)))


def spearman(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float | None:
    """Spearman's rho, ties at their average rank; None where :func:`tau_b` is undefined."""
    a, b = _places(x), _places(y)
    if a is None or b is None:
        return None
    u, v = _average_ranks(a), _average_ranks(b)
    u, v = u - u.mean(), v - v.mean()
    return float((u @ v) / np.sqrt((u @ u) * (v @ v)))


def coefficient(scores: Sequence[float], truth: Sequence[float], better: str, least: int, things: str) -> Coefficient:
    """Both coefficients of scores with a truth of which higher is better; `better` is the scores' direction.

    Undefined for fewer than `least` pairs (of `things`), a nan, or a constant side.
    """
    if len(scores) < least:
        return Coefficient(None, None, f"fewer than {least} {things}")
    for name, values in (("score", scores), ("accuracy", truth)):
        if np.isnan(values).any():
            return Coefficient(None, None, f"a nan {name}")
        if len(set(values)) < 2:
            return Coefficient(None, None, "all scores equal" if name == "score" else "all accuracies equal")
    signed = np.asarray(scores, dtype=np.float64) * (1.0 if better == "higher" else -1.0)
    return Coefficient(tau_b(signed, truth), spearman(signed, truth))


def coefficients(scores: Floats, truth: Floats, sizes: Ints, least: int, things: str) -> Coefficients:
    """:func:`coefficient` of many sets of few pairs, the same to the last bit.

    Args:
        scores, truth: of all sets, one after the other; of both, higher is better.
        sizes: how many pairs each set has.
        least, things: as there.
    """
    found = Coefficients(np.full(len(sizes), np.nan), np.full(len(sizes), np.nan), Counter())
    starts = np.cumsum(sizes) - sizes
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        every = np.flatnonzero(sizes == size)
        if size < least:
            found.undefined[f"fewer than {least} {things}"] += len(every)
            continue
        for rows in np.array_split(every, -(-len(every) * size * size // _AT_ONCE)):
            pairs = starts[rows, None] + np.arange(size)
            a, b = scores[pairs], truth[pairs]
            defined = _defined(a, b, found.undefined)
            found.tau[rows[defined]], found.rho[rows[defined]] = _of_rows(a[defined], b[defined])
    return found


def _defined(a: Floats, b: Floats, undefined: Counter[str]) -> npt.NDArray[np.bool_]:
    """Which rows have coefficients; the others are counted by the first reason that they have."""
    left = np.ones(len(a), dtype=bool)
    for name, plural, values in (("score", "scores", a), ("accuracy", "accuracies", b)):
        for reason, holds in (
            (f"a nan {name}", np.isnan(values).any(axis=1)),
            (f"all {plural} equal", (values == values[:, :1]).all(axis=1)),
        ):
            if count := int((left & holds).sum()):
                undefined[reason] += count
            left &= ~holds
    return left


def _of_rows(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """tau-b and rho of every row, from the signs of all its pairs."""
    size = a.shape[1]
    if size * size > _AT_ONCE:
        every = [(tau_b(x, y), spearman(x, y)) for x, y in zip(a, b, strict=True)]
        tau, rho = np.array(every, dtype=np.float64).reshape(-1, 2).T
        return tau, rho
    # Each entry with all after it, of all rows at once: rows are short, as a rule, and many.
    x, y = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    concordance = np.zeros(len(a), dtype=np.int64)
    untied_x, untied_y = concordance.copy(), concordance.copy()
    places_x, places_y = np.zeros(x.shape, dtype=np.int64), np.zeros(y.shape, dtype=np.int64)
    for i in range(size - 1):
        signs = []
        for values, untied, places in ((x, untied_x, places_x), (y, untied_y, places_y)):
            one, others = values[i], values[i + 1 :]
            sign = (one > others).view(np.int8) - (one < others).view(np.int8)
            untied += np.count_nonzero(sign, axis=0)
            places[i] += sign.sum(axis=0)
            places[i + 1 :] -= sign
            signs.append(sign)
        concordance += (signs[0] * signs[1]).sum(axis=0)
    tau = concordance / np.sqrt(untied_x.astype(np.float64) * untied_y)
    # An entry's rank, ties at their average, is half of how many are below it less how many are above, about the mean.
    u, v = places_x / 2, places_y / 2
    return tau, (u * v).sum(axis=0) / np.sqrt((u * u).sum(axis=0) * (v * v).sum(axis=0))


def _places(values: Sequence[float] | Floats) -> npt.NDArray[np.int64] | None:
    """Each value's place among the distinct values; None where ranks are undefined."""
    array = np.asarray(values, dtype=np.float64)
    if np.isnan(array).any():
        return None
    distinct, places = np.unique(array, return_inverse=True)
    return places.astype(np.int64) if len(distinct) > 1 else None


def _average_ranks(places: npt.NDArray[np.int64]) -> Floats:
    sizes = np.bincount(places)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[places]
