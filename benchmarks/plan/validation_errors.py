"""Turn the faults that pydantic finds in a file into lines that users can read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from archselect.nasbench_adapters.errors import nearest

Place = tuple[int | str, ...]
"""The place of a value in a file: keys of tables and positions in lists."""
TAGGED = "from "
"""The prefix of the tags of unions, which pydantic adds to places."""


def explain_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the faults of a validation error in one line."""
    return "; ".join(list_faults(error, model))


def list_faults(
    error: ValidationError,
    model: type[BaseModel],
    within: Place = (),
) -> list[str]:
    """Return the faults of a validation error, one line each.

    A line says where the fault is. For an unknown key it suggests the nearest key.

    Args:
        error: the error of the model.
        model: the model that was validated.
        within: place of the model in a file.
    """
    lines: list[str] = []
    meant: set[Place] = set()
    for fault in error.errors():
        if fault["type"] != "extra_forbidden":
            continue
        *table, key = fault["loc"]
        known = list(_find_model(model, tuple(table)).model_fields)
        hint = nearest(str(key), known)
        if hint:
            meant.add((*table, hint))
        place = _join((*within, *fault["loc"]))
        lines.append(f"unknown key '{place}'{_suggest_key(hint, known)}")
    for fault in error.errors():
        # A misspelled key is not also a missing key.
        if fault["type"] == "extra_forbidden" or fault["loc"] in meant:
            continue
        place = _join((*within, *fault["loc"]))
        lines.append(f"{place}: {_message(fault)}")
    return list(dict.fromkeys(lines))


def _message(fault: Any) -> str:
    """Return text that says what is wrong."""
    if fault["type"] == "union_tag_invalid":
        tag = fault["ctx"]["tag"].removeprefix(TAGGED)
        tags = fault["ctx"]["expected_tags"].replace(TAGGED, "")
        return f"unknown source '{tag}'; known: {tags}"
    return str(fault["msg"]).removeprefix("Value error, ")


def _suggest_key(hint: str | None, known: list[str]) -> str:
    if hint:
        return f": did you mean '{hint}'?"
    if known:
        return f"; known: {', '.join(known)}"
    return "; it has no settings"


def _join(place: Place) -> str:
    shown = [str(key) for key in place if not str(key).startswith(TAGGED)]
    return ".".join(shown) or "the file"


def _find_model(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """Return the model of the table at a place in a file."""
    choices: dict[str | None, type[BaseModel]] = {None: model}
    for key in place:
        if not isinstance(key, str):
            continue
        if key in choices:
            choices = {None: choices[key]}
            continue
        (model,) = choices.values()
        choices = dict(_models_of(model.model_fields[key].annotation))
    return next(iter(choices.values()))


def _models_of(
    annotation: Any, tag: str | None = None
) -> Iterator[tuple[str | None, type[BaseModel]]]:
    """Yield the models that a value can have, each with its tag (or None)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield tag, annotation
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        parts, tags = parts[:1], [one for one in parts[1:] if isinstance(one, Tag)]
        tag = tags[0].tag if tags else tag
    for part in parts:
        yield from _models_of(part, tag)
