"""The traced supernets of a study, in groups that differ by their seeds alone.

Groups have their controls and their verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from archselect.benchmarks.store.facts import content_id, flatten
from archselect.benchmarks.store.records import Inputs
from archselect.benchmarks.store.traces import TraceInfo
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.figures.canvas import slugs
from archselect.reports.results.results import Results
from archselect.reports.results.wiring_quantities import SupernetWiring
from archselect.reports.wiring.verdicts import (
    GROWING,
    NO_EDGES,
    PRUNING,
    WIDTH,
    Claim,
    JudgedSeed,
    Verdict,
    has_free_edges,
)

RANDOM = "spos"
"""The optimiser that samples paths uniformly and never updates alphas."""
SINGLE_LEVEL = "all"
"""The part of the images on which alphas and weights learn together."""


@dataclass(frozen=True, eq=False)
class TracedSupernet:
    """One traced supernet."""

    seed: int
    wiring: SupernetWiring

    @property
    def id(self) -> str:
        """Its name, which is its trace's."""
        return self.wiring.trace.info.id


@dataclass(frozen=True, eq=False)
class WiringGroup:
    """Traced supernets that differ by seed only.

    Attributes:
        optimiser: with the settings that tell it from other groups.
        file: stands for the group in the names of files.
        inputs: those of the first supernet.
        supernets: in order of seeds.
        controls: those of a claim, by its name and by seed.
    """

    optimiser: str
    file: str
    inputs: Inputs
    supernets: tuple[TracedSupernet, ...]
    controls: Mapping[str, Mapping[int, TracedSupernet]]

    @property
    def name(self) -> str:
        """Optimiser, space and data."""
        return group_name(self.optimiser, self.inputs)

    @property
    def info(self) -> TraceInfo:
        """The first seed's facts of its trace; others differ in the seed alone."""
        return self.supernets[0].wiring.trace.info

    @cached_property
    def learns(self) -> bool:
        """Whether alphas ever moved; otherwise there is no evolution to judge."""
        return any(supernet.wiring.learns for supernet in self.supernets)

    @property
    def single_level(self) -> bool:
        """Whether alphas learn on the images on which weights do."""
        return self.info.parts[0] == SINGLE_LEVEL

    @property
    def claims(self) -> list[Claim]:
        """The claims that there is a rule for."""
        wiring = self.supernets[0].wiring
        free_between = has_free_edges(wiring, between=True)
        free_from_inputs = has_free_edges(wiring, between=False)
        if not self.learns or not (free_between or free_from_inputs):
            return []
        if not self.single_level:
            return [NO_EDGES] if self.inputs.supernet.recipe == "darts" else []
        if free_between and free_from_inputs:
            return [GROWING, PRUNING, WIDTH]
        return [GROWING, PRUNING]

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One for each of the :attr:`claims`."""
        return [self._judge(claim) for claim in self.claims]

    def _judge(self, claim: Claim) -> Verdict:
        judged = []
        for supernet in self.supernets:
            control = self.control(claim, supernet)
            control_wiring = control.wiring if control else None
            measured = claim.measure(supernet.wiring, control_wiring)
            judged.append(JudgedSeed(supernet.seed, measured))
        return Verdict(claim, tuple(judged))

    def control(self, claim: Claim, supernet: TracedSupernet) -> TracedSupernet | None:
        """Return the control of one of the seeds.

        None where there is none, or the claim needs none.
        """
        return self.controls.get(claim.name, {}).get(supernet.seed)


def group_name(optimiser: str, inputs: Inputs) -> str:
    """Return what a group is called: optimiser, space and data."""
    return one_line(f"{optimiser} on {inputs.space}, {inputs.data.name}")


class _Family(NamedTuple):
    """Supernets that differ by seed only, in order of seeds; inputs are the first's."""

    inputs: Inputs
    supernets: tuple[TracedSupernet, ...]

    def by_seed(self) -> dict[int, TracedSupernet]:
        """Return the supernets by their seed."""
        return {supernet.seed: supernet for supernet in self.supernets}


def wiring_groups(results: Results) -> list[WiringGroup]:
    """Return all groups of traced supernets, in the order of the report.

    Raises UserError for a trace that cannot be read.
    """
    every = _traced_families(results)
    names = _name_optimisers([family.inputs for family in every])
    titles = [
        group_name(name, family.inputs)
        for name, family in zip(names, every, strict=True)
    ]
    return [
        WiringGroup(
            optimiser=name,
            file=file,
            inputs=family.inputs,
            supernets=family.supernets,
            controls=_find_controls(family.inputs, every),
        )
        for name, file, family in zip(names, slugs(titles), every, strict=True)
    ]


def _traced_families(results: Results) -> list[_Family]:
    """Return the traced supernets that differ by seed only, in the order of records."""
    inputs_by_group: dict[str, dict[str, Inputs]] = {}
    for record in results.records:
        inputs = record.inputs
        if inputs.supernet_id in results.wirings:
            of_group = inputs_by_group.setdefault(_group_id(inputs), {})
            of_group[inputs.supernet_id] = inputs
    every = []
    for inputs_by_id in inputs_by_group.values():
        seeds = [
            TracedSupernet(inputs.supernet_seed, results.wirings[id])
            for id, inputs in inputs_by_id.items()
        ]
        first = next(iter(inputs_by_id.values()))
        in_order = sorted(seeds, key=lambda supernet: supernet.seed)
        every.append(_Family(first, tuple(in_order)))
    return every


def _group_id(inputs: Inputs) -> str:
    """Return a hash of all that determines a supernet but its seed."""
    include: Any = {
        "space": True,
        "data": True,
        "supernet": True,
        "formulations": {"supernet"},
    }
    return content_id(inputs.model_dump(mode="json", include=include))


def _find_controls(
    inputs: Inputs, every: Sequence[_Family]
) -> dict[str, dict[int, TracedSupernet]]:
    """Return the controls of supernets, by claim and seed.

    Of several groups that could be a control, the first is.
    """
    with_random_paths: dict[int, TracedSupernet] = {}
    at_one_level: dict[int, TracedSupernet] = {}
    for other in every:
        if not with_random_paths and _has_random_paths(inputs, other.inputs):
            with_random_paths = other.by_seed()
        if not at_one_level and _is_single_level(inputs, other.inputs):
            at_one_level = other.by_seed()
    return {WIDTH.name: with_random_paths, NO_EDGES.name: at_one_level}


def _has_random_paths(inputs: Inputs, other: Inputs) -> bool:
    """Return whether the other supernet is this one, trained with random paths."""
    if other.supernet.recipe != RANDOM:
        return False
    return _shared_inputs(other) == _shared_inputs(inputs)


def _is_single_level(inputs: Inputs, other: Inputs) -> bool:
    """Return whether the other supernet is this one, trained at one level."""
    if inputs.supernet.recipe != "darts" or other.supernet.recipe != "darts":
        return False
    settings = dict(inputs.supernet.settings)
    other_settings = dict(other.supernet.settings)
    settings.pop("level", None)
    if other_settings.pop("level", None) != "single":
        return False
    same_inputs = _shared_inputs(other) == _shared_inputs(inputs)
    return same_inputs and other_settings == settings


def _shared_inputs(inputs: Inputs) -> tuple[object, ...]:
    """Return all that a supernet and its control have in common but the seed."""
    formulations = {
        name: number
        for name, number in inputs.formulations.supernet.items()
        if name != "optimiser"
    }
    return inputs.space, inputs.data, inputs.supernet.skeleton, formulations


def _name_optimisers(every: Sequence[Inputs]) -> list[str]:
    """Return each group's optimiser, with the settings that tell groups apart.

    These are the settings in which it differs from others of its name on the same data.
    """
    include: Any = {"data": True, "supernet": True, "formulations": {"supernet"}}
    settings_by_title: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    titles = []
    settings = []
    for inputs in every:
        title = (_optimiser(inputs), inputs.space, inputs.data.name)
        own_settings = flatten(inputs.model_dump(mode="json", include=include))
        settings_by_title.setdefault(title, []).append(own_settings)
        titles.append(title)
        settings.append(own_settings)
    names = []
    for title, own_settings in zip(titles, settings, strict=True):
        optimiser, _, _ = title
        paths = _differing_settings(settings_by_title[title])
        parts = [
            f"{path.rpartition('.')[2]}={own_settings.get(path)}" for path in paths
        ]
        names.append(f"{optimiser} ({', '.join(parts)})" if parts else optimiser)
    return names


def _differing_settings(every: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the settings that have several values, in order of their names."""
    paths: set[str] = set()
    for settings in every:
        paths |= settings.keys()
    differing = []
    for path in sorted(paths):
        values = {str(settings.get(path)) for settings in every}
        if len(values) > 1:
            differing.append(path)
    return differing


def _optimiser(inputs: Inputs) -> str:
    """Return the recipe, and at how many levels it learns where that is a setting."""
    recipe = inputs.supernet.recipe
    level = inputs.supernet.settings.get("level")
    return f"{recipe} {level}-level" if level else recipe
