"""The faults that pydantic finds in a file, in lines that users can read."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from archselect.nasbench_adapters.errors import nearest

Place = tuple[int | str, ...]
"""Where a value is in a file: keys of tables and places in lists."""


def explain_validation_error(error: ValidationError, model: type[BaseModel]) -> str:
    """Return the faults of a validation error in one line."""
    return "; ".join(list_faults(error, model))


def list_faults(
    error: ValidationError,
    model: type[BaseModel],
    within: Place = (),
) -> list[str]:
    """Return the faults of a validation error, one line each.

    A line says where the fault is, and for an unknown key which key was meant.

    Args:
        error: of the model.
        model: that was validated.
        within: where the model stands in a file.
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
        # A key that is misspelled is not missing as well.
        if fault["type"] == "extra_forbidden" or fault["loc"] in meant:
            continue
        place = _join((*within, *fault["loc"]))
        lines.append(f"{place}: {fault['msg'].removeprefix('Value error, ')}")
    return list(dict.fromkeys(lines))


def _suggest_key(hint: str | None, known: list[str]) -> str:
    if hint:
        return f": did you mean '{hint}'?"
    if known:
        return f"; known: {', '.join(known)}"
    return "; it has no settings"


def _join(place: Place) -> str:
    return ".".join(map(str, place)) or "the file"


def _find_model(model: type[BaseModel], place: Place) -> type[BaseModel]:
    """Return the model of the table at a place in a file."""
    for key in place:
        if not isinstance(key, str):
            continue
        annotation = model.model_fields[key].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next(
            kind
            for kind in inner
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return model
