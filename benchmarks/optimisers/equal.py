"""Equal: the weights alone, under operations that all weigh the same (IS-DARTS).

He et al., AAAI 2024.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.networks.activation import Activation
from archselect.nasbench_adapters.networks.activation.equal import (
    EqualLiveShares,
    EqualShares,
)
from archselect.nasbench_adapters.setting_types import Epochs


class Equal(Optimiser):
    """w ← w - η ∇_w L(w, m / K), m the mask of live operations; there are no alphas.

    It is how IS-DARTS trains its supernet, on all training images. Its selector
    `is-darts` closes operations and does all the training itself, so that the supernet
    begins with `epochs = 0`.

    Settings:
        divisor: K: "all" operations of the edge, also those that are closed (the
            released code), or the "live" ones.
    """

    name: ClassVar[str] = "equal"
    summary: ClassVar[str] = "weights alone, every live operation weighs the same"
    paper: ClassVar[str] = "He et al., IS-DARTS, AAAI 2024, arXiv 2312.12648"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    epochs: Epochs = 0
    divisor: Literal["all", "live"] = "all"

    @property
    def part(self) -> str:
        """See :class:`Equal`."""
        return "all"

    def build_activation(self) -> Activation:
        """See :meth:`.UpdateRule.build_activation`."""
        return EqualShares() if self.divisor == "all" else EqualLiveShares()

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Equal`."""
        with torch.no_grad():
            mixture = trainer.mixture()
        trainer.step_weights(trainer.loss(batch, mixture))
