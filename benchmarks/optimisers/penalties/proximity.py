"""The penalty on the distance to the discrete architecture (DARTS-PRIME).

Maile et al. 2021, arXiv 2106.11655, and its released code. a is the table of weights of
a cell type, D the one-hot table of its strongest operations. The penalty is the sum
over cell types. The norm is not squared.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.setting_types import NonNegative


class Proximity(Penalty):
    """p rho/2 ‖a - D‖₂, with p the share of the training that is done."""

    name: ClassVar[str] = "prox"
    summary: ClassVar[str] = "distance to the discrete architecture, growing"
    setting: ClassVar[str] = 'proximity = "prox"'

    rho: NonNegative = 0.1

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, summed over cell types."""
        total = view.zero()
        for table, discrete in zip(view.tables, view.discrete, strict=True):
            distance = torch.linalg.vector_norm(table - discrete)
            total = total + view.clock * self.rho / 2 * distance
        return total
