"""The mixture: the weight of each operation on each edge, in one forward.

It is an argument of every forward of a supernet. For cell type c, `weights[c]` is
(edges, operations), shared by all layers of the type, or (layers, edges, operations),
one table per layer. If edges have different numbers of operations, rows are padded with
zeros. `support` tells which entries are not exactly zero; it is stored on the host, so
that nobody has to wait for the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
"""For each operation of an edge, whether its weight is not zero."""
CellSupport = tuple[EdgeSupport, ...]
"""The same for one cell type, by edge and operation."""
Support = tuple[CellSupport, ...]
"""The same by cell type, edge and operation."""


class Origin(NamedTuple):
    """The mixture from which another one was made by changing one edge.

    Attributes:
        mixture: the mixture before the change.
        cell: index of the changed edge's cell type.
        edge: index of the changed edge.
    """

    mixture: Mixture
    cell: int
    edge: int


@dataclass(frozen=True, eq=False)
class Mixture:
    """An immutable mixture; the module's docstring gives the shapes.

    The tensors may have gradients. :meth:`without` and :meth:`fixed` need a mixture
    whose tables are shared by all layers.

    Attributes:
        weights: one table per cell type.
        support: which entries of the tables are not zero.
        origin: the mixture from which :meth:`without` or :meth:`fixed` made this one;
            None for any other mixture.
        side_weight: weight of the skips beside the edges (:class:`.SideSkips`), a
            scalar; None leaves them out.
        edge_weights: weights of everything that an edge gives, (edges,) per cell type;
            None for ones (:class:`.PartialEdgeSoftmax`).
    """

    weights: tuple[Tensor, ...]
    support: Support
    origin: Origin | None = None
    side_weight: Tensor | None = None
    edge_weights: tuple[Tensor, ...] | None = None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors of the mixture.

        They are its tables and, if any, the weights of edges and the side weight.
        """
        tensors = (*self.weights, *(self.edge_weights or ()))
        if self.side_weight is None:
            return tensors
        return (*tensors, self.side_weight)

    def beside(self, weight: float) -> Mixture:
        """Return the mixture with a weight for the skips beside its edges."""
        side_weight = self.weights[0].new_full((), weight)
        return replace(self, side_weight=side_weight)

    def table(self, cell: int) -> Tensor:
        """Return a cell type's weights times those of its edges.

        It is of the shape of `weights[cell]`.
        """
        table = self.weights[cell]
        if self.edge_weights is None:
            return table
        return table * self.edge_weights[cell][:, None]

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
        """Return the mixture in which an edge has one operation, with weight one.

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
        """Return the mixture with weight one for an operation, and others unchanged.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the operation, whose weight is not zero.
        """
        table = self.weights[cell]
        row = table[edge].clone()
        row[choice] = 1
        changed = _replace_row(table, edge, row)
        return self._with_edge(cell, edge, changed, self.support[cell][edge])

    def leaf(self) -> Mixture:
        """Return the same mixture, with weights as leaves of a new autograd graph."""
        leaves = []
        for table in self.weights:
            leaf = table.detach()
            leaves.append(leaf.requires_grad_())
        return Mixture(tuple(leaves), self.support, edge_weights=self.edge_weights)

    def spread(self, layers: Sequence[int]) -> Mixture:
        """Return the mixture with one table for each of `layers[c]` layers of type c.

        The supernet's output does not change. The gradients of the new weights are each
        layer's share of this mixture's gradients. A cell type that already has one
        table per layer keeps them.
        """
        tables = []
        for table, count in zip(self.weights, layers, strict=True):
            is_shared = table.dim() == 2
            tables.append(table.expand(count, *table.shape) if is_shared else table)
        return Mixture(tuple(tables), self.support, edge_weights=self.edge_weights)

    def entries(
        self,
        cell: int,
        layers: int,
    ) -> list[Sequence[Sequence[Tensor]]]:
        """Return a cell type's weights as scalars, by layer, edge and operation.

        They are split only once for all layers, so that their gradients are joined only
        once.
        """
        table = self.table(cell)
        edges, operations = table.shape[-2:]
        scalars = table.flatten().unbind()
        rows = _split_evenly(scalars, operations)
        is_shared = table.dim() == 2
        if is_shared:
            return [rows] * layers
        return _split_evenly(rows, edges)

    def edge_entries(self, cell: int) -> Sequence[Tensor] | None:
        """Return the weights of a cell type's edges as scalars; None for ones."""
        return None if self.edge_weights is None else self.edge_weights[cell].unbind()

    def tables(
        self,
        cell: int,
        places: Sequence[int],
    ) -> Tensor:
        """Return the weights of some layers, (places, edges * operations).

        Args:
            cell: index of the cell type.
            places: indices of the layers among those of the type.
        """
        table = self.table(cell)
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
            table: new weights of the cell type, (edges, operations).
            live: new support of the edge.
        """
        weights = _replace_item(self.weights, cell, table)
        cell_support = _replace_item(self.support[cell], edge, live)
        support = _replace_item(self.support, cell, cell_support)
        origin = Origin(self, cell, edge)
        return Mixture(weights, support, origin, edge_weights=self.edge_weights)


def _split_evenly(
    items: Sequence[Item],
    size: int,
) -> list[Sequence[Item]]:
    """Return consecutive pieces with `size` items each."""
    starts = range(0, len(items), size)
    return [items[start : start + size] for start in starts]


def _replace_item(
    items: tuple[Item, ...],
    place: int,
    item: Item,
) -> tuple[Item, ...]:
    """Return a tuple with one item replaced."""
    before = items[:place]
    after = items[place + 1 :]
    return (*before, item, *after)


def _replace_row(
    table: Tensor,
    place: int,
    row: Tensor,
) -> Tensor:
    """Return a table (edges, operations) with one row (operations,) replaced."""
    before = table[:place]
    after = table[place + 1 :]
    return torch.cat([before, row[None], after])


def mixture_of(
    space: SearchSpace,
    alphas: Sequence[Tensor],
    decisions: Decisions | None = None,
    activation: Activation = SOFTMAX,
) -> Mixture:
    """Return the mixture for some alphas.

    An open edge has the activation of its alphas. A decided edge has weight one on its
    operation, and a dropped edge has zeros. A decision on one edge of a group does not
    change the other edges. Closed operations have weight zero, and the activation is
    that of the remaining ones. Decisions do not change the weights of edges, if any.

    Args:
        space: the search space.
        alphas: alphas, as the activation takes them; gradients flow to open edges only.
        decisions: which edges are decided; None leaves every edge open.
        activation: function from alphas to weights.
    """
    edge_weights = activation.edge_weights(space, alphas)
    alphas = activation.operation_alphas(alphas)
    if decisions is not None:
        alphas = close_alphas(alphas, decisions)
    tables = activation.tables(space, alphas)
    mixture = decided_mixture(space, tables, decisions, activation)
    return replace(mixture, edge_weights=edge_weights)


def close_alphas(
    alphas: Sequence[Tensor],
    decisions: Decisions,
) -> tuple[Tensor, ...]:
    """Return alphas with minus infinity for closed operations.

    Every activation gives them weight zero. If nothing is closed, the result has the
    same tensors.

    Args:
        alphas: alphas, (edges, operations) per cell type.
        decisions: which operations are closed.
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

    The mask is cached, so that a training step need not wait for small copies to the
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
    """Return the mixture with given weights on open edges, one-hot on decided ones.

    Args:
        space: the search space.
        tables: activation of :func:`close_alphas`, (edges, operations) per cell type.
        decisions: which edges are decided; None leaves every edge open.
        activation: the activation; it knows whether weights of open edges can be zero.
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
    """Return the table of one cell type, for :func:`decided_tables`.

    Args:
        table: weights of open edges, (edges, operations).
        row: for each edge, an operation's index, OPEN or DROPPED.
    """
    if all(choice == OPEN for choice in row):
        return table
    masks = _row_masks(row, table.shape[1], table.device)
    chosen = masks.chosen.to(table.dtype)
    return torch.where(masks.is_open, table, chosen)


def live_support(
    space: SearchSpace, decisions: Decisions, weighs_none: bool = True
) -> Support:
    """Return which operations are live under some decisions, whatever the alphas.

    Args:
        space: the search space.
        decisions: which operations are live.
        weighs_none: whether `none` has a weight on open edges.
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
        edges: edges of the cell type.
        decisions: which operations are live.
        columns: number of entries in a row of the mixture.
        weighs_none: whether `none` has a weight on open edges.
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
        is_open: which edges are open, (edges, 1).
        chosen: which operations decided edges have, (edges, operations).
    """

    is_open: Tensor
    chosen: Tensor


@lru_cache(maxsize=256)
def _row_masks(
    row: tuple[int, ...],
    columns: int,
    device: torch.device,
) -> _RowMasks:
    """Return the masks of a cell type under some decisions.

    They are cached, so that a training step need not wait for small copies to the
    device.
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
    """Return a random mixture with one operation per open edge, or per group of edges.

    The weights are the probabilities of the operations. Decided edges do not change.

    Args:
        space: the search space.
        mixture: the probabilities, one table per cell type.
        decisions: which edges are open.
        generator: a CPU generator; the draw is on the CPU, because the host must know
            the support.
        device: device of the drawn mixture.
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
    """Return copies of tables on the CPU, with only one wait for the device."""
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
    """Return a random table (edges, operations) of one cell type, for :func:`sampled`.

    Args:
        cell: the cell type.
        table: probabilities, (edges, operations), on the CPU.
        row: for each edge, an operation's index, OPEN or DROPPED.
        generator: a CPU generator.
    """
    free = _free_rows(cell, table, row)
    # The smallest of exponential waiting times, with the weights as rates, is such a
    # draw.
    clocks = torch.empty_like(free).exponential_(generator=generator)
    return _pick_largest(cell, table, row, free / clocks)


def _free_rows(cell: Cell, table: Tensor, row: tuple[int, ...]) -> Tensor:
    """Return the weights of open edges, one row per edge or group of edges.

    Args:
        cell: the cell type.
        table: weights, (edges, operations), on the CPU.
        row: for each edge, an operation's index, OPEN or DROPPED.
    """
    is_open = torch.tensor(row)[:, None] == OPEN
    return rows_of_groups(cell, table * is_open)


def _pick_largest(
    cell: Cell, table: Tensor, row: tuple[int, ...], keys: Tensor
) -> Tensor:
    """Return a table (edges, operations) with a one at each row's largest key.

    Rows without a key above zero have no one. Decided edges do not change.

    Args:
        cell: the cell type.
        table: weights, (edges, operations), on the CPU.
        row: for each edge, an operation's index, OPEN or DROPPED.
        keys: keys, in the shape of :func:`_free_rows`.
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
    """Return the mixture with only the largest weight of each open edge (or group).

    Its weights are one and zero, and their gradients flow unchanged to the weights of
    the given mixture. Decided edges do not change.

    Args:
        space: the search space.
        mixture: a mixture with one table per cell type.
        decisions: which edges are open.
        device: device of the mixture.
    """
    tables = []
    support = []
    on_host = _copy_to_host(mixture.weights)
    by_cell = zip(space.cells, on_host, mixture.weights, decisions.choices, strict=True)
    for cell, weights, soft, row in by_cell:
        largest = _pick_largest(cell, weights, row, _free_rows(cell, weights, row))
        hard = largest.to(device, non_blocking=True)
        # The values are exactly one and zero, because equal numbers cancel.
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
    """Return the mixture of one architecture, with weight one for its operations."""
    decisions = Decisions.of(architecture)
    return mixture_of(space, blank_alphas(space, device), decisions)


def blank_alphas(
    space: SearchSpace,
    device: torch.device,
) -> list[Tensor]:
    """Return alphas of zero, (edges, operations) per cell type."""
    alphas = []
    for index, cell in enumerate(space.cells):
        edges = len(cell.edges)
        columns = count_columns(space, index)
        alphas.append(torch.zeros(edges, columns, device=device))
    return alphas
