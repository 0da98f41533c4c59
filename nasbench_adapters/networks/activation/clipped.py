"""Clipped alphas: the "CRB" of DARTS-PRIME (Maile et al. 2021, arXiv 2106.11655)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.masks import divide_by_sums
from archselect.nasbench_adapters.networks.activation.softmax import soften
from archselect.nasbench_adapters.space import Cell


class ClippedAlphas(Activation):
    """clamp(alpha, 0, 1). Alphas start at 1/K plus noise, for K operations of the edge.

    Operations do not compete, and `none` has no weight. An operation whose alpha falls
    to zero is dead: it is no longer computed, and stays dead. An edge whose operations
    are all dead adds nothing. The sum that enters a node is normalised by the batch.
    """

    name: ClassVar[str] = "crb"
    sums_to_one: ClassVar[bool] = False
    sparse: ClassVar[bool] = True
    normalised_sums: ClassVar[bool] = True
    weighs_none: ClassVar[bool] = False
    starts_by_itself: ClassVar[bool] = True

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return alphas clipped to 0..1, (edges, operations)."""
        return alpha.clamp(0, 1) * self.weighed(cell, alpha.shape[1], alpha.device)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the weights, scaled to a sum of one per edge or group."""
        return divide_by_sums(cell, self.table(cell, alpha))

    def relaxed(
        self, cell: Cell, alpha: Tensor, noise: Tensor, temperature: float
    ) -> Tensor:
        """Return an almost one-hot table, for Gumbel noise and a temperature."""
        return soften(cell, self.table(cell, alpha), noise, temperature)

    def _start(self, cell: Cell, alpha: Tensor) -> Tensor:
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        counts = weighed.sum(-1, keepdim=True).clamp_min(1)
        return (1 / counts + alpha) * weighed

    def living(self, alphas: Sequence[Tensor]) -> list[Tensor]:
        """Return which operations have an alpha above zero."""
        return [alpha.detach() > 0 for alpha in alphas]
