"""The penalty of beta-DARTS: a decay of the softmax of the alphas.

Ye et al., CVPR 2022, arXiv 2203.01665, equation 12.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.setting_types import NonNegative


class BetaDecay(Penalty):
    """decay · progress · mean over edges of log Σ_k exp(alpha_k), summed over cells.

    The weight grows with the share of epochs that are done. In the released code, it
    grows with epoch/100 for any number of epochs, which is the same for 100 epochs.

    Settings:
        decay: weight after the last epoch; 50 in the paper.
    """

    name: ClassVar[str] = "beta-decay"
    summary: ClassVar[str] = "logarithm of the softmax's denominator, growing"
    setting: ClassVar[str] = "decay"

    decay: NonNegative = 50.0

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, summed over cell types."""
        total = view.zero()
        for alpha, is_operation in zip(view.alphas, view.operations, strict=True):
            masked = alpha.masked_fill(~is_operation, -torch.inf)
            total = total + torch.logsumexp(masked, dim=-1).mean()
        return self.decay * view.progress * total
