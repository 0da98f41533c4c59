"""TOML of people is read, and refused in a line where it is nested without end or has numbers beyond 64 bits."""

from __future__ import annotations

import tomllib

import pytest

from archselect.nasbench_adapters.toml import parse_toml

DIGITS = "9" * 5_000
REFUSED = {
    "a number of thousands of digits": (
        f"a = {DIGITS}",
        "a number has thousands of digits",
    ),
    "the same in a list": (
        f"a = [{{ b = {DIGITS} }}]",
        "a number has thousands of digits",
    ),
    "a number of 65 bits": ("a = 9223372036854775808", "more than 64 bits"),
    "a negative one": ("a = [-9223372036854775809]", "more than 64 bits"),
    "lists": ("a = " + "[" * 1_500 + "]" * 1_500, "deeper than 100 levels"),
    "tables": ("a = " + "{a = " * 1_500 + "1" + "}" * 1_500, "deeper than 100 levels"),
    "a path": (".".join("a" * 900) + " = 1", "deeper than 100 levels"),
    "a table's path": (f"[{'.'.join('a' * 900)}]", "deeper than 100 levels"),
    "a path without end": (
        "." + "a." * 2_000_000 + "b = 1",
        "line 1 has more than 1,000 dots",
    ),
    "no TOML": ("a = = 1", "Invalid value"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused(kind: str) -> None:
    text, message = REFUSED[kind]
    with pytest.raises(ValueError, match=message) as caught:
        parse_toml(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 200


def test_what_is_read() -> None:
    numbers = ", ".join(f"{n}.5" for n in range(2_000))
    text = f'a = [{numbers}]\nb = {{ c.d = 9223372036854775807, e = -9223372036854775808 }}\nf = "{"." * 900}"\n'
    assert parse_toml(text) == tomllib.loads(text)
