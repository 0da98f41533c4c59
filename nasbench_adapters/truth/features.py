"""Architectures as rows of numbers for a surrogate, from nothing but the space's own data. No torch here.

Two groups. `choice`: per edge and operation, whether the edge carries it. `graph`: per
cell type and operation, how often it is on an edge out of an input, how often on
another edge, how many paths from an input to the output run through it, and on how many
edges of one path to the output it is at most. Each was kept because cross-validation is
worse without it in some space, and the depth of nodes left out because it is worse
without it in none; see docs/surrogates.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archselect.nasbench_adapters.space import NONE, Architecture, Cell, SearchSpace
from archselect.nasbench_adapters.truth.table import flatten

CHUNK = 20_000
"""Architectures that are worked on at once."""


def rows_of(space: SearchSpace, architectures: Sequence[Architecture]) -> np.ndarray:
    """The representatives of architectures as rows of a table: int8, architectures × edges of all cell types.

    Equal functions get equal rows, and so equal features and predictions.
    """
    return np.stack(
        [flatten(space.canonical(architecture)) for architecture in architectures]
    )


def feature_names(space: SearchSpace) -> list[str]:
    """One name per feature; those that begin with `choice` are the first group."""
    names = [
        f"choice {cell.name} {source}-{target} {name}"
        for cell in space.cells
        for (source, target), allowed in zip(cell.edges, cell.operations, strict=True)
        for name in allowed
    ]
    names += [
        f"graph {cell.name} {what} {name}"
        for cell in space.cells
        for what in ("early", "late", "paths", "longest")
        for name in _operations(cell)
    ]
    return names


def features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    """The features of architectures given as rows of a table's `choices`.

    Args:
        rows: int8, architectures × edges of all cell types.

    Returns:
        float32, architectures × :func:`feature_names`; every value is a whole number
        that float32 holds exactly.
    """
    parts = range(0, max(1, len(rows)), CHUNK)
    return np.concatenate(
        [_features(space, rows[start : start + CHUNK]) for start in parts]
    )


def _features(space: SearchSpace, rows: np.ndarray) -> np.ndarray:
    parts = np.split(
        rows, np.cumsum([len(cell.edges) for cell in space.cells])[:-1], axis=1
    )
    choices = [
        part[:, [edge]] == np.arange(len(allowed))
        for cell, part in zip(space.cells, parts, strict=True)
        for edge, allowed in enumerate(cell.operations)
    ]
    graphs = [_graph(cell, part) for cell, part in zip(space.cells, parts, strict=True)]
    return np.concatenate([*choices, *graphs], axis=1, dtype=np.float32)


def is_graph(names: Sequence[str]) -> np.ndarray:
    """Which of the named features are of the second group."""
    return np.array([name.startswith("graph ") for name in names])


def _operations(cell: Cell) -> list[str]:
    """The operations of a cell type that carry anything, in order of first appearance."""
    return [
        name
        for name in dict.fromkeys(
            name for allowed in cell.operations for name in allowed
        )
        if name != NONE
    ]


def _graph(cell: Cell, rows: np.ndarray) -> np.ndarray:
    """The four numbers per operation; an edge that is dropped or carries `none` is no edge."""
    names = _operations(cell)
    # (architectures, edges, operations): which operation is on which edge.
    on = np.zeros((*rows.shape, len(names)))
    for edge, allowed in enumerate(cell.operations):
        for choice, name in enumerate(allowed):
            if name != NONE:
                on[:, edge, names.index(name)] = rows[:, edge] == choice
    live = np.asarray(on.any(axis=2))
    inward = sorted(range(len(cell.edges)), key=lambda edge: cell.edges[edge][1])
    longest = np.zeros((len(rows), cell.nodes, len(names)))
    ways_in = np.zeros((len(rows), cell.nodes))
    ways_in[:, : cell.inputs] = 1
    for edge in inward:
        source, target = cell.edges[edge]
        through = np.maximum(longest[:, target], longest[:, source] + on[:, edge])
        longest[:, target] = np.where(live[:, [edge]], through, longest[:, target])
        ways_in[:, target] += live[:, edge] * ways_in[:, source]
    ways_out = np.zeros((len(rows), cell.nodes))
    ways_out[:, list(cell.output)] = 1
    for edge in sorted(inward, key=lambda edge: -cell.edges[edge][0]):
        source, target = cell.edges[edge]
        ways_out[:, source] += live[:, edge] * ways_out[:, target]
    sources, targets = np.array(cell.edges).T
    early = sources < cell.inputs
    paths = ways_in[:, sources] * ways_out[:, targets]
    return np.concatenate(
        [
            on[:, early].sum(axis=1),
            on[:, ~early].sum(axis=1),
            np.einsum("ae,aeo->ao", paths, on),
            longest[:, list(cell.output)].max(axis=1),
        ],
        axis=1,
    )
