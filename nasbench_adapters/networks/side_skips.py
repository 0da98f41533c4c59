"""Skips beside a cell's edges: the auxiliary skip connections of DARTS-.

Chu et al., ICLR 2021, section 3.2. Confopt has them in some spaces, too, with a weight
of one and also in networks (Jha et al., AutoML-Conf 2025).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.operations import FactorizedReduction
from archselect.nasbench_adapters.space import Cell


class SideSkips(nn.Module):
    """A skip beside every edge between nodes of equal width.

    It is the identity or, if the edge halves the image, a separate factorised
    reduction. An edge between nodes of different widths has no skip.

    Args:
        cell: the cell type.
        channels: channels of each node, per replica.
        stride: stride of the edges that leave an input.
        edges: indices of the edges that have one; None for all.
        affine: whether normalisation has learnable scale and shift.
        replicas: number of networks side by side (:mod:`.operations`).
    """

    def __init__(
        self,
        cell: Cell,
        channels: Sequence[int],
        stride: int,
        edges: Sequence[int] | None = None,
        affine: bool = False,
        replicas: int = 1,
    ) -> None:
        super().__init__()
        self.cell = cell
        self._channels = list(channels)
        self.reductions = nn.ModuleDict()
        for edge in range(len(cell.edges)) if edges is None else edges:
            source, _ = cell.edges[edge]
            halves_image = stride > 1 and source < cell.inputs
            if halves_image and self._has_skip(edge):
                width = channels[source]
                reduction = FactorizedReduction(width, width, affine, replicas)
                self.reductions[str(edge)] = reduction

    def _has_skip(self, edge: int) -> bool:
        """Return whether there is a skip beside an edge."""
        source, target = self.cell.edges[edge]
        return self._channels[source] == self._channels[target]

    def forward(self, target: int, features: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs of the skips into a node, edge by edge.

        Each is (batch, channels, height, width).

        Args:
            target: index of the node.
            features: features of each node before it, (batch, channels, height, width).
        """
        skips = []
        for edge in self.cell.incoming(target):
            if self._has_skip(edge):
                skips.append(self.skip(edge, features))
        return skips

    def skip(self, edge: int, features: Sequence[Tensor]) -> Tensor:
        """Return what the skip beside an edge gives.

        It is (batch, channels, height, width).

        Args:
            edge: index of an edge that has one.
            features: (batch, channels, height, width) of each node before its target.
        """
        source, _ = self.cell.edges[edge]
        name = str(edge)
        if name not in self.reductions:
            return features[source]
        # A reduction reads rectified features.
        out: Tensor = self.reductions[name](torch.relu(features[source]))
        return out
