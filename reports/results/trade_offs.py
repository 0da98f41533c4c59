"""Accuracy and cost of the selected architectures, for the Pareto table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.records import (
    ArchitectureCost,
    CostFit,
    Landscape,
    Record,
    TrueFront,
    front_id,
)
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.results.metrics import describe_search
from archselect.reports.results.paths import SettingPath, find_paths
from archselect.reports.results.results import NAMELESS, Group, Results
from archselect.reports.results.score_correlations import mean_by_seed

_LONGEST_NAME = 60
"""Most letters of a name or unit in a report."""
_DECIMALS = 9
"""Decimals of a mean; equal accuracies can differ in later decimals."""


class CostKind(NamedTuple):
    """A kind of cost: its name in the study, the text that defines it, and its unit.

    `of` is empty for the seconds of the search, which every run has.
    """

    name: str
    of: str
    unit: str

    @property
    def title(self) -> str:
        """The name in one line."""
        return one_line(self.name, _LONGEST_NAME) or NAMELESS

    @property
    def short_unit(self) -> str:
        """The unit in one line; it may be empty."""
        return one_line(self.unit, _LONGEST_NAME)

    @property
    def in_unit(self) -> str:
        """The name and the unit in one line."""
        unit = self.short_unit
        return f"{self.title} in {unit}" if unit else self.title


SEARCH_SECONDS = CostKind("search time", "", "s")


@dataclass(frozen=True)
class TradeOff:
    """Accuracy and cost of the runs of one selector that have both.

    Attributes:
        group: runs of the selector.
        runs: id of each run.
        seeds: supernet seed of each run.
        accuracies: accuracy of each run, in per cent.
        costs: cost of each run.
        without_cost: number of further runs with an accuracy but no cost.
    """

    group: Group
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    accuracies: tuple[float, ...]
    costs: tuple[float, ...]
    without_cost: int

    @property
    def name(self) -> str:
        """The name of the selector."""
        return self.group.name

    @cached_property
    def accuracy_by_seed(self) -> dict[int, float]:
        """The mean accuracy of each supernet seed."""
        return mean_by_seed(self.accuracies, self.seeds)

    @cached_property
    def cost_by_seed(self) -> dict[int, float]:
        """The mean cost of each supernet seed."""
        return mean_by_seed(self.costs, self.seeds)

    @property
    def accuracy(self) -> float:
        """The mean accuracy, rounded so that ties are exact."""
        return round(float(np.mean(self.accuracies)), _DECIMALS)

    @property
    def cost(self) -> float:
        """The mean cost, rounded to 12 significant digits so that ties are exact."""
        return float(f"{float(np.mean(self.costs)):.12g}")


@dataclass(frozen=True)
class Plane:
    """The accuracies and costs of one search's selectors, for one truth and one cost.

    Attributes:
        landscape: landscape of the truth.
        search: space and images of the search, as text.
        title: title, unique among the planes of a study.
        cost: kind of cost.
        origins: sources of the costs, as texts without duplicates.
        fit: quality of a fitted cost; None if the cost is not fitted.
        front: true front of the space; None if it is not known.
        trade_offs: selectors with a run that has both numbers.
        absent: names of selectors without a run that has the cost.
        paths: paths among these selectors.
    """

    landscape: Landscape
    search: str
    title: str
    cost: CostKind
    origins: tuple[str, ...]
    fit: CostFit | None
    front: TrueFront | None
    trade_offs: tuple[TradeOff, ...]
    absent: tuple[str, ...]
    paths: tuple[SettingPath, ...]

    def points(self) -> tuple[Floats, Floats]:
        """Return the mean accuracies and mean costs, both of shape (selectors,)."""
        accuracies = [trade_off.accuracy for trade_off in self.trade_offs]
        costs = [trade_off.cost for trade_off in self.trade_offs]
        return np.array(accuracies), np.array(costs)

    def of_group(self, group: Group) -> TradeOff | None:
        """Return the trade-off of a selector; None if it has none."""
        for trade_off in self.trade_offs:
            if trade_off.group is group:
                return trade_off
        return None

    def path_of(self, group: Group) -> SettingPath | None:
        """Return the path of a selector; None if it is on none."""
        for path in self.paths:
            if path.value_of(group) is not None:
                return path
        return None


def find_planes(results: Results) -> list[Plane]:
    """Return a plane per truth, search and cost of the records.

    The seconds of the search come last. Leave out planes without a run that has both
    numbers.
    """
    planes = []
    for landscape in results.landscapes:
        judged = [group for group in results.groups if group.known(landscape)]
        searches = dict.fromkeys(map(describe_search, judged))
        for search in searches:
            groups = [group for group in judged if describe_search(group) == search]
            where = results.title(landscape)
            if len(searches) > 1:
                where = f"{where}, searched on {groups[0].inputs.data.name}"
            for kind in _kinds(groups):
                planes.append(_plane(results, landscape, where, groups, kind))
    return [plane for plane in planes if plane.trade_offs]


def plane_of_search(
    results: Results, landscape: Landscape, groups: Sequence[Group]
) -> Plane:
    """Return the plane of a truth and the seconds of one search.

    Args:
        results: results of the study.
        landscape: landscape of the truth.
        groups: selectors of the search, at least one.
    """
    where = results.title(landscape)
    return _plane(results, landscape, where, groups, SEARCH_SECONDS)


def _kinds(groups: Sequence[Group]) -> list[CostKind]:
    """Return the kinds of costs that a run of the groups has, each once."""
    kinds: dict[CostKind, None] = {}
    for group in groups:
        for record in group.records:
            kinds |= dict.fromkeys(map(kind_of, record.costs))
    return [*kinds, SEARCH_SECONDS]


def kind_of(cost: ArchitectureCost) -> CostKind:
    """Return the kind of a record's cost."""
    return CostKind(cost.name, cost.of, cost.unit)


def _plane(
    results: Results,
    landscape: Landscape,
    where: str,
    groups: Sequence[Group],
    kind: CostKind,
) -> Plane:
    trade_offs = [_trade_off(landscape, group, kind) for group in groups]
    entries = list(_entries(groups, kind))
    origins = tuple(dict.fromkeys(entry.origin for entry in entries))
    kept = [trade_off for trade_off in trade_offs if trade_off.costs]
    return Plane(
        landscape=landscape,
        search=describe_search(groups[0]),
        title=f"{where}: {kind.in_unit}",
        cost=kind,
        origins=origins,
        fit=entries[0].fit if entries else None,
        front=_front(results, landscape, kind, origins),
        trade_offs=tuple(kept),
        absent=tuple(one.name for one in trade_offs if not one.costs),
        paths=tuple(find_paths([trade_off.group for trade_off in kept])),
    )


def _entries(groups: Sequence[Group], kind: CostKind) -> Iterator[ArchitectureCost]:
    """Yield the values of one cost in the groups' records."""
    for group in groups:
        for record in group.records:
            entry = _entry(record, kind)
            if entry is not None:
                yield entry


def _entry(record: Record, kind: CostKind) -> ArchitectureCost | None:
    for entry in record.costs:
        if kind_of(entry) == kind:
            return entry
    return None


def costs_of_group(group: Group, kind: CostKind) -> list[float | None]:
    """Return a cost of each record of a group; None if it is not known."""
    if kind == SEARCH_SECONDS:
        return list(group.seconds)
    entries = [_entry(record, kind) for record in group.records]
    return [None if entry is None else entry.value for entry in entries]


def _trade_off(landscape: Landscape, group: Group, kind: CostKind) -> TradeOff:
    """Return the accuracies and costs of a group's runs that have both."""
    ids = [record.id for record in group.records]
    costs = dict(zip(ids, costs_of_group(group, kind), strict=True))
    known = group.known(landscape)
    runs = []
    seeds = []
    accuracies = []
    prices = []
    for record, accuracy in zip(known.records, known.means, strict=True):
        cost = costs[record.id]
        if cost is not None:
            runs.append(record.id)
            seeds.append(record.inputs.supernet_seed)
            accuracies.append(accuracy)
            prices.append(cost)
    without_cost = len(known) - len(prices)
    return TradeOff(
        group=group,
        runs=tuple(runs),
        seeds=tuple(seeds),
        accuracies=tuple(accuracies),
        costs=tuple(prices),
        without_cost=without_cost,
    )


def _front(
    results: Results, landscape: Landscape, kind: CostKind, origins: Sequence[str]
) -> TrueFront | None:
    """Return the true front of a landscape and a cost; None if it is not known.

    Costs from several sources, such as several skeletons, have no common front.
    """
    if len(origins) != 1:
        return None
    id = front_id(landscape.id, kind.of, kind.unit, origins[0])
    for front in results.fronts:
        if front.id == id:
            return front
    return None
