"""The settings with which a selector is tried: every value of each at least once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archselect.benchmarks.plan.validation_errors import explain_validation_error
from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.base import Selector

MOST_TRIED = 1_000
"""The largest whole number with which a setting is tried.

A larger upper bound only prevents typing errors, and would take too long to try.
"""
STEPS_ABOVE_LOWEST = (0, 1, 2, 4)
"""Numbers added to the lowest value of a whole number to get the values to try."""


@dataclass(frozen=True)
class Variant:
    """A selector with settings, and text that lists the changed settings."""

    selector: Selector
    description: str


def variants_of(kind: type[Selector]) -> list[Variant]:
    """Return the selector with default settings, and with every other value of them.

    Settings are changed together if the selector accepts that; so there are only as
    many variants as the setting with the most values has.

    Args:
        kind: class of the selector. Settings in its `small` keep the value there.

    Raises:
        UserError: a setting has neither a default nor a value in `small`.
    """
    small = dict(kind.small)
    try:
        variants = [Variant(kind(**small), "with default settings")]
    except ValidationError as error:
        raise UserError(
            f"selector {kind.name} cannot be created for a check: "
            f"{explain_validation_error(error, kind)}; give its settings defaults, or "
            "values in `small`"
        ) from error
    values = _values_of_settings(kind)
    longest = max(map(len, values.values()), default=0)
    for place in range(longest):
        settings = {name: some[place % len(some)] for name, some in values.items()}
        for variant in _accepted(kind, settings):
            if all(variant.selector != other.selector for other in variants):
                variants.append(variant)
    return variants


def _values_of_settings(kind: type[Selector]) -> dict[str, list[Any]]:
    """Return the values to try, by setting, without settings that have none."""
    values = {}
    for name, field in kind.model_fields.items():
        if name in kind.small:
            continue
        some = _values(field)
        if some:
            values[name] = some
    return values


def _accepted(kind: type[Selector], settings: Mapping[str, Any]) -> Iterator[Variant]:
    """Yield the variant with all settings, or one for each if it refuses them."""
    together = _variant(kind, settings)
    if together is not None:
        yield together
        return
    for name, value in settings.items():
        alone = _variant(kind, {name: value})
        if alone is not None:
            yield alone


def _variant(kind: type[Selector], settings: Mapping[str, Any]) -> Variant | None:
    """Return the selector with settings; None if it refuses them."""
    try:
        selector = kind(**{**kind.small, **settings})
    except (ValidationError, UserError):
        return None
    description = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return Variant(selector, description)


def _values(field: FieldInfo) -> list[Any]:
    """Return the values of a setting to try.

    They are all values of a choice; a few small values and the upper bound of a whole
    number; the bounds of a float; and none for any other type.
    """
    if get_origin(field.annotation) is Literal:
        return list(get_args(field.annotation))
    if field.annotation is bool:
        return [False, True]
    lower = _bounds(field, "ge")
    upper = _bounds(field, "le")
    if field.annotation is int and lower:
        upper = [bound for bound in upper if bound <= MOST_TRIED]
        return _whole_numbers(lower[0], upper)
    if field.annotation is float:
        return [*lower, *upper]
    return []


def _bounds(field: FieldInfo, kind: Literal["ge", "le"]) -> list[Any]:
    """Return the lower ("ge") or upper ("le") bounds of a setting, if any."""
    bounds = [getattr(constraint, kind, None) for constraint in field.metadata]
    return [bound for bound in bounds if bound is not None]


def _whole_numbers(lowest: int, upper: list[int]) -> list[int]:
    """Return a few numbers starting at the lowest, and the upper bounds."""
    values = [lowest + step for step in STEPS_ABOVE_LOWEST]
    values += upper
    if not upper:
        return values
    return [value for value in values if value <= upper[0]]
