"""The mixture: how much of each operation each edge carries, passed to every forward of a supernet.

Shapes: per cell type c, `weights[c]` is (edges, operations), which all layers of the type share, or (layers, edges,
operations), a table for each; where edges allow different numbers of operations the rows are padded with zeros.
`support` says on the host, without asking the device, which entries are not exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture, Decisions, SearchSpace

CellSupport = tuple[tuple[bool, ...], ...]
"""By edge and operation, whether the mixture of a cell type has a weight that is not zero."""
Support = tuple[CellSupport, ...]
"""The same by cell type."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """An immutable mixture; see the module's text for shapes. The tensors may carry gradients.

    :meth:`without` and :meth:`fixed` are of mixtures that all layers share.

    Attributes:
        origin: the mixture that it was made of by :meth:`without` or :meth:`fixed`, and the (cell, edge) on which alone
            the two differ.
    """

    weights: tuple[Tensor, ...]
    support: Support
    origin: tuple[Mixture, tuple[int, int]] | None = None

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

    def leaf(self) -> Mixture:
        """The same with weights to which the gradients come."""
        return Mixture(tuple(rows.detach().requires_grad_() for rows in self.weights), self.support)

    def spread(self, layers: Sequence[int]) -> Mixture:
        """The mixture with a table for each of `layers[c]` layers of cell type c.

        It computes the same; the gradients of its weights say what each layer adds to those of this mixture.
        """
        weights = (rows.expand(count, *rows.shape) for rows, count in zip(self.weights, layers, strict=True))
        return Mixture(tuple(weights), self.support)

    def entries(self, cell: int, layers: int) -> list[Sequence[Sequence[Tensor]]]:
        """Each of the weights as a scalar, by layer, edge and operation.

        Taken apart once for all layers: their gradients are then put together once.
        """
        table = self.weights[cell]
        flat, (edges, operations) = table.flatten().unbind(), table.shape[-2:]
        rows: Sequence[Sequence[Tensor]] = [flat[k : k + operations] for k in range(0, len(flat), operations)]
        if table.dim() == 2:
            return [rows] * layers
        return [rows[e : e + edges] for e in range(0, len(rows), edges)]

    def tables(self, cell: int, places: Sequence[int]) -> Tensor:
        """(places, edges * operations) the weights of these layers of a cell type, counted from its first."""
        table = self.weights[cell]
        if table.dim() == 2:
            return table.flatten().expand(len(places), -1)
        if [*places] == [*range(len(table))]:
            return table.flatten(1)
        return torch.stack([table[place].flatten() for place in places])

    def _replace(self, cell: int, weights: Tensor, edge: int, row: tuple[bool, ...]) -> Mixture:
        support = self.support[cell]
        support = (*support[:edge], row, *support[edge + 1 :])
        return Mixture(
            (*self.weights[:cell], weights, *self.weights[cell + 1 :]),
            (*self.support[:cell], support, *self.support[cell + 1 :]),
            (self, (cell, edge)),
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

    Edges of one group share the softmax: all their entries together sum to one (NAS-Bench-1Shot1, section 3.2). A
    decision on one of them leaves the others as they are.

    Args:
        space: the space the mixture is for.
        alphas: per cell type (edges, operations); gradients flow to open edges only.
        decisions: None leaves every edge open.
    """
    decisions = decisions or space.undecided()
    weights, support = [], []
    for cell, alpha, row in zip(space.cells, alphas, decisions.choices, strict=True):
        allowed, opened, chosen = _row_masks(cell.operations, row, alpha.shape[1], alpha.device)
        if cell.groups:
            members = _group_masks(cell.operations, cell.groups, alpha.shape[1], alpha.device)
            # One row per group; every entry is of one group and has no weight in the others.
            soft = torch.softmax(alpha.flatten().masked_fill(~members, -torch.inf), dim=-1).sum(dim=0).view_as(alpha)
        else:
            soft = torch.softmax(alpha if allowed is None else alpha.masked_fill(~allowed, -torch.inf), dim=-1)
        if any(choice != OPEN for choice in row):
            soft = torch.where(opened, soft, chosen.to(soft.dtype))
        weights.append(soft)
        support.append(
            tuple(
                tuple(choice == k or (choice == OPEN and k < len(names)) for k in range(alpha.shape[1]))
                for names, choice in zip(cell.operations, row, strict=True)
            )
        )
    return Mixture(tuple(weights), tuple(support))


@lru_cache(maxsize=256)
def _row_masks(
    operations: tuple[tuple[str, ...], ...], row: tuple[int, ...], columns: int, device: torch.device
) -> tuple[Tensor | None, Tensor, Tensor]:
    """On the device: which entries are allowed (None: all), which rows are open, where decided rows have their one.

    Kept, because a training step must not wait for small copies to the device.
    """
    allowed = torch.tensor([[k < len(names) for k in range(columns)] for names in operations])
    opened = torch.tensor([[choice == OPEN] for choice in row])
    chosen = torch.tensor([[k == choice for k in range(columns)] for choice in row])
    return None if bool(allowed.all()) else allowed.to(device), opened.to(device), chosen.to(device)


@lru_cache(maxsize=256)
def _group_masks(
    operations: tuple[tuple[str, ...], ...], groups: tuple[int, ...], columns: int, device: torch.device
) -> Tensor:
    """On the device: (groups, edges * operations), which entries share a group's softmax. Kept as above."""
    entries = [
        [
            member == group and k < len(names)
            for member, names in zip(groups, operations, strict=True)
            for k in range(columns)
        ]
        for group in dict.fromkeys(groups)
    ]
    return torch.tensor(entries).to(device)


def sampled(
    space: SearchSpace, mixture: Mixture, decisions: Decisions, generator: torch.Generator, device: torch.device
) -> Mixture:
    """One operation drawn per open edge, or per group of open edges, in proportion to its weight; decided edges stay.

    Args:
        space, mixture, decisions: the probabilities, one table per cell type, and which edges are open.
        generator: a CPU generator. The draw is made there, because the support has to be known to the host.
        device: of the drawn mixture.
    """
    shapes = [rows.shape for rows in mixture.weights]
    flat = torch.cat([rows.detach().flatten() for rows in mixture.weights]).cpu()
    tables = [rows.view(shape) for rows, shape in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)]
    drawn = []
    for cell, table, row in zip(space.cells, tables, decisions.choices, strict=True):
        opened = torch.tensor([[choice == OPEN] for choice in row])
        free = table * opened
        if cell.groups:
            # One row per group: what is drawn from it is the group's one operation.
            free = free.flatten() * _group_masks(cell.operations, cell.groups, table.shape[1], free.device)
        # The first of exponential clocks to ring, each at the rate of its weight.
        first = (free / torch.empty_like(free).exponential_(generator=generator)).argmax(-1, keepdim=True)
        picked = torch.zeros_like(free).scatter(1, first, 1) * (free > 0)
        drawn.append(torch.where(opened, picked.sum(0).view_as(table) if cell.groups else picked, table))
    support = tuple(tuple(tuple(entry != 0 for entry in row) for row in table.tolist()) for table in drawn)
    return Mixture(tuple(table.to(device, non_blocking=True) for table in drawn), support)


def one_hot(space: SearchSpace, architecture: Architecture, device: torch.device) -> Mixture:
    """The mixture in which every edge carries its architecture's operation with weight one."""
    decisions = Decisions(
        tuple(tuple(DROPPED if choice is None else choice for choice in row) for row in architecture.choices)
    )
    zeros = tuple(torch.zeros(len(cell.edges), width(space, c), device=device) for c, cell in enumerate(space.cells))
    return mixture_of(space, zeros, decisions)
