"""What the selected architecture costs, and all that were scored."""

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
    """How well a fitted cost predicts cells of its table that it has not seen.

    `cells` is how many it was fitted on, `held_out` on how many it was judged. `mape`
    is the mean absolute error in per cent of the measured cost, `rank_correlation`
    Spearman's, None where it is not defined.
    """

    cells: int
    held_out: int
    mape: float
    rank_correlation: float | None

    def check_as(self, who: str) -> None:
        """Raise Impossible for a number that no fit has."""
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
    """One cost of the selected architecture, and of all that were scored.

    `name` is the study's name for it, `of` the text that opened it and `unit` that of
    the numbers. `origin` says in words how the numbers come about. `value` is the cost
    of the selected architecture, None where the table does not hold it. `scored` has,
    for each entry of the record's architecture_scores, the same; it is empty where only
    the selected architecture was judged. `fit` is None for a cost that is not fitted.
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
        """Lowest number that it can have; only a fitted cost can be below zero."""
        return 0.0 if self.fit is None else -LARGEST

    def amounts(self) -> list[float]:
        """Return every cost that is known."""
        return [value for value in (self.value, *self.scored) if value is not None]

    def check_as(self, who: str, architectures: int) -> None:
        """Raise Impossible for a number that no cost has.

        Args:
            who: whose cost it is, in words, for the message.
            architectures: how many the run has scored.
        """
        check_numbers(f"costs.{self.name}{who}", self.amounts(), self.lowest)
        if self.scored:
            check_same_length(
                "scored", self.scored, "architecture_scores", range(architectures)
            )
        if self.fit is not None:
            self.fit.check_as(who)
