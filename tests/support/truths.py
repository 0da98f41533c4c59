"""Tables of made-up accuracies, on which surrogates are fitted."""

import numpy as np

from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth import TableBuilder

KEY = ("d", "s", 5)
"""The column of the tables."""


def table_of(space, accuracies, provenance="measured", **columns):
    """A table of one trial of each architecture, with further splits of the same numbers."""
    builder = TableBuilder(space)
    for cell, accuracy in accuracies.items():
        builder.add(cell, *KEY, "0", accuracy)
        for split in columns.get("splits", ()):
            builder.add(cell, "d", split, 5, "0", accuracy)
    return builder.table("t", origin="a test", licence="MIT", provenance=provenance)


def sampled(name, count, seed=0):
    """A space, and so many of its architectures at random."""
    space, rng = get_space(name), np.random.default_rng(seed)
    return space, list(dict.fromkeys(space.sample(rng) for _ in range(count)))


def additive(space, cells):
    """Accuracies that are a sum over operations: what the line can express."""
    rng = np.random.default_rng(9)
    worth = {
        name: rng.normal(0, 1)
        for cell in space.cells
        for names in cell.operations
        for name in names
    }
    return {
        cell: 80.0
        + sum(
            worth[each.operations[edge][choice]]
            for each, row in zip(space.cells, cell.choices, strict=True)
            for edge, choice in enumerate(row)
            if choice is not None
        )
        for cell in cells
    }
