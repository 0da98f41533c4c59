"""Paths: groups that differ only in one numeric setting, in the order of its values.

An example is a set of supernets trained with different weights of a cost.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import NamedTuple

from archselect.benchmarks.store.facts import flatten
from archselect.reports.results.results import Group

_PREFIXES = ("supernet.settings.", "selector.settings.")
_CUT_NUMBER = re.compile(r"[0-9.]")
_IGNORED = {"supernet_seed", "selection_seed"}


class _Member(NamedTuple):
    """A group, and its value of the path's setting."""

    value: float
    group: Group


@dataclass(frozen=True)
class SettingPath:
    """Groups that differ in one numeric setting, in the order of its values.

    Attributes:
        name: common part of the groups' names; unique among the paths found together.
            setting: name of the setting.
            values: value of each group.
            groups: groups on the path, at least two.
    """

    name: str
    setting: str
    values: tuple[float, ...]
    groups: tuple[Group, ...]

    @property
    def title(self) -> str:
        """Name, setting and range of values, as text."""
        return f"{self.name}, {self.setting} {self.values[0]:g} to {self.values[-1]:g}"

    def value_of(self, group: Group) -> float | None:
        """Return a group's value of the setting; None if it is not on the path."""
        for value, other in zip(self.values, self.groups, strict=True):
            if other is group:
                return value
        return None


def find_paths(groups: Sequence[Group]) -> list[SettingPath]:
    """Return the paths among groups, longest first.

    A group is on at most one path, except that a group with the value 0 can begin
    several.
    """
    settings = {group.name: _settings(group) for group in groups}
    paths = [
        _path(key, members)
        for key in _numeric_keys(settings)
        for members in _alike_but_for(key, groups, settings)
    ]
    # Sort paths of one length by name, so that the order is reproducible.
    paths.sort(key=lambda path: (-len(path.groups), path.name))
    taken: set[str] = set()
    kept = []
    for path in paths:
        names = {
            group.name
            for group, value in zip(path.groups, path.values, strict=True)
            if value
        }
        if not names & taken:
            kept.append(path)
            taken |= names
    return _with_distinct_names(kept)


def _with_distinct_names(paths: Sequence[SettingPath]) -> list[SettingPath]:
    """Return the paths; rename those with equal names by first and last group."""
    counts = Counter(path.name for path in paths)
    distinct = []
    for path in paths:
        name = path.name
        if counts[name] > 1:
            name = f"{path.groups[0].name} to {path.groups[-1].name}"
        distinct.append(replace(path, name=name))
    return distinct


def _common_name(names: Sequence[str]) -> str:
    """Return the common start of names, such as "a (b)" for "a (b 0)" and "a (b 1)".

    Remove a number that the start cuts in two, and close an open bracket.
    """
    common = _common_start(names)
    rest = [name[len(common) :] for name in names]
    if any(_CUT_NUMBER.match(after) for after in rest):
        common = common.rstrip("0123456789.")
    common = common.rstrip(" (,-_=")
    return f"{common})" if common.count("(") > common.count(")") else common


def _common_start(names: Sequence[str]) -> str:
    """Return the letters that all names begin with."""
    letters = zip(*names, strict=False)
    return "".join(one[0] for one in takewhile(_are_equal, letters))


def _are_equal(letters: Sequence[str]) -> bool:
    return len(set(letters)) == 1


def _settings(group: Group) -> dict[str, Hashable]:
    """Return a group's inputs without seeds and label, flattened."""
    inputs = group.inputs.model_dump(mode="json", exclude=_IGNORED)
    del inputs["selector"]["label"]
    return {key: _hashable(value) for key, value in flatten(inputs).items()}


def _hashable(value: object) -> Hashable:
    return value if isinstance(value, Hashable) else str(value)


def _numeric_keys(settings: Mapping[str, Mapping[str, Hashable]]) -> list[str]:
    """Return the numeric settings of supernets and selectors, each once."""
    keys: dict[str, None] = {}
    for of_group in settings.values():
        for key, value in of_group.items():
            if key.startswith(_PREFIXES) and _is_number(value):
                keys[key] = None
    return list(keys)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _alike_but_for(
    key: str,
    groups: Sequence[Group],
    settings: Mapping[str, Mapping[str, Hashable]],
) -> list[list[_Member]]:
    """Return sets of groups that differ only in one setting."""
    alike: dict[frozenset[tuple[str, Hashable]], list[_Member]] = defaultdict(list)
    for group in groups:
        others = dict(settings[group.name])
        value = others.pop(key, None)
        if isinstance(value, int | float) and _is_number(value):
            alike[frozenset(others.items())].append(_Member(float(value), group))
    for joined, members in alike.items():
        for start, (first, *more) in alike.items():
            if not first.value and not more and _is_without(dict(start), dict(joined)):
                members.append(first)
    return [members for members in alike.values() if len(members) > 1]


def _is_without(start: Mapping[str, Hashable], others: Mapping[str, Hashable]) -> bool:
    """Return whether settings equal others, except for texts that are empty or missing.

    A supernet with a cost weight of 0 need not name the cost, and then has no source of
    the cost.
    """
    if start == others or start.keys() != others.keys():
        return False
    differing = [key for key in start if start[key] != others[key]]
    return all(start[key] in ("", None) for key in differing)


def _path(key: str, members: Sequence[_Member]) -> SettingPath:
    ordered = sorted(members, key=lambda member: member.value)
    # A start can belong to several paths, so the name comes from the other groups.
    names = [member.group.name for member in ordered if member.value]
    return SettingPath(
        name=_common_name(names) or ordered[0].group.inputs.selector.name,
        setting=key.rpartition(".")[2],
        values=tuple(value for value, _ in ordered),
        groups=tuple(group for _, group in ordered),
    )
