"""The faults of a selection that its space shows, such as edges that are not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.plugins.user_files import said
from archselect.nasbench_adapters.space import (
    DROPPED,
    Architecture,
    Cell,
    SearchSpace,
)
from archselect.selectors.selection import Decision, Selection

Faults = Iterator[str]
"""What is wrong and how to fix it, in one line each."""


class EdgeOfRound(NamedTuple):
    """An edge in one round of a search."""

    round: int
    cell: int
    edge: int


def edge_of(entry: Any) -> EdgeOfRound:
    """Return the edge that a score or decision is about."""
    return EdgeOfRound(entry.round, entry.cell, entry.edge)


def has_edge(space: SearchSpace, cell: int, edge: int) -> bool:
    """Return whether there is such a cell type, with such an edge."""
    if not 0 <= cell < len(space.cells):
        return False
    return 0 <= edge < len(space.cells[cell].edges)


def edge_name(space: SearchSpace, cell: int, edge: int) -> str:
    """Return an edge as messages name it."""
    source, target = space.cells[cell].edges[edge]
    return f"edge {source}→{target} of '{space.cells[cell].name}'"


def architecture_faults(space: SearchSpace, architecture: Architecture) -> Faults:
    """Yield why an architecture is none of the space."""
    edges = [len(cell.edges) for cell in space.cells]
    if [len(choices) for choices in architecture.choices] != edges:
        yield f"{architecture} has another number of cell types or edges than the space: return search.selection()"
        return
    for cell, choices in zip(space.cells, architecture.choices, strict=True):
        for node in range(cell.inputs, cell.nodes):
            yield from _node_faults(cell, choices, node)
    try:
        text = space.format(architecture)
        if space.parse(text) != architecture:
            yield f"{text} reads back as another architecture"
    except (ValueError, IndexError, TypeError, UserError) as error:
        yield f"the architecture is none of the space: {said(error)}"


def _node_faults(cell: Cell, choices: tuple[int | None, ...], node: int) -> Faults:
    """Yield what is wrong with the inputs of one node."""
    edges = cell.incoming(node)
    kept = cell.kept_inputs(node)
    wanted = len(edges)
    if kept is not None:
        wanted = min(kept, wanted)
    live = [edge for edge in edges if choices[edge] is not None]
    if len(live) != wanted:
        yield (
            f"node {node} of '{cell.name}' has {len(live)} inputs where the space keeps {wanted}: decide every "
            "edge, then return search.selection(), which keeps as many"
        )
    for edge in live:
        if choices[edge] not in cell.candidates(edge):
            yield (
                f"edge {cell.edges[edge]} of '{cell.name}' has operation {choices[edge]}, which no architecture "
                "may have there: choose among edge.candidates"
            )


def decision_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield decisions of no edge, for no operation, or of an edge decided before."""
    decided: set[EdgeOfRound] = set()
    dropped: set[EdgeOfRound] = set()
    for decision in selection.decisions:
        cell = decision.cell
        edge = decision.edge
        key = edge_of(decision)
        drops = decision.choice == DROPPED
        if not has_edge(space, cell, edge):
            yield f"it decides edge {edge} of cell type {cell}, which there is not"
        elif not drops and not _is_operation(space, decision):
            yield (
                f"it decides {edge_name(space, cell, edge)} for operation {decision.choice}, which the edge does not "
                "allow"
            )
        elif key in dropped or (key in decided and not drops):
            yield f"it decides {edge_name(space, cell, edge)} again: decide those of `search.open_edges()`"
        if drops:
            dropped.add(key)
        else:
            decided.add(key)


def operation_score_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield scores of no edge, of no operation, or after the edge's decision."""
    decided = _last_steps(selection, drops=False)
    dropped = _last_steps(selection, drops=True)
    closed = _first_closed(decided, dropped)
    for score in selection.operation_scores:
        cell = score.cell
        edge = score.edge
        if not has_edge(space, cell, edge):
            yield f"it scores edge {edge} of cell type {cell}, which there is not"
        elif not _is_operation(space, score):
            yield f"it scores operation {score.choice} of {edge_name(space, cell, edge)}, which the edge does not allow"
        elif score.step > closed.get(edge_of(score), score.step):
            yield f"it scores {edge_name(space, cell, edge)} after deciding it: score those of `search.open_edges()`"


def edge_score_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield scores of edges that do not lead into the node, or were dropped before."""
    dropped = _last_steps(selection, drops=True)
    for score in selection.edge_scores:
        cell = score.cell
        edge = score.edge
        if not has_edge(space, cell, edge) or _target(space, cell, edge) != score.node:
            yield f"it scores edge {edge} of cell type {cell} as one into node {score.node}, which it is not"
        elif score.step > dropped.get(edge_of(score), score.step):
            yield f"it scores {edge_name(space, cell, edge)} after dropping it: score those of `search.inputs(node)`"


def _target(space: SearchSpace, cell: int, edge: int) -> int:
    """Return the node that an edge leads into."""
    return space.cells[cell].edges[edge][1]


def _is_operation(space: SearchSpace, entry: Any) -> bool:
    """Return whether the edge of a score or decision has its operation."""
    operations = space.cells[entry.cell].operations[entry.edge]
    return 0 <= entry.choice < len(operations)


def _last_steps(selection: Selection, drops: bool) -> dict[EdgeOfRound, int]:
    """Return the step at which each edge was dropped, or decided for an operation."""
    decisions: list[Decision] = [
        decision
        for decision in selection.decisions
        if (decision.choice == DROPPED) == drops
    ]
    return {edge_of(decision): decision.step for decision in decisions}


def _first_closed(
    decided: dict[EdgeOfRound, int], dropped: dict[EdgeOfRound, int]
) -> dict[EdgeOfRound, int]:
    """Return the earlier step of both, by edge."""
    closed = dict(decided)
    for edge, step in dropped.items():
        closed[edge] = min(step, closed.get(edge, step))
    return closed
