"""Equal weights, whatever the alphas: IS-DARTS (He et al., AAAI 2024)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import divide_by_sums
from archselect.nasbench_adapters.networks.activation.softmax import soften
from archselect.nasbench_adapters.space import Cell


class EqualLiveShares(Activation):
    """1/n for each of the n live operations of an edge, or group of edges."""

    name: ClassVar[str] = "equal-live"

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return equal weights; closed operations have an alpha of minus infinity."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        is_live = weighed & (alpha > -torch.inf)
        return divide_by_sums(cell, is_live.to(alpha.dtype))

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """Return an almost one-hot table, for Gumbel noise and a temperature."""
        return soften(cell, self.table(cell, alpha), noise, temperature)


class EqualShares(EqualLiveShares):
    """1/K for each live operation; K is the number of operations before any closing.

    K counts the operations of the edge, or of the group of edges.
    """

    name: ClassVar[str] = "equal"
    sums_to_one: ClassVar[bool] = False

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return equal weights; closed operations have an alpha of minus infinity."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        shares = divide_by_sums(cell, weighed.to(alpha.dtype))
        return shares * (alpha > -torch.inf)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the weights, scaled to a sum of one per edge or group."""
        return super().table(cell, alpha)
