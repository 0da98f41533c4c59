"""Variants of a study: made by the options of a command, and how two studies differ."""

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
    """Return a study on other data, with other supernet seeds or with more selectors.

    Reports list what differs.

    Args:
        study: to vary.
        source: name or path that the study was read from.
        data: by name or path, in place of the only one.
        supernet_seeds: in place of the study's.
        selectors: by name or as FILE.py:CLASS, beside those of the study; the others
            are compared with the first of them.

    Raises:
        UserError: the study has several data sets, or a part of the variant is wrong.
    """
    changes: dict[str, Any] = {"variant_of": study.variant_of or source}
    if data is not None:
        if len(study.data) > 1:
            raise UserError(
                f"--data stands for one data set, and study {study.name} has {len(study.data)}"
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
    """Return the keys of a study that change where it gets more selectors."""
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
    """Return every setting of a study that is not as in another, one line each.

    Titles, descriptions, tables and published numbers do not count. Spaces, data,
    supernets and selectors are matched by name or label; where each study has a single
    one, these two are matched.
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
