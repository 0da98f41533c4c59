"""Agreement of a surrogate with accuracies that it was not fitted on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Agreement of predictions with left-out accuracies, with 95 % intervals.

    Attributes:
        architectures: how many were predicted, each by the fit on the other folds.
        folds: of the cross-validation.
        tau, tau_low, tau_high: Kendall's tau-b.
        spearman, spearman_low, spearman_high: Spearman's rho.
        rmse, rmse_low, rmse_high: root of the mean squared difference, in points.
        best, best_low, best_high: tau-b among the tenth with the highest accuracies,
            which is where selected cells are; None where that tenth is too small.
    """

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
        best_tenth = ""
        if self.best is not None:
            interval = f"[{self.best_low:.3f}, {self.best_high:.3f}]"
            best_tenth = f" (best tenth {self.best:.3f} {interval})"
        return (
            f"{self.folds}-fold cross-validated on {self.architectures:,} architectures: "
            f"Kendall's tau-b {self.tau:.3f} [{self.tau_low:.3f}, {self.tau_high:.3f}]{best_tenth}, "
            f"Spearman {self.spearman:.3f} [{self.spearman_low:.3f}, {self.spearman_high:.3f}], "
            f"RMSE {self.rmse:.2f} [{self.rmse_low:.2f}, {self.rmse_high:.2f}] points"
        )
