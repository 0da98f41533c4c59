"""The base class of optimisers: ways of training a supernet, all in one formulation.

A supernet gives a loss L(w, W) on a batch. It depends on the weights w and on the
mixture W, which is computed from the architecture parameters (alphas). An optimiser's
`step` says, for every batch of `part`: which mixture is used in the forward pass, where
the gradient of the alphas comes from, what is updated, and in which order. It reads
like the update rule of its paper, in one file, and needs no code for epochs, devices,
checkpoints or files. Settings are fields with defaults::

    class SingleLevel(Optimiser):
        name: ClassVar[str] = "single-level"
        summary: ClassVar[str] = "weights and alphas together, on all training images"

        @property
        def part(self) -> str:
            return "all"

        def step(self, trainer: Trainer, batch: Batch) -> None:
            loss = trainer.loss(batch, trainer.mixture())
            gradients = trainer.step_weights(loss, also=trainer.alphas)
            trainer.step_alphas(gradients)

Your own optimiser is a file, `recipe = "my_optimiser.py:MyOptimiser"` in a study, or an
entry point of an installed package in the group `archselect.optimisers`. It keeps no
state from one step to the next: the trainer has all state, and saves it when a training
is interrupted. An optimiser can add state to `trainer.memory`; its method `begin`
writes the initial values (for an example, see :class:`.Oles`).
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
        name: name of the optimiser.
        summary: what it does, in one line.
        paper: its source.
        trains: whether it trains the supernet before a selector reads it.
        learns_alphas: whether alphas change. Tables of final alphas need this.
        formulation: number that is raised when the results of the optimiser change on
            purpose. It is part of a supernet's id.
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
        """Return initial alphas, (edges, operations) per cell type."""
        activation = self.build_activation()
        return activation.new_alphas(
            space, generator, device, self.alpha_scale, self.alpha_mean
        )
