"""Architectures as rows of numbers for a surrogate, from the space's own data alone.

No torch here.

The features are of two groups. `choice`: per edge and operation, whether the edge
carries it. `graph`: per cell type and operation, on how many edges out of an input it
is, on how many other edges, how many paths from an input to the output run through it,
and the most edges that carry it on one path to the output. Without any of these,
cross-validation is worse in some space. The depth of nodes is no feature, because
cross-validation is worse without it in no space; see docs/surrogates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from archselect.nasbench_adapters.space import NONE, Cell, SearchSpace
from archselect.nasbench_adapters.truth.choices import split_by_cell

CHUNK = 20_000
"""Architectures that are worked on at once, so that memory stays bounded."""
_GRAPH = "graph "
_GRAPH_QUANTITIES = ("early", "late", "paths", "longest")
"""What is counted per operation, in the order of :func:`_graph_features`."""


def feature_names(space: SearchSpace) -> list[str]:
    """Return one name per feature, in the order of :func:`features`."""
    names = []
    for cell in space.cells:
        for edge, operations in zip(cell.edges, cell.operations, strict=True):
            source, target = edge
            prefix = f"choice {cell.name} {source}-{target}"
            names += [f"{prefix} {operation}" for operation in operations]
    for cell in space.cells:
        for quantity in _GRAPH_QUANTITIES:
            prefix = f"{_GRAPH}{cell.name} {quantity}"
            names += [f"{prefix} {operation}" for operation in _operations(cell)]
    return names


def is_graph(names: Sequence[str]) -> np.ndarray:
    """Return which features are of the group `graph`: bool, one per name."""
    return np.array([name.startswith(_GRAPH) for name in names])


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the features of architectures.

    Args:
        space: of the architectures.
        rows: int8, architectures × edges of all cell types; see :mod:`.choices`.

    Returns:
        float32, architectures × :func:`feature_names`; every value is a whole number
        that float32 holds exactly.
    """
    starts = range(0, max(1, len(rows)), CHUNK)
    parts = [_features(space, rows[start : start + CHUNK]) for start in starts]
    return np.concatenate(parts)


def _features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the features of few enough architectures."""
    groups = []
    cell_rows = split_by_cell(space, rows)
    for cell, part in zip(space.cells, cell_rows, strict=True):
        for edge, operations in enumerate(cell.operations):
            groups.append(part[:, [edge]] == np.arange(len(operations)))
    for cell, part in zip(space.cells, cell_rows, strict=True):
        groups.append(_graph_features(cell, part))
    return np.concatenate(groups, axis=1, dtype=np.float32)


def _operations(cell: Cell) -> list[str]:
    """Return the operations that carry anything, in order of first appearance."""
    distinct = dict.fromkeys(chain.from_iterable(cell.operations))
    return [operation for operation in distinct if operation != NONE]


def _graph_features(cell: Cell, rows: np.ndarray) -> np.ndarray:
    """Return the features of the group `graph` of one cell type.

    An edge that is dropped or carries `none` counts as no edge.
    """
    carried = _carried_operations(cell, rows)
    present = np.asarray(carried.any(axis=2))
    sources, targets = np.array(cell.edges).T
    ways_in = _count_ways_in(cell, present)
    ways_out = _count_ways_out(cell, present)
    paths = ways_in[:, sources] * ways_out[:, targets]
    early = sources < cell.inputs
    quantities = [
        carried[:, early].sum(axis=1),
        carried[:, ~early].sum(axis=1),
        np.einsum("ae,aeo->ao", paths, carried),
        _most_on_one_path(cell, carried, present),
    ]
    return np.concatenate(quantities, axis=1)


def _carried_operations(cell: Cell, rows: np.ndarray) -> np.ndarray:
    """Return which operation is on which edge: architectures × edges × operations."""
    operations = _operations(cell)
    carried = np.zeros((*rows.shape, len(operations)))
    for edge, allowed in enumerate(cell.operations):
        for choice, operation in enumerate(allowed):
            if operation != NONE:
                place = operations.index(operation)
                carried[:, edge, place] = rows[:, edge] == choice
    return carried


def _inward_edges(cell: Cell) -> list[int]:
    """Return the edges so that those into a node precede those out of it."""
    return sorted(range(len(cell.edges)), key=lambda edge: cell.edges[edge][1])


def _count_ways_in(cell: Cell, present: np.ndarray) -> np.ndarray:
    """Return how many paths lead from an input to a node: architectures × nodes."""
    ways = np.zeros((len(present), cell.nodes))
    ways[:, : cell.inputs] = 1
    for edge in _inward_edges(cell):
        source, target = cell.edges[edge]
        ways[:, target] += present[:, edge] * ways[:, source]
    return ways


def _count_ways_out(cell: Cell, present: np.ndarray) -> np.ndarray:
    """Return how many paths lead from a node to the output: architectures × nodes."""
    ways = np.zeros((len(present), cell.nodes))
    ways[:, list(cell.output)] = 1
    outward = sorted(_inward_edges(cell), key=lambda edge: -cell.edges[edge][0])
    for edge in outward:
        source, target = cell.edges[edge]
        ways[:, source] += present[:, edge] * ways[:, target]
    return ways


def _most_on_one_path(
    cell: Cell, carried: np.ndarray, present: np.ndarray
) -> np.ndarray:
    """Return on how many edges of one path to the output each operation is at most."""
    architectures, _, operations = carried.shape
    most = np.zeros((architectures, cell.nodes, operations))
    for edge in _inward_edges(cell):
        source, target = cell.edges[edge]
        by_this_edge = most[:, source] + carried[:, edge]
        higher = np.maximum(most[:, target], by_this_edge)
        most[:, target] = np.where(present[:, [edge]], higher, most[:, target])
    return most[:, list(cell.output)].max(axis=1)
