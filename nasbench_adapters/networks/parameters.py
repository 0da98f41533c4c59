"""How many parameters the stand-alone networks of many architectures have, without building each of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from nasbench_pytorch.model.model import compute_vertex_channels
from torch import nn

from archselect.nasbench_adapters.networks.network import Backbone
from archselect.nasbench_adapters.space import Architecture, SearchSpace, Skeleton
from archselect.nasbench_adapters.spaces.nb101 import OPERATIONS, STAGES, ModuleSpace

KERNELS = {"conv1x1-bn-relu": 1, "conv3x3-bn-relu": 3}
"""Operations of NAS-Bench-101 that have parameters, and the side of their kernels."""


def count_parameters(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_channels: int = 3,
    classes: int = 10,
) -> np.ndarray:
    """Return the number of parameters of each architecture's network, as `build_network` would build it.

    An edge's operation has the same parameters whatever the other edges carry, so that one network with all operations
    on all edges, on the meta device, has every number. In NAS-Bench-101 the channels of a vertex depend on the whole
    cell; there the numbers are computed.

    Args:
        space: of the architectures.
        architectures: to count.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_channels: of the images.
        classes: number of logits.

    Returns:
        int64, one number per architecture.
    """
    if isinstance(space, ModuleSpace):
        return _of_modules(space, architectures, skeleton, image_channels, classes)
    everything = [[tuple(range(len(names))) for names in cell.operations] for cell in space.cells]
    with torch.device("meta"):
        network = Backbone(space, skeleton, everything, image_channels, classes, affine=True)
    of_operations = _of_operations(space, network)
    fixed = _size(network) - sum(sum(counts) for cell in of_operations for counts in cell)
    totals = [fixed + _chosen(of_operations, architecture) for architecture in architectures]
    return np.array(totals, dtype=np.int64)


def _of_operations(space: SearchSpace, network: Backbone) -> list[list[list[int]]]:
    """Return the parameters of every operation, over all layers: per cell type, edge and operation."""
    counts = [[[0] * len(names) for names in cell.operations] for cell in space.cells]
    for place, module in network.cells():
        for edge, names in enumerate(space.cells[place].operations):
            built = module.edges[edge]
            assert isinstance(built, nn.ModuleDict)
            for choice, name in enumerate(names):
                if name in built:
                    counts[place][edge][choice] += _size(built[name])
    return counts


def _chosen(of_operations: list[list[list[int]]], architecture: Architecture) -> int:
    total = 0
    for edges, choices in zip(of_operations, architecture.choices, strict=True):
        total += sum(counts[choice] for counts, choice in zip(edges, choices, strict=True) if choice is not None)
    return total


def _of_modules(
    space: ModuleSpace, architectures: Sequence[Architecture], skeleton: Skeleton, image_channels: int, classes: int
) -> np.ndarray:
    """Return the parameters of networks of NAS-Bench-101, whose cell's channels double at every stage but the first."""
    stem = 9 * image_channels * skeleton.stem_channels + 2 * skeleton.stem_channels
    cells = sum(layer.block == "cell" for layer in skeleton.layers) // STAGES
    totals = []
    for architecture in architectures:
        module = space.module(architecture)
        total = stem
        channels = skeleton.stem_channels
        for stage in range(STAGES):
            width = skeleton.stem_channels * 2**stage
            for _ in range(cells):
                total += _of_module(np.array(module.matrix), module.operations, channels, width)
                channels = width
        totals.append(total + channels * classes + classes)
    return np.array(totals, dtype=np.int64)


def _of_module(matrix: np.ndarray, operations: Sequence[int], channels: int, width: int) -> int:
    """Return the parameters of one cell: projections of its input, and the convolutions of its vertices."""
    widths = compute_vertex_channels(channels, width, matrix)
    last = len(matrix) - 1
    total = 0
    for vertex in range(1, last + 1):
        if matrix[0, vertex]:
            total += _convolution(channels, int(widths[vertex]), 1)
        if vertex < last:
            kernel = KERNELS.get(OPERATIONS[operations[vertex - 1]])
            if kernel is not None:
                total += _convolution(int(widths[vertex]), int(widths[vertex]), kernel)
    return total


def _convolution(channels_in: int, channels_out: int, kernel: int) -> int:
    """Return the parameters of a convolution without bias and of its normalisation."""
    return kernel**2 * channels_in * channels_out + 2 * channels_out


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
