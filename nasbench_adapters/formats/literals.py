"""A safe reader of lists, tuples, dictionaries and numbers in JSON or Python.

It executes nothing, and limits the length of a text.
"""

from __future__ import annotations

import ast
import json
import warnings

LONGEST = 10_000
"""Largest number of characters to read; real texts have a few hundred."""


class NoLiteral(ValueError):
    """A text is neither JSON nor a Python literal. The message is the reason."""


def read_literal(text: str) -> object:
    """Return the value of a text, with lists for tuples.

    Raises NoLiteral, with the reason, if the text is too long, is not a literal, or has
    a key of a dictionary twice.
    """
    if len(text) > LONGEST:
        raise NoLiteral(f"{len(text):,} characters, more than {LONGEST:,}")
    try:
        with warnings.catch_warnings():
            # Users need not see Python's warning about an unknown escape.
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip(), mode="eval").body
            return _value_of(tree)
    except SyntaxError as error:
        raise NoLiteral(error.msg) from error
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, NoLiteral):
            raise
        raise NoLiteral(
            "it is nested too deeply, or holds control characters"
        ) from error


def _value_of(tree: ast.expr) -> object:
    """Return the value of an expression; raise NoLiteral for anything but a literal."""
    match tree:
        case ast.Constant(value=value) if type(value) in (int, str):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value_of(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return _dictionary(keys, values)
    raise NoLiteral("it holds something that is neither a whole number nor a text")


def _dictionary(
    keys: list[ast.expr | None], values: list[ast.expr]
) -> dict[str, object]:
    """Return a dictionary of texts to values; raise NoLiteral for a key given twice."""
    dictionary: dict[str, object] = {}
    for key, value in zip(keys, values, strict=True):
        name = None if key is None else _value_of(key)
        if not isinstance(name, str):
            raise NoLiteral("a key is not a text")
        if name in dictionary:
            raise NoLiteral(f"{name!r} is given twice")
        dictionary[name] = _value_of(value)
    return dictionary


def whole_numbers(value: object, count: int | None = None) -> list[int]:
    """Return a list of whole numbers.

    Args:
        value: Result of :func:`read_literal`.
        count: Wanted number of numbers; None for any.

    Raises NoLiteral for any other value.
    """
    is_list = isinstance(value, list) and all(type(item) is int for item in value)
    if not is_list or count not in (None, len(value)):  # type: ignore[arg-type]
        number = "" if count is None else f"{count} "
        raise NoLiteral(
            f"{json.dumps(value)[:60]} is not a list of {number}whole numbers"
        )
    return value  # type: ignore[return-value]
