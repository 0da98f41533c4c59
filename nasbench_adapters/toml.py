"""Reads TOML of people: with numbers of 64 bits, as TOML has them, and not nested without end. No torch."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from archselect.nasbench_adapters.limits import MOST_DEPTH, MOST_DOTS, MOST_WHOLE_NUMBER

_DOT_OF_A_NUMBER = re.compile(r"(?<=\d)\.(?=\d)")


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table that a text is.

    Raises ValueError, in one line, if it is no TOML, if its tables and lists lie more
    than :data:`.limits.MOST_DEPTH` deep within one another, or if a whole number has
    more than 64 bits.
    """
    _check_dots(text)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # Python reads no numbers of so many digits.
        raise ValueError("a number has thousands of digits") from error
    _check(values, 0)
    return values


def _check_dots(text: str) -> None:
    """Raise ValueError for a line that could be a path of very many parts: reading one takes time beyond bounds."""
    for number, line in enumerate(text.split("\n"), start=1):
        if (
            line.count(".") > MOST_DOTS
            and _DOT_OF_A_NUMBER.sub("", line).count(".") > MOST_DOTS
        ):
            raise ValueError(f"line {number} has more than {MOST_DOTS:,} dots")


def _check(value: object, depth: int) -> None:
    """Raise ValueError if a value holds a whole number of more than 64 bits, or lies too deep."""
    if depth > MOST_DEPTH:
        raise _too_deep()
    if isinstance(value, dict):
        for part in value.values():
            _check(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check(part, depth + 1)
    elif (
        isinstance(value, int)
        and not -MOST_WHOLE_NUMBER - 1 <= value <= MOST_WHOLE_NUMBER
    ):
        raise ValueError(
            f"a whole number has more than 64 bits: it must lie within ±{MOST_WHOLE_NUMBER:,}"
        )


def _too_deep() -> ValueError:
    return ValueError(
        f"tables or lists lie more than {MOST_DEPTH} deep within one another"
    )
