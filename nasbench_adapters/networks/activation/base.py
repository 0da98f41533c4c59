"""The base class of activations: functions from alphas to mixture weights.

An optimiser chooses the activation. Its trainer and every selector use the same one, so
that they compare edges on the same scale. Shapes: alphas and tables of weights are
(edges, operations) per cell type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.masks import (
    count_columns,
    weighed_mask,
)
from archselect.nasbench_adapters.space import Cell, SearchSpace, Skeleton


class Activation(ABC):
    """Base of all activations: immutable values.

    Attributes:
        name: name in studies.
        sums_to_one: whether the weights of an edge (or of a group of edges) sum to one,
            so that they are probabilities.
        sparse: whether weights can become exactly zero. The supernet does not compute
            such operations. To find them, the host reads the table, so every mixture
            waits for the device once.
        normalised_sums: whether the supernet normalises the sum that enters a node.
        channel_divisor: K, where operations read 1/K of the channels of a node
            (:class:`.ChannelBypass`).
        weighs_none: whether `none` has a weight; if not, its entry is always zero.
        starts_by_itself: whether alphas start at 1/K, so that no other mean can be set.
        weighs_edges: whether edges have weights, too. Alphas then have one more column,
            which all methods but :meth:`operation_alphas` and :meth:`edge_weights` take
            without it.
    """

    name: ClassVar[str]
    sums_to_one: ClassVar[bool] = True
    sparse: ClassVar[bool] = False
    normalised_sums: ClassVar[bool] = False
    weighs_none: ClassVar[bool] = True
    starts_by_itself: ClassVar[bool] = False
    weighs_edges: ClassVar[bool] = False
    channel_divisor: int = 1

    def check(self, space: SearchSpace, skeleton: Skeleton) -> None:
        """Raise UserError for a supernet that the activation does not fit; here, none.

        Args:
            space: of the supernet.
            skeleton: of the supernet.
        """
        del space, skeleton

    def operation_alphas(self, alphas: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the alphas of operations, (edges, operations) per cell type."""
        return tuple(alphas)

    def edge_weights(
        self,
        space: SearchSpace,
        alphas: Sequence[Tensor],
    ) -> tuple[Tensor, ...] | None:
        """Return the weights of edges, (edges,) per cell type; None for ones."""
        del space, alphas
        return None

    @abstractmethod
    def table(self, cell: Cell, alpha: Tensor) -> Tensor:
        """Return a cell type's weights (edges, operations), differentiable.

        Args:
            cell: the cell type.
            alpha: alphas of the cell type, (edges, operations).
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
        """Return the weights, scaled so that those of each edge (or group) sum to one.

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
        """Return an almost one-hot table, for Gumbel noise and a temperature.

        It is softmax((log p + g) / T) of the probabilities p (Maddison et al., ICLR
        2017, equation 10).

        Args:
            cell: the cell type.
            alpha: alphas of the cell type, (edges, operations).
            noise: Gumbel noise g, of the same shape.
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
        """Return initial alphas: `scale` times standard normal numbers, plus `mean`.

        They are drawn on the generator's device, so that a seed gives the same alphas
        on every device.
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
        """Return the initial alphas of a cell type, given noise around the mean."""
        return alpha

    def living(self, alphas: Sequence[Tensor]) -> list[Tensor] | None:
        """Return which operations are alive; None if operations cannot die.

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

        An operation is alive if it was alive before the step and its alpha is above
        zero.

        Args:
            alphas: alphas, (edges, operations) per cell type.
            alive: result of :meth:`living` before the step.
        """
        if alive is None:
            return
        with torch.no_grad():
            for alpha, was_alive in zip(alphas, alive, strict=True):
                alpha.mul_(was_alive & (alpha > 0))
