"""Architectures as rows of numbers, the form in which tables store them.

A row has one int8 per edge, for all cell types one after the other: the index of the
edge's operation, or -2 if the edge is dropped. This file does not import torch.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import chain

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Architecture, SearchSpace


def flatten(architecture: Architecture) -> np.ndarray:
    """Return an architecture as a row of int8, (edges of all cell types,)."""
    return np.frombuffer(row_bytes(architecture), dtype=np.int8)


def row_bytes(architecture: Architecture) -> bytes:
    """Return the bytes of an architecture's row."""
    choices = chain.from_iterable(architecture.choices)
    numbers = [DROPPED if choice is None else choice for choice in choices]
    return array("b", numbers).tobytes()


def unflatten(space: SearchSpace, row: np.ndarray) -> Architecture:
    """Return the architecture of a row, the inverse of :func:`flatten`."""
    cells = split_by_cell(space, row)
    return Architecture(tuple(_cell_choices(cell) for cell in cells))


def _cell_choices(row: np.ndarray) -> tuple[int | None, ...]:
    """Return the choices of one cell type, None for a dropped edge."""
    return tuple(None if choice == DROPPED else int(choice) for choice in row)


def canonical_rows(
    space: SearchSpace, architectures: Sequence[Architecture]
) -> np.ndarray:
    """Return the representatives of architectures, (architectures, edges) of int8.

    Architectures of equal function have equal rows, and so equal features and
    predictions.
    """
    rows = [flatten(space.canonical(architecture)) for architecture in architectures]
    return np.stack(rows)


def split_by_cell(space: SearchSpace, rows: np.ndarray) -> list[np.ndarray]:
    """Return one part per cell type of a row, or of rows (architectures, edges)."""
    ends = np.cumsum([len(cell.edges) for cell in space.cells])
    return np.split(rows, ends[:-1], axis=-1)


def operation_counts(space: SearchSpace) -> np.ndarray:
    """Return the number of operations of each edge, (edges of all cell types,)."""
    edges = chain.from_iterable(cell.operations for cell in space.cells)
    return np.array([len(names) for names in edges])


def are_choices(space: SearchSpace, rows: np.ndarray) -> bool:
    """Return whether each number is the index of an operation, or a dropped edge."""
    too_high = rows >= operation_counts(space)
    too_low = (rows < 0) & (rows != DROPPED)
    return not np.any(too_high | too_low)


def check_choices(space: SearchSpace, choices: np.ndarray) -> None:
    """Raise UserError unless the rows are distinct architectures of the space."""
    edges = len(operation_counts(space))
    if choices.ndim != 2 or choices.shape[1] != edges:
        raise UserError(
            f"choices of {space.name} must be architectures x {edges} edges, not {choices.shape}"
        )
    if not are_choices(space, choices):
        raise UserError(
            f"choices of {space.name} must be operation indices of their edge, or {DROPPED}"
        )
    distinct = {row.tobytes() for row in choices}
    if len(distinct) != len(choices):
        raise UserError("an architecture occurs twice: keep one of the two")


def check_representatives(space: SearchSpace, choices: np.ndarray) -> None:
    """Raise UserError unless each row is the representative of its class."""
    for row in choices:
        architecture = unflatten(space, row)
        if space.canonical(architecture) != architecture:
            raise UserError(
                f"{space.format(architecture)} is not the representative of its class"
            )
