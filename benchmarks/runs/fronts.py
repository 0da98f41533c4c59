"""True fronts: the best accuracies and costs over whole spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.plan.jobs import RunJob
from archselect.benchmarks.plan.parts import TruthPart
from archselect.benchmarks.store.facts import write_fact
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    FrontPoint,
    Landscape,
    TrueFront,
    front_id,
)
from archselect.nasbench_adapters.costs.base import Cost
from archselect.nasbench_adapters.costs.opening import open_cost
from archselect.nasbench_adapters.fronts import (
    RandomHypervolumes,
    find_front,
    hypervolume,
    random_hypervolumes,
)
from archselect.nasbench_adapters.limits import MOST_FRONT_CELLS
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import open_truth
from archselect.nasbench_adapters.truth.choices import unflatten
from archselect.nasbench_adapters.truth.ground_truth import GroundTruth

RANDOM_CELLS = (*range(1, 101), 200, 300, 500, 1_000)
"""Numbers of random cells whose share of the hypervolume is computed."""


def write_fronts(
    folder: Folder, jobs: Iterable[RunJob], landscapes: Mapping[TruthPart, Landscape]
) -> None:
    """Write the true front for every ground truth and cost of some runs.

    A front that exists is not computed again. If :func:`true_front` returns None,
    nothing is written.

    Args:
        folder: folder of the study.
        jobs: the runs.
        landscapes: the landscapes of the ground truths that judge the runs.
    """
    open_once = cache(open_truth)
    seen: set[str] = set()
    for job in jobs:
        space = get_space(job.space.name)
        for part, cost in product(job.data.truth, job.costs):
            landscape = landscapes[part]
            id = front_id(landscape.id, cost.of, cost.unit, cost.origin)
            path = folder.path(TrueFront, id)
            if landscape.space != space.name or id in seen or path.is_file():
                continue
            seen.add(id)
            truth = open_once(part.table).within(space)
            opened = open_cost(cost.of, space, cost.network)
            front = true_front(truth, part, landscape.id, opened, cost.of)
            if front is not None:
                write_fact(path, front, folder.root)


def true_front(
    truth: GroundTruth, part: TruthPart, landscape: str, cost: Cost, of: str
) -> TrueFront | None:
    """Return the true front of a column of a ground truth and a cost.

    Cells without a cost are left out, and counted (:class:`.TrueFront`).

    Args:
        truth: ground truth of the cost's space.
        part: the column.
        landscape: id of the column's landscape.
        cost: the cost; it is computed for every architecture of the space.
        of: text with which the study opens the cost.

    Returns:
        The front; None if the truth predicts or lacks a part of the space, if the space
        has more than :data:`.MOST_FRONT_CELLS` architectures, or if the cost has no
        value for any of them.
    """
    column = (part.dataset, part.split, part.epochs)
    if truth.predicts or not truth.holds_whole_space(*column):
        return None
    choices = truth.reference.population.choices
    if len(choices) > MOST_FRONT_CELLS:
        return None
    cells = [unflatten(truth.space, row) for row in choices]
    costs = cost.of_many(cells)
    known = np.flatnonzero(np.isfinite(costs))
    if not len(known):
        return None
    judged = _JudgedCells(
        truth.space,
        [cells[place] for place in known],
        truth.reference.means(*column)[known],
        costs[known],
        truth.space.draw_probabilities(choices[known]),
    )
    volume = hypervolume(judged.accuracies, judged.costs, judged.highest_cost)
    shares = _random_shares(judged, volume)
    return TrueFront(
        id=front_id(landscape, of, cost.unit, cost.origin),
        landscape=landscape,
        cost=of,
        unit=cost.unit,
        origin=cost.origin,
        cells=len(known),
        without_cost=len(cells) - len(known),
        reference_cost=judged.highest_cost,
        hypervolume=volume,
        points=_front_points(judged),
        random_cells=list(RANDOM_CELLS) if shares else [],
        random_shares=shares.means.tolist() if shares else [],
        random_errors=shares.errors.tolist() if shares else [],
        repetitions=shares.repetitions if shares else 0,
    )


class _JudgedCells(NamedTuple):
    """The cells of a space that have an accuracy and a cost.

    Attributes:
        space: their space.
        cells: the architectures.
        accuracies: mean accuracy of each over its trials, in per cent.
        costs: cost of each.
        probabilities: probability of each in one draw of the random selector; None if
            unknown.
    """

    space: SearchSpace
    cells: list[Architecture]
    accuracies: Floats
    costs: Floats
    probabilities: Floats | None

    @property
    def highest_cost(self) -> float:
        """The highest cost. It is the reference point of the hypervolume."""
        return float(self.costs.max())


def _front_points(judged: _JudgedCells) -> list[FrontPoint]:
    """Return the distinct points of the true front, in order of cost."""
    places: dict[tuple[float, float], list[int]] = {}
    for place in find_front(judged.accuracies, judged.costs).tolist():
        point = (float(judged.accuracies[place]), float(judged.costs[place]))
        places.setdefault(point, []).append(place)
    return [
        FrontPoint(
            architecture=judged.space.format(judged.cells[equal[0]]),
            accuracy=accuracy,
            cost=cost,
            cells=len(equal),
        )
        for (accuracy, cost), equal in places.items()
    ]


def _random_shares(judged: _JudgedCells, volume: float) -> RandomHypervolumes | None:
    """Return the share of the hypervolume that random cells reach, by their number.

    Returns None if the probabilities of cells are unknown, or if the hypervolume is 0,
    for example because all cells cost the same.
    """
    if judged.probabilities is None or not volume:
        return None
    random = random_hypervolumes(
        judged.accuracies,
        judged.costs,
        judged.highest_cost,
        RANDOM_CELLS,
        judged.probabilities,
    )
    return RandomHypervolumes(
        random.means / volume, random.errors / volume, random.repetitions
    )
