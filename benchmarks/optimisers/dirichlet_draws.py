"""Draw tables of weights from Dirichlet distributions, with pathwise gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.dirichlet import concentrations
from archselect.nasbench_adapters.networks.activation.masks import (
    rows_of_groups,
    weighed_mask,
)
from archselect.nasbench_adapters.space import Cell


def draw_table(cell: Cell, alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Return a table (edges, operations) drawn from Dirichlet distributions.

    Entries without an operation, and closed ones, are zero. The other entries follow
    the distribution of those entries alone.

    Args:
        cell: the cell type.
        alpha: (edges, operations); minus infinity for closed operations.
        generator: generator on the CPU.
    """
    weighed = weighed_mask(cell.operations, alpha.shape[1], True, alpha.device)
    rows = rows_of_groups(cell, concentrations(alpha) * weighed)
    is_live = rows > 0
    shapes = torch.where(is_live, rows, 1)
    drawn: Tensor = _DirichletSample.apply(shapes, generator)  # type: ignore[no-untyped-call]
    live = drawn * is_live
    tiny = torch.finfo(live.dtype).tiny
    table: Tensor = live / live.sum(-1, keepdim=True).clamp_min(tiny)
    return table.sum(0).view_as(alpha) if cell.groups else table


class _DirichletSample(torch.autograd.Function):
    """A sample from each row's Dirichlet distribution, with its pathwise gradient.

    The gradient is that of `torch.distributions.Dirichlet.rsample`, which can use only
    the global random state.
    """

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, generator: torch.Generator) -> Tensor:
        on_host = torch._sample_dirichlet(concentration.cpu(), generator)
        sample = on_host.to(concentration.device, non_blocking=True)
        ctx.save_for_backward(sample, concentration)
        return sample

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> tuple[Tensor, None]:
        (slope,) = slopes
        sample, concentration = ctx.saved_tensors
        total = concentration.sum(-1, keepdim=True).expand_as(concentration)
        path = torch._dirichlet_grad(sample, concentration, total)
        mean = (sample * slope).sum(-1, keepdim=True)
        return path * (slope - mean), None
