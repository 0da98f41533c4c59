"""Oracles of operations that authors released, from `released_oracles.csv`.

The oracle value of an operation on an edge is the best (`best_acc`) or the mean
(`avg_acc`) accuracy, in per cent, of the cells with this operation on this edge. The
file has a line per operation on an edge.

Published correlations use the released values, some of which differ from those of the
whole table. Our correlations are compared with them by the same values.
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
    """The name of an oracle, its space and its data set."""

    oracle: str
    space: str
    dataset: str


class ReleasedOperation(NamedTuple):
    """An operation on an edge."""

    edge: Edge
    operation: str


Worth = Mapping[str, float]
"""The values `best_acc` and `avg_acc` of an operation on an edge, in per cent."""


@cache
def released_oracles() -> dict[OracleKey, dict[ReleasedOperation, Worth]]:
    """Return the values of each operation on an edge, by oracle."""
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
    """Return the values of a released oracle for the operations of a space.

    Args:
        name: name of the oracle.
        space: name of the search space.
        dataset: name of the data set.
        kind: the best or the mean accuracy.
        edges: (source, target) of each edge, by cell type.
        operations: names of the operations of each edge, by cell type.

    Returns:
        `oracle[cell][edge][choice]`, accuracies in per cent; None if the oracle was not
        released for these operations.
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
