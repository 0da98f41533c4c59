"""Skips beside a cell's edges: the auxiliary skip connections of DARTS-.

Chu et al., ICLR 2021, section 3.2.
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
        channels: channels of each node.
        stride: stride of the edges that leave an input.
    """

    def __init__(
        self,
        cell: Cell,
        channels: Sequence[int],
        stride: int,
    ) -> None:
        super().__init__()
        self.cell = cell
        self._channels = list(channels)
        self.reductions = nn.ModuleDict()
        for edge, (source, _) in enumerate(cell.edges):
            halves_image = stride > 1 and source < cell.inputs
            if halves_image and self._has_skip(edge):
                width = channels[source]
                reduction = FactorizedReduction(width, width, affine=False)
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
        for edge, (source, into) in enumerate(self.cell.edges):
            if into != target or not self._has_skip(edge):
                continue
            name = str(edge)
            if name in self.reductions:
                # A reduction needs rectified features.
                skips.append(self.reductions[name](torch.relu(features[source])))
            else:
                skips.append(features[source])
        return skips
