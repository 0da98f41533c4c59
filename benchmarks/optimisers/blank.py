"""Blank: the weights alone, under alphas that stay as drawn.

Wang et al., DARTS-PT, ICLR 2021, section 7.
"""

from __future__ import annotations

from typing import ClassVar

import torch

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.trainer import Batch, Trainer


class Blank(Optimiser):
    """w ← w - η ∇_w L_train(w, softmax(α)); α is never updated."""

    name: ClassVar[str] = "blank"
    summary: ClassVar[str] = "weights alone, alphas stay as drawn"
    paper: ClassVar[str] = "Wang et al., DARTS-PT, ICLR 2021, arXiv 2108.04392"
    learns_alphas: ClassVar[bool] = False
    formulation: ClassVar[int] = 1

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Blank`."""
        with torch.no_grad():
            mixture = trainer.mixture()
        trainer.step_weights(trainer.loss(batch, mixture))
