"""Groups of traced supernets that learn alphas, with the selectors' runs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from archselect.benchmarks.store.facts import flatten
from archselect.benchmarks.store.records import Inputs, Landscape, Record
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.alpha_quantities import (
    SupernetAlphas,
    supernet_alphas,
)
from archselect.reports.results.metrics import accuracy_by_seed
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import mean_by_seed
from archselect.reports.results.traced_supernets import (
    SupernetFamily,
    differing_settings,
    family_id,
    group_name,
    name_optimisers,
    traced_families,
)

PARAMETERS = "params"
"""The value of `of` for the cost "number of parameters" in a study."""


class ChosenOperation(NamedTuple):
    """An edge of a selected architecture, with its operation."""

    cell: str
    source: int
    target: int
    operation: str


@dataclass(frozen=True, eq=False)
class SeedAlphas:
    """The operation weights of one seed's supernet.

    Attributes:
        seed: supernet seed.
        id: id of the supernet and of its trace.
        alphas: weights over epochs.
    """

    seed: int
    id: str
    alphas: SupernetAlphas


@dataclass(frozen=True, eq=False)
class AlphaGroup:
    """Traced supernets that differ only by seed, and the selectors' runs on them.

    Attributes:
        optimiser: name of the optimiser, with the settings that differ between groups.
        inputs: inputs of the first supernet.
        seeds: weights by seed, in order of seeds.
        readings: runs of each selector, by name of the selector.
    """

    optimiser: str
    inputs: Inputs
    seeds: tuple[SeedAlphas, ...]
    readings: Mapping[str, Group]

    @property
    def name(self) -> str:
        """Optimiser, space and images, as text."""
        return group_name(self.optimiser, self.inputs)

    @property
    def place(self) -> str:
        """Space and images, as text."""
        return one_line(f"{self.inputs.space}, {self.inputs.data.name}")

    def setting(self, name: str, default: object = None) -> object:
        """Return a setting of the optimiser; the default if records lack it."""
        return self.inputs.supernet.settings.get(name, default)

    def accuracies(self, selector: str, landscape: Landscape) -> dict[int, float]:
        """Return the accuracy of a selector's architectures, in per cent, by seed."""
        if selector not in self.readings:
            return {}
        return accuracy_by_seed(landscape, self.readings[selector])

    def parameters(self, selector: str) -> dict[int, float]:
        """Return the number of parameters of a selector's architectures, by seed.

        Leave out runs whose record does not have it as a cost.
        """
        if selector not in self.readings:
            return {}
        seeds = []
        counts = []
        for record in self.readings[selector].records:
            count = _parameters(record)
            if count is not None:
                seeds.append(record.inputs.supernet_seed)
                counts.append(count)
        return mean_by_seed(counts, seeds)

    def edges(self, selector: str) -> dict[int, frozenset[ChosenOperation]]:
        """Return the edges of a selector's architectures and their operations, by seed.

        If a supernet has several selections, use the first.
        """
        edges: dict[int, frozenset[ChosenOperation]] = {}
        if selector not in self.readings:
            return edges
        for record in self.readings[selector].records:
            edges.setdefault(record.inputs.supernet_seed, _edges(record))
        return edges

    @cached_property
    def learns(self) -> bool:
        """Whether the alphas changed in training."""
        for of_seed in self.seeds:
            tables = [cell.tables for cell in of_seed.alphas.cells]
            if any(np.ptp(table, axis=0).any() for table in tables):
                return True
        return False


def _parameters(record: Record) -> float | None:
    """Return the selected architecture's parameters; None if not counted."""
    for cost in record.costs:
        if cost.of == PARAMETERS:
            return cost.value
    return None


def _edges(record: Record) -> frozenset[ChosenOperation]:
    """Return the edges of the selected architecture with their operations."""
    edges: set[ChosenOperation] = set()
    for cell in record.selected.graph:
        for source, target, operation in cell.edges:
            edges.add(ChosenOperation(cell.name, source, target, operation))
    return frozenset(edges)


def alpha_groups(results: Results) -> list[AlphaGroup]:
    """Return the groups of traced supernets whose alphas changed, in order of records.

    Raises UserError for a trace that is not readable or belongs to an unknown space.
    """
    return [group for group in _traced_groups(results) if group.learns]


def unmoved_groups(results: Results) -> list[str]:
    """Return the names of the traced groups whose alphas never changed."""
    return [group.name for group in _traced_groups(results) if not group.learns]


def _traced_groups(results: Results) -> list[AlphaGroup]:
    families = traced_families(results)
    names = name_optimisers([family.inputs for family in families])
    readings = _readings(results)
    groups = []
    for name, family in zip(names, families, strict=True):
        of_family = readings.get(family_id(family.inputs), {})
        groups.append(AlphaGroup(name, family.inputs, _seeds(family), of_family))
    return groups


def _seeds(family: SupernetFamily) -> tuple[SeedAlphas, ...]:
    seeds = []
    for supernet in family.supernets:
        alphas = supernet_alphas(supernet.wiring.trace)
        seeds.append(SeedAlphas(supernet.seed, supernet.id, alphas))
    return tuple(seeds)


def _readings(results: Results) -> dict[str, dict[str, Group]]:
    """Return the runs by family of supernets and name of the selector."""
    names = _selector_names(results)
    readings: dict[str, dict[str, Group]] = {}
    for group, name in zip(results.groups, names, strict=True):
        of_family = readings.setdefault(family_id(group.inputs), {})
        of_family[name] = group
    return readings


def _selector_names(results: Results) -> list[str]:
    """Return each group's selector, with the settings that differ between groups.

    A label in a study often names the supernet as well, so it cannot pair supernets.
    """
    settings_by_name: dict[str, list[dict[str, Any]]] = {}
    for group in results.groups:
        selector = group.inputs.selector
        settings = flatten(selector.settings)
        settings_by_name.setdefault(selector.name, []).append(settings)
    names = []
    for group in results.groups:
        selector = group.inputs.selector
        settings = flatten(selector.settings)
        paths = differing_settings(settings_by_name[selector.name])
        parts = [f"{path}={settings.get(path)}" for path in paths]
        title = f"{selector.name} ({', '.join(parts)})" if parts else selector.name
        names.append(one_line(title))
    return names


def selectors_of(groups: Sequence[AlphaGroup]) -> list[str]:
    """Return every selector that ran on the groups' supernets, in order."""
    names: dict[str, None] = {}
    for group in groups:
        names |= dict.fromkeys(group.readings)
    return list(names)
