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
        """See the class. Closed operations have an alpha of minus infinity."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        is_live = weighed & (alpha > -torch.inf)
        return divide_by_sums(cell, is_live.to(alpha.dtype))

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """See :meth:`.Activation.relaxed`."""
        return soften(cell, self.table(cell, alpha), noise, temperature)


class EqualShares(EqualLiveShares):
    """1/K for each live operation, of K that the edge, or group, had at first."""

    name: ClassVar[str] = "equal"
    sums_to_one: ClassVar[bool] = False

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """See the class. Closed operations have an alpha of minus infinity."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        shares = divide_by_sums(cell, weighed.to(alpha.dtype))
        return shares * (alpha > -torch.inf)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """See :meth:`.Activation.probabilities`."""
        return super().table(cell, alpha)
