"""The softmax where operations read a part of the channels, and edges have weights.

Xu et al., PC-DARTS, ICLR 2020, arXiv 1907.05737, and its released code.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation.softmax import Softmax
from archselect.nasbench_adapters.space import Cell, SearchSpace, Skeleton


class PartialSoftmax(Softmax):
    """softmax(alpha) on each edge of a supernet whose operations read 1/K of a node.

    Args:
        channel_divisor: K; 1 lets them read all.
    """

    name: ClassVar[str] = "softmax"

    def __init__(self, channel_divisor: int) -> None:
        self.channel_divisor = channel_divisor

    def check(self, space: SearchSpace, skeleton: Skeleton) -> None:
        """Raise UserError unless the channels of all nodes can be divided by K."""
        divisor = self.channel_divisor
        if divisor == 1:
            return
        for cell in space.cells:
            is_chain = len(cell.edges) == 1
            widths = {cell.width(node) for node in range(cell.nodes)}
            if is_chain or widths != {1}:
                raise UserError(
                    f"space {space.name} has edges between nodes of different widths, "
                    "which cannot be searched in part: set channel_divisor = 1"
                )
        for layer in skeleton.layers:
            if layer.is_cell and layer.channels % divisor:
                raise UserError(
                    f"space {space.name}: channel_divisor = {divisor} does not divide "
                    f"the {layer.channels} channels of a layer: set other channels in its skeleton"
                )


class PartialEdgeSoftmax(PartialSoftmax):
    """softmax(alpha) on each edge, times softmax(beta) over the edges into its node.

    The last column of the alphas has the betas, one per edge: (edges, operations + 1).
    An edge that is decided keeps its weight, and that of a dropped one goes to no
    other edge.
    """

    name: ClassVar[str] = "edge-softmax"
    sums_to_one: ClassVar[bool] = False
    weighs_edges: ClassVar[bool] = True

    def check(self, space: SearchSpace, skeleton: Skeleton) -> None:
        """Raise UserError, also where edges share a softmax already."""
        super().check(space, skeleton)
        if any(cell.groups for cell in space.cells):
            raise UserError(
                f"the edges of space {space.name} share a softmax and cannot be weighed by another one: "
                "set edge_normalised = false"
            )

    def operation_alphas(self, alphas: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the alphas without the betas, (edges, operations) per cell type."""
        return tuple(alpha[:, :-1] for alpha in alphas)

    def edge_weights(
        self,
        space: SearchSpace,
        alphas: Sequence[Tensor],
    ) -> tuple[Tensor, ...]:
        """Return softmax(beta) over the edges into a node, (edges,) per cell type."""
        weights = []
        for cell, alpha in zip(space.cells, alphas, strict=True):
            into = _edges_into(cell, alpha.device)
            betas = alpha[:, -1].expand(len(into), -1)
            by_node = betas.masked_fill(~into, -torch.inf).softmax(dim=-1)
            # Every edge enters one node and has no weight in the others.
            weights.append(by_node.sum(dim=0))
        return tuple(weights)

    def new_alphas(
        self,
        space: SearchSpace,
        generator: torch.Generator,
        device: torch.device,
        scale: float,
        mean: float = 0.0,
    ) -> tuple[Tensor, ...]:
        """Return initial alphas with betas, all `scale` times normal.

        The alphas are those of the softmax from the same generator. The mean is added
        to them alone.
        """
        alphas = super().new_alphas(space, generator, device, scale, mean)
        with_betas = []
        for alpha in alphas:
            normal = torch.randn(len(alpha), 1, generator=generator)
            betas = (scale * normal).to(device)
            with_betas.append(torch.cat([alpha, betas], dim=1))
        return tuple(with_betas)


@lru_cache(maxsize=64)
def _edges_into(cell: Cell, device: torch.device) -> Tensor:
    """Return which edges enter each node that has any, (nodes, edges)."""
    targets = [target for _, target in cell.edges]
    rows = []
    for node in sorted(set(targets)):
        rows.append([target == node for target in targets])
    return torch.tensor(rows).to(device)
