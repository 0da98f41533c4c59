"""Mean ranks of methods over several landscapes, and tests of their differences.

Demšar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006:
Friedman's test in the form of Iman and Davenport, then Nemenyi's critical difference.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc
from scipy.stats import rankdata, studentized_range

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.statistics.paired import ALPHA

LEAST_LANDSCAPES = 3
"""Fewest landscapes for a test of mean ranks."""
LEAST_METHODS = 3
"""Fewest methods for a test of mean ranks; two methods need a paired test."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Ranking:
    """Mean ranks of methods over landscapes; 1 is the best.

    Attributes:
        ranks: mean rank of each method; methods with equal values share a rank.
            landscapes: number of landscapes. p: p-value of the hypothesis that no
            methods differ; None if not tested. critical_difference: difference above
            which two mean ranks differ; None if not tested. reason: why there is no
            test; empty if there is one.
    """

    ranks: tuple[float, ...]
    landscapes: int
    p: float | None = None
    critical_difference: float | None = None
    reason: str = ""

    @property
    def shows_a_difference(self) -> bool:
        """Whether the test shows that some methods differ."""
        return self.p is not None and self.p < ALPHA


class Clique(NamedTuple):
    """Consecutive methods of a ranking that are not shown to differ.

    Attributes:
        first, last: positions of the first and the last method, from 0.
    """

    first: int
    last: int


def rank_methods(values: Floats) -> Ranking:
    """Return the mean ranks of methods, with Friedman's test and Nemenyi's difference.

    Args:
        values: finite values, shape (landscapes, methods); higher is better.

    Raises ValueError for a value that is not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("a ranking needs finite values")
    landscapes, methods = values.shape
    ranks = rankdata(-values, axis=1)
    means = tuple(ranks.mean(axis=0).tolist())
    reason = _why_untested(ranks)
    if reason:
        return Ranking(means, landscapes, reason=reason)
    return Ranking(
        means,
        landscapes,
        p=_friedman(ranks),
        critical_difference=critical_difference(methods, landscapes),
    )


def _why_untested(ranks: Floats) -> str:
    """Return why there is no test of the mean ranks; empty if there is one."""
    landscapes, methods = ranks.shape
    if methods < LEAST_METHODS:
        return f"fewer than {LEAST_METHODS} methods"
    if landscapes < LEAST_LANDSCAPES:
        return f"fewer than {LEAST_LANDSCAPES} landscapes"
    if np.ptp(ranks) == 0:
        return "all methods are equal on all landscapes"
    return ""


def _friedman(ranks: Floats) -> float:
    """Return the p-value of Friedman's test, corrected for ties.

    Iman and Davenport's F has (k - 1) and (k - 1)(n - 1) degrees of freedom. It is
    infinite if all landscapes have the same ranks; the p-value is then the probability
    of this event under equally likely orders.

    Args:
        ranks: ranks, shape (n landscapes, k methods).
    """
    landscapes, methods = ranks.shape
    middle = (methods + 1) / 2
    between = landscapes * ((ranks.mean(axis=0) - middle) ** 2).sum()
    within = ((ranks - middle) ** 2).sum() / (landscapes * (methods - 1))
    chi_squared = between / within
    rest = landscapes * (methods - 1) - chi_squared
    if rest <= _ROUNDING * chi_squared:
        return float(_count_orders(ranks[0])) ** (1 - landscapes)
    f = (landscapes - 1) * chi_squared / rest
    return float(fdtrc(methods - 1, (methods - 1) * (landscapes - 1), f))


def _count_orders(ranks: Floats) -> int:
    """Return the number of possible orders of one landscape's ranks."""
    orders = math.factorial(len(ranks))
    for ties in np.unique(ranks, return_counts=True)[1].tolist():
        orders //= math.factorial(ties)
    return orders


def critical_difference(methods: int, landscapes: int) -> float:
    """Return Nemenyi's critical difference of two mean ranks, at 5 %.

    Args:
        methods: number k of methods.
        landscapes: number n of landscapes.
    """
    quantile = studentized_range.ppf(1 - ALPHA, methods, np.inf) / math.sqrt(2)
    return float(quantile * math.sqrt(methods * (methods + 1) / (6 * landscapes)))


def find_cliques(ranks: Sequence[float], width: float) -> list[Clique]:
    """Return the largest groups of consecutive methods with mean ranks within a width.

    Args:
        ranks: mean ranks, best first.
        width: critical difference.

    Returns:
        The groups of at least two methods, best first; none contains another.
    """
    cliques: list[Clique] = []
    for first, rank in enumerate(ranks):
        last = max(place for place, other in enumerate(ranks) if other <= rank + width)
        is_new = not cliques or last > cliques[-1].last
        if last > first and is_new:
            cliques.append(Clique(first, last))
    return cliques
