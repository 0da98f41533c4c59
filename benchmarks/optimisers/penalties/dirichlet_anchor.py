"""The penalty of DrNAS: the distance of the distributions from a uniform one.

Chen et al., ICLR 2021, arXiv 2006.10355, and its released code.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.networks.activation.dirichlet import concentrations
from archselect.nasbench_adapters.networks.activation.masks import rows_of_groups
from archselect.nasbench_adapters.setting_types import NonNegative


class DirichletAnchor(Penalty):
    """anchor · Σ KL(Dirichlet(elu(alpha) + 1) ‖ Dirichlet(1)), over all edges.

    All edges of a group share one distribution.
    """

    name: ClassVar[str] = "dirichlet-anchor"
    summary: ClassVar[str] = "divergence of the distributions from a uniform one"
    setting: ClassVar[str] = "anchor of drnas"

    anchor: NonNegative = 1e-3

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, summed over cell types."""
        total = view.zero()
        by_cell = zip(view.space.cells, view.alphas, view.operations, strict=True)
        for cell, alpha, is_operation in by_cell:
            weights = torch.where(is_operation, concentrations(alpha), 0)
            rows = rows_of_groups(cell, weights)
            is_live = rows_of_groups(cell, is_operation) > 0
            total = total + divergences(rows, is_live).sum()
        return self.anchor * total


def divergences(concentration: Tensor, is_live: Tensor) -> Tensor:
    """Return KL(Dirichlet(b) ‖ Dirichlet(1)) of each row b, (rows,).

    Args:
        concentration: b, (rows, entries); zero for entries that are not in the row.
        is_live: (rows, entries), whether an entry is in the row.
    """
    sums = concentration.sum(-1, keepdim=True)
    # Entries with value 1 add nothing.
    safe = torch.where(is_live, concentration, 1)
    terms = (safe - 1) * (safe.digamma() - sums.digamma()) - safe.lgamma()
    counts = is_live.sum(-1).to(concentration.dtype)
    return sums.squeeze(-1).lgamma() - counts.lgamma() + terms.sum(-1)
