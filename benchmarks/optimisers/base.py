"""What a way of training a supernet is: one formulation for all of them.

A supernet gives a loss L(w, W) on a batch, from its weights w and the mixture W, which
comes from the architecture weights, the alphas. An optimiser's `step` says, for every
batch of `part`: which mixture goes forward, where the alphas' gradient comes
from, what is updated and in which order. It reads like its paper's update rule in one
file, and knows nothing of epochs, devices, checkpoints or files. Settings are fields
with defaults::

    class SingleLevel(Optimiser):
        name: ClassVar[str] = "single-level"
        summary: ClassVar[str] = "weights and alphas together, from one gradient on all
        training images"

        @property
        def part(self) -> str:
            return "all"

        def step(self, trainer: Trainer, batch: Batch) -> None:
            gradients = trainer.step_weights(trainer.loss(batch, trainer.mixture()),
            also=trainer.alphas) trainer.step_alphas(gradients)

One of your own is a file, `recipe = "my_optimiser.py:MyOptimiser"` in a study, or
declared by an installed package under the entry-point group `archselect.optimisers`. It
keeps nothing from one step to the next: what lives on, and is kept where a training is
interrupted, is the trainer's. What an optimiser adds to that stands in
`trainer.memory`, where its `begin` writes it first; see :class:`.Oles`.
"""

from __future__ import annotations

from abc import ABC
from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.trainer import UpdateRule
from archselect.nasbench_adapters.space import SearchSpace


class Optimiser(UpdateRule, ABC):
    """Base of all ways of training a supernet: an immutable value; fields are settings.

    Attributes:
        name: what it is called.
        summary: what it does, in a line.
        paper: its source.
        trains: whether a supernet is trained at all before a selector reads it.
        learns_alphas: whether alphas move; a table of what they end as needs that.
        formulation: raised when the numbers that the optimiser produces change on
            purpose; part of a supernet's id.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str] = ""
    trains: ClassVar[bool] = True
    learns_alphas: ClassVar[bool] = True

    def new_alphas(
        self,
        space: SearchSpace,
        generator: torch.Generator,
        device: torch.device,
    ) -> tuple[Tensor, ...]:
        """Return initial architecture weights, (edges, operations) per cell type."""
        activation = self.build_activation()
        return activation.new_alphas(
            space, generator, device, self.alpha_scale, self.alpha_mean
        )
