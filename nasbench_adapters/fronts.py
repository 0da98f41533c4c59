"""Pareto fronts of accuracy and cost, and their hypervolume.

Higher accuracy and lower cost are better. A cell dominates another if it is at least as
good in both and better in one. So equal cells do not dominate each other. The
hypervolume of some cells is the area that they dominate: from each accuracy down to 0,
and from each cost up to a reference cost (Zitzler and Thiele, 1998). This file does not
import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.nasbench_adapters.limits import MOST_EXACT_CELLS
from archselect.nasbench_adapters.rank_correlations import Floats, Ints

SIMULATED_DRAWS = 2_000
"""Number of repetitions where the expected hypervolume is simulated."""
_SEED = 20_205


class RandomHypervolumes(NamedTuple):
    """Mean hypervolumes of sets of random cells.

    Attributes:
        means: mean hypervolume for each number of cells, in the given order.
        errors: standard error of each mean; 0 if the means are exact.
        repetitions: number of simulated repetitions; 0 if the means are exact.
    """

    means: Floats
    errors: Floats
    repetitions: int


def find_dominated(accuracies: npt.ArrayLike, costs: npt.ArrayLike) -> np.ndarray:
    """Return whether each cell is dominated by another one.

    Args:
        accuracies: accuracy of each cell; higher is better.
        costs: cost of each cell; lower is better.

    Returns:
        one bool per cell.

    Raises:
        ValueError: a number is not finite, or the two lengths differ.
    """
    quality, price = _checked(accuracies, costs)
    order = np.lexsort((-quality, price))
    dominated = np.zeros(len(order), dtype=bool)
    highest = -np.inf
    for start, end in _runs_of_equal(price[order]):
        same_cost = order[start:end]
        best = quality[same_cost[0]]
        dominated[same_cost] = (quality[same_cost] <= highest) | (
            quality[same_cost] < best
        )
        highest = max(highest, best)
    return dominated


def find_front(accuracies: npt.ArrayLike, costs: npt.ArrayLike) -> Ints:
    """Return the indices of the cells that no other cell dominates, in order of cost.

    Equal cells are all included. Raises ValueError like :func:`find_dominated`.
    """
    quality, price = _checked(accuracies, costs)
    kept = np.flatnonzero(~find_dominated(quality, price))
    return kept[np.argsort(price[kept], kind="stable")]


def hypervolume(
    accuracies: npt.ArrayLike, costs: npt.ArrayLike, reference_cost: float
) -> float:
    """Return the hypervolume of some cells.

    Args:
        accuracies: accuracy of each cell, not below 0.
        costs: cost of each cell.
        reference_cost: cost from which a cell adds no area.

    Returns:
        the area, in units of accuracy times units of cost; 0 without cells.

    Raises:
        ValueError: as for :func:`find_dominated`.
    """
    quality, price = _checked(accuracies, costs)
    if not len(quality):
        return 0.0
    return float(_areas(quality[None], price[None], reference_cost)[0])


def random_hypervolumes(
    accuracies: npt.ArrayLike,
    costs: npt.ArrayLike,
    reference_cost: float,
    numbers: Sequence[int],
    probabilities: npt.ArrayLike | None = None,
) -> RandomHypervolumes:
    """Return the expected hypervolume of sets of independent random cells.

    It is exact if all cells are equally likely and there are at most
    :data:`.limits.MOST_EXACT_CELLS`. The expectation is then the integral, over the
    plane, of the probability that one of the cells dominates a point. Otherwise it is
    the mean of :data:`SIMULATED_DRAWS` repetitions with a fixed seed.

    Args:
        accuracies: accuracy of each cell of the space.
        costs: cost of each cell of the space.
        reference_cost: as in :func:`hypervolume`.
        numbers: numbers of random cells, each at least 1.
        probabilities: probability of each cell in one draw; all equal by default.

    Raises:
        ValueError: as for :func:`find_dominated`, or for a number below 1.
    """
    quality, price = _checked(accuracies, costs)
    if min(numbers) < 1:
        raise ValueError(f"{min(numbers)} random cells: give at least 1")
    chances = _chances(probabilities, len(quality))
    if len(quality) <= MOST_EXACT_CELLS and np.ptp(chances) <= 1e-12 * chances.max():
        means = _exact_means(quality, price, reference_cost, numbers)
        return RandomHypervolumes(means, np.zeros(len(numbers)), 0)
    return _simulate(quality, price, reference_cost, numbers, chances)


def _checked(accuracies: npt.ArrayLike, costs: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return both as arrays; raise ValueError unless finite and of equal length."""
    quality = np.asarray(accuracies, dtype=np.float64)
    price = np.asarray(costs, dtype=np.float64)
    if quality.shape != price.shape or quality.ndim != 1:
        raise ValueError(
            f"{quality.shape} accuracies and {price.shape} costs: give one of each per cell"
        )
    if not (np.isfinite(quality).all() and np.isfinite(price).all()):
        raise ValueError("a front needs finite accuracies and costs")
    return quality, price


def _chances(probabilities: npt.ArrayLike | None, cells: int) -> Floats:
    """Return the probabilities of all cells; they sum to one."""
    if probabilities is None:
        return np.full(cells, 1 / cells)
    chances = np.asarray(probabilities, dtype=np.float64)
    return chances / chances.sum()


def _runs_of_equal(ordered: Floats) -> list[tuple[int, int]]:
    """Return the start and the end of every run of equal values."""
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf)).tolist()
    return list(pairwise([*starts, len(ordered)]))


def _areas(quality: Floats, price: Floats, reference_cost: float) -> Floats:
    """Return the hypervolume of every row; both arrays are (rows, cells)."""
    order = np.argsort(price, axis=1)
    quality = np.take_along_axis(quality, order, axis=1)
    price = np.minimum(np.take_along_axis(price, order, axis=1), reference_cost)
    highest = np.maximum.accumulate(quality, axis=1)
    widths = np.diff(price, axis=1, append=reference_cost)
    return (highest * widths).sum(axis=1)


# --- expectation


def _exact_means(
    quality: Floats, price: Floats, reference_cost: float, numbers: Sequence[int]
) -> Floats:
    """Return the expected hypervolume for each number of equally likely cells."""
    area = _area_by_dominators(quality, price, reference_cost)
    share = np.arange(len(area)) / (len(area) - 1)
    means = [area @ (1 - (1 - share) ** number) for number in numbers]
    return np.array(means)


def _area_by_dominators(
    quality: Floats, price: Floats, reference_cost: float
) -> Floats:
    """Return, for each k, the area that exactly k cells dominate.

    A random cell dominates a point of that area with probability k / cells. The plane
    is cut at every cost and every accuracy; inside one piece k is constant.

    Returns:
        areas, (cells + 1,).
    """
    levels = np.unique(quality)[::-1]
    heights = levels - np.append(levels[1:], 0.0)
    level_of = np.searchsorted(-levels, -quality)
    order = np.argsort(price)
    dominators = np.zeros(len(levels), dtype=np.int64)
    area = np.zeros(len(quality) + 1)
    ordered = np.append(price[order], np.inf)
    for start, end in _runs_of_equal(ordered[:-1]):
        if ordered[start] >= reference_cost:
            break
        for cell in order[start:end]:
            dominators[level_of[cell] :] += 1
        width = min(ordered[end], reference_cost) - ordered[start]
        area += np.bincount(dominators, heights * width, minlength=len(area))
    return area


def _simulate(
    quality: Floats,
    price: Floats,
    reference_cost: float,
    numbers: Sequence[int],
    chances: Floats,
) -> RandomHypervolumes:
    """Return simulated means; smaller numbers use the first cells of the same draws."""
    rng = np.random.default_rng(_SEED)
    places = np.arange(len(quality))
    shape = (SIMULATED_DRAWS, max(numbers))
    drawn = rng.choice(places, size=shape, p=chances)
    means = []
    errors = []
    for number in numbers:
        cells = drawn[:, :number]
        areas = _areas(quality[cells], price[cells], reference_cost)
        means.append(areas.mean())
        errors.append(areas.std(ddof=1) / np.sqrt(SIMULATED_DRAWS))
    return RandomHypervolumes(np.array(means), np.array(errors), SIMULATED_DRAWS)
