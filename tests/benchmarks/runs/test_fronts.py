"""True fronts of a truth and a cost, against every cell of a small table."""

from __future__ import annotations

import numpy as np
import pytest
from support.truths import KEY, sampled, table_of

from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.runs import fronts
from archselect.benchmarks.runs.fronts import RANDOM_CELLS, true_front
from archselect.nasbench_adapters.costs.base import Cost
from archselect.nasbench_adapters.spaces import get_space

LANDSCAPE = "0123456789abcdef"
PART = TruthPart(table="t", dataset=KEY[0], split=KEY[1], epochs=KEY[2])


class Operations(Cost):
    """How many edges have a convolution; not known of cells that begin with `none`."""

    name = "convolutions"
    unit = "operations"
    origin = "counted"

    def __init__(self, gaps=False):
        self.gaps = gaps

    def of(self, architecture):
        (choices,) = architecture.choices
        if self.gaps and choices[0] == 0:
            return None
        return float(sum(choice in (2, 3) for choice in choices))


@pytest.fixture(scope="module")
def whole():
    """A table of all cells of NAS-Bench-201, in which convolutions are worth having."""
    space = get_space("nb201")
    rng = np.random.default_rng(5)
    cells = list(space.enumerate())
    worth = np.array([0.0, 3.0, 6.0, 9.0, 1.0])
    accuracies = {}
    for cell in cells:
        (choices,) = cell.choices
        quality = 20 + worth[list(choices)].sum() + rng.normal()
        accuracies[cell] = float(np.clip(quality, 0, 100))
    return table_of(space, accuracies)


def test_the_front_has_the_best_cell_of_each_cost_that_is_worth_it(whole):
    front = true_front(whole, PART, LANDSCAPE, Operations(), "mine.py:Operations")
    front.check()
    cells = list(whole.space.enumerate())
    best = {}
    for cell in cells:
        cost = Operations().of(cell)
        best[cost] = max(best.get(cost, 0), whole.mean(cell, *KEY))
    expected = [
        (cost, best[cost])
        for cost in sorted(best)
        if all(best[cost] > best[cheaper] for cheaper in best if cheaper < cost)
    ]
    assert [(point.cost, point.accuracy) for point in front.points] == expected
    for point in front.points:
        cell = whole.space.parse(point.architecture)
        assert whole.mean(cell, *KEY) == point.accuracy
    assert (front.cells, front.without_cost, front.reference_cost) == (15_625, 0, 6)
    area = sum(
        accuracy * (after - cost)
        for (cost, accuracy), (after, _) in zip(
            expected, [*expected[1:], (6, 0)], strict=True
        )
    )
    assert front.hypervolume == pytest.approx(area)
    assert tuple(front.random_cells) == RANDOM_CELLS and front.repetitions == 0
    assert front.random_shares == sorted(front.random_shares)
    assert 0 < front.random_shares[0] < front.random_shares[-1] < 1


def test_cells_without_a_cost_are_counted(whole):
    front = true_front(
        whole, PART, LANDSCAPE, Operations(gaps=True), "mine.py:Operations"
    )
    assert (front.cells, front.without_cost) == (12_500, 3_125)


def test_a_part_of_a_space_has_no_true_front():
    space, cells = sampled("nb201", 40)
    table = table_of(space, dict.fromkeys(cells, 50.0))
    assert (
        true_front(table, PART, LANDSCAPE, Operations(), "mine.py:Operations") is None
    )


def test_a_large_space_has_none(whole, monkeypatch):
    monkeypatch.setattr(fronts, "MOST_FRONT_CELLS", 15_624)
    assert (
        true_front(whole, PART, LANDSCAPE, Operations(), "mine.py:Operations") is None
    )


def test_a_cost_that_is_the_same_of_all_has_no_hypervolume(whole):
    class Constant(Operations):
        def of(self, architecture):
            return 2.0

    front = true_front(whole, PART, LANDSCAPE, Constant(), "mine.py:Operations")
    front.check()
    assert front.hypervolume == 0 and front.random_shares == []
