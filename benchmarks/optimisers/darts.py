"""DARTS: alphas down the validation loss and weights down the training loss, by turns (Liu et al., ICLR 2019)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.base import Batch, Optimiser
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.benchmarks.optimisers.unrolled import unrolled_gradients
from archselect.nasbench_adapters.networks import Mixture


class Darts(Optimiser):
    """α ← α - Adam(∇_α L_valid(w', softmax(α))), then w ← w - η ∇_w L_train(w, softmax(α)).

    Settings:
        order: 1 takes w' = w (the released DARTS-PT's); 2 takes for w' the weights after one more step on the
            training batch and follows their dependence on α (section 2.3 and algorithm 1): see :mod:`.unrolled`.
    """

    name: ClassVar[str] = "darts"
    summary: ClassVar[str] = "weights and alphas by turns, first or second order"
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"

    order: Literal[1, 2] = 1

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Darts`."""
        trainer.step_alphas(self.alpha_gradients(trainer, batch, trainer.valid()))
        trainer.step_weights(trainer.loss(batch, self.weight_mixture(trainer)))

    def alpha_gradients(self, trainer: Trainer, train: Batch, valid: Batch) -> tuple[Tensor, ...]:
        """The gradient of the alphas' step."""
        if self.order == 2:
            return unrolled_gradients(trainer, train, valid)
        return trainer.gradients(trainer.loss(valid, trainer.mixture()))

    def weight_mixture(self, trainer: Trainer) -> Mixture:
        """The mixture of the weights' step, a constant."""
        with torch.no_grad():
            return trainer.mixture()
