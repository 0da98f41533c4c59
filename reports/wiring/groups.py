"""The traced supernets of a study: those that differ by their seeds alone, their controls and their verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

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
    Judged,
    Verdict,
    has_free,
)

RANDOM = "spos"
"""The optimiser that samples paths uniformly and never updates alphas."""
SINGLE_LEVEL = "all"
"""The part of the images on which alphas and weights learn together."""


@dataclass(frozen=True, eq=False)
class Seen:
    """One supernet."""

    seed: int
    wiring: SupernetWiring

    @property
    def id(self) -> str:
        """Its name, which is its trace's."""
        return self.wiring.trace.info.id


@dataclass(frozen=True, eq=False)
class WiringGroup:
    """Supernets that differ by seed only, in order of seeds; `controls` are those of a claim, by seed.

    `file` stands for the group in the names of files.
    """

    optimiser: str
    file: str
    inputs: Inputs
    seeds: tuple[Seen, ...]
    controls: Mapping[str, Mapping[int, Seen]]

    @property
    def name(self) -> str:
        """Optimiser, space and data."""
        return group_name(self.optimiser, self.inputs)

    @property
    def info(self) -> TraceInfo:
        """Of the first seed; of all others but the seed is the same."""
        return self.seeds[0].wiring.trace.info

    @cached_property
    def learns(self) -> bool:
        """Whether alphas ever moved: else there is no evolution to judge."""
        return any(seen.wiring.learns for seen in self.seeds)

    @property
    def single_level(self) -> bool:
        """Whether alphas learn on the images on which weights do."""
        return self.info.parts[0] == SINGLE_LEVEL

    @property
    def claims(self) -> list[Claim]:
        """Those that there is a rule for."""
        free = [has_free(self.seeds[0].wiring, between) for between in (True, False)]
        if not self.learns or not any(free):
            return []
        if self.single_level:
            return [GROWING, PRUNING, *([WIDTH] if all(free) else [])]
        return [NO_EDGES] if self.inputs.supernet.recipe == "darts" else []

    @cached_property
    def verdicts(self) -> list[Verdict]:
        """One for each of the :attr:`claims`."""
        return [
            Verdict(
                claim,
                tuple(
                    Judged(s.seed, claim.measure(s.wiring, self._control(claim, s)))
                    for s in self.seeds
                ),
            )
            for claim in self.claims
        ]

    def control(self, claim: Claim, seen: Seen) -> Seen | None:
        """The control of one of the seeds; None where there is none, or the claim needs none."""
        return self.controls.get(claim.name, {}).get(seen.seed)

    def _control(self, claim: Claim, seen: Seen) -> SupernetWiring | None:
        control = self.control(claim, seen)
        return control.wiring if control else None


def group_name(optimiser: str, inputs: Inputs) -> str:
    """Return what a group is called: optimiser, space and data."""
    return one_line(f"{optimiser} on {inputs.space}, {inputs.data.name}")


def wiring_groups(results: Results) -> list[WiringGroup]:
    """All groups of traced supernets, in the order of the report.

    Raises UserError for a trace that cannot be read.
    """
    traced: dict[str, dict[str, Inputs]] = {}
    for record in results.records:
        if record.inputs.supernet_id in results.wirings:
            traced.setdefault(_key(record.inputs), {})[record.inputs.supernet_id] = (
                record.inputs
            )
    found = []
    for supernets in traced.values():
        seeds = [
            Seen(own.supernet_seed, results.wirings[id])
            for id, own in supernets.items()
        ]
        found.append(
            (
                next(iter(supernets.values())),
                tuple(sorted(seeds, key=lambda own: own.seed)),
            )
        )
    names = _names([inputs for inputs, _ in found])
    files = slugs(
        group_name(name, inputs) for name, (inputs, _) in zip(names, found, strict=True)
    )
    return [
        WiringGroup(
            name,
            file,
            inputs,
            seeds,
            {
                WIDTH.name: _controls(found, partial(_is_random_of, inputs)),
                NO_EDGES.name: _controls(found, partial(_is_single_of, inputs)),
            },
        )
        for name, file, (inputs, seeds) in zip(names, files, found, strict=True)
    ]


def _key(inputs: Inputs) -> str:
    include: Any = {
        "space": True,
        "data": True,
        "supernet": True,
        "formulations": {"supernet"},
    }
    return content_id(inputs.model_dump(mode="json", include=include))


def _controls(
    found: Sequence[tuple[Inputs, tuple[Seen, ...]]], is_one: Callable[[Inputs], bool]
) -> dict[int, Seen]:
    """The seeds of the first group that is a control."""
    return next(
        (
            {seen.seed: seen for seen in seeds}
            for inputs, seeds in found
            if is_one(inputs)
        ),
        {},
    )


def _is_random_of(inputs: Inputs, other: Inputs) -> bool:
    return other.supernet.recipe == RANDOM and _place(other) == _place(inputs)


def _is_single_of(inputs: Inputs, other: Inputs) -> bool:
    """Whether it is the supernet at one level, its other settings the same."""
    one, two = (dict(own.supernet.settings) for own in (other, inputs))
    level = one.pop("level", None)
    two.pop("level", None)
    recipes = other.supernet.recipe, inputs.supernet.recipe
    return (
        level == "single"
        and recipes == ("darts", "darts")
        and _place(other) == _place(inputs)
        and one == two
    )


def _place(inputs: Inputs) -> tuple[object, ...]:
    """Return all that a supernet and its control have in common but the seed."""
    shared = {
        name: number
        for name, number in inputs.formulations.supernet.items()
        if name != "optimiser"
    }
    return inputs.space, inputs.data, inputs.supernet.skeleton, shared


def _names(every: Sequence[Inputs]) -> list[str]:
    """Of each group its optimiser, with the settings that tell it from others of that name on the same data."""
    plain = [_optimiser(inputs) for inputs in every]
    include: Any = {"data": True, "supernet": True, "formulations": {"supernet"}}
    flat = [flatten(own.model_dump(mode="json", include=include)) for own in every]
    names = []
    for name, own, inputs in zip(plain, flat, every, strict=True):
        same = [
            other
            for other, beside, theirs in zip(flat, every, plain, strict=True)
            if (theirs, beside.space, beside.data.name)
            == (name, inputs.space, inputs.data.name)
        ]
        differing = [
            p
            for p in sorted({p for o in same for p in o})
            if len({str(o.get(p)) for o in same}) > 1
        ]
        parts = ", ".join(
            f"{path.rpartition('.')[2]}={own.get(path)}" for path in differing
        )
        names.append(f"{name} ({parts})" if parts else name)
    return names


def _optimiser(inputs: Inputs) -> str:
    """The recipe, and at how many levels it learns where that is a setting."""
    level = inputs.supernet.settings.get("level")
    return (
        f"{inputs.supernet.recipe} {level}-level" if level else inputs.supernet.recipe
    )
