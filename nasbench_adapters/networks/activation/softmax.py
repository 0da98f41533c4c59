"""The softmax of each edge's alphas (DARTS)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import (
    allowed_mask,
    group_masks,
)
from archselect.nasbench_adapters.space import Cell


class Softmax(Activation):
    """softmax(alpha) of each edge, or of each group of edges (DARTS, section 2.2).

    Edges of one group share a softmax: all their weights together sum to one
    (NAS-Bench-1Shot1, section 3.2).
    """

    name: ClassVar[str] = "softmax"

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the softmax of the alphas, (edges, operations)."""
        columns = alpha.shape[1]
        if cell.groups:
            members = group_masks(cell.operations, cell.groups, columns, alpha.device)
            return _softmax_by_group(members, alpha)
        allowed = allowed_mask(cell.operations, columns, alpha.device)
        if allowed is not None:
            alpha = alpha.masked_fill(~allowed, -torch.inf)
        return torch.softmax(alpha, dim=-1)


def _softmax_by_group(members: Tensor, alpha: Tensor) -> Tensor:
    """Return the softmax of alphas (edges, operations) in each group of edges."""
    # One row per group. Every entry belongs to one group, and has weight zero in the
    # rows of other groups.
    flat = alpha.flatten()
    by_group = flat.masked_fill(~members, -torch.inf)
    soft = torch.softmax(by_group, dim=-1)
    summed = soft.sum(dim=0)
    return summed.view_as(alpha)


SOFTMAX = Softmax()


def soften(cell: Cell, table: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Return softmax((log w + g) / T) of weights w; zeros stay zero.

    Weights need not sum to one, because a common factor of an edge (or group) has no
    effect.

    Args:
        cell: the cell type.
        table: weights w that are not negative, (edges, operations).
        noise: noise g, of the same shape.
        temperature: T, above zero.
    """
    is_alive = table > 0
    # Replace zeros by ones, because the gradient of log 0 is undefined.
    logarithms = torch.where(is_alive, table, 1).log()
    noisy = (logarithms + noise) / temperature
    masked = noisy.masked_fill(~is_alive, torch.finfo(noisy.dtype).min)
    return SOFTMAX.table(cell, masked) * is_alive
