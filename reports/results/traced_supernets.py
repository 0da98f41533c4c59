"""The traced supernets of a study, in families that differ only by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from archselect.benchmarks.store.facts import content_id, flatten
from archselect.benchmarks.store.records import Inputs
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.results import Results
from archselect.reports.results.wiring_quantities import SupernetWiring


@dataclass(frozen=True, eq=False)
class TracedSupernet:
    """A traced supernet: its seed and its wiring."""

    seed: int
    wiring: SupernetWiring

    @property
    def id(self) -> str:
        """The id of the supernet and of its trace."""
        return self.wiring.trace.info.id


class SupernetFamily(NamedTuple):
    """Supernets that differ only by seed, in order of seeds; inputs are the first's."""

    inputs: Inputs
    supernets: tuple[TracedSupernet, ...]

    def by_seed(self) -> dict[int, TracedSupernet]:
        """Return the supernets by seed."""
        return {supernet.seed: supernet for supernet in self.supernets}


def traced_families(results: Results) -> list[SupernetFamily]:
    """Return the families of traced supernets, in the order of records."""
    inputs_by_family: dict[str, dict[str, Inputs]] = {}
    for record in results.records:
        inputs = record.inputs
        if inputs.supernet_id in results.wirings:
            of_family = inputs_by_family.setdefault(family_id(inputs), {})
            of_family[inputs.supernet_id] = inputs
    every = []
    for inputs_by_id in inputs_by_family.values():
        seeds = [
            TracedSupernet(inputs.supernet_seed, results.wirings[id])
            for id, inputs in inputs_by_id.items()
        ]
        first = next(iter(inputs_by_id.values()))
        in_order = sorted(seeds, key=lambda supernet: supernet.seed)
        every.append(SupernetFamily(first, tuple(in_order)))
    return every


def family_id(inputs: Inputs) -> str:
    """Return a hash of everything that determines a supernet except its seed."""
    include: Any = {
        "space": True,
        "data": True,
        "supernet": True,
        "formulations": {"supernet"},
    }
    return content_id(inputs.model_dump(mode="json", include=include))


def group_name(optimiser: str, inputs: Inputs) -> str:
    """Return the name of a group: optimiser, space and images."""
    return one_line(f"{optimiser} on {inputs.space}, {inputs.data.name}")


def name_optimisers(every: Sequence[Inputs]) -> list[str]:
    """Return each group's optimiser, with settings that make the name unique.

    These are the settings that differ between groups with the same optimiser and data.
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
        paths = differing_settings(settings_by_title[title])
        parts = [
            f"{path.rpartition('.')[2]}={own_settings.get(path)}" for path in paths
        ]
        names.append(f"{optimiser} ({', '.join(parts)})" if parts else optimiser)
    return names


def differing_settings(every: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of the settings that have several values, sorted."""
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
    """Return the recipe, with its level (such as "bi-level") if it has this setting."""
    recipe = inputs.supernet.recipe
    level = inputs.supernet.settings.get("level")
    return f"{recipe} {level}-level" if level else recipe
