"""The cost of the final weights of a supernet, and of cells drawn from them."""

from __future__ import annotations

from archselect.benchmarks.store.facts import Fact
from archselect.benchmarks.store.ranges import (
    LARGEST,
    MOST_COUNTED,
    check_number,
    check_numbers,
)


class SupernetMixtureCost(Fact):
    """The cost that a supernet's training records, at its final weights.

    `of` is the text that names the cost, `unit` the unit of the numbers. `mixture` is
    the cost of the weights. `drawn` is the mean, and `drawn_sd` the standard deviation,
    over `draws` cells that are drawn edge by edge from the weights. `low` and `high`
    are the lowest and highest cost of the space, by which the penalty is scaled.
    """

    of: str
    unit: str
    mixture: float
    drawn: float
    drawn_sd: float
    draws: int
    low: float
    high: float

    @property
    def gap(self) -> float:
        """Cost of the weights minus that of the drawn cells."""
        return self.mixture - self.drawn

    def numbers(self) -> list[float]:
        """Return every number that is a cost."""
        return [self.mixture, self.drawn, self.drawn_sd, self.low, self.high]

    def check_as(self, who: str) -> None:
        """Raise Impossible for a number that no cost can have."""
        check_numbers(f"mixture_cost{who}", self.numbers(), -LARGEST, LARGEST)
        check_number(f"mixture_cost.draws{who}", self.draws, 1, MOST_COUNTED)
