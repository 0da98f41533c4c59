"""Oracles of operations as authors released them: `released_oracles.csv`.

An oracle says what an operation on an edge is worth: the best (`best_acc`) or the mean
(`avg_acc`) accuracy, in per cent, of the cells that have it there. The file has a line
per operation on an edge.

Published correlations were computed with the released values, of which some differ from
those of the whole table. Ours are compared with them by the same values.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

Edge = tuple[int, int]
AccuracyKind = Literal["best_acc", "avg_acc"]


class OracleKey(NamedTuple):
    """Which oracle it is, of which space and data set."""

    oracle: str
    space: str
    dataset: str


class ReleasedOperation(NamedTuple):
    """An operation on an edge."""

    edge: Edge
    operation: str


Worth = Mapping[str, float]
"""`best_acc` and `avg_acc` of an operation on an edge."""


@cache
def released_oracles() -> dict[OracleKey, dict[ReleasedOperation, Worth]]:
    """Return what each operation on an edge is worth, by oracle."""
    path = Path(__file__).parent / "released_oracles.csv"
    oracles: dict[OracleKey, dict[ReleasedOperation, Worth]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            key = OracleKey(line["oracle"], line["space"], line["dataset"])
            edge = (int(line["source_node"]), int(line["target_node"]))
            where = ReleasedOperation(edge, line["operation"])
            oracle = oracles.setdefault(key, {})
            oracle[where] = {
                "best_acc": float(line["best_acc"]),
                "avg_acc": float(line["avg_acc"]),
            }
    return oracles


def released_oracle(
    name: str,
    space: str,
    dataset: str,
    kind: AccuracyKind,
    edges: Sequence[Sequence[Edge]],
    operations: Sequence[Sequence[Sequence[str]]],
) -> list[list[list[float]]] | None:
    """Return what a released oracle says of each operation of a space.

    Args:
        name: the oracle.
        space: the search space.
        dataset: the data set.
        kind: the best or the mean accuracy.
        edges: (source, target) of each edge, by cell type.
        operations: the operations of each edge, by cell type.

    Returns:
        `oracle[cell][edge][choice]`, accuracies in per cent; None where the oracle was
        not released for these operations.
    """
    worth = released_oracles().get(OracleKey(name, space, dataset))
    if worth is None:
        return None
    oracle = []
    for cell_edges, cell_operations in zip(edges, operations, strict=True):
        rows = []
        for (source, target), names in zip(cell_edges, cell_operations, strict=True):
            edge = (source, target)
            keys = [ReleasedOperation(edge, operation) for operation in names]
            if not all(key in worth for key in keys):
                return None
            rows.append([worth[key][kind] for key in keys])
        oracle.append(rows)
    return oracle
