"""The architecture with the largest weights, computed on the device of the weights.

It follows the rule of DARTS (section 2.4), like the selector `magnitude`: the operation
with the largest weight on every edge, and the strongest inputs of every node. No
function waits for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from archselect.nasbench_adapters.space import Cell, SearchSpace


def strongest(
    space: SearchSpace,
    tables: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Return one-hot tables of the architecture with the largest weights.

    Every edge has the operation with the largest weight; ties go to the lower index. If
    nodes keep a fixed number of inputs, `none` is never chosen, and a node keeps the
    inputs whose operations have the largest weights; ties go to the earlier input. Rows
    of other inputs are zero.

    Args:
        space: the search space.
        tables: weights, (edges, operations) per cell type.
    """
    discrete = []
    for cell, table in zip(space.cells, tables, strict=True):
        discrete.append(_strongest_of_cell(cell, table.detach()))
    return tuple(discrete)


def _strongest_of_cell(cell: Cell, table: Tensor) -> Tensor:
    """Return the one-hot table (edges, operations) of a cell type."""
    rule = _rule(cell, table.shape[1], table.device)
    candidates = table.masked_fill(~rule.candidates, -torch.inf)
    strength, place = candidates.max(-1)
    one_hot = torch.zeros_like(table).scatter_(1, place[:, None], 1)
    # rivals[e, f]: whether edge f enters the same node and comes before edge e.
    is_stronger = strength[None, :] > strength[:, None]
    is_equal = strength[None, :] == strength[:, None]
    goes_before = is_stronger | (is_equal & rule.earlier)
    rank = (goes_before & rule.rivals).sum(1)
    is_kept = rank < rule.keeps
    return one_hot * is_kept[:, None]


class _Rule(NamedTuple):
    """The rule of a cell type, on a device.

    Attributes:
        candidates: which operations an architecture may have, (edges, operations).
        rivals: which pairs of edges enter the same node, (edges, edges).
        earlier: whether the second edge of a pair comes first, (edges, edges).
        keeps: number of inputs that the edge's node keeps, (edges,).
    """

    candidates: Tensor
    rivals: Tensor
    earlier: Tensor
    keeps: Tensor


@lru_cache(maxsize=64)
def _rule(cell: Cell, columns: int, device: torch.device) -> _Rule:
    """Return the rule; it is cached, so that no step waits for copies to the device."""
    edges = len(cell.edges)
    candidates = torch.zeros(edges, columns, dtype=torch.bool)
    for edge in range(edges):
        candidates[edge, cell.candidates(edge)] = True
    targets = torch.tensor([target for _, target in cell.edges])
    places = torch.arange(edges)
    keeps = [cell.count_kept(target) for _, target in cell.edges]
    return _Rule(
        candidates.to(device),
        (targets[None, :] == targets[:, None]).to(device),
        (places[None, :] < places[:, None]).to(device),
        torch.tensor(keeps).to(device),
    )
