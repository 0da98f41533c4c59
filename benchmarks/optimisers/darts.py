"""DARTS: alphas down the validation loss and weights down the training loss, by turns.

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

    a is the activation, the softmax in DARTS; :class:`.AlphaSettings` has it, the
    schedule of the alphas' steps, and penalties.

    Settings:
        level: "bi" as above, or "single": both losses are of the same batch of all
            training images, and in the first order both gradients are taken at once,
            before either step (the control of Xie et al., AISTATS 2021).
        order: 1 takes w' = w (the released DARTS-PT's); 2 takes for w' the weights
            after one more step on the training batch and follows their dependence on α
            (section 2.3 and algorithm 1): see :mod:`.unrolled`.
    """

    name: ClassVar[str] = "darts"
    summary: ClassVar[str] = "weights and alphas by turns, first or second order"
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    level: Literal["bi", "single"] = "bi"
    order: Literal[1, 2] = 1

    @property
    def part(self) -> str:
        """See :class:`Darts`."""
        return "train" if self.level == "bi" else "all"

    @property
    def searched(self) -> str:
        """See :class:`Darts`."""
        return "valid" if self.level == "bi" else "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Darts`."""
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
        """Do the weights' step on a batch.

        Args:
            trainer: has the supernet.
            batch: of the images that the weights learn from.
            recorded: whether the trace, where there is one, has the loss.
        """
        loss = trainer.loss(batch, self.weight_mixture(trainer), recorded=recorded)
        trainer.step_weights(loss)

    def alpha_gradients(
        self,
        trainer: Trainer,
        train: Batch,
        valid: Batch,
    ) -> tuple[Tensor, ...]:
        """Return the gradient of the alphas' step, (edges, operations) per cell type.

        Args:
            trainer: has supernet and alphas.
            train: a batch of the training images.
            valid: a batch of the validation images.
        """
        if self.order == 2:
            return unrolled_gradients(trainer, train, valid)
        loss = trainer.loss(valid, trainer.mixture())
        return trainer.gradients(loss)

    def weight_mixture(self, trainer: Trainer) -> Mixture:
        """Return the mixture of the weights' step, a constant."""
        with torch.no_grad():
            return trainer.mixture()
