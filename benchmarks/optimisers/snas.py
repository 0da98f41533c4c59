"""SNAS: use a random mixture near one-hot; the gradient of the loss flows through it.

Xie et al., ICLR 2019.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.setting_types import (
    BatchSize,
    Epochs,
    NonNegative,
    Positive,
)


class Snas(AlphaSettings, Optimiser):
    """Z = softmax((α + g) / T); w ← w - η ∇_w L(w, Z), α ← α - Adam(∇_α L(w, Z)).

    g is Gumbel noise, and L is the loss on all training images. With c = ∂L/∂Z, the
    gradient of alpha k is Z_k (c_k - Σ Z c) / T. One Z is drawn per batch. The defaults
    are those of Xie et al. (AISTATS 2021).

    Settings:
        temperature, temperature_last: T in the first epoch, and the value to which it
            goes linearly. The released code keeps 1, or goes to 0.03.
    """

    name: ClassVar[str] = "snas"
    summary: ClassVar[str] = (
        "weights and alphas together, under mixtures with Gumbel noise"
    )
    paper: ClassVar[str] = (
        "Xie et al., SNAS, ICLR 2019, arXiv 1812.09926; Xie et al., AISTATS 2021, arXiv 2009.01272"
    )
    formulation: ClassVar[int] = 1

    epochs: Epochs = 150
    batch_size: BatchSize = 96
    alpha_mean: float = 1.0
    alpha_scale: NonNegative = 0.01
    alpha_grad_clip: NonNegative = 10.0
    temperature: Positive = 1.0
    temperature_last: Positive = 1.0

    @property
    def part(self) -> str:
        """Part of the images that weights and alphas learn from."""
        return "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update weights and, if they are due, alphas from one drawn mixture."""
        change = (self.temperature_last - self.temperature) * trainer.progress
        temperature = self.temperature + change
        is_due = trainer.alphas_are_due()
        noises = [gumbel(alpha, trainer.generator) for alpha in trainer.alphas]
        loss = trainer.loss(batch, trainer.relaxed(noises, temperature))
        gradients = trainer.step_weights(loss, also=trainer.alphas)
        if is_due:
            trainer.step_alphas(gradients)


def gumbel(
    like: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Return Gumbel noise, -log(-log(u)) for u uniform.

    Args:
        like: tensor with the shape, type and device of the noise.
        generator: generator of the draw, on the CPU.
    """
    exponential = torch.empty(like.shape).exponential_(generator=generator)
    noise = -exponential.log()
    return noise.to(like.device, like.dtype, non_blocking=True)
