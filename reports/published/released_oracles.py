"""Oracles of operations as authors released them: `released_oracles.csv`, a line per operation on an edge.

An oracle says what an operation on an edge is worth: the best (`best_acc`) or the mean
(`avg_acc`) accuracy, in per cent, of the cells that have it there. Published
correlations were computed with the released values, of which some are not those of the
whole table, so ours are held against them with the same values.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

Edge = tuple[int, int]


@cache
def released_oracles() -> dict[
    tuple[str, str, str], dict[tuple[Edge, str], dict[str, float]]
]:
    """Return, by (oracle, space, data set), each (edge, operation)'s `best_acc` and `avg_acc`."""
    path = Path(__file__).parent / "released_oracles.csv"
    oracles: dict[tuple[str, str, str], dict[tuple[Edge, str], dict[str, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            edge = int(line["source_node"]), int(line["target_node"])
            worth = {name: float(line[name]) for name in ("best_acc", "avg_acc")}
            key = line["oracle"], line["space"], line["dataset"]
            oracles.setdefault(key, {})[edge, line["operation"]] = worth
    return oracles


def released_oracle(
    name: str,
    space: str,
    dataset: str,
    kind: str,
    edges: Sequence[Sequence[Edge]],
    operations: Sequence[Sequence[Sequence[str]]],
) -> list[list[list[float]]] | None:
    """Return `oracle[cell][edge][choice]`, None where the oracle was not released for these operations.

    Args:
        name, space, dataset: which oracle.
        kind: "best_acc" or "avg_acc".
        edges: (source, target) of each edge, by cell type.
        operations: the operations of each edge, by cell type.
    """
    worth = released_oracles().get((name, space, dataset))
    if worth is None:
        return None
    oracle = []
    for cell_edges, cell_operations in zip(edges, operations, strict=True):
        rows = []
        for edge, names in zip(cell_edges, cell_operations, strict=True):
            keys = [((edge[0], edge[1]), operation) for operation in names]
            if not all(key in worth for key in keys):
                return None
            rows.append([worth[key][kind] for key in keys])
        oracle.append(rows)
    return oracle
