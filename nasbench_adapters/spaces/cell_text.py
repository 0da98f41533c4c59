"""NAS-Bench-201's text of a cell, for any cell whose nodes read all earlier nodes.

    |op~0|+|op~0|op~1|+|op~0|op~1|op~2|

There is one group per node that is not an input. A group holds `operation~source` for
every edge into the node; '+' joins the groups.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import Architecture, Cell

_TERM = re.compile(r"([^~|+]+)~(\d+)")


def parse_cell(
    text: str,
    cell: Cell,
    title: str,
) -> Architecture:
    """Return the architecture that a text describes; surrounding blanks are allowed.

    Args:
        text: a text such as `|op~0|+|op~0|op~1|`.
        cell: the cell type, with edges sorted by target, then by source.
        title: name of the space in messages.

    Raises UserError, which shows the place, if the text is malformed.
    """
    targets = range(cell.inputs, cell.nodes)
    nodes = text.strip().split("+")
    if len(nodes) != len(targets):
        fault = f"wanted {len(targets)} nodes joined by '+', found {len(nodes)}"
        raise _malformed(cell, title, f" {text!r}: {fault}")
    names: list[str] = []
    for target, node in zip(targets, nodes, strict=True):
        names += _parse_node(node, target, cell, title)
    choices = []
    for edge, name in enumerate(names):
        choices.append(_choice(cell, title, edge, name))
    return Architecture((tuple(choices),))


def _parse_node(
    text: str,
    target: int,
    cell: Cell,
    title: str,
) -> list[str]:
    """Return the operations on the edges into a node."""
    if len(text) < 2 or not text.startswith("|") or not text.endswith("|"):
        raise _malformed(cell, title, f": node {target} is {text!r}, not within '|'")
    terms = text[1:-1].split("|")
    if len(terms) != target:
        raise _malformed(
            cell, title, f": node {target} has {len(terms)} inputs, not {target}"
        )
    names = []
    for source, term in enumerate(terms):
        match = _TERM.fullmatch(term)
        if match is None or match[2] != str(source):
            fault = f": input {source} of node {target} is {term!r}, not 'operation~{source}'"
            raise _malformed(cell, title, fault)
        names.append(match[1])
    return names


def _choice(
    cell: Cell,
    title: str,
    edge: int,
    name: str,
) -> int:
    """Return the index of an operation on an edge.

    Raises UserError if the edge does not allow it.
    """
    allowed = cell.operations[edge]
    if name not in allowed:
        source, target = cell.edges[edge]
        is_same_everywhere = len(set(cell.operations)) == 1
        where = "" if is_same_everywhere else f" on edge {source}→{target}"
        raise unknown(f"{title} operation{where}", name, allowed)
    return allowed.index(name)


def _malformed(
    cell: Cell,
    title: str,
    fault: str,
) -> UserError:
    """Return the error for a malformed text; its message shows the right form."""
    no_choices = [None] * len(cell.edges)
    form = format_cell(no_choices, cell)
    return UserError(f"malformed {title} cell{fault}; form: {form}")


def format_cell(
    choices: Sequence[int | None],
    cell: Cell,
) -> str:
    """Return the text of a cell, given the choices on its edges.

    An edge without a choice becomes `op`.
    """
    terms_by_target: dict[int, list[str]] = {}
    edges = zip(cell.edges, cell.operations, choices, strict=True)
    for (source, target), names, choice in edges:
        name = "op" if choice is None else names[choice]
        terms = terms_by_target.setdefault(target, [])
        terms.append(f"{name}~{source}")
    groups = ["|".join(terms) for terms in terms_by_target.values()]
    return "+".join(f"|{group}|" for group in groups)
