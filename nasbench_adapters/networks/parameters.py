"""How many parameters the stand-alone networks of many architectures have.

They are counted without building each network.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import torch
from nasbench_pytorch.model.model import compute_vertex_channels
from torch import nn

from archselect.nasbench_adapters.networks.network import Backbone, all_operations
from archselect.nasbench_adapters.networks.operations import NB101_KERNELS
from archselect.nasbench_adapters.space import Architecture, SearchSpace, Skeleton
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    STAGES,
    CellGraphSpace,
    VertexGraph,
)

OperationCounts = list[list[list[int]]]
"""A number for each cell type, edge and operation."""


def count_parameters(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_channels: int = 3,
    classes: int = 10,
) -> np.ndarray:
    """Return the number of parameters of each architecture's network.

    The networks are those that `build_network` would build.

    An edge's operation has the same parameters whatever the other edges carry, so that
    one network with all operations on all edges, on the meta device, has every number.
    In NAS-Bench-101 the channels of a vertex depend on the whole cell; there the
    numbers are computed.

    Args:
        space: of the architectures.
        architectures: to count.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_channels: of the images.
        classes: number of logits.

    Returns:
        int64, one number per architecture.
    """
    if isinstance(space, CellGraphSpace):
        return _count_nb101(space, architectures, skeleton, image_channels, classes)
    with torch.device("meta"):
        network = Backbone(
            space, skeleton, all_operations(space), image_channels, classes, affine=True
        )
    counts = _count_operations(space, network)
    by_edge = chain.from_iterable(counts)
    of_operations = sum(chain.from_iterable(by_edge))
    fixed = _size(network) - of_operations
    totals = []
    for architecture in architectures:
        totals.append(fixed + _count_chosen(counts, architecture))
    return np.array(totals, dtype=np.int64)


def _count_operations(
    space: SearchSpace,
    network: Backbone,
) -> OperationCounts:
    """Return the parameters of every operation, over all layers."""
    counts: OperationCounts = []
    for edges in space.edges:
        counts.append([[0] * len(edge.operations) for edge in edges])
    for cell, module in network.cells():
        for operation in module.operations:
            counts[cell][operation.edge][operation.choice] += _size(operation.module)
    return counts


def _count_chosen(
    counts: OperationCounts,
    architecture: Architecture,
) -> int:
    """Return the parameters of the operations that an architecture has."""
    total = 0
    for cell, choices in enumerate(architecture.choices):
        for edge, choice in enumerate(choices):
            if choice is not None:
                total += counts[cell][edge][choice]
    return total


def _count_nb101(
    space: CellGraphSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_channels: int,
    classes: int,
) -> np.ndarray:
    """Return the parameters of networks of NAS-Bench-101.

    The cell's channels double at every stage but the first.
    """
    stem = _convolution(image_channels, skeleton.stem_channels, 3)
    last_channels = skeleton.stem_channels * 2 ** (STAGES - 1)
    classifier = last_channels * classes + classes
    totals = []
    for architecture in architectures:
        cell = space.cell_graph(architecture)
        totals.append(stem + _count_cells(cell, skeleton) + classifier)
    return np.array(totals, dtype=np.int64)


def _count_cells(
    cell: VertexGraph,
    skeleton: Skeleton,
) -> int:
    """Return the parameters of all cells of a network of NAS-Bench-101."""
    matrix = cell.matrix
    cells_per_stage = sum(layer.is_cell for layer in skeleton.layers) // STAGES
    channels = skeleton.stem_channels
    total = 0
    for stage in range(STAGES):
        width = skeleton.stem_channels * 2**stage
        for _ in range(cells_per_stage):
            total += _count_cell(matrix, cell.operations, channels, width)
            channels = width
    return total


def _count_cell(
    matrix: np.ndarray,
    operations: Sequence[int],
    channels: int,
    width: int,
) -> int:
    """Return the parameters of one cell.

    They are those of the projections of its input, and of its vertices' convolutions.

    Args:
        matrix: adjacency matrix of the cell, (vertices, vertices).
        operations: of the vertices between input and output.
        channels: of the input.
        width: channels of the output.
    """
    widths = [int(size) for size in compute_vertex_channels(channels, width, matrix)]
    last = len(matrix) - 1
    total = 0
    for vertex in range(1, last + 1):
        if matrix[0, vertex]:
            total += _convolution(channels, widths[vertex], 1)
        if vertex < last:
            name = OPERATIONS[operations[vertex - 1]]
            kernel = NB101_KERNELS.get(name)
            if kernel is not None:
                total += _convolution(widths[vertex], widths[vertex], kernel)
    return total


def _convolution(
    channels_in: int,
    channels_out: int,
    kernel: int,
) -> int:
    """Return the parameters of a convolution without bias and of its normalisation."""
    return kernel**2 * channels_in * channels_out + 2 * channels_out


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
