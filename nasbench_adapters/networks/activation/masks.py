"""Masks of a cell type's table: which entries are operations, and which share a sum.

The masks are cached, so that a training step need not wait for small copies to the
device.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from archselect.nasbench_adapters.space import (
    NONE,
    Cell,
    EdgeOperations,
    SearchSpace,
)


def count_columns(space: SearchSpace, cell: int) -> int:
    """Return the number of columns of a cell type's mixture.

    It is the largest number of operations of an edge.
    """
    operations = space.cells[cell].operations
    return max(len(names) for names in operations)


@lru_cache(maxsize=256)
def allowed_mask(
    operations: EdgeOperations,
    columns: int,
    device: torch.device,
) -> Tensor | None:
    """Return which entries (edges, columns) are operations; None if all are."""
    allowed = _allowed_entries(operations, columns)
    return None if bool(allowed.all()) else allowed.to(device)


@lru_cache(maxsize=256)
def weighed_mask(
    operations: EdgeOperations,
    columns: int,
    weighs_none: bool,
    device: torch.device,
) -> Tensor:
    """Return which entries (edges, columns) are operations that have a weight."""
    weighed = _allowed_entries(operations, columns)
    for edge, names in enumerate(operations):
        if NONE in names and not weighs_none:
            weighed[edge, names.index(NONE)] = False
    return weighed.to(device)


@lru_cache(maxsize=256)
def group_masks(
    operations: EdgeOperations,
    groups: tuple[int, ...],
    columns: int,
    device: torch.device,
) -> Tensor:
    """Return which entries belong to each group, (groups, edges * operations)."""
    allowed = _allowed_entries(operations, columns)
    group_of_edge = torch.tensor(groups)
    masks = []
    for group in dict.fromkeys(groups):
        is_member = group_of_edge == group
        in_group = allowed & is_member[:, None]
        masks.append(in_group.flatten())
    return torch.stack(masks).to(device)


def _allowed_entries(
    operations: EdgeOperations,
    columns: int,
) -> Tensor:
    """Return which entries (edges, columns) of a cell type's table are operations."""
    counts = torch.tensor([len(names) for names in operations])
    return torch.arange(columns) < counts[:, None]


def rows_of_groups(cell: Cell, table: Tensor) -> Tensor:
    """Return a table with one row per group, (groups, edges * operations).

    Entries of other groups are zero. Without groups, the table is returned unchanged,
    with one row per edge.

    Args:
        cell: the cell type.
        table: table of the cell type, (edges, operations).
    """
    if not cell.groups:
        return table
    members = group_masks(cell.operations, cell.groups, table.shape[1], table.device)
    return table.flatten() * members


def divide_by_sums(cell: Cell, table: Tensor) -> Tensor:
    """Return a table in which the weights of each edge (or group) sum to one or zero.

    Args:
        cell: the cell type.
        table: weights that are not negative, (edges, operations).
    """
    tiny = torch.finfo(table.dtype).tiny
    if not cell.groups:
        return table / table.sum(-1, keepdim=True).clamp_min(tiny)
    by_group = rows_of_groups(cell, table)
    totals = by_group.sum(-1, keepdim=True).clamp_min(tiny)
    return (by_group / totals).sum(0).view_as(table)
