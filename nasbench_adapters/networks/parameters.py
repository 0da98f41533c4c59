"""Numbers of parameters of the stand-alone networks of many architectures.

They are counted without building each network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

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


class OperationTable(NamedTuple):
    """Counts of every operation of a space, and of the network around them.

    Attributes:
        fixed: count of everything that does not depend on the architecture.
        counts: count of each operation over all layers, by cell type, edge and
            operation.
    """

    fixed: int
    counts: OperationCounts

    def of(self, architecture: Architecture) -> int:
        """Return the count of an architecture's network."""
        return self.fixed + _count_chosen(self.counts, architecture)


def blank_counts(space: SearchSpace) -> OperationCounts:
    """Return zeros for each cell type, edge and operation."""
    counts: OperationCounts = []
    for edges in space.edges:
        counts.append([[0] * len(edge.operations) for edge in edges])
    return counts


def parameter_table(
    space: SearchSpace, skeleton: Skeleton, image_channels: int, classes: int
) -> OperationTable | None:
    """Return the parameters of every operation, and of the network around them.

    An edge's operation has the same parameters whatever the other operations. So one
    network with all operations on all edges, on the meta device, gives every number. In
    NAS-Bench-101 the channels of a vertex depend on the whole cell, so the result is
    None there.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_channels: number of channels of the images.
        classes: number of classes.
    """
    if isinstance(space, CellGraphSpace):
        return None
    with torch.device("meta"):
        network = Backbone(
            space, skeleton, all_operations(space), image_channels, classes, affine=True
        )
    counts = _count_operations(space, network)
    by_edge = chain.from_iterable(counts)
    of_operations = sum(chain.from_iterable(by_edge))
    of_skips = _add_edge_skips(counts, network)
    return OperationTable(_size(network) - of_operations - of_skips, counts)


def count_parameters(
    space: SearchSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_channels: int = 3,
    classes: int = 10,
) -> np.ndarray:
    """Return the number of parameters of each architecture's network.

    The networks are those of `build_network`. The numbers come from
    :func:`parameter_table`; in NAS-Bench-101 they are computed cell by cell.

    Args:
        space: the search space.
        architectures: the architectures.
        skeleton: from `space.skeleton(...)`; the auxiliary head is left out.
        image_channels: number of channels of the images.
        classes: number of classes.

    Returns:
        one number per architecture, int64.
    """
    if isinstance(space, CellGraphSpace):
        return _count_nb101(space, architectures, skeleton, image_channels, classes)
    table = parameter_table(space, skeleton, image_channels, classes)
    assert table is not None
    totals = [table.of(architecture) for architecture in architectures]
    return np.array(totals, dtype=np.int64)


def operation_parameters(space: SearchSpace) -> OperationCounts:
    """Return the number of parameters by cell type, edge and operation.

    The numbers are for the first layer of each cell type in a stand-alone network with
    the space's default skeleton.
    """
    with torch.device("meta"):
        network = Backbone(
            space, space.skeleton(), all_operations(space), 3, 10, affine=True
        )
    counts = blank_counts(space)
    for cell, modules in network.layers_by_type().items():
        for operation in modules[0].operations:
            counts[cell][operation.edge][operation.choice] = _size(operation.module)
    return counts


def _count_operations(
    space: SearchSpace,
    network: Backbone,
) -> OperationCounts:
    """Return the parameters of every operation, over all layers."""
    counts = blank_counts(space)
    for cell, module in network.cells():
        for operation in module.operations:
            counts[cell][operation.edge][operation.choice] += _size(operation.module)
    return counts


def _add_edge_skips(counts: OperationCounts, network: Backbone) -> int:
    """Add to every operation the parameters of the skip beside its edge.

    Return those of all skips.
    """
    total = 0
    for cell, module in network.cells():
        if module.edge_skips is None:
            continue
        for name, reduction in module.edge_skips.reductions.items():
            size = _size(reduction)
            edge = int(name)
            counts[cell][edge] = [count + size for count in counts[cell][edge]]
            total += size
    return total


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


class CellConvolution(NamedTuple):
    """A convolution in a cell of NAS-Bench-101, without bias; a normalisation follows.

    Attributes:
        stage: index of the stage; each stage halves the image.
        channels_in, channels_out: numbers of input and output channels.
        kernel: height and width of the kernel.
    """

    stage: int
    channels_in: int
    channels_out: int
    kernel: int

    @property
    def weights(self) -> int:
        """Number of its weights."""
        return self.kernel**2 * self.channels_in * self.channels_out


def _count_nb101(
    space: CellGraphSpace,
    architectures: Sequence[Architecture],
    skeleton: Skeleton,
    image_channels: int,
    classes: int,
) -> np.ndarray:
    """Return the parameters of networks of NAS-Bench-101."""
    last_channels = skeleton.stem_channels * 2 ** (STAGES - 1)
    classifier = last_channels * classes + classes
    totals = []
    for architecture in architectures:
        cell = space.cell_graph(architecture)
        total = classifier
        for convolution in nb101_convolutions(cell, skeleton, image_channels):
            normalisation = 2 * convolution.channels_out
            total += convolution.weights + normalisation
        totals.append(total)
    return np.array(totals, dtype=np.int64)


def nb101_convolutions(
    cell: VertexGraph, skeleton: Skeleton, image_channels: int
) -> Iterator[CellConvolution]:
    """Yield the convolutions of a network of NAS-Bench-101, starting with the stem.

    The cell's channels double at every stage except the first.

    Args:
        cell: the cell of all layers.
        skeleton: from `space.skeleton(...)`.
        image_channels: number of channels of the images.
    """
    yield CellConvolution(0, image_channels, skeleton.stem_channels, 3)
    cells_per_stage = sum(layer.is_cell for layer in skeleton.layers) // STAGES
    channels = skeleton.stem_channels
    for stage in range(STAGES):
        width = skeleton.stem_channels * 2**stage
        for _ in range(cells_per_stage):
            yield from _cell_convolutions(cell, stage, channels, width)
            channels = width


def _cell_convolutions(
    cell: VertexGraph, stage: int, channels: int, width: int
) -> Iterator[CellConvolution]:
    """Yield the projections of a cell's input, and the convolutions of its vertices.

    Args:
        cell: the cell.
        stage: index of its stage.
        channels: number of input channels.
        width: number of output channels.
    """
    matrix = cell.matrix
    widths = [int(size) for size in compute_vertex_channels(channels, width, matrix)]
    last = len(matrix) - 1
    for vertex in range(1, last + 1):
        if matrix[0, vertex]:
            yield CellConvolution(stage, channels, widths[vertex], 1)
        if vertex < last:
            name = OPERATIONS[cell.operations[vertex - 1]]
            kernel = NB101_KERNELS.get(name)
            if kernel is not None:
                yield CellConvolution(stage, widths[vertex], widths[vertex], kernel)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
