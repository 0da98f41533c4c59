"""The mixture: how much of each operation each edge carries, in one forward.

It is passed to every forward of a supernet. Shapes: per cell type c, `weights[c]` is
(edges, operations), which all layers of the type share, or (layers, edges, operations),
one table for each layer. Where edges allow different numbers of operations, the rows
are padded with zeros. `support` says on the host, without asking the device, which
entries are not exactly zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation import (
    SOFTMAX,
    Activation,
    count_columns,
    rows_of_groups,
)
from archselect.nasbench_adapters.space import (
    NONE,
    OPEN,
    Architecture,
    Cell,
    ClosedOperation,
    Decisions,
    Edge,
    SearchSpace,
)

Item = TypeVar("Item")
EdgeSupport = tuple[bool, ...]
"""By operation, whether an edge gives it a weight that is not zero."""
CellSupport = tuple[EdgeSupport, ...]
"""The same by edge and operation, of one cell type."""
Support = tuple[CellSupport, ...]
"""The same by cell type, edge and operation."""


class Origin(NamedTuple):
    """The mixture from which another one was made by changing one edge.

    Attributes:
        mixture: as it was before the change.
        cell: index of the cell type of the edge that differs.
        edge: index of that edge.
    """

    mixture: Mixture
    cell: int
    edge: int


@dataclass(frozen=True, eq=False)
class Mixture:
    """An immutable mixture; the module's docstring gives the shapes.

    The tensors may carry gradients. :meth:`without` and :meth:`fixed` need a mixture
    that all layers share.

    Attributes:
        weights: one table per cell type.
        support: which entries of the tables are not zero.
        origin: from which mixture :meth:`without` or :meth:`fixed` made this one; None
            for any other mixture.
        side_weight: what the skips beside the edges are multiplied by, a scalar; None
            leaves them out. See :class:`.SideSkips`.
    """

    weights: tuple[Tensor, ...]
    support: Support
    origin: Origin | None = None
    side_weight: Tensor | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors of the mixture: its tables and, if any, the side weight."""
        if self.side_weight is None:
            return self.weights
        return (*self.weights, self.side_weight)

    def beside(self, weight: float) -> Mixture:
        """Return the mixture with the skips beside its edges, of one weight."""
        side_weight = self.weights[0].new_full((), weight)
        return Mixture(self.weights, self.support, self.origin, side_weight)

    def without(
        self,
        cell: int,
        edge: int,
        choice: int,
        renormalise: bool = False,
    ) -> Mixture:
        """Return the mixture with one entry set to zero.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the operation.
            renormalise: whether the edge's other weights are rescaled to sum to one.
        """
        table = self.weights[cell]
        keep = torch.ones_like(table)
        keep[edge, choice] = 0
        masked = table * keep
        if renormalise:
            row = masked[edge]
            tiny = torch.finfo(masked.dtype).tiny
            total = row.sum().clamp_min(tiny)
            masked = _replace_row(masked, edge, row / total)
        was_live = list(self.support[cell][edge])
        was_live[choice] = False
        return self._with_edge(cell, edge, masked, tuple(was_live))

    def fixed(
        self,
        cell: int,
        edge: int,
        choice: int,
    ) -> Mixture:
        """Return the mixture in which an edge carries one operation, with weight one.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the operation.
        """
        table = self.weights[cell]
        row = torch.zeros_like(table[edge])
        row[choice] = 1
        changed = _replace_row(table, edge, row)
        live = tuple(other == choice for other in range(len(row)))
        return self._with_edge(cell, edge, changed, live)

    def raised(
        self,
        cell: int,
        edge: int,
        choice: int,
    ) -> Mixture:
        """Return the mixture in which an operation has weight one beside the others.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the operation, which has a weight already.
        """
        table = self.weights[cell]
        row = table[edge].clone()
        row[choice] = 1
        changed = _replace_row(table, edge, row)
        return self._with_edge(cell, edge, changed, self.support[cell][edge])

    def leaf(self) -> Mixture:
        """Return the same mixture with weights that are leaves of the graph."""
        leaves = []
        for table in self.weights:
            leaf = table.detach()
            leaves.append(leaf.requires_grad_())
        return Mixture(tuple(leaves), self.support)

    def spread(self, layers: Sequence[int]) -> Mixture:
        """Return the mixture with a table for each of `layers[c]` layers of type c.

        It computes the same; the gradients of its weights say what each layer adds to
        those of this mixture. Where there is one for each layer already, it stays.
        """
        tables = []
        for table, count in zip(self.weights, layers, strict=True):
            is_shared = table.dim() == 2
            tables.append(table.expand(count, *table.shape) if is_shared else table)
        return Mixture(tuple(tables), self.support)

    def entries(
        self,
        cell: int,
        layers: int,
    ) -> list[Sequence[Sequence[Tensor]]]:
        """Return a cell type's weights as scalars, by layer, edge and operation.

        They are taken apart once for all layers: their gradients are then put together
        once.
        """
        table = self.weights[cell]
        edges, operations = table.shape[-2:]
        scalars = table.flatten().unbind()
        rows = _split_evenly(scalars, operations)
        is_shared = table.dim() == 2
        if is_shared:
            return [rows] * layers
        return _split_evenly(rows, edges)

    def tables(
        self,
        cell: int,
        places: Sequence[int],
    ) -> Tensor:
        """Return the weights of some layers, (places, edges * operations).

        Args:
            cell: index of the cell type.
            places: of the layers, counted from the type's first.
        """
        table = self.weights[cell]
        is_shared = table.dim() == 2
        if is_shared:
            return table.flatten().expand(len(places), -1)
        all_places = list(range(len(table)))
        if list(places) == all_places:
            return table.flatten(1)
        rows = [table[place].flatten() for place in places]
        return torch.stack(rows)

    def _with_edge(
        self,
        cell: int,
        edge: int,
        table: Tensor,
        live: EdgeSupport,
    ) -> Mixture:
        """Return the mixture with one edge changed.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            table: weights of the cell type, (edges, operations).
            live: support of the edge.
        """
        weights = _replace_item(self.weights, cell, table)
        cell_support = _replace_item(self.support[cell], edge, live)
        support = _replace_item(self.support, cell, cell_support)
        return Mixture(weights, support, Origin(self, cell, edge))


def _split_evenly(
    items: Sequence[Item],
    size: int,
) -> list[Sequence[Item]]:
    """Return consecutive pieces of a size."""
    starts = range(0, len(items), size)
    return [items[start : start + size] for start in starts]


def _replace_item(
    items: tuple[Item, ...],
    place: int,
    item: Item,
) -> tuple[Item, ...]:
    """Return a tuple with another item at a place."""
    before = items[:place]
    after = items[place + 1 :]
    return (*before, item, *after)


def _replace_row(
    table: Tensor,
    place: int,
    row: Tensor,
) -> Tensor:
    """Return a table (edges, operations) with another row (operations,) at a place."""
    before = table[:place]
    after = table[place + 1 :]
    return torch.cat([before, row[None], after])


def mixture_of(
    space: SearchSpace,
    alphas: Sequence[Tensor],
    decisions: Decisions | None = None,
    activation: Activation = SOFTMAX,
) -> Mixture:
    """Return the mixture of architecture weights.

    It is the activation of the alphas on open edges, one-hot on decided ones and zero
    on dropped ones. A decision on one edge of a group leaves the others as they are.
    Closed operations have no weight, and the activation is that of the others.

    Args:
        space: the space the mixture is for.
        alphas: per cell type (edges, operations); gradients flow to open edges only.
        decisions: None leaves every edge open.
        activation: maps alphas to weights.
    """
    if decisions is not None:
        alphas = close_alphas(alphas, decisions)
    tables = activation.tables(space, alphas)
    return decided_mixture(space, tables, decisions, activation)


def close_alphas(
    alphas: Sequence[Tensor],
    decisions: Decisions,
) -> tuple[Tensor, ...]:
    """Return alphas that are minus infinity where operations are closed.

    Every activation gives those no weight. The alphas are the same tensors where
    nothing is closed.

    Args:
        alphas: (edges, operations) per cell type.
        decisions: say what is closed.
    """
    if not decisions.closed:
        return tuple(alphas)
    masked = []
    for cell, alpha in enumerate(alphas):
        edges, columns = alpha.shape
        mask = closed_mask(decisions.closed, cell, edges, columns, alpha.device)
        masked.append(alpha.masked_fill(mask, -torch.inf))
    return tuple(masked)


@lru_cache(maxsize=64)
def closed_mask(
    closed: frozenset[ClosedOperation],
    cell: int,
    edges: int,
    columns: int,
    device: torch.device,
) -> Tensor:
    """Return which entries (edges, columns) of a cell type's table are closed.

    The mask is kept, because a training step must not wait for small copies to the
    device.
    """
    mask = torch.zeros(edges, columns, dtype=torch.bool)
    for operation in closed:
        if operation.cell == cell:
            mask[operation.edge, operation.choice] = True
    return mask.to(device)


def decided_mixture(
    space: SearchSpace,
    tables: Sequence[Tensor],
    decisions: Decisions | None,
    activation: Activation,
) -> Mixture:
    """Return the mixture of tables on open edges, one-hot on decided ones.

    Args:
        space: the space the mixture is for.
        tables: per cell type (edges, operations), as the activation made them of
            :func:`close_alphas`.
        decisions: None leaves every edge open.
        activation: says whether entries of open edges may be zero.
    """
    if decisions is None:
        decisions = space.undecided()
    weights = decided_tables(tables, decisions)
    if activation.sparse:
        on_host = _copy_to_host(weights)
        return Mixture(weights, tuple(map(_support_of_table, on_host)))
    return Mixture(weights, live_support(space, decisions, activation.weighs_none))


def decided_tables(
    tables: Sequence[Tensor],
    decisions: Decisions,
) -> tuple[Tensor, ...]:
    """Return tables with one-hot rows for decided edges and zeros for dropped ones.

    Args:
        tables: weights of open edges, (edges, operations) per cell type.
        decisions: which edges are decided.
    """
    by_cell = zip(tables, decisions.choices, strict=True)
    return tuple(_decided_table(table, row) for table, row in by_cell)


def _decided_table(
    table: Tensor,
    row: tuple[int, ...],
) -> Tensor:
    """Return the table of one cell type; see :func:`decided_tables`.

    Args:
        table: weights of open edges, (edges, operations).
        row: per edge an operation's index, OPEN or DROPPED.
    """
    if all(choice == OPEN for choice in row):
        return table
    masks = _row_masks(row, table.shape[1], table.device)
    chosen = masks.chosen.to(table.dtype)
    return torch.where(masks.is_open, table, chosen)


def live_support(
    space: SearchSpace, decisions: Decisions, weighs_none: bool = True
) -> Support:
    """Return which operations are live under decisions, whatever the alphas.

    Args:
        space: of the operations.
        decisions: say what is live.
        weighs_none: whether `none` of open edges has a weight.
    """
    support = []
    for cell, edges in enumerate(space.edges):
        columns = count_columns(space, cell)
        support.append(_cell_support(edges, decisions, columns, weighs_none))
    return tuple(support)


def _cell_support(
    edges: Sequence[Edge],
    decisions: Decisions,
    columns: int,
    weighs_none: bool,
) -> CellSupport:
    """Return which entries of one cell type's mixture are not zero.

    Args:
        edges: of the cell type.
        decisions: say which operations they have.
        columns: entries of a row of the mixture.
        weighs_none: whether `none` of open edges has a weight.
    """
    support = []
    for edge in edges:
        live = decisions.live(edge)
        is_open = decisions.choices[edge.cell][edge.index] == OPEN
        if is_open and not weighs_none:
            live = tuple(k for k in live if edge.operations[k] != NONE)
        support.append(tuple(column in live for column in range(columns)))
    return tuple(support)


class _RowMasks(NamedTuple):
    """Masks of a cell type's mixture, on its device.

    Attributes:
        is_open: (edges, 1), which edges are open.
        chosen: (edges, operations), where decided edges have their one.
    """

    is_open: Tensor
    chosen: Tensor


@lru_cache(maxsize=256)
def _row_masks(
    row: tuple[int, ...],
    columns: int,
    device: torch.device,
) -> _RowMasks:
    """Return the masks of a cell type under decisions.

    They are kept, because a training step must not wait for small copies to the device.
    """
    choices = torch.tensor(row)[:, None]
    is_open = choices == OPEN
    chosen = choices == torch.arange(columns)
    return _RowMasks(is_open.to(device), chosen.to(device))


def sampled(
    space: SearchSpace,
    mixture: Mixture,
    decisions: Decisions,
    generator: torch.Generator,
    device: torch.device,
) -> Mixture:
    """Return a drawn mixture of one operation per open edge, or per group of them.

    An operation is drawn in proportion to its weight. Decided edges stay.

    Args:
        space: of the mixture.
        mixture: the probabilities, one table per cell type.
        decisions: say which edges are open.
        generator: a CPU generator. The draw is made there, because the support has to
            be known to the host.
        device: of the drawn mixture.
    """
    tables = []
    support = []
    on_host = _copy_to_host(mixture.weights)
    by_cell = zip(space.cells, on_host, decisions.choices, strict=True)
    for cell, probabilities, row in by_cell:
        drawn = _draw_table(cell, probabilities, row, generator)
        tables.append(drawn.to(device, non_blocking=True))
        support.append(_support_of_table(drawn))
    return Mixture(tuple(tables), tuple(support))


def _copy_to_host(weights: Sequence[Tensor]) -> list[Tensor]:
    """Return copies of tables on the CPU: one wait for the device."""
    tables = [table.detach() for table in weights]
    sizes = [table.numel() for table in tables]
    flat = [table.flatten() for table in tables]
    on_host = torch.cat(flat).cpu()
    copies = []
    for piece, table in zip(on_host.split(sizes), tables, strict=True):
        copies.append(piece.view_as(table))
    return copies


def _draw_table(
    cell: Cell,
    table: Tensor,
    row: tuple[int, ...],
    generator: torch.Generator,
) -> Tensor:
    """Return a drawn table (edges, operations) of one cell type; see :func:`sampled`.

    Args:
        cell: the cell type.
        table: probabilities, (edges, operations), on the CPU.
        row: per edge an operation's index, OPEN or DROPPED.
        generator: a CPU generator.
    """
    free = _free_rows(cell, table, row)
    # The first of exponential clocks to ring, each at the rate of its weight.
    clocks = torch.empty_like(free).exponential_(generator=generator)
    return _pick_largest(cell, table, row, free / clocks)


def _free_rows(cell: Cell, table: Tensor, row: tuple[int, ...]) -> Tensor:
    """Return the weights of open edges, one row for each edge, or group of them.

    Args:
        cell: the cell type.
        table: (edges, operations), on the CPU.
        row: per edge an operation's index, OPEN or DROPPED.
    """
    is_open = torch.tensor(row)[:, None] == OPEN
    return rows_of_groups(cell, table * is_open)


def _pick_largest(
    cell: Cell, table: Tensor, row: tuple[int, ...], keys: Tensor
) -> Tensor:
    """Return a table (edges, operations) with a one where each row's key is largest.

    Rows without a key above zero have none. Decided edges stay.

    Args:
        cell: the cell type.
        table: (edges, operations), on the CPU.
        row: per edge an operation's index, OPEN or DROPPED.
        keys: of the shape of :func:`_free_rows`.
    """
    is_open = torch.tensor(row)[:, None] == OPEN
    first = keys.argmax(-1, keepdim=True)
    one_per_row = torch.zeros_like(keys).scatter(1, first, 1)
    picked = one_per_row * (keys > 0)
    if cell.groups:
        picked = picked.sum(0).view_as(table)
    return torch.where(is_open, picked, table)


def hardened(
    space: SearchSpace,
    mixture: Mixture,
    decisions: Decisions,
    device: torch.device,
) -> Mixture:
    """Return the mixture of the largest operation of each open edge, or group of them.

    Its weights are one and zero, and their gradients go to the given mixture's weights
    unchanged. Decided edges stay.

    Args:
        space: of the mixture.
        mixture: one table per cell type.
        decisions: say which edges are open.
        device: of the mixture.
    """
    tables = []
    support = []
    on_host = _copy_to_host(mixture.weights)
    by_cell = zip(space.cells, on_host, mixture.weights, decisions.choices, strict=True)
    for cell, weights, soft, row in by_cell:
        largest = _pick_largest(cell, weights, row, _free_rows(cell, weights, row))
        hard = largest.to(device, non_blocking=True)
        # Exactly one and zero: the difference of equals is zero.
        tables.append(hard + (soft - soft.detach()))
        support.append(_support_of_table(largest))
    return Mixture(tuple(tables), tuple(support))


def _support_of_table(table: Tensor) -> CellSupport:
    """Return which entries of a table on the CPU are not zero."""
    is_live = table != 0
    rows: list[list[bool]] = is_live.tolist()
    return tuple(tuple(row) for row in rows)


def one_hot(
    space: SearchSpace,
    architecture: Architecture,
    device: torch.device,
) -> Mixture:
    """Return the mixture of one architecture: each edge's operation has weight one."""
    decisions = Decisions.of(architecture)
    return mixture_of(space, blank_alphas(space, device), decisions)


def blank_alphas(
    space: SearchSpace,
    device: torch.device,
) -> list[Tensor]:
    """Return architecture weights of zero, (edges, operations) per cell type."""
    alphas = []
    for index, cell in enumerate(space.cells):
        edges = len(cell.edges)
        columns = count_columns(space, index)
        alphas.append(torch.zeros(edges, columns, device=device))
    return alphas
