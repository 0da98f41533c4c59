"""Spaces whose names delete, fix or restrict edges.

So the restriction is part of every record and every id. After the name of the space,
the operations of some edges follow::


    minimal:2-3=none                          the edge from node 2 to node 3 is deleted
    minimal:0-2=skip_connect                  an edge is fixed
    minimal:0-2=none+sep_conv_3x3,2-3=none    several edges, each with the operations
    that it keeps

Such a name works wherever the name of a space does: in a study, in
`archselect check --space`, in :func:`.get_space`. There is one way to write it: edges
and operations in the space's order, no blanks, no edge that keeps all its operations.
An edge with one operation has no choice, but it is part of architectures and of their
texts. Operations are numbered among those that their edge keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import ClassVar

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import Cell, SearchSpace


class RestrictableSpace(SearchSpace):
    """A space of one cell type that can be restricted.

    Args:
        restrictions: the part of the name after the colon; None for the whole space.

    Raises UserError for restrictions that do not fit the space, or that are not written
    in the standard way.
    """

    whole: ClassVar[Cell]
    """The cell without restrictions."""

    def __init__(self, restrictions: str | None = None) -> None:
        cell = self.whole
        if restrictions is not None:
            cell = restrict(cell, self.name, restrictions)
            self.name = f"{self.name}:{restrictions}"
        self.cells = (cell,)


def restrict(
    whole: Cell,
    space: str,
    text: str,
) -> Cell:
    """Return a cell whose edges keep only the operations named in a text.

    Args:
        whole: the cell without restrictions.
        space: name of the space, for messages.
        text: the part of the name after the colon.

    Raises UserError for an edge or operation that is unknown or occurs twice, and for a
    text that is not written in the standard way.
    """
    edges = [f"{source}-{target}" for source, target in whole.edges]
    allowed = dict(zip(edges, whole.operations, strict=True))
    kept = _parse_restrictions(text, allowed, space)
    in_order = {}
    restrictions = []
    for edge, names in allowed.items():
        in_order[edge] = _in_order(names, kept.get(edge, names))
        if in_order[edge] != names:
            restrictions.append(f"{edge}={'+'.join(in_order[edge])}")
    form = ",".join(restrictions)
    if text != form:
        wanted = f"{space}:{form}" if form else space
        raise UserError(f"space '{space}:{text}' has a standard name: write '{wanted}'")
    return replace(whole, operations=tuple(in_order.values()))


def _in_order(
    names: Sequence[str],
    kept: Collection[str],
) -> tuple[str, ...]:
    """Return the names that are kept, in the order of `names`."""
    return tuple(name for name in names if name in kept)


def _parse_restrictions(
    text: str,
    allowed: dict[str, tuple[str, ...]],
    space: str,
) -> dict[str, list[str]]:
    """Return the operations that each restricted edge keeps."""
    kept: dict[str, list[str]] = {}
    for part in text.split(","):
        edge, _, joined = (piece.strip() for piece in part.partition("="))
        if not edge or not joined:
            raise _incomplete(part, text, allowed, space)
        if edge not in allowed:
            raise unknown(f"edge of space {space}", edge, allowed)
        if edge in kept:
            raise UserError(
                f"space {space}:{text}: edge {edge} occurs twice; write it once, with its operations joined by '+'"
            )
        names = [name.strip() for name in joined.split("+")]
        kept[edge] = names
        for name in names:
            if name not in allowed[edge]:
                title = f"operation of space {space} on edge {edge}"
                raise unknown(title, name, allowed[edge])
            if names.count(name) > 1:
                raise UserError(
                    f"space {space}:{text}: edge {edge} has {name} twice; write it once"
                )
    return kept


def _incomplete(
    part: str,
    text: str,
    allowed: dict[str, tuple[str, ...]],
    space: str,
) -> UserError:
    """Return the error for a part that restricts no edge, with an example."""
    last_edge = list(allowed)[-1]
    names = allowed[last_edge]
    example = f"{space}:{last_edge}={names[0]}"
    return UserError(
        f"space {space}:{text}: {part!r} restricts no edge; write an edge and the operations it keeps, "
        f"such as {example}"
    )
