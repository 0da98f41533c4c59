"""The adjusted penalty on the distance to the discrete architecture (DARTS-PRIME).

Maile et al. 2021, arXiv 2106.11655, and its released code. The symbols are those of
:mod:`.proximity`.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.setting_types import NonNegative

SMALLEST_WEIGHT = 1e-4
"""The smallest weight of which a logarithm is taken; lower weights are raised."""


class AdjustedProximity(Penalty):
    """rho/2 ‖(a - D) ⊙ ((1 - p) 4 (a^(log_K 2) - 1/2)² + p)‖₂.

    At first, the penalty does not act on an undecided edge of K operations, a = 1/K.
    """

    name: ClassVar[str] = "proxadj"
    summary: ClassVar[str] = (
        "distance to the discrete architecture, lower for undecided edges"
    )
    setting: ClassVar[str] = 'proximity = "proxadj"'

    rho: NonNegative = 0.1

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, summed over cell types."""
        total = view.zero()
        by_cell = zip(view.tables, view.discrete, view.operations, strict=True)
        for table, discrete, is_operation in by_cell:
            # An edge with one operation is decided for any exponent.
            count = is_operation.sum(-1, keepdim=True).clamp_min(2)
            exponent = math.log(2) / count.to(table.dtype).log()
            power = table.clamp(SMALLEST_WEIGHT, 1) ** exponent
            decided = 4 * (power - 0.5).square()
            factor = (1 - view.clock) * decided + view.clock
            distance = torch.linalg.vector_norm((table - discrete) * factor)
            total = total + self.rho / 2 * distance
        return total
