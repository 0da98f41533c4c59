"""Accuracies of every method on every landscape, for rankings.

A method is a label of the study: a selector with its supernet. A block is a landscape
with one search on it: a truth's column, the space, the images and the skeleton.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

from archselect.benchmarks.store.facts import content_id
from archselect.benchmarks.store.records import Landscape
from archselect.nasbench_adapters.foreign_text import one_line
from archselect.reports.results.metrics import accuracy_by_seed, is_random_sample
from archselect.reports.results.results import Group, Results


@dataclass(frozen=True)
class MethodBlock:
    """The accuracies of methods on one landscape.

    Attributes:
        title: title of the landscape, with the search if there are several.
        accuracies: mean accuracy over seeds in per cent, by method; for the random
            selector, the exact expectation if it is known.
        random: accuracy of a random cell, in per cent; None if it is not known.
        landscape: id of the landscape.
        groups: runs of each method.
    """

    title: str
    accuracies: dict[str, float]
    random: float | None
    landscape: str = ""
    groups: Mapping[str, Group] = field(default_factory=dict, repr=False)


class _BlockKey(NamedTuple):
    """The search that the groups of a block share."""

    space: str
    data: str
    skeleton: str


def find_blocks(results: Results) -> list[MethodBlock]:
    """Return the blocks with a known accuracy, in the study's order."""
    blocks = []
    for landscape in results.landscapes:
        searches = _split_by_search(results, landscape)
        for groups in searches:
            title = results.title(landscape)
            if len(searches) > 1:
                title = f"{title}, {_describe(groups[0])}"
            blocks.append(_make_block(title, landscape, groups))
    return blocks


def methods_of(blocks: Sequence[MethodBlock]) -> list[str]:
    """Return the methods of all blocks, in the order of their first block."""
    methods: dict[str, None] = {}
    for block in blocks:
        methods |= dict.fromkeys(block.accuracies)
    return list(methods)


def _split_by_search(results: Results, landscape: Landscape) -> list[list[Group]]:
    """Return the groups with a known accuracy, one list per search."""
    by_key: dict[_BlockKey, list[Group]] = defaultdict(list)
    for group in results.groups:
        if accuracy_by_seed(landscape, group):
            key = _BlockKey(
                space=group.inputs.space,
                data=content_id(group.inputs.data.model_dump(mode="json")),
                skeleton=content_id(group.inputs.supernet.skeleton),
            )
            by_key[key].append(group)
    return list(by_key.values())


def _describe(group: Group) -> str:
    """Return a description of a group's search: space, images, skeleton."""
    skeleton = group.inputs.supernet.skeleton
    settings = [f"{name}={value}" for name, value in skeleton.items()]
    parts = [group.inputs.space, group.inputs.data.name, *settings]
    return one_line(" ".join(parts))


def _make_block(
    title: str,
    landscape: Landscape,
    groups: Sequence[Group],
) -> MethodBlock:
    """Return the block of groups that all have a known accuracy."""
    accuracies = {}
    by_label = {}
    drawn = []
    for group in groups:
        accuracy = fmean(accuracy_by_seed(landscape, group).values())
        if is_random_sample(landscape, group):
            assert landscape.mean is not None
            accuracy = landscape.mean
        if group.uniform:
            drawn.append(accuracy)
        accuracies[group.label] = accuracy
        by_label[group.label] = group
    random = landscape.mean
    if random is None and drawn:
        random = fmean(drawn)
    return MethodBlock(title, accuracies, random, landscape.id, by_label)
