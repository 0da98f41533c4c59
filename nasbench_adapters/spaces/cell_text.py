"""NAS-Bench-201's text of a cell, for any cell whose nodes read all nodes before them.

    |op~0|+|op~0|op~1|+|op~0|op~1|op~2|

One group per node that is no input, joined by '+'; in it `operation~source` of every edge into the node.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import Architecture, Cell

_TERM = re.compile(r"([^~|+]+)~(\d+)")


def parse_cell(text: str, cell: Cell, title: str) -> Architecture:
    """The architecture a text names, surrounding blanks allowed.

    Args:
        cell: of one type, whose edges stand by target, then by source.
        title: what messages call the space.

    Raises UserError, saying where, if it is none.
    """

    def malformed(fault: str) -> UserError:
        form = format_cell([None] * len(cell.edges), cell)
        return UserError(f"malformed {title} cell{fault}; form: {form}")

    targets = range(cell.inputs, cell.nodes)
    nodes = text.strip().split("+")
    if len(nodes) != len(targets):
        raise malformed(f" {text!r}: wanted {len(targets)} nodes joined by '+', found {len(nodes)}")
    alike = len(set(cell.operations)) == 1
    choices: list[int] = []
    for target, node in zip(targets, nodes, strict=True):
        if not (len(node) >= 2 and node.startswith("|") and node.endswith("|")):
            raise malformed(f": node {target} is {node!r}, not within '|'")
        terms = node[1:-1].split("|")
        if len(terms) != target:
            raise malformed(f": node {target} has {len(terms)} inputs, not {target}")
        for source, term in enumerate(terms):
            match = _TERM.fullmatch(term)
            if match is None or match[2] != str(source):
                raise malformed(f": input {source} of node {target} is {term!r}, not 'operation~{source}'")
            allowed = cell.operations[len(choices)]
            if match[1] not in allowed:
                where = "" if alike else f" on edge {source}→{target}"
                raise unknown(f"{title} operation{where}", match[1], allowed)
            choices.append(allowed.index(match[1]))
    return Architecture((tuple(choices),))


def format_cell(choices: Sequence[int | None], cell: Cell) -> str:
    """The text of a cell by the choices on its edges; `op` stands for an edge without one."""
    groups: dict[int, list[str]] = {}
    for (source, target), names, choice in zip(cell.edges, cell.operations, choices, strict=True):
        groups.setdefault(target, []).append(f"{'op' if choice is None else names[choice]}~{source}")
    return "+".join(f"|{'|'.join(terms)}|" for terms in groups.values())
