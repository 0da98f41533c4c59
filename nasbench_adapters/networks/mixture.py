"""The mixture: how much of each operation each edge carries, passed to every forward of a supernet.

Shapes: per cell type c, `weights[c]` is (edges, operations); where edges allow different numbers of operations the
rows are padded with zeros. `support` says on the host, without asking the device, which entries are not exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture, Decisions, SearchSpace

Support = tuple[tuple[tuple[bool, ...], ...], ...]


@dataclass(frozen=True, eq=False)
class Mixture:
    """An immutable mixture; see the module's text for shapes. The tensors may carry gradients."""

    weights: tuple[Tensor, ...]
    support: Support

    def without(self, cell: int, edge: int, choice: int, renormalise: bool = False) -> Mixture:
        """The mixture with one entry set to zero; the edge's others are rescaled to sum to one only if asked."""
        keep = torch.ones_like(self.weights[cell])
        keep[edge, choice] = 0
        weights = self.weights[cell] * keep
        if renormalise:
            row = weights[edge].sum().clamp_min(torch.finfo(weights.dtype).tiny)
            weights = torch.cat([weights[:edge], weights[edge : edge + 1] / row, weights[edge + 1 :]])
        row_support = tuple(s and k != choice for k, s in enumerate(self.support[cell][edge]))
        return self._replace(cell, weights, edge, row_support)

    def fixed(self, cell: int, edge: int, choice: int) -> Mixture:
        """The mixture with the edge's row set to one-hot."""
        row = torch.zeros_like(self.weights[cell][edge])
        row[choice] = 1
        weights = torch.cat([self.weights[cell][:edge], row[None], self.weights[cell][edge + 1 :]])
        return self._replace(cell, weights, edge, tuple(k == choice for k in range(len(row))))

    def _replace(self, cell: int, weights: Tensor, edge: int, row: tuple[bool, ...]) -> Mixture:
        support = self.support[cell]
        support = (*support[:edge], row, *support[edge + 1 :])
        return Mixture(
            (*self.weights[:cell], weights, *self.weights[cell + 1 :]),
            (*self.support[:cell], support, *self.support[cell + 1 :]),
        )


def width(space: SearchSpace, cell: int) -> int:
    """Columns of a cell type's mixture: the most operations any of its edges allows."""
    return max(len(operations) for operations in space.cells[cell].operations)


def new_alphas(
    space: SearchSpace, generator: torch.Generator, device: torch.device, scale: float = 1e-3
) -> tuple[Tensor, ...]:
    """Architecture weights `scale` x normal, one (edges, operations) tensor per cell type.

    Drawn on the generator's device, so that the same seed gives the same alphas wherever they are used.
    """
    return tuple(
        (scale * torch.randn(len(cell.edges), width(space, c), generator=generator)).to(device)
        for c, cell in enumerate(space.cells)
    )


def mixture_of(space: SearchSpace, alphas: Sequence[Tensor], decisions: Decisions | None = None) -> Mixture:
    """softmax(alpha) on open edges, one-hot on decided ones, zero on dropped ones (DARTS, section 2.2).

    Args:
        space: the space the mixture is for.
        alphas: per cell type (edges, operations); gradients flow to open edges only.
        decisions: None leaves every edge open.
    """
    decisions = decisions or space.undecided()
    weights, support = [], []
    for cell, alpha, row in zip(space.cells, alphas, decisions.choices, strict=True):
        allowed = [[k < len(names) for k in range(alpha.shape[1])] for names in cell.operations]
        open_support = [
            [ok and choice == OPEN for ok in oks] for oks, choice in zip(allowed, row, strict=True)
        ]
        one_hot = [[k == choice for k in range(alpha.shape[1])] for choice in row]
        open_rows = torch.tensor([[choice == OPEN] for choice in row], device=alpha.device)
        if not all(map(all, allowed)):
            alpha = alpha.masked_fill(~torch.tensor(allowed, device=alpha.device), -torch.inf)
        soft = torch.softmax(alpha, dim=-1)
        if not all(choice == OPEN for choice in row):
            soft = torch.where(open_rows, soft, torch.tensor(one_hot, device=alpha.device).to(soft.dtype))
        weights.append(soft)
        support.append(
            tuple(
                tuple(a or b for a, b in zip(opens, hots, strict=True))
                for opens, hots in zip(open_support, one_hot, strict=True)
            )
        )
    return Mixture(tuple(weights), tuple(support))


def one_hot(space: SearchSpace, architecture: Architecture, device: torch.device) -> Mixture:
    """The mixture in which every edge carries its architecture's operation with weight one."""
    decisions = Decisions(
        tuple(tuple(DROPPED if choice is None else choice for choice in row) for row in architecture.choices)
    )
    zeros = tuple(
        torch.zeros(len(cell.edges), width(space, c), device=device) for c, cell in enumerate(space.cells)
    )
    return mixture_of(space, zeros, decisions)
