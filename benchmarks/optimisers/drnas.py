"""DrNAS: draw mixtures from Dirichlet distributions whose parameters are the alphas.

Chen et al., ICLR 2021.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import model_validator

from archselect.benchmarks.optimisers.alpha_settings import (
    AlphaSettings,
    WeighedPenalty,
)
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.dirichlet_draws import draw_table
from archselect.benchmarks.optimisers.penalties.dirichlet_anchor import DirichletAnchor
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.networks.mixture import close_alphas, decided_mixture
from archselect.nasbench_adapters.setting_types import NonNegative
from archselect.nasbench_adapters.space import SearchSpace


class Drnas(AlphaSettings, Optimiser):
    """α ← α - Adam(∇_α L_valid(w, θ)), w ← w - η ∇_w L_train(w, θ).

    On every edge, θ ~ Dirichlet(elu(α) + 1), drawn again for each step. The gradient of
    the alphas is the pathwise one. Progressive shrinking and widening are left out.

    Settings:
        activation: how selectors read the alphas: "softmax" (the released code) or
            "dirichlet", the mean of θ. No other activation is allowed.
        anchor: weight of :class:`.DirichletAnchor`. The released code uses either the
            anchor with `alpha_weight_decay = 0`, or, by default, only the weight decay.
    """

    name: ClassVar[str] = "drnas"
    summary: ClassVar[str] = "as darts, under mixtures from Dirichlet distributions"
    paper: ClassVar[str] = "Chen et al., DrNAS, ICLR 2021, arXiv 2006.10355"
    formulation: ClassVar[int] = 1

    anchor: NonNegative = 0.0

    @model_validator(mode="after")
    def _check_activation(self) -> Drnas:
        """Return the settings. Raise UserError for another activation."""
        if self.activation not in ("softmax", "dirichlet"):
            raise UserError(
                f"drnas has no activation {self.activation!r}: "
                'set activation = "softmax" or "dirichlet"'
            )
        return self

    @property
    def searched(self) -> str:
        """Part of the images that the alphas learn from."""
        return "valid"

    def build_penalties(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> list[WeighedPenalty]:
        """Return the penalties of the alphas, with the anchor."""
        terms = super().build_penalties(space, network)
        if self.anchor:
            terms.append(WeighedPenalty(DirichletAnchor(anchor=self.anchor), 1.0))
        return terms

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update the alphas, if they are due, and the weights."""
        if trainer.alphas_are_due():
            loss = trainer.loss(trainer.valid(), self.draw(trainer))
            trainer.step_alphas(trainer.gradients(loss))
        with torch.no_grad():
            drawn = self.draw(trainer)
        trainer.step_weights(trainer.loss(batch, drawn))

    def draw(self, trainer: Trainer) -> Mixture:
        """Return a drawn mixture; gradients flow to the alphas of open edges."""
        decisions = trainer.decisions
        tables = []
        alphas = close_alphas(trainer.alphas, decisions)
        for cell, alpha in zip(trainer.space.cells, alphas, strict=True):
            tables.append(draw_table(cell, alpha, trainer.generator))
        return decided_mixture(trainer.space, tables, decisions, trainer.activation)
