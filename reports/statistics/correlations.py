"""Kendall's tau-b and Spearman's rho of scores with a truth: of one set, or of many.

A set is a list of (score, accuracy) pairs, such as the operations of one edge.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.rank_correlations import Floats, Ints, spearman, tau_b
from archselect.reports.statistics.intervals import Better

Bools = npt.NDArray[np.bool_]
Signs = npt.NDArray[np.int8]

NOT_FINITE = {
    "score": "a score that is not finite",
    "accuracy": "an accuracy that is not finite",
}
"""Why sets with such a value have no coefficient."""
CONSTANT = {
    "score": "all scores equal",
    "accuracy": "all accuracies equal",
}
"""Why sets with one value on a side have no coefficient."""

_AT_ONCE = 4_000_000
"""Pairs that are compared in one go, so that memory stays bounded."""


@dataclass(frozen=True)
class Coefficient:
    """Kendall's tau-b and Spearman's rho of one set.

    Both are None, with the reason, where they are undefined.
    """

    tau: float | None
    rho: float | None
    reason: str = ""


@dataclass(frozen=True)
class Coefficients:
    """Both coefficients of many sets.

    Attributes:
        tau, rho: (sets,) nan where undefined.
        undefined: how many sets have no coefficient, by reason.
    """

    tau: Floats
    rho: Floats
    undefined: Counter[str]


def coefficient(
    scores: Sequence[float],
    truth: Sequence[float],
    better: Better,
    least: int,
    things: str,
) -> Coefficient:
    """Return both rank correlations of scores with a truth.

    Method: tau-b (Kendall, 1945) and Spearman's rho with average ranks (Spearman,
    1904). They have no interval by themselves; over seeds :func:`..intervals.student`
    gives one.

    Undefined for fewer than `least` pairs, a value that is not finite, or a constant
    side.

    Args:
        scores: one per pair.
        truth: the accuracy of each pair; higher is better.
        better: which scores are better.
        least: the fewest pairs that have a coefficient.
        things: what the pairs are, for the reason; such as "operations scored".
    """
    if len(scores) < least:
        return Coefficient(None, None, f"fewer than {least} {things}")
    for name, values in (("score", scores), ("accuracy", truth)):
        if not np.isfinite(values).all():
            return Coefficient(None, None, NOT_FINITE[name])
        if len(set(values)) < 2:
            return Coefficient(None, None, CONSTANT[name])
    sign = 1.0 if better == "higher" else -1.0
    signed = np.asarray(scores, dtype=np.float64) * sign
    return Coefficient(tau_b(signed, truth), spearman(signed, truth))


def coefficients(
    scores: Floats,
    truths: Sequence[Floats],
    sizes: Ints,
    least: int,
    things: str,
) -> list[Coefficients]:
    """Return :func:`coefficient` of many small sets, for each of several truths.

    The values are the same to the last bit as those of :func:`coefficient`.

    Args:
        scores: (pairs,) of all sets, one after the other; higher is better.
        truths: each (pairs,), what the scores are compared with.
        sizes: (sets,) how many pairs each set has.
        least: the fewest pairs that have a coefficient.
        things: what the pairs are, for the reason.
    """
    correlated = [_undefined_coefficients(len(sizes)) for _ in truths]
    starts = np.cumsum(sizes) - sizes
    distinct_sizes = np.flatnonzero(np.bincount(sizes))
    for size in distinct_sizes.tolist():
        same_size = np.flatnonzero(sizes == size)
        if size < least:
            for one in correlated:
                one.undefined[f"fewer than {least} {things}"] += len(same_size)
            continue
        batches = -(-len(same_size) * size * size // _AT_ONCE)
        for sets in np.array_split(same_size, batches):
            pairs = starts[sets, None] + np.arange(size)
            score_rows = _Rows(scores[pairs])
            for one, truth in zip(correlated, truths, strict=True):
                _correlate_rows(one, sets, score_rows, _Rows(truth[pairs]))
    return correlated


def _undefined_coefficients(sets: int) -> Coefficients:
    return Coefficients(
        tau=np.full(sets, np.nan),
        rho=np.full(sets, np.nan),
        undefined=Counter(),
    )


class _PairSigns(NamedTuple):
    """The order of all pairs of entries of each row, of which there are R.

    Attributes:
        signs: of each entry but the last the signs of its differences from all entries
            after it, (entries after it, R).
        untied: (R,) how many pairs differ.
        ranks: (entries, R) twice the ranks, ties at their average, about their mean.
    """

    signs: list[Signs]
    untied: Ints
    ranks: Ints


class _Rows:
    """One side of several sets of one size: (sets, pairs) values."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    @cached_property
    def not_finite(self) -> Bools:
        """Which rows have a value that is not finite."""
        return np.logical_or.reduce(~np.isfinite(self.values), axis=1)

    @cached_property
    def constant(self) -> Bools:
        """Which rows are of one value."""
        return np.logical_and.reduce(self.values == self.values[:, :1], axis=1)

    @cached_property
    def pair_signs(self) -> _PairSigns:
        """The order of all pairs of entries.

        Rows lie side by side, for there are many and each is short.
        """
        values = np.ascontiguousarray(self.values.T)
        signs = []
        untied = np.zeros(values.shape[1], dtype=np.int64)
        ranks = np.zeros(values.shape, dtype=np.int64)
        for entry in range(len(values) - 1):
            one = values[entry]
            later = values[entry + 1 :]
            above = (one > later).view(np.int8)
            below = (one < later).view(np.int8)
            sign = above - below
            signs.append(sign)
            untied += np.count_nonzero(sign, axis=0)
            # A rank, ties at their average, is half of how many are below less how many
            # are above, about the mean.
            ranks[entry] += sign.sum(axis=0)
            ranks[entry + 1 :] -= sign
        return _PairSigns(signs, untied, ranks)


def _correlate_rows(
    correlated: Coefficients, sets: Ints, scores: _Rows, truth: _Rows
) -> None:
    """Write the coefficients of sets of one size; count those that are undefined."""
    defined = _find_defined(scores, truth, correlated.undefined)
    tau, rho = _tau_and_rho(scores, truth)
    correlated.tau[sets[defined]] = tau[defined]
    correlated.rho[sets[defined]] = rho[defined]


def _find_defined(scores: _Rows, truth: _Rows, undefined: Counter[str]) -> Bools:
    """Return which rows have coefficients; count the others by their first reason."""
    defined = np.ones(len(scores.values), dtype=bool)
    reasons = (
        (NOT_FINITE["score"], scores.not_finite),
        (CONSTANT["score"], scores.constant),
        (NOT_FINITE["accuracy"], truth.not_finite),
        (CONSTANT["accuracy"], truth.constant),
    )
    for reason, holds in reasons:
        count = int((defined & holds).sum())
        if count:
            undefined[reason] += count
        defined &= ~holds
    return defined


def _tau_and_rho(scores: _Rows, truth: _Rows) -> tuple[Floats, Floats]:
    """Return tau-b and rho of every row; anything where they are undefined."""
    if scores.values.shape[1] ** 2 > _AT_ONCE:
        return _tau_and_rho_one_by_one(scores, truth)
    x = scores.pair_signs
    y = truth.pair_signs
    concordance = np.zeros(len(scores.values), dtype=np.int64)
    for x_signs, y_signs in zip(x.signs, y.signs, strict=True):
        concordance += (x_signs * y_signs).sum(axis=0)
    # Twice the ranks are whole numbers, whose sums are exact; the factor cancels.
    covariance = (x.ranks * y.ranks).sum(axis=0)
    x_variance = (x.ranks * x.ranks).sum(axis=0).astype(np.float64)
    y_variance = (y.ranks * y.ranks).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = concordance / np.sqrt(x.untied.astype(np.float64) * y.untied)
        rho = covariance / np.sqrt(x_variance * y_variance)
    return tau, rho


def _tau_and_rho_one_by_one(scores: _Rows, truth: _Rows) -> tuple[Floats, Floats]:
    """Return tau-b and rho of every row, for rows whose pairs are too many at once."""
    rows = list(zip(scores.values, truth.values, strict=True))
    tau = [tau_b(x, y) for x, y in rows]
    rho = [spearman(x, y) for x, y in rows]
    return np.array(tau, dtype=np.float64), np.array(rho, dtype=np.float64)
