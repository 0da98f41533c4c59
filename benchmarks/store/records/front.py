"""The true front of a ground truth and a cost over a whole space."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from archselect.benchmarks.store.facts import Fact, Id, content_id
from archselect.benchmarks.store.ranges import (
    LARGEST,
    MOST_COUNTED,
    PER_CENT,
    Impossible,
    check_number,
    check_numbers,
    check_same_length,
)


class FrontPoint(Fact):
    """A point of a true front, and how many cells have its accuracy and cost.

    `architecture` is the first of these cells.
    """

    architecture: str
    accuracy: float
    cost: float
    cells: int = 1


class TrueFront(Fact):
    """The cells of a space that no other cell dominates, by a ground truth and a cost.

    Accuracies are those of the landscape, in per cent: means of trials. `cost` is the
    text that opened the cost; `unit` and `origin` are the cost's. A record's cost with
    the same three values is the same cost. `cells` counts the cells with an accuracy
    and a cost. `without_cost` counts those with only an accuracy; no other number
    includes them.

    `points` are in order of cost. `hypervolume` is the area that they dominate, down to
    an accuracy of 0 and up to `reference_cost`, the highest cost in the space.

    `random_shares` are the shares of it that `random_cells` cells dominate on average,
    if drawn as the random selector draws them. If `repetitions` is 0, they are exact,
    with `random_errors` of 0; otherwise they are means of that many simulated
    repetitions, with their standard errors. All are empty if the probabilities of cells
    are unknown.
    """

    schema_version: Literal[1] = 1
    id: Id
    landscape: Id
    cost: str
    unit: str
    origin: str
    cells: int
    without_cost: int
    reference_cost: float
    hypervolume: float
    points: list[FrontPoint]
    random_cells: list[int]
    random_shares: list[float]
    random_errors: list[float]
    repetitions: int

    def check(self) -> None:
        """Raise Impossible for values that no front can have."""
        for key in ("cells", "without_cost", "repetitions"):
            check_number(key, getattr(self, key), 0, MOST_COUNTED)
        check_number("reference_cost", self.reference_cost, -LARGEST)
        check_number("hypervolume", self.hypervolume)
        self._check_points()
        self._check_random()

    def _check_points(self) -> None:
        """Raise Impossible unless the points are a front."""
        accuracies = [point.accuracy for point in self.points]
        costs = [point.cost for point in self.points]
        check_numbers("points.accuracy", accuracies, 0, PER_CENT)
        check_numbers("points.cost", costs, -LARGEST, self.reference_cost)
        check_numbers("points.cells", [point.cells for point in self.points], 1)
        if not self.points:
            raise Impossible("points is empty")
        if not (_do_rise(accuracies) and _do_rise(costs)):
            raise Impossible("points do not increase in accuracy and in cost")

    def _check_random(self) -> None:
        """Raise Impossible unless there is one share per number of random cells."""
        if self.random_cells and not _do_rise([0, *self.random_cells]):
            raise Impossible("random_cells do not increase from 1")
        for key in ("random_shares", "random_errors"):
            numbers = getattr(self, key)
            check_same_length(key, numbers, "random_cells", self.random_cells)
            check_numbers(key, numbers, 0, 1 + 1e-9)


def front_id(landscape: str, cost: str, unit: str, origin: str) -> str:
    """Return the id of the true front of a landscape and a cost."""
    return content_id([landscape, cost, unit, origin])


def _do_rise(numbers: Sequence[float]) -> bool:
    return all(after > before for before, after in pairwise(numbers))
