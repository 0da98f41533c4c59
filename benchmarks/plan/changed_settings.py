"""Change settings of a study, such as selectors.darts-pt.tune_epochs=1."""

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
"""Kinds of parts, and the keys that can name a part. The first key present counts."""
_FORMS = "write seeds.KEY or KIND.NAME.KEY, where KIND is one of " + ", ".join(_NAMES)


def change_settings(
    values: Mapping[str, Any], changes: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the values of a study with some settings changed.

    Args:
        values: the values in the study's file.
        changes: new values by place. A place is `seeds.KEY` or `KIND.NAME.KEY`: a kind
            of part, the label or name of a part, and a key, which can lead into a table
            (`skeleton.channels`).

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

    Names can contain dots. If several names match, the longest wins.
    """
    parts = _parts_by_name(values, kind)
    fitting = [name for name in parts if rest.startswith(f"{name}.")]
    if not fitting:
        name = rest.rpartition(".")[0]
        raise UserError(f"--set {place}: {unknown(f'part of {kind}', name, parts)}")
    name = max(fitting, key=len)
    return parts[name], rest.removeprefix(f"{name}.")


def _parts_by_name(values: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the parts of a kind by name; entries that are no parts are left out."""
    parts: dict[str, dict[str, Any]] = {}
    entries = values.get(kind)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            names = [entry[key] for key in _NAMES[kind] if key in entry]
            if names:
                parts.setdefault(str(names[0]), entry)
    return parts


def _put(table: Any, key: str, value: Any, place: str) -> None:
    """Set a key of a table, or of a nested table."""
    outer, dot, inner = key.partition(".")
    if not isinstance(table, dict) or not outer:
        raise UserError(
            f"--set {place}: cannot set '{key}': there is no table at this place"
        )
    if not dot:
        table[outer] = value
        return
    _put(table.setdefault(outer, {}), inner, value, place)


def format_setting(place: str, value: Any) -> str:
    """Return a change in the form that the option --set takes."""
    if not isinstance(value, str):
        return f"{place}={json.dumps(value)}"
    try:
        parse_toml(f"value = {value}")
    except ValueError:
        return f"{place}={value}"
    # Without quotes it would be read as a number, a boolean or a list.
    return f"{place}={json.dumps(value)}"
