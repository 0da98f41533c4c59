"""Costs that are sums over the edges of an architecture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archselect.nasbench_adapters.costs.base import AdditiveRows
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.truth.choices import flatten, split_by_cell


def additive_costs(
    space: SearchSpace, rows: AdditiveRows, architectures: Sequence[Architecture]
) -> np.ndarray:
    """Return the costs of architectures.

    Args:
        space: the search space.
        rows: cost of each operation on each edge.
        architectures: the architectures.

    Returns:
        one cost per architecture, float64.
    """
    if not architectures:
        return np.zeros(0)
    choices = np.stack([flatten(architecture) for architecture in architectures])
    return sum_rows(space, rows, choices)


def sum_rows(space: SearchSpace, rows: AdditiveRows, choices: np.ndarray) -> np.ndarray:
    """Return the costs of rows of choices.

    Args:
        space: the search space.
        rows: cost of each operation on each edge.
        choices: the architectures, (architectures, edges of all cell types) of int8.

    Returns:
        one cost per architecture, float64.
    """
    totals = np.full(len(choices), rows.base)
    for table, chosen in zip(rows.tables, split_by_cell(space, choices), strict=True):
        edges = np.arange(len(table))
        entries = table[edges, np.maximum(chosen, 0)]
        totals += np.where(chosen >= 0, entries, 0.0).sum(axis=1)
    return totals
