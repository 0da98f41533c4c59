"""DARTS: alternate steps of the alphas (validation loss) and weights (training loss).

Liu et al., ICLR 2019.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.benchmarks.optimisers.unrolled import unrolled_gradients
from archselect.nasbench_adapters.networks import Mixture


class Darts(AlphaSettings, Optimiser):
    """α ← α - Adam(∇_α L_valid(w', a(α))), w ← w - η ∇_w L_train(w, a(α)).

    a is the activation, in DARTS the softmax. :class:`.AlphaSettings` has the settings
    of the activation, of the schedule of alpha steps, and of penalties.

    Settings:
        level: "bi" as above, or "single": both losses use the same batch of all
            training images. In the first order, both gradients are then computed at
            once, before either step (the control experiment of Xie et al., AISTATS
            2021).
        order: 1 uses w' = w (as in the released code of DARTS-PT). 2 uses for w' the
            weights after one more step on the training batch, and follows their
            dependence on α (section 2.3 and algorithm 1; :mod:`.unrolled`).
    """

    name: ClassVar[str] = "darts"
    summary: ClassVar[str] = (
        "alternate steps of weights and alphas, first or second order"
    )
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    level: Literal["bi", "single"] = "bi"
    order: Literal[1, 2] = 1

    @property
    def part(self) -> str:
        """Part of the images that the weights learn from."""
        return "train" if self.level == "bi" else "all"

    @property
    def searched(self) -> str:
        """Part of the images that the alphas learn from."""
        return "valid" if self.level == "bi" else "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the alphas, if they are due, and the weights."""
        is_due = trainer.alphas_are_due()
        if self.level == "single" and self.order == 1:
            loss = trainer.loss(batch, trainer.mixture())
            gradients = trainer.step_weights(loss, also=trainer.alphas)
            if is_due:
                trainer.step_alphas(gradients)
            return
        if is_due:
            valid = trainer.valid() if self.level == "bi" else batch
            trainer.step_alphas(self.alpha_gradients(trainer, batch, valid))
        # A trace records the loss that the alphas learn from only once.
        is_recorded = self.level == "bi" or not is_due
        self.train_weights(trainer, batch, is_recorded)

    def train_weights(
        self,
        trainer: Trainer,
        batch: Batch,
        recorded: bool,
    ) -> None:
        """Update the weights on a batch.

        Args:
            trainer: the trainer, which has the supernet.
            batch: batch of the images that the weights learn from.
            recorded: whether to record the loss in the trace, if there is one.
        """
        loss = trainer.loss(batch, self.weight_mixture(trainer), recorded=recorded)
        trainer.step_weights(loss)

    def alpha_gradients(
        self,
        trainer: Trainer,
        train: Batch,
        valid: Batch,
    ) -> tuple[Tensor, ...]:
        """Return the gradient for the alphas' step, (edges, operations) per cell type.

        Args:
            trainer: the trainer, which has supernet and alphas.
            train: batch of the training images.
            valid: batch of the validation images.
        """
        if self.order == 2:
            return unrolled_gradients(trainer, train, valid)
        loss = trainer.loss(valid, trainer.mixture())
        return trainer.gradients(loss)

    def weight_mixture(self, trainer: Trainer) -> Mixture:
        """Return the mixture for the step of the weights, without gradient."""
        with torch.no_grad():
            return trainer.mixture()
