"""An optimiser and a penalty that pyproject.toml declares; selectors, which need none of the harness, are elsewhere."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.benchmarks.optimisers.trainer import Batch, Trainer


class SingleLevel(Optimiser):
    """Weights and alphas down the same loss, on all training images."""

    name: ClassVar[str] = "single-level"
    summary: ClassVar[str] = (
        "weights and alphas together, from one gradient on all training images"
    )

    @property
    def part(self) -> str:
        """See :class:`SingleLevel`."""
        return "all"

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`SingleLevel`."""
        gradients = trainer.step_weights(
            trainer.loss(batch, trainer.mixture()), also=trainer.alphas
        )
        trainer.step_alphas(gradients)


class Entropy(Penalty):
    """Entropy of the weights of every edge, in nats."""

    name: ClassVar[str] = "entropy"
    summary: ClassVar[str] = "entropy of every edge's weights"

    def __call__(self, view: AlphaView) -> Tensor:
        """See :class:`Entropy`."""
        total = view.zero()
        for table in view.tables:
            total = total - torch.xlogy(table, table).sum()
        return total
