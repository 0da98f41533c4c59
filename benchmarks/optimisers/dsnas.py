"""DSNAS: use one drawn operation per edge; its cost is the reward for the alphas.

Hu et al., CVPR 2020.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import (
    BatchSize,
    Epochs,
    NonNegative,
    Positive,
)


class Dsnas(AlphaSettings, Optimiser):
    """z ~ softmax(α) one-hot, w ← w - η ∇_w L(w, z), α ← α - Adam(R ∇_α log p(z)).

    Both steps use all training images. R_e = Σ_k z_ek ∂L/∂z_ek, clamped, is the cost of
    the operation drawn on edge e. log p(z) = Σ_e log p_e(z_e), so the gradient on edge
    e is R_e (z_e - p_e). The defaults are those of Xie et al. (AISTATS 2021). Drawing
    needs the probabilities on the CPU once per step, because the rest of the step
    depends on the draw.

    Settings:
        clamp: R is clamped to plus and minus this value.
        as_released: whether to use the gradient of the released code, that of
            log Σ_e p_e(z_e): R_e p_e(z_e) / Σ_e' p_e'(z_e') (z_e - p_e). With it, edges
            with an unlikely draw hardly change. :class:`.AlphaSettings` describes the
            other effects of this setting.
    """

    name: ClassVar[str] = "dsnas"
    summary: ClassVar[str] = (
        "weights and alphas together, with one drawn operation per edge"
    )
    paper: ClassVar[str] = (
        "Hu et al., DSNAS, CVPR 2020, arXiv 2002.09128; Xie et al., AISTATS 2021, arXiv 2009.01272"
    )
    formulation: ClassVar[int] = 1

    epochs: Epochs = 150
    batch_size: BatchSize = 96
    alpha_mean: float = 1.0
    alpha_scale: NonNegative = 0.01
    alpha_grad_clip: NonNegative = 10.0
    clamp: Positive = 5.0

    @property
    def part(self) -> str:
        """Part of the images that weights and alphas learn from."""
        return "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update weights and, if they are due, alphas from one drawn mixture."""
        is_due = trainer.alphas_are_due()
        soft = trainer.probabilities()
        drawn = trainer.drawn(soft).leaf()
        loss = trainer.loss(batch, drawn)
        costs = trainer.step_weights(loss, also=drawn.weights)
        if is_due:
            surrogate = self.surrogate(soft, drawn, costs)
            trainer.step_alphas(trainer.gradients(surrogate))

    def surrogate(
        self,
        soft: Mixture,
        drawn: Mixture,
        costs: tuple[Tensor, ...],
    ) -> Tensor:
        """Return a scalar whose gradient by the alphas is that of :class:`Dsnas`.

        Args:
            soft: mixture of the probabilities.
            drawn: mixture with one operation per edge.
            costs: gradient of the loss by the drawn weights, of their shape, per cell
                type.
        """
        total = torch.zeros((), device=costs[0].device)
        tables = zip(soft.weights, drawn.weights, costs, strict=True)
        for probabilities, weights, cost in tables:
            drawn_one = weights.detach()
            # Both are (edges,).
            cost_of_drawn = (drawn_one * cost).sum(-1)
            reward = cost_of_drawn.clamp(-self.clamp, self.clamp)
            likelihood = (drawn_one * probabilities).sum(-1)
            if self.as_released:
                expected = (reward * likelihood).sum()
                total = total + expected / likelihood.detach().sum()
            else:
                # A dropped edge has probability 0, of which there is no logarithm.
                is_dropped = likelihood == 0
                log_likelihood = likelihood.masked_fill(is_dropped, 1).log()
                total = total + (reward * log_likelihood).sum()
        return total
