"""How well predicted costs agree with measured ones. No torch here."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.rank_correlations import spearman

CLOSE = 10.0
"""Per cent within which a predicted cost counts as close."""


class Closeness(NamedTuple):
    """How close predicted costs are to measured ones.

    Attributes:
        mape: mean absolute error in per cent of the measured cost.
        rank_correlation: Spearman's; None where it is not defined.
        determination: the coefficient R²; None where all measured costs are equal.
        close: cells in per cent whose error is at most :data:`CLOSE` per cent.
    """

    mape: float
    rank_correlation: float | None
    determination: float | None
    close: float


def compare_costs(predicted: np.ndarray, measured: np.ndarray) -> Closeness:
    """Return how close predicted costs are to measured ones.

    Args:
        predicted: float64, one per cell.
        measured: float64, one per cell, all above zero.
    """
    errors = 100 * np.abs(predicted - measured) / measured
    spread = float(((measured - measured.mean()) ** 2).sum())
    determination = None
    if spread > 0:
        residuals = float(((measured - predicted) ** 2).sum())
        determination = 1 - residuals / spread
    return Closeness(
        mape=float(errors.mean()),
        rank_correlation=spearman(predicted, measured),
        determination=determination,
        close=float(100 * (errors <= CLOSE).mean()),
    )
