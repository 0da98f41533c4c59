"""Tables and discrete architectures of alphas in plain numpy, as penalties need them."""

from __future__ import annotations

import numpy as np


def weighed(cell, activation):
    """Which operations of each edge have a weight, by index."""
    rows = []
    for names in cell.operations:
        keeps_none = activation == "softmax"
        rows.append([k for k, name in enumerate(names) if keeps_none or name != "none"])
    return rows


def table_of(cell, alpha, activation):
    """The weights of a cell type without groups, (edges, operations)."""
    table = np.zeros(alpha.shape)
    for edge, places in enumerate(weighed(cell, activation)):
        values = alpha[edge, places]
        if activation == "softmax":
            exponentials = np.exp(values)
            table[edge, places] = exponentials / exponentials.sum()
        elif activation == "sigmoid":
            table[edge, places] = 1 / (1 + np.exp(-values))
        else:
            table[edge, places] = np.clip(values, 0, 1)
    return table


def discrete_of(cell, table):
    """The one-hot table: largest operations, and the strongest inputs of each node."""
    one_hot = np.zeros(table.shape)
    for node in range(cell.inputs, cell.nodes):
        edges = [e for e, (_, target) in enumerate(cell.edges) if target == node]
        keeps = cell.kept[node] if cell.kept else None
        strengths = {}
        for edge in edges:
            names = cell.operations[edge]
            drops_none = keeps is not None
            places = [
                k for k, name in enumerate(names) if name != "none" or not drops_none
            ]
            best = max(places, key=lambda place: (table[edge, place], -place))
            strengths[edge] = (table[edge, best], best)
        ordered = sorted(edges, key=lambda edge: (-strengths[edge][0], edge))
        for edge in ordered[:keeps]:
            one_hot[edge, strengths[edge][1]] = 1
    return one_hot
