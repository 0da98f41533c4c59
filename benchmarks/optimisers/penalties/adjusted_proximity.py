"""The penalty on the distance to the discrete architecture, adjusted (DARTS-PRIME).

Maile et al. 2021, arXiv 2106.11655, and its released code; names as in
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
"""Weights count as this much at least where their logarithm is taken."""


class AdjustedProximity(Penalty):
    """rho/2 ‖(a - D) ⊙ ((1 - p) 4 (a^(log_K 2) - 1/2)² + p)‖₂.

    An edge of K operations that is still undecided, a = 1/K, is left alone at first.
    """

    name: ClassVar[str] = "proxadj"
    summary: ClassVar[str] = "the same, sparing operations that are undecided"
    setting: ClassVar[str] = 'proximity = "proxadj"'

    rho: NonNegative = 0.1

    def __call__(self, view: AlphaView) -> Tensor:
        """See :class:`AdjustedProximity`."""
        total = view.zero()
        by_cell = zip(view.tables, view.discrete, view.operations, strict=True)
        for table, discrete, is_operation in by_cell:
            # An edge of one operation is decided whatever the exponent.
            count = is_operation.sum(-1, keepdim=True).clamp_min(2)
            exponent = math.log(2) / count.to(table.dtype).log()
            power = table.clamp(SMALLEST_WEIGHT, 1) ** exponent
            decided = 4 * (power - 0.5).square()
            factor = (1 - view.clock) * decided + view.clock
            distance = torch.linalg.vector_norm((table - discrete) * factor)
            total = total + self.rho / 2 * distance
        return total
