"""GDAS: one operation per edge in the forward pass, a Gumbel-softmax in the backward.

Dong and Yang, CVPR 2019.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.snas import gumbel
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import Epochs, NonNegative, Positive


class Gdas(AlphaSettings, Optimiser):
    """w ← w - η ∇_w L_train(w, h), then α ← α - Adam(∇_α L_valid(w, h)).

    h is one-hot at the largest entry of Z = softmax((log p + g) / T); p are the
    probabilities of the alphas, and g is Gumbel noise. h is drawn again for each step.
    The gradient of the alphas goes through Z, as if Z had been used in the forward
    pass. Only drawn operations are computed, so the loss' gradient by h is zero for all
    others. Each forward pass copies Z to the CPU once.

    The defaults are those of the released code on NAS-Bench-201. In that code,
    operations that were not drawn also get a gradient, because their zero weights are
    added to the features. Its later variant "gdas_v1" leaves that out, as this class
    does.

    Settings:
        temperature, temperature_last: T in the first and in the last epoch; linear in
            between.
    """

    name: ClassVar[str] = "gdas"
    summary: ClassVar[str] = (
        "alternate steps of weights and alphas, with one drawn operation per edge"
    )
    paper: ClassVar[str] = "Dong and Yang, GDAS, CVPR 2019, arXiv 1910.04465"
    formulation: ClassVar[int] = 1

    epochs: Epochs = 250
    weight_decay: NonNegative = 5e-4
    temperature: Positive = 10.0
    temperature_last: Positive = 0.1

    @property
    def searched(self) -> str:
        """Part of the images that the alphas learn from."""
        return "valid"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the weights and, if they are due, the alphas."""
        is_due = trainer.alphas_are_due()
        with torch.no_grad():
            drawn = self.draw(trainer)
        trainer.step_weights(trainer.loss(batch, drawn))
        if is_due:
            loss = trainer.loss(trainer.valid(), self.draw(trainer))
            trainer.step_alphas(trainer.gradients(loss))

    def draw(self, trainer: Trainer) -> Mixture:
        """Return a mixture h, whose gradients are those of Z."""
        noises = [gumbel(alpha, trainer.generator) for alpha in trainer.alphas]
        relaxed = trainer.relaxed(noises, self.temperature_at(trainer.progress))
        return trainer.hardened(relaxed)

    def temperature_at(self, progress: float) -> float:
        """Return T, for the share of the epochs that are done."""
        last = max(self.epochs - 1, 1)
        share = min(progress * self.epochs / last, 1.0)
        return self.temperature + share * (self.temperature_last - self.temperature)
