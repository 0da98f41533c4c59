"""Groups of traced supernets that differ only by seed.

A group has the controls and the verdicts of its claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from archselect.benchmarks.store.records import Inputs
from archselect.benchmarks.store.traces import TraceInfo
from archselect.reports.figures.canvas import slugs
from archselect.reports.results.results import Results
from archselect.reports.results.traced_supernets import (
    SupernetFamily,
    TracedSupernet,
    group_name,
    name_optimisers,
    traced_families,
)
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
"""The part of the images that trains both alphas and weights."""


@dataclass(frozen=True, eq=False)
class WiringGroup:
    """Traced supernets that differ only by seed.

    Attributes:
        optimiser: name of the optimiser, with the settings that differ between groups.
        file: name of the group in file names.
        inputs: inputs of the first supernet.
        supernets: supernets in order of seeds.
        controls: control supernets, by name of the claim and seed.
    """

    optimiser: str
    file: str
    inputs: Inputs
    supernets: tuple[TracedSupernet, ...]
    controls: Mapping[str, Mapping[int, TracedSupernet]]

    @property
    def name(self) -> str:
        """Optimiser, space and images, as text."""
        return group_name(self.optimiser, self.inputs)

    @property
    def info(self) -> TraceInfo:
        """The information in the first seed's trace; other seeds have the same."""
        return self.supernets[0].wiring.trace.info

    @cached_property
    def learns(self) -> bool:
        """Whether the alphas changed; otherwise there is no evolution to judge."""
        return any(supernet.wiring.learns for supernet in self.supernets)

    @property
    def single_level(self) -> bool:
        """Whether alphas and weights learn from the same images."""
        return self.info.parts[0] == SINGLE_LEVEL

    @property
    def claims(self) -> list[Claim]:
        """The claims whose rules apply to this group."""
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
        """The verdict on each of the :attr:`claims`."""
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
        """Return the control of a seed; None if it is missing or not needed."""
        return self.controls.get(claim.name, {}).get(supernet.seed)


def wiring_groups(results: Results) -> list[WiringGroup]:
    """Return all groups of traced supernets, in the order of the report.

    Raises UserError for a trace that is not readable.
    """
    every = traced_families(results)
    names = name_optimisers([family.inputs for family in every])
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


def _find_controls(
    inputs: Inputs, every: Sequence[SupernetFamily]
) -> dict[str, dict[int, TracedSupernet]]:
    """Return the controls of supernets, by claim and seed.

    If several groups could be the control, use the first.
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
    """Return whether the other supernet differs only in training with random paths."""
    if other.supernet.recipe != RANDOM:
        return False
    return _shared_inputs(other) == _shared_inputs(inputs)


def _is_single_level(inputs: Inputs, other: Inputs) -> bool:
    """Return whether the other supernet differs only in single-level training."""
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
    """Return the inputs that a supernet and its control share, apart from the seed."""
    formulations = {
        name: number
        for name, number in inputs.formulations.supernet.items()
        if name != "optimiser"
    }
    return inputs.space, inputs.data, inputs.supernet.skeleton, formulations
