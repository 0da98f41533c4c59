"""What an activation is: the map from alphas to the mixture's tables.

An activation is a value that a way of training owns. The trainer and every selector
read the alphas through the same one, so that they compare edges on the same scale.
Shapes: alphas and tables are (edges, operations) per cell type.
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
from archselect.nasbench_adapters.space import Cell, SearchSpace


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
        starts_by_itself: whether alphas begin at 1/K, so that no mean may be added.
    """

    name: ClassVar[str]
    sums_to_one: ClassVar[bool] = True
    sparse: ClassVar[bool] = False
    normalised_sums: ClassVar[bool] = False
    weighs_none: ClassVar[bool] = True
    starts_by_itself: ClassVar[bool] = False

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
