"""The penalty of the alternating direction method of multipliers (DARTS-PRIME).

Maile et al. 2021, arXiv 2106.11655, and its released code. Names are those of Boyd et
al., Foundations and Trends in Machine Learning 3(1), 2011, section 3.1.1.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.setting_types import NonNegative


class Admm(Penalty):
    """rho/2 ‖(a - Z + U) ⊙ alive‖₂, with a discrete Z that is renewed now and then.

    Z begins as the alphas, U as zero. After every `period` steps of the alphas, Z
    becomes the discrete architecture of the activation of alpha + U. Then U becomes U +
    alpha - Z where operations are alive.

    Settings:
        period: 10 in the paper's settings; 9 is what the released code does.
    """

    name: ClassVar[str] = "admm"
    summary: ClassVar[str] = "distance to a discrete architecture that lags behind"
    setting: ClassVar[str] = 'proximity = "admm"'

    rho: NonNegative = 0.1
    period: PositiveInt = 10

    def begin(self, view: AlphaView) -> None:
        """See :meth:`.Penalty.begin`."""
        view.memory["admm steps"] = 0.0
        for cell, alpha in enumerate(view.alphas):
            view.memory[f"admm Z {cell}"] = alpha.detach().clone()
            view.memory[f"admm U {cell}"] = torch.zeros_like(alpha)

    def __call__(self, view: AlphaView) -> Tensor:
        """See :class:`Admm`."""
        total = view.zero()
        for cell, table in enumerate(view.tables):
            target = view.tensor(f"admm Z {cell}")
            multiplier = view.tensor(f"admm U {cell}")
            gap = (table - target + multiplier) * view.alive[cell]
            total = total + self.rho / 2 * torch.linalg.vector_norm(gap)
        return total

    def finish_step(self, view: AlphaView) -> None:
        """Count a step of the alphas; renew Z and U when their turn comes."""
        steps = int(view.number("admm steps")) + 1
        view.memory["admm steps"] = float(steps % self.period)
        if steps == self.period:
            self._renew(view)

    def _renew(self, view: AlphaView) -> None:
        """Renew Z and U."""
        shifted = []
        for cell, alpha in enumerate(view.alphas):
            shifted.append(alpha.detach() + view.tensor(f"admm U {cell}"))
        targets = strongest(view.space, view.activate(shifted))
        for cell, (sum_, target) in enumerate(zip(shifted, targets, strict=True)):
            view.memory[f"admm Z {cell}"] = target
            view.memory[f"admm U {cell}"] = (sum_ - target) * view.alive[cell]
