"""The costs of the selected architecture, and of all scored ones."""

from __future__ import annotations

from archselect.benchmarks.store.facts import Fact
from archselect.benchmarks.store.ranges import (
    COEFFICIENT,
    LARGEST,
    MOST_COUNTED,
    check_number,
    check_numbers,
    check_same_length,
)


class CostFit(Fact):
    """How well a fitted cost predicts held-out cells of its table.

    `cells` is the number of cells that it was fitted on, `held_out` the number of cells
    that it was tested on. `mape` is the mean absolute error in per cent of the measured
    cost. `rank_correlation` is Spearman's; None if it is undefined.
    """

    cells: int
    held_out: int
    mape: float
    rank_correlation: float | None

    def check_as(self, who: str) -> None:
        """Raise Impossible for a number that no fit can have."""
        check_number(f"fit.cells{who}", self.cells, 1, MOST_COUNTED)
        check_number(f"fit.held_out{who}", self.held_out, 0, MOST_COUNTED)
        check_number(f"fit.mape{who}", self.mape)
        check_number(
            f"fit.rank_correlation{who}",
            self.rank_correlation,
            -COEFFICIENT,
            COEFFICIENT,
        )


class ArchitectureCost(Fact):
    """One cost of the selected architecture, and of all scored ones.

    `name` is the study's name for it, `of` the text that opened it, and `unit` the unit
    of the numbers. `origin` says where the numbers come from. `value` is the cost of
    the selected architecture; None if the table lacks it. `scored` has the same for
    each entry of the record's architecture_scores; it is empty if only the selected
    architecture was judged. `fit` is None for a cost that is not fitted.
    """

    name: str
    of: str
    unit: str
    origin: str
    value: float | None
    scored: list[float | None]
    fit: CostFit | None

    @property
    def lowest(self) -> float:
        """Lowest possible cost; only a fitted cost can be below zero."""
        return 0.0 if self.fit is None else -LARGEST

    def amounts(self) -> list[float]:
        """Return every known cost."""
        return [value for value in (self.value, *self.scored) if value is not None]

    def check_as(self, who: str, architectures: int) -> None:
        """Raise Impossible for a number that no cost can have.

        Args:
            who: text that says whose cost it is, for the message.
            architectures: number of architectures that the run has scored.
        """
        check_numbers(f"costs.{self.name}{who}", self.amounts(), self.lowest)
        if self.scored:
            check_same_length(
                "scored", self.scored, "architecture_scores", range(architectures)
            )
        if self.fit is not None:
            self.fit.check_as(who)
