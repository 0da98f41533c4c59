"""The mixture: how much of each operation each edge carries, passed to every forward of a supernet.

Shapes: per cell type c, `weights[c]` is (edges, operations), which all layers of the
type share, or (layers, edges, operations), a table for each; where edges allow
different numbers of operations the rows are padded with zeros. `support` says on the
host, without asking the device, which entries are not exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.space import (
    OPEN,
    Architecture,
    Cell,
    Decisions,
    EdgeOperations,
    SearchSpace,
)

Item = TypeVar("Item")
CellSupport = tuple[tuple[bool, ...], ...]
"""By edge and operation, whether the mixture of a cell type has a weight that is not
zero.
"""
Support = tuple[CellSupport, ...]
"""The same by cell type."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """An immutable mixture; see the module's text for shapes.

    The tensors may carry gradients.

    :meth:`without` and :meth:`fixed` are of mixtures that all layers share.

    Attributes:
        origin: the mixture that it was made of by :meth:`without` or :meth:`fixed`, and
            the (cell, edge) on which alone the two differ.
    """

    weights: tuple[Tensor, ...]
    support: Support
    origin: tuple[Mixture, tuple[int, int]] | None = None

    def without(
        self, cell: int, edge: int, choice: int, renormalise: bool = False
    ) -> Mixture:
        """Return the mixture with one entry set to zero.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the operation.
            renormalise: whether the edge's other weights are rescaled to sum to one.
        """
        keep = torch.ones_like(self.weights[cell])
        keep[edge, choice] = 0
        weights = self.weights[cell] * keep
        if renormalise:
            total = weights[edge].sum().clamp_min(torch.finfo(weights.dtype).tiny)
            weights = _with_row(weights, edge, weights[edge] / total)
        live = tuple(
            was_live and other != choice
            for other, was_live in enumerate(self.support[cell][edge])
        )
        return self._replace(cell, weights, edge, live)

    def fixed(self, cell: int, edge: int, choice: int) -> Mixture:
        """Return the mixture in which an edge of a cell type carries one operation, with weight one."""
        row = torch.zeros_like(self.weights[cell][edge])
        row[choice] = 1
        weights = _with_row(self.weights[cell], edge, row)
        live = tuple(other == choice for other in range(len(row)))
        return self._replace(cell, weights, edge, live)

    def leaf(self) -> Mixture:
        """Return the same mixture with weights that are leaves: the gradients come to them."""
        return Mixture(
            tuple(rows.detach().requires_grad_() for rows in self.weights), self.support
        )

    def spread(self, layers: Sequence[int]) -> Mixture:
        """Return the mixture with a table for each of `layers[c]` layers of cell type c.

        It computes the same; the gradients of its weights say what each layer adds to
        those of this mixture.
        """
        weights = (
            rows.expand(count, *rows.shape)
            for rows, count in zip(self.weights, layers, strict=True)
        )
        return Mixture(tuple(weights), self.support)

    def entries(self, cell: int, layers: int) -> list[Sequence[Sequence[Tensor]]]:
        """Return each of the weights of a cell type as a scalar, by layer, edge and operation.

        Taken apart once for all layers: their gradients are then put together once.
        """
        table = self.weights[cell]
        edges, operations = table.shape[-2:]
        scalars = table.flatten().unbind()
        rows = _in_pieces(scalars, operations)
        if table.dim() == 2:
            return [rows] * layers
        return _in_pieces(rows, edges)

    def tables(self, cell: int, places: Sequence[int]) -> Tensor:
        """Return the weights (places, edges * operations) of these layers of a cell type, counted from its first."""
        table = self.weights[cell]
        if table.dim() == 2:
            return table.flatten().expand(len(places), -1)
        if [*places] == [*range(len(table))]:
            return table.flatten(1)
        return torch.stack([table[place].flatten() for place in places])

    def _replace(
        self, cell: int, weights: Tensor, edge: int, live: tuple[bool, ...]
    ) -> Mixture:
        """Return the mixture with other weights of a cell type and another support of one of its edges."""
        rows = _replaced(self.support[cell], edge, live)
        origin = (self, (cell, edge))
        return Mixture(
            _replaced(self.weights, cell, weights),
            _replaced(self.support, cell, rows),
            origin,
        )


def _in_pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """Return consecutive pieces of a size."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def _replaced(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    """Return a tuple with another item at a place."""
    return (*items[:place], item, *items[place + 1 :])


def _with_row(table: Tensor, place: int, row: Tensor) -> Tensor:
    """Return a table (edges, operations) with another row (operations,) at a place."""
    return torch.cat([table[:place], row[None], table[place + 1 :]])


def width(space: SearchSpace, cell: int) -> int:
    """Return the columns of a cell type's mixture: the most operations any of its edges allows."""
    return max(len(operations) for operations in space.cells[cell].operations)


def new_alphas(
    space: SearchSpace,
    generator: torch.Generator,
    device: torch.device,
    scale: float = 1e-3,
) -> tuple[Tensor, ...]:
    """Return architecture weights `scale` x normal, one (edges, operations) tensor per cell type.

    Drawn on the generator's device, so that the same seed gives the same alphas
    wherever they are used.
    """
    alphas = []
    for place, cell in enumerate(space.cells):
        normal = torch.randn(len(cell.edges), width(space, place), generator=generator)
        alphas.append((scale * normal).to(device))
    return tuple(alphas)


def mixture_of(
    space: SearchSpace, alphas: Sequence[Tensor], decisions: Decisions | None = None
) -> Mixture:
    """Return softmax(alpha) on open edges, one-hot on decided ones, zero on dropped ones (DARTS, section 2.2).

    Edges of one group share the softmax: all their entries together sum to one
    (NAS-Bench-1Shot1, section 3.2). A decision on one of them leaves the others as they
    are.

    Args:
        space: the space the mixture is for.
        alphas: per cell type (edges, operations); gradients flow to open edges only.
        decisions: None leaves every edge open.
    """
    decisions = decisions or space.undecided()
    weights = []
    support = []
    for cell, alpha, row in zip(space.cells, alphas, decisions.choices, strict=True):
        weights.append(_cell_weights(cell, alpha, row))
        support.append(_cell_support(cell, row, alpha.shape[1]))
    return Mixture(tuple(weights), tuple(support))


def _cell_weights(cell: Cell, alpha: Tensor, row: tuple[int, ...]) -> Tensor:
    """Return the mixture (edges, operations) of one cell type; see :func:`mixture_of`.

    Args:
        cell: the cell type.
        alpha: (edges, operations).
        row: per edge an operation's index, OPEN or DROPPED.
    """
    masks = _row_masks(cell.operations, row, alpha.shape[1], alpha.device)
    if cell.groups:
        members = _group_masks(
            cell.operations, cell.groups, alpha.shape[1], alpha.device
        )
        # One row per group; every entry is of one group and has no weight in the
        # others.
        by_group = torch.softmax(
            alpha.flatten().masked_fill(~members, -torch.inf), dim=-1
        )
        soft = by_group.sum(dim=0).view_as(alpha)
    elif masks.allowed is None:
        soft = torch.softmax(alpha, dim=-1)
    else:
        soft = torch.softmax(alpha.masked_fill(~masks.allowed, -torch.inf), dim=-1)
    if all(choice == OPEN for choice in row):
        return soft
    return torch.where(masks.is_open, soft, masks.chosen.to(soft.dtype))


def _cell_support(cell: Cell, row: tuple[int, ...], columns: int) -> CellSupport:
    """Return which entries of one cell type's mixture are not zero."""
    return tuple(
        _edge_support(len(names), choice, columns)
        for names, choice in zip(cell.operations, row, strict=True)
    )


def _edge_support(operations: int, choice: int, columns: int) -> tuple[bool, ...]:
    """Return which entries of an edge's row are not zero; `choice` is an operation's index, OPEN or DROPPED."""
    if choice == OPEN:
        return tuple(column < operations for column in range(columns))
    return tuple(column == choice for column in range(columns))


class _RowMasks(NamedTuple):
    """Masks of a cell type's mixture, on its device.

    Attributes:
        allowed: (edges, operations), which entries are operations; None if all are.
        is_open: (edges, 1), which edges are open.
        chosen: (edges, operations), where decided edges have their one.
    """

    allowed: Tensor | None
    is_open: Tensor
    chosen: Tensor


@lru_cache(maxsize=256)
def _row_masks(
    operations: EdgeOperations, row: tuple[int, ...], columns: int, device: torch.device
) -> _RowMasks:
    """Return the masks of a cell type under decisions.

    They are kept, because a training step must not wait for small copies to the device.
    """
    counts = torch.tensor([len(names) for names in operations])
    choices = torch.tensor(row)[:, None]
    column = torch.arange(columns)
    allowed = column < counts[:, None]
    return _RowMasks(
        None if bool(allowed.all()) else allowed.to(device),
        (choices == OPEN).to(device),
        (choices == column).to(device),
    )


@lru_cache(maxsize=256)
def _group_masks(
    operations: EdgeOperations,
    groups: tuple[int, ...],
    columns: int,
    device: torch.device,
) -> Tensor:
    """Return which entries share a group's softmax, (groups, edges * operations).

    Kept as :func:`_row_masks`.
    """
    counts = torch.tensor([len(names) for names in operations])
    allowed = torch.arange(columns) < counts[:, None]
    members = torch.tensor(groups)
    masks = []
    for group in dict.fromkeys(groups):
        is_member = members == group
        masks.append((allowed & is_member[:, None]).flatten())
    return torch.stack(masks).to(device)


def sampled(
    space: SearchSpace,
    mixture: Mixture,
    decisions: Decisions,
    generator: torch.Generator,
    device: torch.device,
) -> Mixture:
    """Return a mixture of one operation per open edge, or per group of open edges, drawn in proportion to its weight.

    Decided edges stay.

    Args:
        space, mixture, decisions: the probabilities, one table per cell type, and which
            edges are open.
        generator: a CPU generator. The draw is made there, because the support has to
            be known to the host.
        device: of the drawn mixture.
    """
    drawn = [
        _draw(cell, table, row, generator)
        for cell, table, row in zip(
            space.cells, _on_host(mixture), decisions.choices, strict=True
        )
    ]
    support = tuple(_support_of(table) for table in drawn)
    return Mixture(
        tuple(table.to(device, non_blocking=True) for table in drawn), support
    )


def _on_host(mixture: Mixture) -> list[Tensor]:
    """Return copies of the mixture's tables on the CPU, with one wait for the device."""
    flat = torch.cat([table.detach().flatten() for table in mixture.weights]).cpu()
    parts = flat.split([table.numel() for table in mixture.weights])
    return [
        part.view_as(table) for part, table in zip(parts, mixture.weights, strict=True)
    ]


def _draw(
    cell: Cell, table: Tensor, row: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Return a drawn table (edges, operations) of one cell type; see :func:`sampled`."""
    is_open = torch.tensor(row)[:, None] == OPEN
    free = table * is_open
    if cell.groups:
        # One row per group: what is drawn from it is the group's one operation.
        free = free.flatten() * _group_masks(
            cell.operations, cell.groups, table.shape[1], free.device
        )
    # The first of exponential clocks to ring, each at the rate of its weight.
    first = (free / torch.empty_like(free).exponential_(generator=generator)).argmax(
        -1, keepdim=True
    )
    picked = torch.zeros_like(free).scatter(1, first, 1) * (free > 0)
    if cell.groups:
        picked = picked.sum(0).view_as(table)
    return torch.where(is_open, picked, table)


def _support_of(table: Tensor) -> CellSupport:
    """Return which entries of a table on the CPU are not zero."""
    rows: list[list[bool]] = (table != 0).tolist()
    return tuple(tuple(row) for row in rows)


def one_hot(
    space: SearchSpace, architecture: Architecture, device: torch.device
) -> Mixture:
    """Return the mixture in which every edge carries its architecture's operation with weight one."""
    return mixture_of(space, blank_alphas(space, device), Decisions.of(architecture))


def blank_alphas(space: SearchSpace, device: torch.device) -> list[Tensor]:
    """Return architecture weights of zero, one (edges, operations) tensor per cell type."""
    shapes = [
        (len(cell.edges), width(space, place)) for place, cell in enumerate(space.cells)
    ]
    return [torch.zeros(shape, device=device) for shape in shapes]
