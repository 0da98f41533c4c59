"""What a ground truth and a cost say together of a whole space: its true front."""

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
    """A point of a true front, and how many cells have its accuracy and its cost.

    `architecture` is the first of these cells.
    """

    architecture: str
    accuracy: float
    cost: float
    cells: int = 1


class TrueFront(Fact):
    """The cells of a space that no other one dominates, by one truth and one cost.

    Accuracies are those of the landscape, in per cent: means of trials. `cost` is the
    text that opened the cost, `unit` and `origin` are the cost's; a record's cost with
    the same three is the same. `cells` have an accuracy and a cost, `without_cost` have
    an accuracy alone and are in no number here.

    `points` are in order of cost. `hypervolume` is the area that they dominate, down to
    an accuracy of 0 and up to `reference_cost`, the largest cost of the space.

    `random_shares` are the parts of it that `random_cells` cells dominate on average,
    drawn as the random selector draws them. They are exact, with `random_errors` of 0,
    where `repetitions` is 0, else means of so many simulated repetitions with their
    standard errors. All are empty where it is not known how likely each cell is drawn.
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
        """Raise Impossible for what no front can be."""
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
            raise Impossible("points do not rise in accuracy and in cost")

    def _check_random(self) -> None:
        """Raise Impossible unless there is one share per number of random cells."""
        if self.random_cells and not _do_rise([0, *self.random_cells]):
            raise Impossible("random_cells do not rise from 1 on")
        for key in ("random_shares", "random_errors"):
            numbers = getattr(self, key)
            check_same_length(key, numbers, "random_cells", self.random_cells)
            check_numbers(key, numbers, 0, 1 + 1e-9)


def front_id(landscape: str, cost: str, unit: str, origin: str) -> str:
    """Return the id of the true front of a landscape and a cost."""
    return content_id([landscape, cost, unit, origin])


def _do_rise(numbers: Sequence[float]) -> bool:
    return all(after > before for before, after in pairwise(numbers))
