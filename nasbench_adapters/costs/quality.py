"""Agreement of predicted costs with measured ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.rank_correlations import spearman

CLOSE = 10.0
"""Largest error, in per cent, of a predicted cost that counts as close."""


class Closeness(NamedTuple):
    """Agreement of predicted costs with measured ones.

    Attributes:
        mape: mean absolute error in per cent of the measured cost.
        rank_correlation: Spearman's rho; None if undefined.
        determination: coefficient of determination R²; None if all measured costs are
            equal.
        close: share of cells, in per cent, with an error of at most :data:`CLOSE` per
            cent.
    """

    mape: float
    rank_correlation: float | None
    determination: float | None
    close: float


def compare_costs(predicted: np.ndarray, measured: np.ndarray) -> Closeness:
    """Return the agreement of predicted costs with measured ones.

    Args:
        predicted: predicted cost of each cell, float64.
        measured: measured cost of each cell, float64 above zero.
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
