"""SNAS: a random mixture near one-hot goes forward, and the loss' gradient through it.

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

    g is Gumbel noise, and L is of all training images. The alphas' gradient is Z_k (c_k
    - Σ Z c) / T with c = ∂L/∂Z. One Z is drawn per batch. The defaults are those of Xie
    et al. (AISTATS 2021).

    Settings:
        temperature, temperature_last: T in the first epoch, and that to which it goes
            linearly; the released code has 1 throughout, or goes to 0.03.
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
        """See :class:`Snas`."""
        return "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Snas`."""
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
        like: has its shape, type and device.
        generator: a CPU generator, with which it is drawn.
    """
    exponential = torch.empty(like.shape).exponential_(generator=generator)
    noise = -exponential.log()
    return noise.to(like.device, like.dtype, non_blocking=True)
