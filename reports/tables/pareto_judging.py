"""Comparisons of selectors by accuracy and cost.

They find which selectors are dominated, which are not shown to be worse than the most
accurate one, which save the claimed part of the cost, and which share of the true
front's hypervolume they reach.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from archselect.benchmarks.store.records import TrueFront
from archselect.nasbench_adapters.fronts import find_dominated, hypervolume
from archselect.reports.results.paths import SettingPath
from archselect.reports.results.results import Results
from archselect.reports.results.trade_offs import Plane, TradeOff
from archselect.reports.statistics.claims import ClaimVerdict, judge_claim
from archselect.reports.statistics.paired import (
    JudgedDifference,
    compare,
    judge,
    pair,
)


@dataclass(frozen=True)
class Compared:
    """The comparison of a selector with a reference.

    Attributes:
        minus: name of the reference.
        finding: accuracy minus that of the reference, Holm-adjusted.
        saving: reduction of the reference's mean cost, as a fraction; None if that cost
            is not positive.
        detectable: smallest difference in accuracy that this number of seeds shows with
            probability 80 %; None if it is not known.
    """

    minus: str
    finding: JudgedDifference
    saving: float | None
    detectable: float | None

    @property
    def claim(self) -> ClaimVerdict | None:
        """The verdict on the claim; None without a saving."""
        return None if self.saving is None else judge_claim(self.saving, self.finding)


@dataclass(frozen=True)
class Reached:
    """The share of the true front's hypervolume that a set of cells reaches.

    Attributes:
        cells: number of cells.
        share: their share; for a path, the mean over its supernet seeds.
        spread: standard deviation of the share over seeds; None without several seeds.
        random: expected share of as many random cells; None if it is not known.
        random_error: standard error of `random`; 0 if it is exact.
        on_front: number of cells, over all seeds, on the true front.
        all_cells: number of cells over all seeds.
    """

    cells: int
    share: float
    spread: float | None
    random: float | None
    random_error: float | None
    on_front: int
    all_cells: int


@dataclass(frozen=True)
class JudgedPlane:
    """The comparisons of a plane's selectors, by name.

    Attributes:
        plane: plane of accuracy and cost.
        dominators: selectors that dominate each one, by their means; empty for a
            selector on the front.
        best: name of the most accurate tested selector; empty if none is tested.
        beside_best: comparison of each tested selector with the most accurate one.
        beside_reference: comparison of each tested selector with its reference.
        reached: shares of the hypervolume, if the true front is known.
        paths: shares of the hypervolume of whole paths, by title of the path.
    """

    plane: Plane
    dominators: Mapping[str, tuple[str, ...]]
    best: str
    beside_best: Mapping[str, Compared]
    beside_reference: Mapping[str, Compared]
    reached: Mapping[str, Reached] = field(default_factory=dict)
    paths: Mapping[str, Reached] = field(default_factory=dict)


def judge_plane(results: Results, plane: Plane) -> JudgedPlane:
    """Return the comparisons of a plane's selectors.

    The random selector is not tested: its accuracies are too skewed for the test.
    """
    tested = [one for one in plane.trade_offs if not one.group.uniform]
    best = max(tested, key=lambda one: one.accuracy, default=None)
    beside_best: dict[str, Compared] = {}
    if best is not None:
        beside_best = _compare_with({one.name: best for one in tested}, tested)
    references = _references(results, plane, tested, best)
    front = plane.front
    reached = {}
    paths = {}
    if front is not None and front.hypervolume:
        for one in plane.trade_offs:
            reached[one.name] = _reached(front, one.accuracies, one.costs)
        for path in plane.paths:
            of_path = _reached_by_path(plane, front, path)
            if of_path is not None:
                paths[path.title] = of_path
    return JudgedPlane(
        plane=plane,
        dominators=_find_dominators(plane),
        best=best.name if best else "",
        beside_best=beside_best,
        beside_reference=_compare_with(references, tested),
        reached=reached,
        paths=paths,
    )


def _find_dominators(plane: Plane) -> dict[str, tuple[str, ...]]:
    """Return, for each selector, the names of those that dominate it by their means."""
    accuracies, costs = plane.points()
    names = [one.name for one in plane.trade_offs]
    dominated = find_dominated(accuracies, costs)
    dominators: dict[str, tuple[str, ...]] = {}
    for place, name in enumerate(names):
        if not dominated[place]:
            dominators[name] = ()
            continue
        as_good = (accuracies >= accuracies[place]) & (costs <= costs[place])
        equal = (accuracies == accuracies[place]) & (costs == costs[place])
        # Name only dominators on the front: they are the most informative.
        kept = np.flatnonzero(as_good & ~equal & ~dominated)
        dominators[name] = tuple(names[other] for other in kept)
    return dominators


def _references(
    results: Results,
    plane: Plane,
    tested: Sequence[TradeOff],
    best: TradeOff | None,
) -> dict[str, TradeOff]:
    """Return the reference of each selector by :data:`REFERENCE_RULE`."""
    named = [one for one in tested if one.group.label in results.info.references]
    default = max(named, key=lambda one: one.accuracy, default=best)
    references: dict[str, TradeOff] = {}
    for one in tested:
        start = _start_of_path(plane, one)
        if len(named) != 1 and start is not None:
            references[one.name] = start
        elif default is not None:
            references[one.name] = default
    return references


REFERENCE_RULE = (
    "The reference is the one of the study. If the study has none or several, it is the first selector of the path if "
    "its setting is 0, else the most accurate selector."
)


def _start_of_path(plane: Plane, one: TradeOff) -> TradeOff | None:
    """Return the selector with the value 0 on a selector's path; None if none."""
    path = plane.path_of(one.group)
    if path is None or path.values[0] != 0:
        return None
    return plane.of_group(path.groups[0])


def _compare_with(
    references: Mapping[str, TradeOff], tested: Sequence[TradeOff]
) -> dict[str, Compared]:
    """Return the comparison of each selector with its reference.

    The tests against one reference form a family, within which they are Holm-adjusted.
    """
    by_reference: dict[str, list[TradeOff]] = defaultdict(list)
    for one in tested:
        if one.name in references and references[one.name] is not one:
            by_reference[references[one.name].name].append(one)
    compared: dict[str, Compared] = {}
    for others in by_reference.values():
        compared |= _compare_family(references[others[0].name], others)
    return {one.name: compared[one.name] for one in tested if one.name in compared}


def _compare_family(
    reference: TradeOff, others: Sequence[TradeOff]
) -> dict[str, Compared]:
    """Return the comparisons of selectors with one reference, by name."""
    differences = []
    for one in others:
        both = pair(one.accuracy_by_seed, reference.accuracy_by_seed)
        differences.append(compare([both]))
    findings = judge(differences, "higher")
    tests = max(1, sum(finding.p is not None for finding in findings))
    compared = {}
    for one, finding in zip(others, findings, strict=True):
        compared[one.name] = Compared(
            minus=reference.name,
            finding=finding,
            saving=1 - one.cost / reference.cost if reference.cost > 0 else None,
            detectable=finding.difference.among(tests).detectable,
        )
    return compared


# Hypervolume


def _reached(
    front: TrueFront, accuracies: Sequence[float], costs: Sequence[float]
) -> Reached:
    """Return the share of the true front's hypervolume that cells reach."""
    volume = hypervolume(accuracies, costs, front.reference_cost)
    random = _random_share(front, len(costs))
    return Reached(
        cells=len(costs),
        share=volume / front.hypervolume,
        spread=None,
        random=None if random is None else random.share,
        random_error=None if random is None else random.error,
        on_front=_count_on_front(front, accuracies, costs),
        all_cells=len(costs),
    )


def _reached_by_path(
    plane: Plane, front: TrueFront, path: SettingPath
) -> Reached | None:
    """Return the share that the cells of one supernet seed along a path reach together.

    It is the mean over the seeds that all groups of the path have; None if there are
    none.
    """
    members = [plane.of_group(group) for group in path.groups]
    points = [member for member in members if member is not None]
    seeds = set.intersection(*(set(member.seeds) for member in points))
    by_seed = [_cells_of_seed(points, seed) for seed in sorted(seeds)]
    if not by_seed:
        return None
    each = [_reached(front, cells.accuracies, cells.costs) for cells in by_seed]
    shares = np.array([one.share for one in each])
    return Reached(
        cells=each[0].cells,
        share=float(shares.mean()),
        spread=float(shares.std(ddof=1)) if len(shares) > 1 else None,
        random=each[0].random,
        random_error=each[0].random_error,
        on_front=sum(one.on_front for one in each),
        all_cells=sum(one.cells for one in each),
    )


@dataclass
class _Cells:
    """Accuracies and costs of some cells."""

    accuracies: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def _cells_of_seed(points: Sequence[TradeOff], seed: int) -> _Cells:
    """Return the cells selected from supernets of one seed."""
    cells = _Cells()
    for point in points:
        runs = zip(point.seeds, point.accuracies, point.costs, strict=True)
        for own_seed, accuracy, cost in runs:
            if own_seed == seed:
                cells.accuracies.append(accuracy)
                cells.costs.append(cost)
    return cells


@dataclass(frozen=True)
class _RandomShare:
    """The share of the hypervolume that random cells reach, and its standard error."""

    share: float
    error: float


def _random_share(front: TrueFront, cells: int) -> _RandomShare | None:
    """Return the share that a number of random cells reaches; None if not known.

    It is interpolated in the logarithm of the number of cells.
    """
    numbers = front.random_cells
    if not numbers or cells > numbers[-1]:
        return None
    at = np.log(cells)
    places = np.log(numbers)
    return _RandomShare(
        share=float(np.interp(at, places, front.random_shares)),
        error=float(np.interp(at, places, front.random_errors)),
    )


def _count_on_front(
    front: TrueFront, accuracies: Sequence[float], costs: Sequence[float]
) -> int:
    """Return the number of cells on the true front, up to rounding errors."""
    points = [(point.accuracy, point.cost) for point in front.points]
    count = 0
    for cell in zip(accuracies, costs, strict=True):
        count += any(np.allclose(cell, point, rtol=1e-9, atol=0) for point in points)
    return count
