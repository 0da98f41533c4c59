"""ADMM as a penalty (DARTS-PRIME, arXiv 2106.11655), in Boyd et al.'s symbols."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.setting_types import NonNegative


class Admm(Penalty):
    """rho/2 ‖(a - Z + U) ⊙ alive‖₂; Z starts as the alphas, U as zero.

    After every `period` steps of the alphas, Z becomes the discrete architecture of the
    activation of alpha + U, and U becomes U + alpha - Z for live operations.

    Settings:
        period: alpha steps between updates; 10 in the paper, 9 in the released code.
    """

    name: ClassVar[str] = "admm"
    summary: ClassVar[str] = "distance to a discrete architecture that lags behind"
    setting: ClassVar[str] = 'proximity = "admm"'
    rho: NonNegative = 0.1
    period: PositiveInt = 10

    def begin(self, view: AlphaView) -> None:
        """Write the initial Z and U into the memory."""
        view.memory["admm steps"] = 0.0
        for cell, alpha in enumerate(view.alphas):
            view.memory[f"admm Z {cell}"] = alpha.detach().clone()
            view.memory[f"admm U {cell}"] = torch.zeros_like(alpha)

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, summed over cell types."""
        total = view.zero()
        for cell, table in enumerate(view.tables):
            gap = table - view.tensor(f"admm Z {cell}") + view.tensor(f"admm U {cell}")
            total = total + torch.linalg.vector_norm(gap * view.alive[cell])
        return self.rho / 2 * total

    def finish_step(self, view: AlphaView) -> None:
        """Count a step of the alphas; update Z and U if it is time."""
        steps = (int(view.number("admm steps")) + 1) % self.period
        view.memory["admm steps"] = float(steps)
        if steps:
            return
        shifted = []
        for cell, alpha in enumerate(view.alphas):
            shifted.append(alpha.detach() + view.tensor(f"admm U {cell}"))
        targets = strongest(view.space, view.activate(shifted))
        for cell, (sum_, target) in enumerate(zip(shifted, targets, strict=True)):
            view.memory[f"admm Z {cell}"] = target
            view.memory[f"admm U {cell}"] = (sum_ - target) * view.alive[cell]
