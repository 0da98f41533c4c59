"""The mean of a Dirichlet distribution: DrNAS (Chen et al., ICLR 2021)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import divide_by_sums
from archselect.nasbench_adapters.networks.activation.softmax import soften
from archselect.nasbench_adapters.space import Cell


def concentrations(alpha: Tensor) -> Tensor:
    """Return elu(alpha) + 1, above zero unless alpha is minus infinity.

    Args:
        alpha: alphas of a cell type, (edges, operations).
    """
    below = alpha.clamp(max=0).exp()
    return torch.where(alpha > 0, alpha + 1, below)


class DirichletMean(Activation):
    """b / Σ b over each edge, or group of edges, with b = elu(alpha) + 1.

    It is the mean of the distribution from which DrNAS draws weights.
    """

    name: ClassVar[str] = "dirichlet"

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the mean of each edge's (or group's) Dirichlet distribution."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        return divide_by_sums(cell, concentrations(alpha) * weighed)

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """Return an almost one-hot table, for Gumbel noise and a temperature."""
        return soften(cell, self.table(cell, alpha), noise, temperature)
