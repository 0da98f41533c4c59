"""The field's text form of a DARTS cell pair, read by a parser of its own; nothing in it is ever executed.

    Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), …], normal_concat=[2, 3, 4, 5], reduce=[…], …)

Each node has two entries (operation, source), nodes in order. Lists and tuples are the same, `range(2, 6)` is accepted
for a list of numbers, a whole line `DARTS_V2 = Genotype(…)` for what it names, and JSON with these four keys.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from archselect.nasbench_adapters.errors import UserError, unknown

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
LONGEST = 10_000
"""Characters of the longest text that is read; real ones have a few hundred."""
HIGHEST = 100
"""The highest number of a node that is read; real ones have one digit."""
WANTED = "malformed genotype: wanted Genotype(normal=[('operation', source), …], normal_concat=[…], …)"


@dataclass(frozen=True)
class Genotype:
    """The entries (operation, source) of both cells, two per node, and the nodes that are concatenated."""

    normal: tuple[tuple[str, int], ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[tuple[str, int], ...]
    reduce_concat: tuple[int, ...]

    def __str__(self) -> str:
        fields = (f"{name}={list(getattr(self, name))}" for name in FIELDS)
        return f"Genotype({', '.join(fields)})"


def parse_genotype(text: str) -> Genotype:
    """The genotype a text names. Raises UserError, saying where, if it is none."""
    if len(text) > LONGEST:
        raise UserError(f"malformed genotype: {len(text)} characters, more than {LONGEST}")
    try:
        with warnings.catch_warnings():
            # What Python says of a doubtful backslash is for programmers.
            warnings.simplefilter("ignore")
            statements = ast.parse(text.strip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"malformed genotype {text.strip()[:60]!r}: {_reason(error)}") from error
    match statements:
        case [ast.Expr(value=tree) | ast.Assign(targets=[ast.Name()], value=tree)]:
            fields = dict(_fields(tree))
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


def _reason(error: BaseException) -> str:
    return error.msg if isinstance(error, SyntaxError) else "nested too deeply or with characters that no text has"


def _fields(tree: ast.expr) -> list[tuple[str, ast.expr]]:
    """The named parts of `Genotype(name=value, …)` or `{"name": value, …}`."""
    named: list[tuple[str | None, ast.expr]]
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "Genotype" and not tree.args:
        named = [(keyword.arg, keyword.value) for keyword in tree.keywords]
    elif isinstance(tree, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in tree.keys]
        named = [(key if isinstance(key, str) else None, value) for key, value in zip(keys, tree.values, strict=True)]
    else:
        raise UserError(WANTED)
    found: list[tuple[str, ast.expr]] = []
    for name, value in named:
        if name not in FIELDS:
            raise unknown("part of a genotype", name, FIELDS)
        if name in dict(found):
            raise UserError(f"malformed genotype: {name} is given twice")
        found.append((name, value))
    return found


def _entries(name: str, tree: ast.expr) -> tuple[tuple[str, int], ...]:
    entries = []
    for place, item in enumerate(_items(name, tree)):
        parts = item.elts if isinstance(item, ast.Tuple | ast.List) else []
        values = [part.value if isinstance(part, ast.Constant) else None for part in parts]
        match values:
            case [str(operation), int(source)] if not isinstance(source, bool) and source <= HIGHEST:
                entries.append((operation, source))
            case _:
                raise UserError(f"malformed genotype: entry {place} of {name} is not ('operation', source)")
    return tuple(entries)


def _numbers(name: str, tree: ast.expr) -> tuple[int, ...]:
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "range" and not tree.keywords:
        bounds = _whole(name, tree.args)
        if len(bounds) not in (1, 2) or any(not 0 <= bound <= HIGHEST for bound in bounds):
            raise UserError(f"malformed genotype: {name} is no range of a few numbers, such as range(2, 6)")
        return tuple(range(*bounds))
    return tuple(_whole(name, _items(name, tree)))


def _items(name: str, tree: ast.expr) -> list[ast.expr]:
    if not isinstance(tree, ast.Tuple | ast.List):
        raise UserError(f"malformed genotype: {name} is not a list")
    return tree.elts


def _whole(name: str, trees: list[ast.expr]) -> list[int]:
    values = [tree.value if isinstance(tree, ast.Constant) else None for tree in trees]
    if not all(type(value) is int for value in values):
        raise UserError(f"malformed genotype: {name} holds something else than whole numbers")
    return [value for value in values if isinstance(value, int)]
