"""Features of architectures for a surrogate, computed from the space's data only.

There are two groups of features. A `choice` feature says, for an edge and an operation,
whether the edge has it. The `graph` features are, for each cell type and operation: the
number of edges from an input that have it, the number of other edges that have it, the
number of paths from an input to the output through it, and the largest number of edges
with it on one path to the output. Without any one of these, cross-validation gets worse
in some space. The depth of nodes is not a feature, because it improves
cross-validation in no space (docs/surrogates.md). This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np

from archselect.nasbench_adapters.space import NONE, Cell, SearchSpace
from archselect.nasbench_adapters.truth.choices import split_by_cell

CHUNK = 20_000
"""Number of architectures to process at once, to limit memory."""
_GRAPH = "graph "
_GRAPH_QUANTITIES = ("early", "late", "paths", "longest")
"""Counts per operation, in the order of :func:`_graph_features`."""


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
    """Return, for each name, whether the feature belongs to the group `graph`."""
    return np.array([name.startswith(_GRAPH) for name in names])


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the features of architectures.

    Args:
        space: the search space.
        rows: architectures in the form of :mod:`.choices`, (architectures, edges of all
            cell types) of int8.

    Returns:
        one column per name of :func:`feature_names`, (architectures, features) of
        float32; all values are whole numbers that float32 holds exactly.
    """
    starts = range(0, max(1, len(rows)), CHUNK)
    parts = [_features(space, rows[start : start + CHUNK]) for start in starts]
    return np.concatenate(parts)


def _features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """Return the features of architectures, at most :data:`CHUNK` of them."""
    groups = []
    cell_rows = split_by_cell(space, rows)
    for cell, part in zip(space.cells, cell_rows, strict=True):
        for edge, operations in enumerate(cell.operations):
            groups.append(part[:, [edge]] == np.arange(len(operations)))
    for cell, part in zip(space.cells, cell_rows, strict=True):
        groups.append(_graph_features(cell, part))
    return np.concatenate(groups, axis=1, dtype=np.float32)


def _operations(cell: Cell) -> list[str]:
    """Return all operations except `none`, in the order of their first occurrence."""
    distinct = dict.fromkeys(chain.from_iterable(cell.operations))
    return [operation for operation in distinct if operation != NONE]


def _graph_features(cell: Cell, rows: np.ndarray) -> np.ndarray:
    """Return the features of the group `graph` of one cell type.

    A dropped edge, or an edge with `none`, does not count.
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
    """Return which edge has which operation, (architectures, edges, operations)."""
    operations = _operations(cell)
    carried = np.zeros((*rows.shape, len(operations)))
    for edge, allowed in enumerate(cell.operations):
        for choice, operation in enumerate(allowed):
            if operation != NONE:
                place = operations.index(operation)
                carried[:, edge, place] = rows[:, edge] == choice
    return carried


def _inward_edges(cell: Cell) -> list[int]:
    """Return the edges sorted so that a node's inputs come before its outputs."""
    return sorted(range(len(cell.edges)), key=lambda edge: cell.edges[edge][1])


def _count_ways_in(cell: Cell, present: np.ndarray) -> np.ndarray:
    """Return the number of paths from an input to each node.

    The result is (architectures, nodes).
    """
    ways = np.zeros((len(present), cell.nodes))
    ways[:, : cell.inputs] = 1
    for edge in _inward_edges(cell):
        source, target = cell.edges[edge]
        ways[:, target] += present[:, edge] * ways[:, source]
    return ways


def _count_ways_out(cell: Cell, present: np.ndarray) -> np.ndarray:
    """Return the number of paths from each node to the output.

    The result is (architectures, nodes).
    """
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
    """Return the largest number of edges with each operation on one path."""
    architectures, _, operations = carried.shape
    most = np.zeros((architectures, cell.nodes, operations))
    for edge in _inward_edges(cell):
        source, target = cell.edges[edge]
        by_this_edge = most[:, source] + carried[:, edge]
        higher = np.maximum(most[:, target], by_this_edge)
        most[:, target] = np.where(present[:, [edge]], higher, most[:, target])
    return most[:, list(cell.output)].max(axis=1)
