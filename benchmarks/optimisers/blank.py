"""Blank: the weights alone, under alphas that stay as drawn.

Wang et al., DARTS-PT, ICLR 2021, section 7.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.networks.activation import Activation, get_activation


class Blank(Optimiser):
    """w ← w - η ∇_w L_train(w, softmax(α)); α is never updated.

    Settings:
        activation: from alphas to weights: "softmax", or "ones" (the plain sum of the
            operations, as Zero-Cost-PT's released code for its MobileNet-like space).
    """

    name: ClassVar[str] = "blank"
    summary: ClassVar[str] = "weights alone, alphas stay as drawn"
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    activation: Literal["softmax", "ones"] = "softmax"

    def settings(self) -> Settings:
        """See :meth:`.CommonSettings.settings`.

        The softmax is none of them: the ids of supernets with it stay.
        """
        settings = super().settings()
        if self.activation == "softmax":
            del settings["activation"]
        return settings

    def build_activation(self) -> Activation:
        """Return the activation."""
        return get_activation(self.activation)

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Blank`."""
        with torch.no_grad():
            mixture = trainer.mixture()
        trainer.step_weights(trainer.loss(batch, mixture))
