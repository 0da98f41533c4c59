"""Partial channel connections: most channels of a node pass by its operations.

Xu et al., PC-DARTS, ICLR 2020, arXiv 1907.05737, and its released code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.space import Cell


class ChannelBypass:
    """What becomes of a cell's channels when operations read the first C/K of C.

    The others pass by them: as they are, or where the edge halves the image through a
    maximum pooling 2x2. What both give into a node is put side by side, and the
    channels are shuffled, so that other ones are first for the next operations.

    Args:
        cell: the cell type.
        channels: of each node.
        stride: of the edges that leave an input.
        divisor: K, above one.
    """

    def __init__(
        self,
        cell: Cell,
        channels: Sequence[int],
        stride: int,
        divisor: int,
    ) -> None:
        self._cell = cell
        self._stride = stride
        self._divisor = divisor
        for source, target in cell.edges:
            if channels[source] != channels[target] or channels[source] % divisor:
                raise ValueError(
                    f"1/{divisor} cannot be searched from a node of {channels[source]} to one of {channels[target]}"
                )

    def searched(self, features: Tensor) -> Tensor:
        """Return the channels that operations read, (batch, C/K, height, width)."""
        return features[:, : self._count(features)]

    def passed(self, source: int, features: Tensor) -> Tensor:
        """Return what passes by the operations on edges that leave a node.

        It is (batch, C - C/K, height, width), of the size of what the operations give.

        Args:
            source: index of the node.
            features: its features, (batch, C, height, width).
        """
        rest = features[:, self._count(features) :]
        if self._stride == 1 or source >= self._cell.inputs:
            return rest
        return F.max_pool2d(rest, 2, ceil_mode=True)

    def join(self, searched: Tensor | None, passed: Tensor) -> Tensor:
        """Return the features of a node, (batch, C, height, width).

        Args:
            searched: the sum of the operations, (batch, C/K, height, width); None for
                zeros.
            passed: the sum of what passed by, (batch, C - C/K, height, width).
        """
        if searched is None:
            batch, rest, height, width = passed.shape
            share = rest // (self._divisor - 1)
            searched = passed.new_zeros(batch, share, height, width)
        both = torch.cat([searched, passed], dim=1)
        # Channel i of group g goes to place i * K + g.
        by_group = both.unflatten(1, (self._divisor, -1))
        return by_group.transpose(1, 2).flatten(1, 2)

    def _count(self, features: Tensor) -> int:
        """Return how many channels are searched."""
        return features.shape[1] // self._divisor
