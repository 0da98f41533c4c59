"""Comparisons of two values of one setting, with all other settings equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archselect.benchmarks.store.facts import content_id
from archselect.reports.alphas.groups import AlphaGroup

BySeed = Mapping[int, float]
"""One value per supernet seed."""


@dataclass(frozen=True)
class Contrast:
    """Two values of one setting to compare.

    Attributes:
        setting: name of the setting.
        treated: value that the claim is about.
        control: value to compare with; records without the setting count as control.
        follows: settings that depend on the value and may differ with it.
        among: required values of other settings.
    """

    setting: str
    treated: str
    control: str
    follows: tuple[str, ...] = ()
    among: tuple[tuple[str, str], ...] = ()


class GroupPair(NamedTuple):
    """Two groups that differ only in one setting and those that depend on it."""

    treated: AlphaGroup
    control: AlphaGroup


class ValuePair(NamedTuple):
    """The values of one measure on both sides of a pair, by seed."""

    ours: BySeed
    theirs: BySeed


def contrast_pairs(
    groups: Sequence[AlphaGroup], contrast: Contrast
) -> dict[str, list[GroupPair]]:
    """Return the pairs of a contrast by space and images, in the order of groups."""
    controls: dict[str, list[AlphaGroup]] = {}
    for group in groups:
        if group.setting(contrast.setting, contrast.control) == contrast.control:
            controls.setdefault(_all_else(group, contrast), []).append(group)
    pairs: dict[str, list[GroupPair]] = {}
    for group in groups:
        if not _is_treated(group, contrast):
            continue
        for control in controls.get(_all_else(group, contrast), []):
            pairs.setdefault(group.place, []).append(GroupPair(group, control))
    return pairs


def _is_treated(group: AlphaGroup, contrast: Contrast) -> bool:
    if group.setting(contrast.setting) != contrast.treated:
        return False
    return all(group.setting(name) == value for name, value in contrast.among)


def _all_else(group: AlphaGroup, contrast: Contrast) -> str:
    """Return a hash of everything that must be equal on both sides."""
    inputs = group.inputs
    apart = {contrast.setting, *contrast.follows}
    settings = {
        name: value
        for name, value in inputs.supernet.settings.items()
        if name not in apart
    }
    return content_id(
        [
            inputs.space,
            inputs.data.model_dump(mode="json"),
            inputs.supernet.recipe,
            inputs.supernet.skeleton,
            settings,
            inputs.formulations.supernet,
        ]
    )


def deviations(pair: ValuePair) -> ValuePair:
    """Return each value's distance from the median of its side.

    Use only seeds that both sides have.
    """
    seeds = sorted(pair.ours.keys() & pair.theirs.keys())
    return ValuePair(_deviations(pair.ours, seeds), _deviations(pair.theirs, seeds))


def _deviations(values: BySeed, seeds: Sequence[int]) -> dict[int, float]:
    if not seeds:
        return {}
    median = float(np.median([values[seed] for seed in seeds]))
    return {seed: abs(values[seed] - median) for seed in seeds}


def combine(
    ours: BySeed, theirs: BySeed, rule: Callable[[float, float], float]
) -> dict[int, float]:
    """Return `rule` of two values, for every seed that has both."""
    seeds = sorted(ours.keys() & theirs.keys())
    return {seed: rule(ours[seed], theirs[seed]) for seed in seeds}


def average(pairs: Sequence[ValuePair]) -> ValuePair:
    """Return each seed's mean over the pairs in which both sides have the seed.

    The pairs of one seed share initial weights and batches, so they are not independent
    trials: a seed counts as one value.
    """
    ours: dict[int, list[float]] = {}
    theirs: dict[int, list[float]] = {}
    for pair in pairs:
        for seed in pair.ours.keys() & pair.theirs.keys():
            ours.setdefault(seed, []).append(pair.ours[seed])
            theirs.setdefault(seed, []).append(pair.theirs[seed])
    return ValuePair(_means(ours), _means(theirs))


def _means(values: Mapping[int, Sequence[float]]) -> dict[int, float]:
    return {seed: float(np.mean(values[seed])) for seed in sorted(values)}
