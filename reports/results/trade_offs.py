"""Accuracy and cost of what was selected, run by run: what the Pareto table is of."""

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
"""Letters of a name or unit that are shown."""
_DECIMALS = 9
"""Decimals of a mean; beyond them equal accuracies may differ."""


class CostKind(NamedTuple):
    """A cost by the name that a study gives it, the text that opens it, and its unit.

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
        group: the selector's runs.
        runs: the id of each run.
        seeds: supernet seed of each run.
        accuracies: in per cent, of each run.
        costs: of each run.
        without_cost: how many runs have an accuracy and no cost.
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
        """The mean accuracy, rounded so that ties are ties."""
        return round(float(np.mean(self.accuracies)), _DECIMALS)

    @property
    def cost(self) -> float:
        """The mean cost, to so many significant digits that ties are ties."""
        return float(f"{float(np.mean(self.costs)):.12g}")


@dataclass(frozen=True)
class Plane:
    """One cost and one truth's accuracies for the selectors of one search.

    Attributes:
        landscape: of the truth.
        search: space and images of the search, in words.
        title: unique among the planes of a study.
        cost: what the cells are judged by beside their accuracy.
        origins: how its numbers came about, in words, each once.
        fit: how well a fitted cost predicts; None for one that is not fitted.
        front: the true front of the space; None where it is not known.
        trade_offs: of the selectors with a run that has both numbers.
        absent: selectors of which no run has the cost, by name.
        paths: of these selectors.
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
        """Return mean accuracy and mean cost of each selector."""
        accuracies = [trade_off.accuracy for trade_off in self.trade_offs]
        costs = [trade_off.cost for trade_off in self.trade_offs]
        return np.array(accuracies), np.array(costs)

    def of_group(self, group: Group) -> TradeOff | None:
        """Return the numbers of a selector; None of one without any."""
        for trade_off in self.trade_offs:
            if trade_off.group is group:
                return trade_off
        return None

    def path_of(self, group: Group) -> SettingPath | None:
        """Return the path that a selector is on."""
        for path in self.paths:
            if path.value_of(group) is not None:
                return path
        return None


def find_planes(results: Results) -> list[Plane]:
    """Return every truth with every cost of its records, search by search.

    The seconds of the search come last. Planes that no run has both numbers for are
    left out.
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
    """Return a truth with the seconds of one search.

    Args:
        results: of the study.
        landscape: the truth that judges.
        groups: the selectors of the search; at least one.
    """
    where = results.title(landscape)
    return _plane(results, landscape, where, groups, SEARCH_SECONDS)


def _kinds(groups: Sequence[Group]) -> list[CostKind]:
    """Return the costs that any run of some groups has, each once."""
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
    """Yield what the records of some groups have of one cost."""
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
    """Return one cost of each record of a group, None where it is not known."""
    if kind == SEARCH_SECONDS:
        return list(group.seconds)
    entries = [_entry(record, kind) for record in group.records]
    return [None if entry is None else entry.value for entry in entries]


def _trade_off(landscape: Landscape, group: Group, kind: CostKind) -> TradeOff:
    """Return accuracy and cost of the runs of a group that have both."""
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
    """Return the true front of a landscape and a cost; None where it is not known.

    Costs of several origins, as of several skeletons, have none together.
    """
    if len(origins) != 1:
        return None
    id = front_id(landscape.id, kind.of, kind.unit, origins[0])
    for front in results.fronts:
        if front.id == id:
            return front
    return None
