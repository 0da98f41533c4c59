"""The architecture that a table of weights stands for, on the device of the table.

It is the rule of DARTS (section 2.4), which the selector `magnitude` follows decision
by decision: the largest operation of every edge, and the strongest inputs of every
node. Nothing here waits for the device.
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

    Every edge has its largest operation, of equals the one of lower index; it is not
    `none` where nodes keep a number of their inputs. Such a node keeps the inputs whose
    operations weigh most, of equals the earlier ones; rows of the others are zero.

    Args:
        space: of the tables.
        tables: weights (edges, operations) per cell type.
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
    # rivals[e, f]: whether edge f into the same node goes before edge e.
    is_stronger = strength[None, :] > strength[:, None]
    is_equal = strength[None, :] == strength[:, None]
    goes_before = is_stronger | (is_equal & rule.earlier)
    rank = (goes_before & rule.rivals).sum(1)
    is_kept = rank < rule.keeps
    return one_hot * is_kept[:, None]


class _Rule(NamedTuple):
    """The rule of a cell type, on a device.

    Attributes:
        candidates: (edges, operations), which an architecture may have.
        rivals: (edges, edges), which pairs of edges enter the same node.
        earlier: (edges, edges), whether the second of a pair comes first.
        keeps: (edges,) how many inputs the edge's node keeps.
    """

    candidates: Tensor
    rivals: Tensor
    earlier: Tensor
    keeps: Tensor


@lru_cache(maxsize=64)
def _rule(cell: Cell, columns: int, device: torch.device) -> _Rule:
    """Return the rule; it is kept, so that no step waits for copies to the device."""
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
