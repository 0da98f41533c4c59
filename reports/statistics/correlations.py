"""Kendall's tau-b and Spearman's rho of scores with a truth: of one set of pairs, and of many small ones at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.rank_correlations import Floats, Ints, spearman, tau_b

Bools = npt.NDArray[np.bool_]

NOT_FINITE = {
    "score": "a score that is not finite",
    "accuracy": "an accuracy that is not finite",
}
"""Why sets with such a value have no coefficient."""

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


def coefficient(
    scores: Sequence[float],
    truth: Sequence[float],
    better: str,
    least: int,
    things: str,
) -> Coefficient:
    """Both coefficients of scores with a truth of which higher is better; `better` is the scores' direction.

    Undefined for fewer than `least` pairs (of `things`), a value that is not finite, or
    a constant side.
    """
    if len(scores) < least:
        return Coefficient(None, None, f"fewer than {least} {things}")
    for name, values in (("score", scores), ("accuracy", truth)):
        if not np.isfinite(values).all():
            return Coefficient(None, None, NOT_FINITE[name])
        if len(set(values)) < 2:
            return Coefficient(
                None,
                None,
                "all scores equal" if name == "score" else "all accuracies equal",
            )
    signed = np.asarray(scores, dtype=np.float64) * (
        1.0 if better == "higher" else -1.0
    )
    return Coefficient(tau_b(signed, truth), spearman(signed, truth))


def coefficients(
    scores: Floats, truths: Sequence[Floats], sizes: Ints, least: int, things: str
) -> list[Coefficients]:
    """:func:`coefficient` of many sets of few pairs, the same to the last bit, with each of some truths.

    Args:
        scores: of all sets, one after the other; higher is better.
        truths: what they are held against, each like the scores.
        sizes: how many pairs each set has.
        least, things: as there.
    """
    found = [
        Coefficients(
            np.full(len(sizes), np.nan), np.full(len(sizes), np.nan), Counter()
        )
        for _ in truths
    ]
    starts = np.cumsum(sizes) - sizes
    for size in np.flatnonzero(np.bincount(sizes)).tolist():
        every = np.flatnonzero(sizes == size)
        if size < least:
            for own in found:
                own.undefined[f"fewer than {least} {things}"] += len(every)
            continue
        for rows in np.array_split(every, -(-len(every) * size * size // _AT_ONCE)):
            pairs = starts[rows, None] + np.arange(size)
            a = _Rows(scores[pairs])
            for own, truth in zip(found, truths, strict=True):
                b = _Rows(truth[pairs])
                defined = _defined(a, b, own.undefined)
                tau, rho = _of_rows(a, b)
                own.tau[rows[defined]], own.rho[rows[defined]] = (
                    tau[defined],
                    rho[defined],
                )
    return found


class _Rows:
    """One side of as many sets as it has rows, of as many pairs each as these are long."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    @cached_property
    def not_finite(self) -> Bools:
        """Which rows have a value that is not finite."""
        return np.logical_or.reduce(~np.isfinite(self.values), axis=1)

    @cached_property
    def equal(self) -> Bools:
        """Which rows are of one value."""
        return np.logical_and.reduce(self.values == self.values[:, :1], axis=1)

    @cached_property
    def signs(self) -> tuple[list[npt.NDArray[np.int8]], Ints, Ints]:
        """Of each entry the signs of its differences from all after it; untied pairs; twice the ranks about their mean.

        Of all rows at once, which lie side by side: they are short, as a rule, and
        many.
        """
        values = np.ascontiguousarray(self.values.T)
        signs, untied, ranks = (
            [],
            np.zeros(values.shape[1], dtype=np.int64),
            np.zeros(values.shape, dtype=np.int64),
        )
        for i in range(len(values) - 1):
            one, others = values[i], values[i + 1 :]
            signs.append(
                sign := (one > others).view(np.int8) - (one < others).view(np.int8)
            )
            untied += np.count_nonzero(sign, axis=0)
            # A rank, ties at their average, is half of how many are below less how many
            # are above, about the mean.
            ranks[i] += sign.sum(axis=0)
            ranks[i + 1 :] -= sign
        return signs, untied, ranks


def _defined(a: _Rows, b: _Rows, undefined: Counter[str]) -> Bools:
    """Which rows have coefficients; the others are counted by the first reason that they have."""
    left = np.ones(len(a.values), dtype=bool)
    for name, plural, side in (("score", "scores", a), ("accuracy", "accuracies", b)):
        for reason, holds in (
            (NOT_FINITE[name], side.not_finite),
            (f"all {plural} equal", side.equal),
        ):
            if count := int((left & holds).sum()):
                undefined[reason] += count
            left &= ~holds
    return left


def _of_rows(a: _Rows, b: _Rows) -> tuple[Floats, Floats]:
    """tau-b and rho of every row, from the signs of all its pairs; anything where they are undefined."""
    if a.values.shape[1] ** 2 > _AT_ONCE:
        every = [
            (tau_b(x, y), spearman(x, y))
            for x, y in zip(a.values, b.values, strict=True)
        ]
        tau, rho = np.array(every, dtype=np.float64).reshape(-1, 2).T
        return tau, rho
    (x, untied_x, u), (y, untied_y, v) = a.signs, b.signs
    concordance = np.zeros(len(a.values), dtype=np.int64)
    for own, other in zip(x, y, strict=True):
        concordance += (own * other).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = concordance / np.sqrt(untied_x.astype(np.float64) * untied_y)
        # Twice the ranks are whole numbers, whose sums are exact; the factor falls out.
        rho = (u * v).sum(axis=0) / np.sqrt(
            (u * u).sum(axis=0).astype(np.float64) * (v * v).sum(axis=0)
        )
    return tau, rho
