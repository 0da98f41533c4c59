"""Settings of a study that a command changes: selectors.darts-pt.tune_epochs=1."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.toml import parse_toml

_NAMES = {
    "spaces": ("label", "name"),
    "data": ("name",),
    "supernets": ("label", "recipe"),
    "selectors": ("label", "name"),
    "costs": ("name",),
}
"""Kinds of parts, and the keys whose value names a part, the first one that it has."""
_FORMS = "write seeds.KEY or KIND.NAME.KEY, where KIND is one of " + ", ".join(_NAMES)


def change_settings(
    values: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a study's values with some of them changed.

    Args:
        values: of the study's file.
        changes: by place: `seeds.KEY`, or `KIND.NAME.KEY` with a kind of parts and the
            label or name of one. KEY may lead into a table, as `skeleton.channels`.

    Raises UserError if a place names no part. Keys are not checked here.
    """
    changed = deepcopy(dict(values))
    for place, value in changes.items():
        kind, _, rest = place.partition(".")
        if kind == "seeds" and rest:
            _put(changed.setdefault("seeds", {}), rest, value, place)
        elif kind in _NAMES and "." in rest:
            part, key = _find_part(changed, kind, rest, place)
            _put(part, key, value, place)
        else:
            raise UserError(f"--set {place}: {_FORMS}")
    return changed


def _find_part(
    values: Mapping[str, Any], kind: str, rest: str, place: str
) -> tuple[dict[str, Any], str]:
    """Return the part that a place names, and the key within it.

    Names may have dots: of several that fit, the longest is meant.
    """
    parts = _parts_by_name(values, kind)
    fitting = [name for name in parts if rest.startswith(f"{name}.")]
    if not fitting:
        name = rest.rpartition(".")[0]
        raise UserError(f"--set {place}: {unknown(f'part of {kind}', name, parts)}")
    name = max(fitting, key=len)
    return parts[name], rest.removeprefix(f"{name}.")


def _parts_by_name(values: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the parts of a kind by their names; what is no part is left out."""
    parts: dict[str, dict[str, Any]] = {}
    entries = values.get(kind)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            names = [entry[key] for key in _NAMES[kind] if key in entry]
            if names:
                parts.setdefault(str(names[0]), entry)
    return parts


def _put(table: Any, key: str, value: Any, place: str) -> None:
    """Set a key of a table, or of a table in it."""
    outer, dot, inner = key.partition(".")
    if not isinstance(table, dict) or not outer:
        raise UserError(f"--set {place}: there is no table to set '{key}' in")
    if not dot:
        table[outer] = value
        return
    _put(table.setdefault(outer, {}), inner, value, place)


def format_setting(place: str, value: Any) -> str:
    """Return a change as the option --set takes it."""
    if not isinstance(value, str):
        return f"{place}={json.dumps(value)}"
    try:
        parse_toml(f"value = {value}")
    except ValueError:
        return f"{place}={value}"
    # Without quotes it would be read as a number, a truth value or a list.
    return f"{place}={json.dumps(value)}"
