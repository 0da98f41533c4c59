"""Agreement of a surrogate's predictions with measured accuracies.

It is a separate file, so that a record can be read without the ground truths. This file
does not import torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Agreement:
    """Agreement of cross-validated predictions with accuracies, with 95 % intervals.

    Attributes:
        architectures: number of architectures; each is predicted by a fit on the other
            folds.
        folds: number of folds of the cross-validation.
        tau, tau_low, tau_high: Kendall's tau-b and its interval.
        spearman, spearman_low, spearman_high: Spearman's rho and its interval.
        rmse, rmse_low, rmse_high: root of the mean squared difference and its interval,
            in percentage points.
        best, best_low, best_high: tau-b among the tenth with the highest accuracies,
            where selected cells usually are; None if that tenth is too small.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid",
        "ser_json_inf_nan": "strings",
    }

    architectures: int
    folds: int
    tau: float
    tau_low: float
    tau_high: float
    spearman: float
    spearman_low: float
    spearman_high: float
    rmse: float
    rmse_low: float
    rmse_high: float
    best: float | None = None
    best_low: float | None = None
    best_high: float | None = None

    def __str__(self) -> str:
        among = (
            ""
            if self.best is None
            else f" (best tenth {self.best:.3f} [{self.best_low:.3f}, {self.best_high:.3f}])"
        )
        return (
            f"{self.folds}-fold cross-validated on {self.architectures:,} architectures: "
            f"Kendall's tau-b {self.tau:.3f} [{self.tau_low:.3f}, {self.tau_high:.3f}]{among}, "
            f"Spearman {self.spearman:.3f} [{self.spearman_low:.3f}, {self.spearman_high:.3f}], "
            f"RMSE {self.rmse:.2f} [{self.rmse_low:.2f}, {self.rmse_high:.2f}] points"
        )
