"""Lambda-DARTS: DARTS whose weights also learn to align the gradients of layers.

Movahedi et al., ICLR 2023.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.layer_alignment import (
    alignment_direction,
    alignment_slopes,
)
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.setting_types import NonNegative, Positive


class LambdaDarts(Darts):
    """DARTS with w ← w - η (∇_w L_train(w, a) - λ ∇_w Λ).

    Λ is the mean cosine between the layers' gradients of L_train by their mixtures
    (:mod:`.layer_alignment`). The sum of both gradients is clipped. In epoch e of E,
    counted from 0, λ is `alignment` e / (E - 1); while a selector tunes, λ is
    `alignment`. While λ is 0, a step is that of DARTS. A cell type with one layer has
    nothing to align.

    The released code aligns only the normal cells, which are the first type. There, as
    here, the two forward passes of the finite difference update running statistics. The
    defaults are those of the released code; its script for NAS-Bench-201 uses alignment
    0.25 and a learning rate of 1e-4 for the alphas. Its measure of agreement by signs
    is left out here.

    Settings:
        alignment: λ in the last epoch.
        radius: norm of the change of the mixtures for the finite difference.
        aligned: which layers to align: those of the "first" cell type (released), or
            those of "all" types, each type separately.
    """

    name: ClassVar[str] = "lambda-darts"
    summary: ClassVar[str] = "as darts, with layers whose gradients are aligned"
    paper: ClassVar[str] = "Movahedi et al., Lambda-DARTS, ICLR 2023, arXiv 2210.07998"
    formulation: ClassVar[int] = 1

    # At level "single", one backward gives the gradients of both weights and alphas.
    level: Literal["bi"] = "bi"
    alignment: NonNegative = 0.125
    radius: Positive = 1e-4
    aligned: Literal["first", "all"] = "first"

    def train_weights(self, trainer: Trainer, batch: Batch, recorded: bool) -> None:
        """Update the weights, with the gradient of the alignment."""
        last = max(self.epochs - 1, 1)
        share = min(trainer.progress * self.epochs / last, 1.0)
        strength = self.alignment * share
        types = self._aligned_types(trainer)
        if not strength or not types:
            super().train_weights(trainer, batch, recorded)
            return
        mixture = self.weight_mixture(trainer).spread(trainer.layers).leaf()
        loss = trainer.loss(batch, mixture, recorded=recorded)
        slopes = trainer.backward(loss, also=mixture.weights)
        directions = [torch.zeros_like(slope) for slope in slopes]
        for cell in types:
            directions[cell] = alignment_direction(slopes[cell])
        added = alignment_slopes(trainer, batch, mixture, directions, self.radius)
        weights = trainer.supernet.parameters()
        for weight, slope in zip(weights, added, strict=True):
            if weight.grad is not None:
                weight.grad = weight.grad + strength * slope
        trainer.descend()

    def _aligned_types(self, trainer: Trainer) -> list[int]:
        """Return the cell types whose layers are aligned."""
        types = range(len(trainer.layers) if self.aligned == "all" else 1)
        return [cell for cell in types if trainer.layers[cell] > 1]
