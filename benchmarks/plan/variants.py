"""Variants of a study that command options make, and how two studies differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archselect.benchmarks.plan.parts import SelectorPart
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.plan.study_checks import check_study_parts
from archselect.benchmarks.store.facts import flatten
from archselect.nasbench_adapters.errors import UserError


def make_variant(
    study: Study,
    source: str,
    *,
    data: str | None = None,
    supernet_seeds: Sequence[int] | None = None,
    selectors: Sequence[str] = (),
) -> Study:
    """Return a study with other data, other supernet seeds or more selectors.

    Reports list the differences.

    Args:
        study: the study to vary.
        source: name or path of the file of the study.
        data: name or path of the data set that replaces the study's only one.
        supernet_seeds: seeds that replace the study's.
        selectors: selectors to add, by name or as FILE.py:CLASS. The first of them is
            the reference of comparisons.

    Raises:
        UserError: the study has several data sets, or a part of the variant is wrong.
    """
    changes: dict[str, Any] = {"variant_of": study.variant_of or source}
    if data is not None:
        if len(study.data) > 1:
            raise UserError(
                f"--data replaces the only data set of a study, but study {study.name} has {len(study.data)}"
            )
        (part,) = study.data
        changes["data"] = [part.model_copy(update={"name": data})]
    if supernet_seeds is not None:
        update = {"supernet": list(supernet_seeds)}
        changes["seeds"] = study.seeds.model_copy(update=update)
    if selectors:
        changes |= _add_selectors(study, selectors)
    variant = study.model_copy(update=changes)
    check_study_parts(variant)
    return variant


def _add_selectors(study: Study, names: Sequence[str]) -> dict[str, Any]:
    """Return the keys of a study that change when selectors are added."""
    added = [SelectorPart(name=name) for name in names]
    tables = list(study.tables)
    if "differences" not in tables:
        tables.append("differences")
    return {
        "selectors": [*study.selectors, *added],
        "reference": added[0].title,
        "tables": tables,
    }


def list_differences(study: Study, standard: Study) -> list[str]:
    """Return every setting in which two studies differ, one line each.

    Titles, descriptions, tables and published numbers are ignored. Spaces, data,
    supernets and selectors are matched by name or label; if each study has only one,
    these two are matched.
    """
    settings = _settings_by_kind(study)
    standards = _settings_by_kind(standard)
    lines: list[str] = []
    for kind, ours in settings.items():
        theirs = standards[kind]
        if len(ours) == len(theirs) == 1:
            (our_part,) = ours.values()
            (their_part,) = theirs.values()
            lines += _list_changes(kind, our_part, their_part)
            continue
        for name in dict.fromkeys((*theirs, *ours)):
            if name not in theirs:
                lines.append(f"{kind} {name}: added")
            elif name not in ours:
                lines.append(f"{kind} {name}: left out")
            else:
                lines += _list_changes(f"{kind} {name}", ours[name], theirs[name])
    return lines


def _list_changes(place: str, settings: object, standard: object) -> list[str]:
    ours = flatten(settings)
    theirs = flatten(standard)
    lines = []
    for key in sorted(ours.keys() | theirs.keys()):
        our_value = ours.get(key)
        their_value = theirs.get(key)
        if our_value != their_value:
            lines.append(
                f"{place}, {key}: {_show(our_value)} in place of {_show(their_value)}"
            )
    return lines


def _settings_by_kind(study: Study) -> dict[str, dict[str, object]]:
    """Return all settings of each part, by its kind and its name or label."""
    settings: dict[str, dict[str, object]] = {
        "seeds": {"": dict(study.seeds)},
        "space": {},
        "data": {},
        "supernet": {},
        "selector": {},
        "cost": {},
    }
    for space in study.spaces:
        settings["space"][space.title] = space.model_dump()
    for data in study.data:
        settings["data"][data.name] = data.model_dump()
    for supernet in study.supernets:
        settings["supernet"][supernet.label] = dict(supernet.settings())
    for part in study.selectors:
        selector = part.build()
        settings["selector"][part.title] = selector.model_dump()
    for cost in study.costs:
        settings["cost"][cost.name] = cost.model_dump()
    return settings


def _show(value: object) -> str:
    unset = value is None or value == [] or value == {}
    return "unset" if unset else f"{value}"
