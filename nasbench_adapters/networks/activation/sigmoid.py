"""The sigmoid of each alpha: FairDARTS (Chu et al., ECCV 2020, arXiv 1911.12126)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import divide_by_sums
from archselect.nasbench_adapters.networks.activation.softmax import soften
from archselect.nasbench_adapters.space import Cell


class Sigmoid(Activation):
    """sigmoid(alpha) of each operation, so that operations of an edge do not compete.

    `none` has no weight: its output is zero for any weight, so no loss would change its
    alpha. The paper's space has no `none`.
    """

    name: ClassVar[str] = "sigmoid"
    sums_to_one: ClassVar[bool] = False
    weighs_none: ClassVar[bool] = False

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the sigmoid of the alphas, (edges, operations)."""
        weights = torch.sigmoid(alpha)
        return weights * self.weighed(cell, alpha.shape[1], alpha.device)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the weights, scaled to a sum of one per edge or group."""
        return divide_by_sums(cell, self.table(cell, alpha))

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """Return an almost one-hot table, for Gumbel noise and a temperature."""
        return soften(cell, self.table(cell, alpha), noise, temperature)
