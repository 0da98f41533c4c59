"""Lambda-DARTS: DARTS whose weights learn to let the layers agree on operations.

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
    """As DARTS, but w ← w - η (∇_w L_train(w, a) - λ ∇_w Λ).

    Λ is the mean cosine between the layers' gradients of L_train by their mixtures; see
    :mod:`.layer_alignment`. The sum of both gradients is what is clipped. In the e-th
    of E epochs, from 0, λ is `alignment` e / (E - 1), and `alignment` under a selector
    that tunes. While λ is 0 a step is that of DARTS. A cell type of one layer has
    nothing to align.

    The released code aligns the normal cells alone, which are the first type. There as
    here, the two forwards of the finite difference move running statistics. Its
    defaults are those here; its script for NAS-Bench-201 has alignment 0.25 and the
    alphas' learning rate 1e-4. It also has a measure of agreement by signs, which is
    left out here.

    Settings:
        alignment: λ in the last epoch.
        radius: norm of the mixtures' change for the finite difference.
        aligned: whether the layers of the "first" cell type agree (released), or those
            of "all" types, each among themselves.
    """

    name: ClassVar[str] = "lambda-darts"
    summary: ClassVar[str] = "as darts, with layers whose gradients are aligned"
    paper: ClassVar[str] = "Movahedi et al., Lambda-DARTS, ICLR 2023, arXiv 2210.07998"
    formulation: ClassVar[int] = 1

    # At one level the weights' gradient is that of the alphas, in one backward.
    level: Literal["bi"] = "bi"
    alignment: NonNegative = 0.125
    radius: Positive = 1e-4
    aligned: Literal["first", "all"] = "first"

    def train_weights(self, trainer: Trainer, batch: Batch, recorded: bool) -> None:
        """See :class:`LambdaDarts`."""
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
        """Return the cell types whose layers are to agree."""
        types = range(len(trainer.layers) if self.aligned == "all" else 1)
        return [cell for cell in types if trainer.layers[cell] > 1]
