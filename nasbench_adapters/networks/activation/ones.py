"""Ones: every live operation has weight one, so that an edge is their sum."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import divide_by_sums
from archselect.nasbench_adapters.networks.activation.softmax import SOFTMAX
from archselect.nasbench_adapters.space import Cell


class Ones(Activation):
    """Weight one for every live operation, whatever the alphas.

    The supernet of Zero-Cost-PT's released code for its MobileNet-like space uses it.
    Gradients of the alphas are zero, so it is for supernets that do not learn alphas.
    """

    name: ClassVar[str] = "ones"
    sums_to_one: ClassVar[bool] = False

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return ones; closed operations have an alpha of -inf and weight zero."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        is_live = weighed & (alpha > -torch.inf)
        return alpha.masked_fill(is_live, 1).masked_fill(~is_live, 0)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the weights, scaled to a sum of one per edge or group."""
        return divide_by_sums(cell, self.table(cell, alpha))

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """Return an almost one-hot table; live operations are equally likely."""
        is_live = self.table(cell, alpha) > 0
        masked = noise.masked_fill(~is_live, -torch.inf)
        return SOFTMAX.table(cell, masked / temperature)
