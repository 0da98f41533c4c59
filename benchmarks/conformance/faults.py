"""Find faults of a selection by comparing it with its space, such as missing edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.plugins.user_files import describe_error
from archselect.nasbench_adapters.space import (
    DROPPED,
    Architecture,
    Cell,
    SearchSpace,
)
from archselect.selectors.selection import (
    Closing,
    Decision,
    EdgeScore,
    OperationScore,
    Selection,
)

Faults = Iterator[str]
"""What is wrong and how to fix it, one line each."""


Entry = OperationScore | EdgeScore | Decision | Closing
"""A part of a selection that belongs to one edge."""


class EdgeOfRound(NamedTuple):
    """An edge in one round of a search."""

    round: int
    cell: int
    edge: int


def edge_of(entry: Entry) -> EdgeOfRound:
    """Return the edge of a score, decision or closing."""
    return EdgeOfRound(entry.round, entry.cell, entry.edge)


def has_edge(space: SearchSpace, entry: Entry) -> bool:
    """Return whether the space has the edge of a score, decision or closing."""
    if not 0 <= entry.cell < len(space.cells):
        return False
    return 0 <= entry.edge < len(space.cells[entry.cell].edges)


def edge_name(space: SearchSpace, entry: Entry) -> str:
    """Return the name of an entry's edge, for messages."""
    cell = space.cells[entry.cell]
    source, target = cell.edges[entry.edge]
    return f"edge {source}→{target} of '{cell.name}'"


def target_of(space: SearchSpace, entry: Entry) -> int:
    """Return the node where the edge of a score or decision ends."""
    _, target = space.cells[entry.cell].edges[entry.edge]
    return target


def architecture_faults(space: SearchSpace, architecture: Architecture) -> Faults:
    """Yield why an architecture is not in the space."""
    edges = [len(cell.edges) for cell in space.cells]
    if [len(choices) for choices in architecture.choices] != edges:
        yield f"{architecture} has a different number of cell types or edges than the space: return search.selection()"
        return
    if space.has_supernet:
        for cell, choices in zip(space.cells, architecture.choices, strict=True):
            for node in range(cell.inputs, cell.nodes):
                yield from _node_faults(cell, choices, node)
    elif not space.valid(architecture):  # the space has its own rules
        yield f"{architecture} is not in the space: query what `search.draw()` returns"
    try:
        text = space.format(architecture)
        if space.parse(text) != architecture:
            yield f"its text {text} is parsed as another architecture"
    except (ValueError, IndexError, TypeError, UserError) as error:
        yield f"the architecture is not in the space: {describe_error(error)}"


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
            f"node {node} of '{cell.name}' has {len(live)} inputs, but the space keeps {wanted}: decide every "
            "edge, then return search.selection(), which keeps this number"
        )
    for edge in live:
        if choices[edge] not in cell.candidates(edge):
            yield (
                f"edge {cell.edges[edge]} of '{cell.name}' has operation {choices[edge]}, which no architecture "
                "may have there: choose among edge.candidates"
            )


def decision_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield decisions for missing edges or operations, or for edges decided before."""
    decided: set[EdgeOfRound] = set()
    dropped: set[EdgeOfRound] = set()
    for decision in selection.decisions:
        edge = edge_of(decision)
        drops = decision.choice == DROPPED
        if not has_edge(space, decision):
            yield f"it decides edge {edge.edge} of cell type {edge.cell}, which does not exist"
        elif not drops and not _is_operation(space, decision):
            name = edge_name(space, decision)
            yield f"it decides {name} for operation {decision.choice}, which the edge does not have"
        elif edge in dropped or (edge in decided and not drops):
            name = edge_name(space, decision)
            yield f"it decides {name} again: decide only the edges of `search.open_edges()`"
        if drops:
            dropped.add(edge)
        else:
            decided.add(edge)


def closing_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield closings of missing operations, and selections of closed operations."""
    # After the selector starts a new round, earlier closings no longer count.
    last = max((closing.round for closing in selection.closings), default=0)
    for closing in selection.closings:
        if not has_edge(space, closing):
            yield f"it closes edge {closing.edge} of cell type {closing.cell}, which does not exist"
        elif not _is_operation(space, closing):
            name = edge_name(space, closing)
            yield f"it closes operation {closing.choice} of {name}, which the edge does not have"
        elif closing.round == last and _is_selected(closing, selection.architecture):
            name = edge_name(space, closing)
            yield f"it selects operation {closing.choice} of {name}, which it closed"


def _is_selected(closing: Closing, architecture: Architecture) -> bool:
    """Return whether an architecture has a closed operation."""
    if closing.cell >= len(architecture.choices):
        return False
    row = architecture.choices[closing.cell]
    return closing.edge < len(row) and row[closing.edge] == closing.choice


def operation_score_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield scores of missing edges or operations, or after the edge's decision."""
    decided = _last_steps(selection, drops=False)
    dropped = _last_steps(selection, drops=True)
    for score in selection.operation_scores:
        edge = edge_of(score)
        if not has_edge(space, score):
            yield f"it scores edge {edge.edge} of cell type {edge.cell}, which does not exist"
        elif not _is_operation(space, score):
            name = edge_name(space, score)
            yield f"it scores operation {score.choice} of {name}, which the edge does not have"
        elif _is_after(score, decided) or _is_after(score, dropped):
            name = edge_name(space, score)
            yield f"it scores {name} after deciding it: score only the edges of `search.open_edges()`"


def edge_score_faults(space: SearchSpace, selection: Selection) -> Faults:
    """Yield scores of edges that do not end in the node, or were dropped before."""
    dropped = _last_steps(selection, drops=True)
    for score in selection.edge_scores:
        if not has_edge(space, score) or target_of(space, score) != score.node:
            yield (
                f"it scores edge {score.edge} of cell type {score.cell} as an input of node {score.node}, "
                "which it is not"
            )
        elif _is_after(score, dropped):
            name = edge_name(space, score)
            yield f"it scores {name} after dropping it: score only the edges of `search.inputs(node)`"


def _is_operation(
    space: SearchSpace, entry: OperationScore | Decision | Closing
) -> bool:
    """Return whether the edge of a score, decision or closing has its operation."""
    operations = space.cells[entry.cell].operations[entry.edge]
    return 0 <= entry.choice < len(operations)


def _last_steps(selection: Selection, drops: bool) -> dict[EdgeOfRound, int]:
    """Return the step at which each edge was dropped, or decided for an operation."""
    steps = {}
    for decision in selection.decisions:
        if (decision.choice == DROPPED) == drops:
            steps[edge_of(decision)] = decision.step
    return steps


def _is_after(score: Entry, steps: dict[EdgeOfRound, int]) -> bool:
    """Return whether a score has a later step than its edge's decision."""
    edge = edge_of(score)
    return edge in steps and score.step > steps[edge]
