"""A reader of TOML that limits numbers to 64 bits and nesting to a depth."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from archselect.nasbench_adapters.limits import MOST_DEPTH, MOST_DOTS, MOST_WHOLE_NUMBER

_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text.

    Raises ValueError, with a message of one line, if the text is not TOML, if tables
    and lists nest deeper than :data:`.limits.MOST_DEPTH`, or if a whole number has more
    than 64 bits.
    """
    _check_dots(text)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        # Python refuses to parse numbers with so many digits.
        raise ValueError("a number has thousands of digits") from error
    _check_value(values, 0)
    return values


def _check_dots(text: str) -> None:
    """Raise ValueError for a line that may hold a key of very many parts.

    Parsing such a key could take very long.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") <= MOST_DOTS:
            continue
        without_decimal_points = _DECIMAL_POINT.sub("", line)
        if without_decimal_points.count(".") > MOST_DOTS:
            raise ValueError(f"line {number} has more than {MOST_DOTS:,} dots")


def _check_value(value: object, depth: int) -> None:
    """Raise ValueError if a value nests too deep, or holds too large a number."""
    if depth > MOST_DEPTH:
        raise _too_deep()
    if isinstance(value, dict):
        for part in value.values():
            _check_value(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _check_value(part, depth + 1)
    elif isinstance(value, int):
        _check_whole_number(value)


def _check_whole_number(value: int) -> None:
    if not -MOST_WHOLE_NUMBER - 1 <= value <= MOST_WHOLE_NUMBER:
        raise ValueError(
            "a whole number has more than 64 bits: it must lie within "
            f"±{MOST_WHOLE_NUMBER:,}"
        )


def _too_deep() -> ValueError:
    return ValueError(f"tables or lists are nested deeper than {MOST_DEPTH} levels")
