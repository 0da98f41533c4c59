"""Blank: train the weights alone; the alphas keep their initial values.

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
        activation: function from alphas to weights: "softmax", or "ones" (the plain sum
            of the operations, as in Zero-Cost-PT's released code for its MobileNet-like
            space).
    """

    name: ClassVar[str] = "blank"
    summary: ClassVar[str] = "weights alone; alphas keep their initial values"
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    activation: Literal["softmax", "ones"] = "softmax"

    def settings(self) -> Settings:
        """Return the settings that determine a supernet.

        The default activation is left out, so that ids of older supernets do not
        change.
        """
        settings = super().settings()
        if self.activation == "softmax":
            del settings["activation"]
        return settings

    def build_activation(self) -> Activation:
        """Return the activation."""
        return get_activation(self.activation)

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the weights under a constant mixture."""
        with torch.no_grad():
            mixture = trainer.mixture()
        trainer.step_weights(trainer.loss(batch, mixture))
