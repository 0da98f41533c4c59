"""Kendall's tau-b and Spearman's rho between scores and a truth, for one or many sets.

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
"""Reasons why a set with a value that is not finite has no coefficient."""
CONSTANT = {
    "score": "all scores equal",
    "accuracy": "all accuracies equal",
}
"""Reasons why a set with a constant side has no coefficient."""

_AT_ONCE = 4_000_000
"""Most pairs to compare at once; this limits the memory."""


@dataclass(frozen=True)
class Coefficient:
    """Kendall's tau-b and Spearman's rho of one set.

    If they are undefined, both are None and `reason` says why.
    """

    tau: float | None
    rho: float | None
    reason: str = ""


@dataclass(frozen=True)
class Coefficients:
    """Kendall's tau-b and Spearman's rho of many sets.

    Attributes:
        tau, rho: coefficients, shape (sets,); NaN if undefined.
        undefined: number of sets without coefficients, by reason.
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
    """Return tau-b and rho between scores and a truth.

    Method: tau-b (Kendall, 1945) and Spearman's rho with average ranks (Spearman,
    1904). A single coefficient has no interval; :func:`..intervals.student` computes
    one over seeds.

    The coefficients are undefined for fewer than `least` pairs, for a value that is not
    finite, and if the scores or the accuracies are constant.

    Args:
        scores: score of each pair, shape (pairs,).
            truth: accuracy of each pair, shape (pairs,); higher is better.
            better: whether higher or lower scores are better.
            least: fewest pairs for a coefficient.
            things: name of the pairs in the reason, such as "operations scored".
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

    The values equal those of :func:`coefficient` to the last bit.

    Args:
        scores: scores of all sets, one set after the other, shape (pairs,); higher is
            better.
        truths: accuracies to compare with, each of shape (pairs,).
        sizes: number of pairs in each set, shape (sets,).
        least: fewest pairs for a coefficient.
        things: name of the pairs in the reason.
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
    """The order of all pairs of entries in each of R rows.

    Attributes:
        signs: for each entry but the last, the signs of its differences from all later
            entries, shape (later entries, R).
        untied: number of pairs that differ, shape (R,).
        ranks: twice the centred ranks, with ties at their average, shape (entries, R).
    """

    signs: list[Signs]
    untied: Ints
    ranks: Ints


class _Rows:
    """The scores or accuracies of several sets of one size: (sets, pairs) values."""

    def __init__(self, values: Floats) -> None:
        self.values = values

    @cached_property
    def not_finite(self) -> Bools:
        """Mask of the rows with a value that is not finite."""
        return np.logical_or.reduce(~np.isfinite(self.values), axis=1)

    @cached_property
    def constant(self) -> Bools:
        """Mask of the rows whose values are all equal."""
        return np.logical_and.reduce(self.values == self.values[:, :1], axis=1)

    @cached_property
    def pair_signs(self) -> _PairSigns:
        """The order of all pairs of entries.

        The arrays are transposed, because there are many short rows.
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
            # A centred rank, with ties at their average, is half of this: the number
            # of entries below minus the number of entries above.
            ranks[entry] += sign.sum(axis=0)
            ranks[entry + 1 :] -= sign
        return _PairSigns(signs, untied, ranks)


def _correlate_rows(
    correlated: Coefficients, sets: Ints, scores: _Rows, truth: _Rows
) -> None:
    """Write the coefficients of sets of one size, and count the undefined ones."""
    defined = _find_defined(scores, truth, correlated.undefined)
    tau, rho = _tau_and_rho(scores, truth)
    correlated.tau[sets[defined]] = tau[defined]
    correlated.rho[sets[defined]] = rho[defined]


def _find_defined(scores: _Rows, truth: _Rows, undefined: Counter[str]) -> Bools:
    """Return the mask of rows with coefficients; count the others by first reason."""
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
    """Return tau-b and rho of every row; values of undefined rows are arbitrary."""
    if scores.values.shape[1] ** 2 > _AT_ONCE:
        return _tau_and_rho_one_by_one(scores, truth)
    x = scores.pair_signs
    y = truth.pair_signs
    concordance = np.zeros(len(scores.values), dtype=np.int64)
    for x_signs, y_signs in zip(x.signs, y.signs, strict=True):
        concordance += (x_signs * y_signs).sum(axis=0)
    # Twice the ranks are integers with exact sums; the factor cancels.
    covariance = (x.ranks * y.ranks).sum(axis=0)
    x_variance = (x.ranks * x.ranks).sum(axis=0).astype(np.float64)
    y_variance = (y.ranks * y.ranks).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = concordance / np.sqrt(x.untied.astype(np.float64) * y.untied)
        rho = covariance / np.sqrt(x_variance * y_variance)
    return tau, rho


def _tau_and_rho_one_by_one(scores: _Rows, truth: _Rows) -> tuple[Floats, Floats]:
    """Return tau-b and rho of every row, one row at a time, for very long rows."""
    rows = list(zip(scores.values, truth.values, strict=True))
    tau = [tau_b(x, y) for x, y in rows]
    rho = [spearman(x, y) for x, y in rows]
    return np.array(tau, dtype=np.float64), np.array(rho, dtype=np.float64)
