"""Equal: train the weights alone, with equal weights of all operations (IS-DARTS).

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

    IS-DARTS trains its supernet this way, on all training images. Its selector
    `is-darts` closes operations and does all the training; the supernet therefore
    starts with `epochs = 0`.

    Settings:
        divisor: what K counts: "all" operations of the edge, including closed ones (the
            released code), or only the "live" ones.
    """

    name: ClassVar[str] = "equal"
    summary: ClassVar[str] = "weights alone, with equal weights of all live operations"
    paper: ClassVar[str] = "He et al., IS-DARTS, AAAI 2024, arXiv 2312.12648"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    epochs: Epochs = 0
    divisor: Literal["all", "live"] = "all"

    @property
    def part(self) -> str:
        """Part of the images that the weights learn from."""
        return "all"

    def build_activation(self) -> Activation:
        """Return the activation that gives all live operations equal weights."""
        return EqualShares() if self.divisor == "all" else EqualLiveShares()

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the weights under a constant mixture."""
        with torch.no_grad():
            mixture = trainer.mixture()
        trainer.step_weights(trainer.loss(batch, mixture))
