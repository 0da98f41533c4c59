"""SPOS: train the weights alone, with one uniformly drawn operation per edge.

Guo et al., ECCV 2020.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.setting_types import BatchSize, Epochs


class Spos(Optimiser):
    """z uniform one-hot, w ← w - η ∇_w L(w, z), on all training images.

    α keeps its initial value. Xie et al. (AISTATS 2021) measure the costs of operations
    in this training; the defaults are their settings.
    """

    name: ClassVar[str] = "spos"
    summary: ClassVar[str] = (
        "weights alone, with one uniformly drawn operation per edge"
    )
    paper: ClassVar[str] = "Guo et al., SPOS, ECCV 2020, arXiv 1904.00420"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    epochs: Epochs = 150
    batch_size: BatchSize = 96

    @property
    def part(self) -> str:
        """Part of the images that the weights learn from."""
        return "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the weights of one uniformly drawn path."""
        with torch.no_grad():
            zeros = [torch.zeros_like(alpha) for alpha in trainer.alphas]
            equal = trainer.mixture(zeros)
        path = trainer.drawn(equal)
        loss = trainer.loss(batch, path)
        trainer.step_weights(loss)
