"""DARTS' text form of a pair of cells, with a safe parser that executes nothing.

    Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), …], normal_concat=[2, 3,
    4, 5], reduce=[…], …)

Each node has two entries (operation, source); nodes are in order. Lists and tuples mean
the same, and `range(2, 6)` can stand for a list of numbers. JSON with the same four
keys is also accepted. The text may contain one genotype with other text around it, such
as a line of a log, and may have a terminal's line breaks anywhere.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import TypeGuard

from archselect.nasbench_adapters.errors import UserError, unknown

Entry = tuple[str, int]
"""An operation, and the number of the node that it reads."""
FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
LONGEST = 10_000
"""Largest number of characters to read; real genotypes have a few hundred."""
HIGHEST = 100
"""Highest node number to read; real node numbers have one digit."""
_START = re.compile(r"\bGenotype\s*\(")
_BRACKETS_AND_QUOTES = re.compile(r"""\\.|[()\[\]{}'"]""", re.DOTALL)
"""Brackets, quotes, and escaped characters, so that an escaped quote ends no string."""
WANTED = "malformed genotype: wanted Genotype(normal=[('operation', source), …], normal_concat=[…], …)"


@dataclass(frozen=True)
class Genotype:
    """The entries of both cells, two per node, and the nodes that are concatenated."""

    normal: tuple[Entry, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Entry, ...]
    reduce_concat: tuple[int, ...]

    def __str__(self) -> str:
        fields = (f"{name}={list(getattr(self, name))}" for name in FIELDS)
        return f"Genotype({', '.join(fields)})"


def parse_genotype(text: str) -> Genotype:
    """Return the genotype in a text.

    Raises UserError, which shows the place, if there is none, or more than one.
    """
    written = _genotype_within(text)
    if len(written) > LONGEST:
        raise UserError(
            f"malformed genotype: {len(written)} characters, more than {LONGEST}"
        )
    match _statements(written):
        case [ast.Expr(value=tree)]:
            fields = _fields(tree)
        case _:
            raise UserError(WANTED)
    missing = [name for name in FIELDS if name not in fields]
    if missing:
        raise UserError(f"malformed genotype: it lacks {', '.join(missing)}")
    return Genotype(
        _entries("normal", fields["normal"]),
        _numbers("normal_concat", fields["normal_concat"]),
        _entries("reduce", fields["reduce"]),
        _numbers("reduce_concat", fields["reduce_concat"]),
    )


def _genotype_within(text: str) -> str:
    """Return the part `Genotype(…)` of a text, or the whole text if it has none."""
    places = _places(text)
    if not places:
        return text.strip()
    if len(places) > 1:
        raise UserError(f"the text has {len(places):,} genotypes: give only one")
    return text[places[0]]


def _places(text: str) -> list[slice]:
    """Return the slice of each `Genotype(…)` in a text."""
    places = []
    start = _START.search(text)
    while start:
        end = _end_of_call(text, start.end() - 1)
        places.append(slice(start.start(), end))
        start = _START.search(text, end)
    return places


def _end_of_call(text: str, bracket: int) -> int:
    """Return the position after the bracket that closes the one at `bracket`.

    Raises UserError if there is none, as in a truncated text.
    """
    depth = 0
    quote = ""
    for match in _BRACKETS_AND_QUOTES.finditer(text, bracket):
        mark = match[0]
        if mark.startswith("\\"):
            continue
        if mark in "'\"":
            if not quote:
                quote = mark
            elif mark == quote:
                quote = ""
        elif not quote:
            depth += 1 if mark in "([{" else -1
            if depth == 0:
                return match.end()
    raise UserError(
        f"malformed genotype {text[bracket : bracket + 60]!r}: its last bracket is missing"
    )


def _statements(written: str) -> list[ast.stmt]:
    """Return the statements of a text, parsed by Python but not executed."""
    try:
        return _parsed(written)
    except SyntaxError:
        # A terminal can break a line inside a word.
        return _parsed_or_refused("".join(written.splitlines()))
    except (ValueError, RecursionError, MemoryError):
        return _parsed_or_refused(written)


def _parsed_or_refused(written: str) -> list[ast.stmt]:
    try:
        return _parsed(written)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(
            f"malformed genotype {written[:60]!r}: {_reason(error)}"
        ) from error


def _parsed(written: str) -> list[ast.stmt]:
    with warnings.catch_warnings():
        # Users need not see Python's warning about an unknown escape.
        warnings.simplefilter("ignore")
        return ast.parse(written).body


def _reason(error: BaseException) -> str:
    """Return the reason why Python cannot parse a text."""
    if isinstance(error, SyntaxError):
        return error.msg
    return "too many nested brackets, or invalid characters"


def _fields(tree: ast.expr) -> dict[str, ast.expr]:
    """Return the parts of `Genotype(name=value, …)` or `{"name": value, …}` by name."""
    fields: dict[str, ast.expr] = {}
    for name, value in _named_values(tree):
        if name not in FIELDS:
            raise unknown("part of a genotype", name, FIELDS)
        if name in fields:
            raise UserError(f"malformed genotype: {name} is given twice")
        fields[name] = value
    return fields


def _named_values(tree: ast.expr) -> list[tuple[str | None, ast.expr]]:
    """Return the keyword arguments of `Genotype(…)`, or the items of a dictionary.

    A key that is not a string becomes None.
    """
    if isinstance(tree, ast.Dict):
        keys = [_constant(key) for key in tree.keys]
        names = [key if isinstance(key, str) else None for key in keys]
        return list(zip(names, tree.values, strict=True))
    if _is_call_of(tree, "Genotype") and not tree.args:
        return [(keyword.arg, keyword.value) for keyword in tree.keywords]
    raise UserError(WANTED)


def _constant(tree: ast.expr | None) -> object:
    """Return the value of a constant; None for any other expression."""
    return tree.value if isinstance(tree, ast.Constant) else None


def _is_call_of(
    tree: ast.expr,
    name: str,
) -> TypeGuard[ast.Call]:
    return (
        isinstance(tree, ast.Call)
        and isinstance(tree.func, ast.Name)
        and tree.func.id == name
    )


def _entries(
    name: str,
    tree: ast.expr,
) -> tuple[Entry, ...]:
    """Return the entries of a cell.

    Raises UserError, which shows the place, for anything that is not an entry.
    """
    entries = []
    for place, item in enumerate(_items(name, tree)):
        parts = item.elts if isinstance(item, ast.Tuple | ast.List) else []
        values = [_constant(part) for part in parts]
        match values:
            case [str(operation), int(source)] if (
                not isinstance(source, bool) and source <= HIGHEST
            ):
                entries.append((operation, source))
            case _:
                raise UserError(
                    f"malformed genotype: entry {place} of {name} is not ('operation', source)"
                )
    return tuple(entries)


def _numbers(name: str, tree: ast.expr) -> tuple[int, ...]:
    """Return the numbers of a list or a range.

    Raises UserError for anything else.
    """
    if not _is_call_of(tree, "range") or tree.keywords:
        return tuple(_whole(name, _items(name, tree)))
    bounds = _whole(name, tree.args)
    are_small = all(0 <= bound <= HIGHEST for bound in bounds)
    if len(bounds) not in (1, 2) or not are_small:
        raise UserError(
            f"malformed genotype: {name} must be a range of a few numbers, such as range(2, 6)"
        )
    return tuple(range(*bounds))


def _items(name: str, tree: ast.expr) -> list[ast.expr]:
    """Return the items of a list or tuple; raise UserError for anything else."""
    if not isinstance(tree, ast.Tuple | ast.List):
        raise UserError(f"malformed genotype: {name} is not a list")
    return tree.elts


def _whole(name: str, trees: list[ast.expr]) -> list[int]:
    """Return whole numbers; raise UserError for anything else."""
    values = [_constant(tree) for tree in trees]
    if not all(type(value) is int for value in values):
        raise UserError(f"malformed genotype: {name} must hold whole numbers only")
    return [value for value in values if isinstance(value, int)]
