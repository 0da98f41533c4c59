"""DrNAS: the mixture is drawn from Dirichlet distributions, which the alphas shape.

Chen et al., ICLR 2021.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from archselect.benchmarks.optimisers.alpha_settings import (
    AlphaSettings,
    WeighedPenalty,
)
from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.penalties.dirichlet_anchor import DirichletAnchor
from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.networks.activation.dirichlet import concentrations
from archselect.nasbench_adapters.networks.activation.masks import (
    rows_of_groups,
    weighed_mask,
)
from archselect.nasbench_adapters.networks.mixture import close_alphas, decided_mixture
from archselect.nasbench_adapters.setting_types import NonNegative
from archselect.nasbench_adapters.space import Cell, SearchSpace


class Drnas(AlphaSettings, Optimiser):
    """α ← α - Adam(∇_α L_valid(w, θ)), w ← w - η ∇_w L_train(w, θ).

    On every edge θ ~ Dirichlet(elu(α) + 1), drawn anew for either step; the alphas'
    gradient is the pathwise one. Progressive shrinking and widening are left out.

    Settings:
        activation: by which selectors read the alphas: "softmax" (the released code),
            or "dirichlet", the mean of θ.
        anchor: weight of :class:`.DirichletAnchor`. The released code has either this,
            with `alpha_weight_decay = 0`, or by default the weight decay alone.
    """

    name: ClassVar[str] = "drnas"
    summary: ClassVar[str] = "as darts, under mixtures from Dirichlet distributions"
    paper: ClassVar[str] = "Chen et al., DrNAS, ICLR 2021, arXiv 2006.10355"
    formulation: ClassVar[int] = 1

    activation: Literal["softmax", "dirichlet"] = "softmax"
    anchor: NonNegative = 0.0

    @property
    def searched(self) -> str:
        """See :class:`Drnas`."""
        return "valid"

    def build_penalties(
        self,
        space: SearchSpace,
        network: NetworkShape,
    ) -> list[WeighedPenalty]:
        """See :meth:`.UpdateRule.build_penalties`."""
        terms = super().build_penalties(space, network)
        if self.anchor:
            terms.append(WeighedPenalty(DirichletAnchor(anchor=self.anchor), 1.0))
        return terms

    def step(self, trainer: Trainer, batch: Batch) -> None:
        """See :class:`Drnas`."""
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


def draw_table(cell: Cell, alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Return a table (edges, operations) drawn from Dirichlet distributions.

    Entries of no operation, and closed ones, are zero, and the others are as from the
    distribution of those alone.

    Args:
        cell: the cell type.
        alpha: (edges, operations); minus infinity where operations are closed.
        generator: a CPU generator.
    """
    weighed = weighed_mask(cell.operations, alpha.shape[1], True, alpha.device)
    rows = rows_of_groups(cell, concentrations(alpha) * weighed)
    is_live = rows > 0
    drawn = _DirichletSample.apply(torch.where(is_live, rows, 1), generator)
    live = drawn * is_live
    tiny = torch.finfo(live.dtype).tiny
    table: Tensor = live / live.sum(-1, keepdim=True).clamp_min(tiny)
    return table.sum(0).view_as(alpha) if cell.groups else table


class _DirichletSample(torch.autograd.Function):
    """A sample of each row's Dirichlet distribution, with its pathwise gradient.

    It is the gradient of `torch.distributions.Dirichlet.rsample`, which draws from the
    global random state only.
    """

    @staticmethod
    def forward(ctx: Any, concentration: Tensor, generator: torch.Generator) -> Tensor:
        on_host = torch._sample_dirichlet(concentration.cpu(), generator)
        sample = on_host.to(concentration.device, non_blocking=True)
        ctx.save_for_backward(sample, concentration)
        return sample

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        sample, concentration = ctx.saved_tensors
        total = concentration.sum(-1, keepdim=True).expand_as(concentration)
        path = torch._dirichlet_grad(sample, concentration, total)
        mean = (sample * slope).sum(-1, keepdim=True)
        return path * (slope - mean), None
