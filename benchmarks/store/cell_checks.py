"""Check that cells, and values by cell, edge and operation, in a file are possible.

This module does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from math import isnan
from typing import Any

from archselect.benchmarks.store.ranges import (
    MOST_NODES,
    PER_CENT,
    Impossible,
    check_number,
    check_numbers,
    check_same_length,
)

Choices = list[list[list[Any]]]
"""A value for each operation, by cell, edge and operation."""
Shape = tuple[tuple[int, ...], ...]
"""The number of operations, by cell and edge."""


def check_graph(
    name: str,
    inputs: int,
    nodes: int,
    output: Sequence[int],
    edges: Iterable[tuple[int, int, str]],
) -> None:
    """Raise Impossible for a cell that cannot be drawn.

    Inputs, output and edges must be among its nodes, and edges must go forward.
    """
    check_number(f"{name}.nodes", nodes, 1, MOST_NODES)
    check_number(f"{name}.inputs", inputs, 1, nodes)
    if not output:
        raise Impossible(f"{name}.output is empty")
    check_numbers(f"{name}.output", output, 0, nodes - 1)
    for source, target, _ in edges:
        if not 0 <= source < target < nodes:
            raise Impossible(
                f"{name}.edges has one from {source} to {target}, but the nodes are 0 to {nodes - 1}"
            )


def check_choices(
    operations: Choices, edges: Sequence[Sequence[tuple[int, int]]]
) -> None:
    """Raise Impossible unless every edge has operations and goes to a later node.

    Args:
        operations: names of the operations, by cell and edge.
        edges: (source, target), by cell and edge.
    """
    if not operations:
        raise Impossible("operations is empty")
    check_same_length("operations", operations, "edges", edges)
    for cell, (choices, ends) in enumerate(zip(operations, edges, strict=True)):
        check_same_length(f"operations.{cell}", choices, f"edges.{cell}", ends)
        if not choices or not all(choices):
            raise Impossible(
                f"operations.{cell} has no edge, or an edge without operations"
            )
        for source, target in ends:
            if not 0 <= source < target < MOST_NODES:
                raise Impossible(f"edges.{cell} has one from {source} to {target}")


def check_oracle(name: str, oracle: Choices) -> None:
    """Raise Impossible for an oracle with an empty part or an impossible accuracy.

    NaN is possible: it means that no architecture has the operation.
    """
    all_edges = list(chain.from_iterable(oracle))
    if not oracle or not all(oracle) or not all(all_edges):
        raise Impossible(
            f"{name} has no cell, or a cell without edges, or an edge without operations"
        )
    for cell, edges in enumerate(oracle):
        for edge, values in enumerate(edges):
            known = [value for value in values if not isnan(value)]
            check_numbers(f"{name}.{cell}.{edge}", known, 0, PER_CENT)


def check_same_shape(
    name: str, values: Choices, other_name: str, others: Choices
) -> None:
    """Raise Impossible unless two have the same cells, edges and operation counts."""
    if shape(values) != shape(others):
        raise Impossible(
            f"{name} has other cells, edges or operations than {other_name}"
        )


def shape(choices: Choices) -> Shape:
    """Return the number of operations, by cell and edge."""
    cells = []
    for edges in choices:
        numbers = map(len, edges)
        cells.append(tuple(numbers))
    return tuple(cells)
