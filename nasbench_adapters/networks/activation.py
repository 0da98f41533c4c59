"""The map from architecture weights, the alphas, to the mixture's tables.

An activation is a value that a way of training owns. The trainer and every selector
read the alphas through the same one, so that they compare edges on the same scale.
Shapes: alphas and tables are (edges, operations) per cell type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.space import (
    NONE,
    Cell,
    EdgeOperations,
    SearchSpace,
)


class Activation(ABC):
    """Base of all activations: immutable values without settings.

    Attributes:
        name: what it is called in studies.
        sums_to_one: whether an edge's weights (or those of a group of edges) sum to
            one, so that they are probabilities.
        sparse: whether weights become exactly zero. Zero entries are not computed; the
            host has to read the table for that, so that every mixture waits for the
            device once.
        normalised_sums: whether the supernet normalises the sum that enters a node.
        weighs_none: whether `none` has a weight; else its entry is always zero.
    """

    name: ClassVar[str]
    sums_to_one: ClassVar[bool] = True
    sparse: ClassVar[bool] = False
    normalised_sums: ClassVar[bool] = False
    weighs_none: ClassVar[bool] = True

    @abstractmethod
    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return a cell type's weights (edges, operations), differentiable.

        Args:
            cell: the cell type.
            alpha: (edges, operations).
        """

    def tables(
        self,
        space: SearchSpace,
        alphas: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Return the weights (edges, operations) of every cell type."""
        by_cell = zip(space.cells, alphas, strict=True)
        return tuple(self.table(cell, alpha) for cell, alpha in by_cell)

    def weighed(
        self,
        cell: Cell,
        columns: int,
        device: torch.device,
    ) -> Tensor:
        """Return which entries (edges, columns) are operations that have a weight."""
        return weighed_mask(cell.operations, columns, self.weighs_none, device)

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the weights, divided such that each edge's, or group's, sum to one.

        An edge without a weight above zero has zeros.

        Args:
            cell: the cell type.
            alpha: (edges, operations).
        """
        return self.table(cell, alpha)

    def relaxed(
        self,
        cell: Cell,
        alpha: Tensor,
        noise: Tensor,
        temperature: float,
    ) -> Tensor:
        """Return a table near one-hot, for Gumbel noise and a temperature.

        It is softmax((log p + g) / T) of the probabilities p (Maddison et al., ICLR
        2017, equation 10).

        Args:
            cell: the cell type.
            alpha: (edges, operations).
            noise: g, of the same shape.
            temperature: T, above zero.
        """
        return self.table(cell, (alpha + noise) / temperature)

    def new_alphas(
        self,
        space: SearchSpace,
        generator: torch.Generator,
        device: torch.device,
        scale: float,
        mean: float = 0.0,
    ) -> tuple[Tensor, ...]:
        """Return initial alphas: `scale` times normal, plus a mean.

        They are drawn on the generator's device, so that the same seed gives the same
        alphas wherever they are used.
        """
        alphas = []
        for index, cell in enumerate(space.cells):
            columns = count_columns(space, index)
            normal = torch.randn(len(cell.edges), columns, generator=generator)
            alpha = scale * normal
            if mean:
                alpha = mean + alpha
            alphas.append(self._start(cell, alpha).to(device))
        return tuple(alphas)

    def _start(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return the initial alphas of a cell type, from noise around the mean."""
        return alpha

    def living(self, alphas: Sequence[Tensor]) -> list[Tensor] | None:
        """Return which operations are alive; None where none can die.

        The masks are (edges, operations) per cell type.
        """
        del alphas
        return None

    def settle(
        self,
        alphas: Sequence[Tensor],
        alive: Sequence[Tensor] | None,
    ) -> None:
        """Set the alphas of dead operations to zero, in place, after a step.

        An operation is alive if it was before the step and its alpha is above zero.

        Args:
            alphas: (edges, operations) per cell type.
            alive: what :meth:`living` said before the step.
        """
        if alive is None:
            return
        with torch.no_grad():
            for alpha, was_alive in zip(alphas, alive, strict=True):
                alpha.mul_(was_alive & (alpha > 0))


class Softmax(Activation):
    """softmax(alpha) of each edge, or of each group of edges (DARTS, section 2.2).

    Edges of one group share the softmax: all their entries together sum to one
    (NAS-Bench-1Shot1, section 3.2).
    """

    name: ClassVar[str] = "softmax"

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """See :class:`Softmax`."""
        columns = alpha.shape[1]
        if cell.groups:
            members = group_masks(cell.operations, cell.groups, columns, alpha.device)
            return _softmax_by_group(members, alpha)
        allowed = allowed_mask(cell.operations, columns, alpha.device)
        if allowed is not None:
            alpha = alpha.masked_fill(~allowed, -torch.inf)
        return torch.softmax(alpha, dim=-1)


class ClippedAlphas(Activation):
    """clamp(alpha, 0, 1): operations of an edge do not compete (DARTS-PRIME, "CRB").

    `none` has no weight. An operation whose alpha falls to zero is dead: it is not
    computed, and stays dead. An edge whose operations are all dead carries nothing. The
    sum that enters a node is normalised by the batch, as the weights have no scale.
    Maile et al. 2021, arXiv 2106.11655, and its released code. Initial alphas are 1/K
    plus noise, for K operations of the edge.
    """

    name: ClassVar[str] = "crb"
    sums_to_one: ClassVar[bool] = False
    sparse: ClassVar[bool] = True
    normalised_sums: ClassVar[bool] = True
    weighs_none: ClassVar[bool] = False

    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """See :class:`ClippedAlphas`."""
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        return alpha.clamp(0, 1) * weighed

    def probabilities(self, cell: Cell, alpha: Tensor) -> Tensor:
        """See :meth:`.Activation.probabilities`."""
        table = self.table(cell, alpha)
        tiny = torch.finfo(table.dtype).tiny
        if not cell.groups:
            return table / table.sum(-1, keepdim=True).clamp_min(tiny)
        columns = alpha.shape[1]
        members = group_masks(cell.operations, cell.groups, columns, alpha.device)
        by_group = table.flatten() * members
        totals = by_group.sum(-1, keepdim=True).clamp_min(tiny)
        return (by_group / totals).sum(0).view_as(table)

    def relaxed(
        self,
        cell: Cell,
        alpha: Tensor,
        noise: Tensor,
        temperature: float,
    ) -> Tensor:
        """See :meth:`.Activation.relaxed`."""
        table = self.table(cell, alpha)
        is_alive = table > 0
        # The logarithm of one stands in for that of zero, whose gradient is undefined.
        logarithms = torch.where(is_alive, table, 1).log()
        noisy = (logarithms + noise) / temperature
        lowest = torch.finfo(noisy.dtype).min
        masked = noisy.masked_fill(~is_alive, lowest)
        return SOFTMAX.table(cell, masked) * is_alive

    def _start(self, cell: Cell, alpha: Tensor) -> Tensor:
        weighed = self.weighed(cell, alpha.shape[1], alpha.device)
        counts = weighed.sum(-1, keepdim=True).clamp_min(1)
        return (1 / counts + alpha) * weighed

    def living(self, alphas: Sequence[Tensor]) -> list[Tensor]:
        """See :meth:`.Activation.living`."""
        return [alpha.detach() > 0 for alpha in alphas]


SOFTMAX = Softmax()
ACTIVATIONS: dict[str, Activation] = {
    activation.name: activation for activation in (SOFTMAX, ClippedAlphas())
}


def get_activation(name: str) -> Activation:
    """Return an activation by name. Raise UserError for an unknown one."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def count_columns(space: SearchSpace, cell: int) -> int:
    """Return the columns of a cell type's mixture.

    They are as many as the edge with the most operations allows.
    """
    operations = space.cells[cell].operations
    return max(len(names) for names in operations)


def new_alphas(
    space: SearchSpace,
    generator: torch.Generator,
    device: torch.device,
    scale: float = 1e-3,
) -> tuple[Tensor, ...]:
    """Return alphas of the softmax; see :meth:`.Activation.new_alphas`."""
    return SOFTMAX.new_alphas(space, generator, device, scale)


def _softmax_by_group(members: Tensor, alpha: Tensor) -> Tensor:
    """Return the softmax of alphas (edges, operations) within each group of edges."""
    # One row per group; every entry is of one group and has no weight in the others.
    flat = alpha.flatten()
    by_group = flat.masked_fill(~members, -torch.inf)
    soft = torch.softmax(by_group, dim=-1)
    summed = soft.sum(dim=0)
    return summed.view_as(alpha)


# The masks are kept, because a training step must not wait for small copies to the
# device.


@lru_cache(maxsize=256)
def allowed_mask(
    operations: EdgeOperations,
    columns: int,
    device: torch.device,
) -> Tensor | None:
    """Return which entries (edges, columns) are operations; None if all are."""
    allowed = _allowed_entries(operations, columns)
    return None if bool(allowed.all()) else allowed.to(device)


@lru_cache(maxsize=256)
def weighed_mask(
    operations: EdgeOperations,
    columns: int,
    weighs_none: bool,
    device: torch.device,
) -> Tensor:
    """Return which entries (edges, columns) are operations that have a weight."""
    weighed = _allowed_entries(operations, columns)
    for edge, names in enumerate(operations):
        if NONE in names and not weighs_none:
            weighed[edge, names.index(NONE)] = False
    return weighed.to(device)


@lru_cache(maxsize=256)
def group_masks(
    operations: EdgeOperations,
    groups: tuple[int, ...],
    columns: int,
    device: torch.device,
) -> Tensor:
    """Return which entries are of a group of edges, (groups, edges * operations)."""
    allowed = _allowed_entries(operations, columns)
    group_of_edge = torch.tensor(groups)
    masks = []
    for group in dict.fromkeys(groups):
        is_member = group_of_edge == group
        in_group = allowed & is_member[:, None]
        masks.append(in_group.flatten())
    return torch.stack(masks).to(device)


def _allowed_entries(
    operations: EdgeOperations,
    columns: int,
) -> Tensor:
    """Return which entries (edges, columns) of a cell type's table are operations."""
    counts = torch.tensor([len(names) for names in operations])
    return torch.arange(columns) < counts[:, None]
