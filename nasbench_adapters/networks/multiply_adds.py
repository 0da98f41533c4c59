"""Numbers of multiply-adds of the stand-alone networks of many architectures.

They are half of the FLOPs of :mod:`.flops`. Papers often report multiply-adds and call
them FLOPs, for example NAS-Bench-201.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.network import Supernet
from archselect.nasbench_adapters.networks.parameters import (
    OperationTable,
    blank_counts,
    nb101_convolutions,
)
from archselect.nasbench_adapters.space import Architecture, SearchSpace, Skeleton
from archselect.nasbench_adapters.spaces.nb101 import STAGES, CellGraphSpace

FLOPS_PER_MULTIPLY_ADD = 2


def multiply_add_table(
    space: SearchSpace,
    skeleton: Skeleton,
    image_shape: tuple[int, int, int],
    classes: int,
) -> OperationTable | None:
    """Return the multiply-adds of every operation, and of the network around them.

    One forward of a supernet on the meta device gives every number. In NAS-Bench-101
    the channels of a vertex depend on the whole cell, so the result is None there.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_shape: shape of one image, (channels, height, width).
        classes: number of classes.
    """
    if isinstance(space, CellGraphSpace):
        return None
    with torch.device("meta"):
        supernet = Supernet(space, skeleton, image_shape[0], classes, seed=0)
        cost = ForwardCost(supernet, image_shape)
    counts = blank_counts(space)
    for operation in cost.operations:
        halved = operation.flops // FLOPS_PER_MULTIPLY_ADD
        counts[operation.cell][operation.edge][operation.choice] += halved
    for (cell, edge), flops in cost.edge_skips.items():
        halved = flops // FLOPS_PER_MULTIPLY_ADD
        counts[cell][edge] = [count + halved for count in counts[cell][edge]]
    return OperationTable(cost() // FLOPS_PER_MULTIPLY_ADD, counts)


def count_multiply_adds(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_shape: tuple[int, int, int],
    classes: int,
) -> np.ndarray:
    """Return the multiply-adds of each architecture's network, for one image.

    Args:
        space: the search space.
        architectures: the architectures.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_shape: shape of one image, (channels, height, width).
        classes: number of classes.

    Returns:
        one number per architecture, int64.
    """
    if isinstance(space, CellGraphSpace):
        return _count_nb101(space, architectures, skeleton, image_shape, classes)
    table = multiply_add_table(space, skeleton, image_shape, classes)
    assert table is not None
    totals = [table.of(architecture) for architecture in architectures]
    return np.array(totals, dtype=np.int64)


def _count_nb101(
    space: CellGraphSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_shape: tuple[int, int, int],
    classes: int,
) -> np.ndarray:
    """Return the multiply-adds of networks of NAS-Bench-101."""
    channels, height, width = image_shape
    classifier = skeleton.stem_channels * 2 ** (STAGES - 1) * classes
    totals = []
    for architecture in architectures:
        total = classifier
        cell = space.cell_graph(architecture)
        for convolution in nb101_convolutions(cell, skeleton, channels):
            shrunk = 2**convolution.stage
            pixels = (height // shrunk) * (width // shrunk)
            total += convolution.weights * pixels
        totals.append(total)
    return np.array(totals, dtype=np.int64)
