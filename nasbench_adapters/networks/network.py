"""Stem, cells and head: a space's supernet, and the network of one architecture.

Both have the same class of cells, in every space. In a :class:`Supernet`, an edge has
all its operations, weighted by the mixture passed to `forward`. In a :class:`Network`,
an edge has one operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.networks.blocks import (
    BLOCKS,
    HEADS,
    STEMS,
    AuxiliaryHead,
    Preprocess,
)
from archselect.nasbench_adapters.networks.channel_bypass import ChannelBypass
from archselect.nasbench_adapters.networks.mixture import CellSupport, Mixture
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNormRelu,
    Count,
    MaxPool,
    NormalisedPool,
    Operation,
    OperationShape,
    Rectifier,
    Skip,
    Slot,
    build_operation,
    concatenate,
    fill_slots,
)
from archselect.nasbench_adapters.networks.side_skips import SideSkips
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    Layer,
    SearchSpace,
    Skeleton,
)

Weights = Sequence[Sequence[Tensor]]
"""A cell's mixture as scalars, by edge and operation."""
Item = TypeVar("Item")
HearOutput = Callable[["PlacedOperation", Tensor], None]
"""Function that gets the output of each operation of a cell, before it is weighted."""
RunCell = Callable[[Sequence[Tensor]], Tensor]
"""Function that computes a cell's output from its inputs, under a mixture."""
ReplaceCells = Callable[
    [Mixture],
    AbstractContextManager[Mapping["CellModule", RunCell]],
]
"""Context manager that gives replacements of cells, for one forward."""
Present = Sequence[Sequence[Sequence[int]]]
"""Indices of the operations to build, by cell type and edge."""


class Features(NamedTuple):
    """Shape of a layer's output.

    Attributes:
        channels: number of channels per replica.
        scale: factor by which height and width are smaller than the images'.
    """

    channels: int
    scale: int


class PlacedOperation(NamedTuple):
    """An operation that is built on an edge of a cell.

    Attributes:
        edge: index of the edge.
        source, target: nodes of the edge.
        choice: index of the operation among those of the edge.
        module: module that computes it.
    """

    edge: int
    source: int
    target: int
    choice: int
    module: Operation


class CellWeights(NamedTuple):
    """The part of a mixture for one cell.

    Attributes:
        weights: weights as scalars, by edge and operation.
        support: which weights are not zero.
        side_weight: weight of the skips beside the edges, a scalar; None leaves them
            out.
        edge_weights: weights of the edges, as scalars; None for ones. They are a factor
            of `weights` already.
    """

    weights: Weights
    support: CellSupport
    side_weight: Tensor | None = None
    edge_weights: Sequence[Tensor] | None = None

    def is_live(self, operation: PlacedOperation) -> bool:
        """Return whether an operation has a weight that is not zero."""
        return self.support[operation.edge][operation.choice]

    def factor(self, operation: PlacedOperation) -> Tensor:
        """Return the weight of an operation."""
        return self.weights[operation.edge][operation.choice]

    def edge_weight(self, edge: int) -> Tensor | None:
        """Return the weight of an edge; None for one."""
        return None if self.edge_weights is None else self.edge_weights[edge]


class PatternCount(NamedTuple):
    """Number of times that the papers' code counts a node's activation pattern.

    Attributes:
        live: number of times that it counts the pattern.
        blank: number of times that it counts zeros instead.
    """

    live: Count
    blank: Count


class CellModule(nn.Module):
    """A cell: every node is the sum of the operations on its incoming edges.

    In a supernet, the operations are weighted by the mixture. The output nodes are
    concatenated.

    Args:
        cell: the cell type.
        channels: number of channels of a node of width 1.
        stride: stride of the edges that leave an input.
        inputs: shape of each input node's features; the last has the size of the cell.
        present: for each edge, the indices of the operations to build.
        affine: whether normalisation in the cell has learnable scale and shift.
        replicas: number of networks side by side (:mod:`.operations`).
        channel_divisor: K, where operations read 1/K of the channels of a node
            (:class:`.ChannelBypass`).

    Attributes:
        incoming: for each node, the operations on the edges into it, edge by edge;
            `none` is not built.
        channels: number of channels of each node, over all replicas.
        channels_out: number of channels of the cell's output, per replica.
        sum_norms: normalisation of the sum that enters each node; empty unless
            :meth:`normalise_sums` is called. A node without inputs has zeros.
        listener: function that gets each output in :meth:`forward`; None for none.
        side_skips: skips beside the edges; None unless :meth:`add_side_skips` is
            called.
        edge_skips: skips of weight one beside the edges; None unless the cell type has
            them.
        bypass: of the channels that operations do not read; None if they read all.
    """

    def __init__(
        self,
        cell: Cell,
        channels: int,
        stride: int,
        inputs: Sequence[Features],
        present: Sequence[Sequence[int]],
        affine: bool,
        replicas: int,
        channel_divisor: int = 1,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.stride = stride
        self.replicas = replicas
        nodes = range(cell.nodes)
        widths = [channels * cell.width(node) for node in nodes]
        self.preprocess = nn.ModuleList()
        if cell.preprocessed:
            self._build_preprocess(inputs, channels, affine)
        else:
            widths[: cell.inputs] = [features.channels for features in inputs]
        self.channels_out = sum(widths[node] for node in cell.output)
        self.channels = [width * replicas for width in widths]
        self.bypass: ChannelBypass | None = None
        if channel_divisor > 1:
            self.bypass = ChannelBypass(cell, widths, stride, channel_divisor)
            widths = [width // channel_divisor for width in widths]
        self.edges = nn.ModuleList()
        self.incoming: list[list[PlacedOperation]] = [[] for _ in nodes]
        for edge, indices in enumerate(present):
            self._build_edge(edge, indices, widths, affine)
        self.edge_skips: SideSkips | None = None
        if cell.skips_beside:
            built = [edge for edge, indices in enumerate(present) if indices]
            self.edge_skips = SideSkips(cell, widths, stride, built, affine, replicas)
        self.rectify = nn.ModuleList(Rectifier() for _ in nodes)
        self.sum_norms = nn.ModuleDict()
        self.listener: HearOutput | None = None
        self.side_skips: SideSkips | None = None
        self._counts_if_all_live = self.pattern_counts(None)

    def normalise_sums(self) -> None:
        """Normalise the sum that enters each node, without scale and shift.

        Call it before the weights are drawn.
        """
        for node in range(self.cell.inputs, self.cell.nodes):
            norm = nn.BatchNorm2d(self.channels[node], affine=False)
            self.sum_norms[str(node)] = norm

    def add_side_skips(self) -> None:
        """Add a skip beside every edge."""
        self.side_skips = SideSkips(self.cell, self.channels, self.stride)

    def sum_norm(self, node: int) -> nn.BatchNorm2d | None:
        """Return the normalisation of the sum that enters a node, or None."""
        name = str(node)
        if name not in self.sum_norms:
            return None
        norm = self.sum_norms[name]
        assert isinstance(norm, nn.BatchNorm2d)
        return norm

    def _build_preprocess(
        self,
        inputs: Sequence[Features],
        channels: int,
        affine: bool,
    ) -> None:
        """Build the conversion of every input to the size of the last one."""
        smallest = inputs[-1].scale
        for features in inputs:
            shrink = smallest // features.scale
            module = Preprocess(
                features.channels, channels, shrink, affine, self.replicas
            )
            self.preprocess.append(module)

    def _build_edge(
        self,
        edge: int,
        indices: Sequence[int],
        widths: Sequence[int],
        affine: bool,
    ) -> None:
        """Build the operations of an edge.

        Args:
            edge: index of the edge.
            indices: indices of the operations to build.
            widths: number of channels of each node, per replica.
            affine: whether normalisation has learnable scale and shift.
        """
        cell = self.cell
        source, target = cell.edges[edge]
        leaves_input = source < cell.inputs
        shape = OperationShape(
            channels_in=widths[source],
            channels_out=widths[target],
            stride=self.stride if leaves_input else 1,
            affine=affine,
            replicas=self.replicas,
            normalised_pools=cell.normalised_pools and not affine,
            place=edge,
        )
        by_name = nn.ModuleDict()
        for choice in indices:
            name = cell.operations[edge][choice]
            module = build_operation(name, shape)
            if module is not None:
                by_name[name] = module
                placed = PlacedOperation(edge, source, target, choice, module)
                self.incoming[target].append(placed)
        self.edges.append(by_name)

    @property
    def operations(self) -> list[PlacedOperation]:
        """Operations that are built, sorted by the node that they enter."""
        return list(chain.from_iterable(self.incoming))

    @property
    def droppable(self) -> int:
        """Number of operations that training may drop at random.

        All operations except identities can be dropped.
        """
        return sum(map(self.is_droppable, self.operations))

    def is_droppable(self, operation: PlacedOperation) -> bool:
        """Return whether a training may drop an operation at random.

        Identities stay; but where there are skips beside the edges, any operation is
        dropped together with the skip beside it, as in confopt's released code.
        """
        return self.edge_skips is not None or not isinstance(operation.module, Skip)

    def forward(
        self,
        inputs: Sequence[Tensor],
        mixture: CellWeights | None = None,
        paths: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Return the concatenated features of the output nodes.

        They are (batch, channels, height, width).

        Args:
            inputs: one (batch, channels, height, width) tensor per input node.
            mixture: weights of the operations; None for weight one everywhere.
            paths: for each droppable operation, in order, factors of its output,
                (batch, 1, 1, 1); None for ones.
        """
        counts = self._counts_if_all_live
        if mixture is not None:
            counts = self.pattern_counts(mixture.support)
        nodes = _Nodes(self, counts)
        for x in self.prepared(inputs):
            nodes.append(x)
        path_factors = None if paths is None else iter(paths)
        # If every term is weighted and there are no gradients, no other tensor shares
        # the memory of a total.
        in_place = mixture is not None and not torch.is_grad_enabled()
        for target in range(self.cell.inputs, self.cell.nodes):
            total = _Total(in_place)
            for operation in self.incoming[target]:
                if mixture is None or mixture.is_live(operation):
                    self._add_operation(operation, nodes, mixture, path_factors, total)
                elif operation.module.runs_when_silenced:
                    operation.module.run_silenced(nodes.searched[operation.source])
            if mixture is not None:
                self._add_edge_skips(target, nodes.searched, mixture, total)
                self._add_skips_into(target, nodes.features, mixture, total)
            features = total.features(self.cell.width(target))
            if mixture is not None and self.bypass is not None:
                features = self._join_bypass(target, features, nodes, mixture)
            sum_norm = self.sum_norm(target)
            if features is None:
                features = self.zeros(target, nodes.features[0])
            elif sum_norm is not None:
                features = sum_norm(features)
            nodes.append(features)
        outputs = [nodes.features[node] for node in self.cell.output]
        return outputs[0] if len(outputs) == 1 else concatenate(outputs, self.replicas)

    def _add_operation(
        self,
        operation: PlacedOperation,
        nodes: _Nodes,
        mixture: CellWeights | None,
        path_factors: Iterator[Tensor] | None,
        total: _Total,
    ) -> None:
        """Add the output of an operation to the total of its target.

        Args:
            operation: a live operation.
            nodes: features of the nodes so far.
            mixture: mixture with the operation's weight; None for weight one.
            path_factors: factors of the droppable operations, in order; None for ones.
            total: total of the target.
        """
        module = operation.module
        factor = None if mixture is None else mixture.factor(operation)
        out = nodes.apply(module, operation.source)
        if self.listener is not None:
            self.listener(operation, out)
        if mixture is None and self.edge_skips is not None:
            out = out + self.edge_skips.skip(operation.edge, nodes.searched)
        if path_factors is not None and self.is_droppable(operation):
            factor = next(path_factors)
        if isinstance(module, Slot):
            total.put(module.place, out, factor)
        else:
            total.add(out, factor)

    def _add_edge_skips(
        self,
        target: int,
        features: Sequence[Tensor],
        mixture: CellWeights,
        total: _Total,
    ) -> None:
        """Add the cell type's own skips beside the edges that carry something.

        Args:
            target: index of the node.
            features: features of each node before it, (batch, channels, height, width).
            mixture: support and weights of the edges.
            total: total of the node.
        """
        if self.edge_skips is None:
            return
        for edge in self.cell.incoming(target):
            if any(mixture.support[edge]):
                skip = self.edge_skips.skip(edge, features)
                total.add(skip, mixture.edge_weight(edge))

    def _add_skips_into(
        self,
        target: int,
        features: Sequence[Tensor],
        mixture: CellWeights,
        total: _Total,
    ) -> None:
        """Add the weighted outputs of the skips beside the edges into a node.

        Args:
            target: index of the node.
            features: features of each node before it, (batch, channels, height, width).
            mixture: mixture with the weight of the skips.
            total: total of the node.
        """
        if self.side_skips is None or mixture.side_weight is None:
            return
        for out in self.side_skips(target, features):
            total.add(out, mixture.side_weight)

    def _join_bypass(
        self,
        target: int,
        searched: Tensor | None,
        nodes: _Nodes,
        mixture: CellWeights,
    ) -> Tensor | None:
        """Return the features of a node, with what passes by its operations.

        It is (batch, channels, height, width), or None for a node that no edge with a
        live operation enters.

        Args:
            target: index of the node.
            searched: the sum of the operations; None if there is none.
            nodes: the features so far.
            mixture: has the weights of edges.
        """
        assert self.bypass is not None
        total = _Total(in_place=False)
        for edge in self.cell.incoming(target):
            if not any(mixture.support[edge]):
                continue
            source, _ = self.cell.edges[edge]
            total.add(nodes.passed[source], mixture.edge_weight(edge))
        passed = total.features(1)
        return None if passed is None else self.bypass.join(searched, passed)

    def prepared(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of the input nodes.

        Each is (batch, channels, height, width).
        """
        if not self.cell.preprocessed:
            return list(inputs)
        prepared = []
        for preprocess, x in zip(self.preprocess, inputs, strict=True):
            prepared.append(preprocess(x))
        return prepared

    def zeros(self, node: int, x: Tensor) -> Tensor:
        """Return the features of a node without inputs; x is an input of the cell."""
        batch, _, height, width = x.shape
        smaller_height = -(-height // self.stride)
        smaller_width = -(-width // self.stride)
        return x.new_zeros(batch, self.channels[node], smaller_height, smaller_width)

    def rectified(
        self,
        node: int,
        x: Tensor,
        counts: Sequence[PatternCount],
    ) -> Tensor:
        """Return a node's features with negative entries set to zero.

        If no operation needs rectified features, they are returned unchanged.

        Args:
            node: index of the node.
            x: features of the node, (batch, channels, height, width).
            counts: counts of every node, from :meth:`pattern_counts`.
        """
        count = counts[node]
        if not count.live and not count.blank:
            return x
        out: Tensor = self.rectify[node](x, seen=count.live, blank=count.blank)
        return out

    def pattern_counts(self, support: CellSupport | None) -> list[PatternCount]:
        """Return the number of counts of each node's pattern under a support.

        The support None means that all operations are live.
        """
        live = [0] * self.cell.nodes
        blank = [0] * self.cell.nodes
        for operation in self.operations:
            counted = operation.module.counted
            source = operation.source
            if support is None or support[operation.edge][operation.choice]:
                live[source] += counted.live
            else:
                live[source] += counted.silent
                blank[source] += counted.blank
        return [PatternCount(*counts) for counts in zip(live, blank, strict=True)]


class _Nodes:
    """The nodes of a cell in one forward.

    Values that several operations read from a node are computed once.

    Attributes:
        features: features of each node so far, (batch, channels, height, width).
        searched: channels of each node that operations read.
        passed: what passes by the operations, of each node; empty where they read all.
    """

    def __init__(
        self,
        cell: CellModule,
        counts: Sequence[PatternCount],
    ) -> None:
        self.features: list[Tensor] = []
        self.searched: list[Tensor] = []
        self.passed: list[Tensor] = []
        self._cell = cell
        self._counts = counts
        self._rectified: list[Tensor] = []
        self._pooled: dict[tuple[int, str], Tensor] = {}

    def append(self, x: Tensor) -> None:
        """Add the features of the next node."""
        node = len(self.features)
        bypass = self._cell.bypass
        searched = x
        if bypass is not None:
            searched = bypass.searched(x)
            self.passed.append(bypass.passed(node, x))
        rectified = self._cell.rectified(node, searched, self._counts)
        self._rectified.append(rectified)
        self.searched.append(searched)
        self.features.append(x)

    def apply(
        self,
        module: Operation,
        source: int,
    ) -> Tensor:
        """Return an operation's output for a node, (batch, channels, height, width)."""
        if isinstance(module, NormalisedPool):
            pooled = self._pool(module.pool, source)
            normalised: Tensor = module.norm(pooled)
            return normalised
        if isinstance(module, AveragePool | MaxPool):
            return self._pool(module, source)
        nodes = self._rectified if module.reads_rectified else self.searched
        out: Tensor = module(nodes[source])
        return out

    def _pool(
        self,
        pool: Operation,
        source: int,
    ) -> Tensor:
        """Return a node's pooled features."""
        key = (source, type(pool).__name__)
        if key not in self._pooled:
            self._pooled[key] = pool(self.searched[source])
        return self._pooled[key]


class _Total:
    """The sum of the outputs that enter a node.

    Args:
        in_place: whether outputs may be added in place.
    """

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place
        self._sum: Tensor | None = None
        self._slots: dict[int, Tensor] = {}

    def add(
        self,
        out: Tensor,
        factor: Tensor | None,
    ) -> None:
        """Add an output times a factor (None means one)."""
        if self._sum is None:
            self._sum = out if factor is None else out * factor
        elif factor is None:
            self._sum = self._sum + out
        elif self._in_place:
            self._sum.addcmul_(out, factor)
        else:
            self._sum = torch.addcmul(self._sum, out, factor)

    def put(
        self,
        slot: int,
        out: Tensor,
        factor: Tensor | None,
    ) -> None:
        """Put an output times a factor at its place of a wide node.

        The factor None means one.
        """
        self._slots[slot] = out if factor is None else out * factor

    def features(self, slots: int) -> Tensor | None:
        """Return the sum, with outputs at their places; None if there are no outputs.

        Args:
            slots: number of places of the node.
        """
        if not self._slots:
            return self._sum
        side_by_side = fill_slots(self._slots, slots)
        return side_by_side if self._sum is None else self._sum + side_by_side


class CellArguments(NamedTuple):
    """Arguments of a cell in one forward, besides its inputs.

    Attributes:
        mixture: weights of its operations; None for ones.
        paths: factors of its droppable operations' outputs; None for ones.
    """

    mixture: CellWeights | None
    paths: Sequence[Tensor] | None


class Logits(NamedTuple):
    """The results of a forward.

    Attributes:
        main: logits, (batch, classes) or (batch, replicas, classes).
        auxiliary: logits of the auxiliary head, if there is one and the network is in
            training mode; else None.
    """

    main: Tensor
    auxiliary: Tensor | None


class Backbone(nn.Module):
    """Stem, layers, head. Use :class:`Supernet` or :class:`Network`.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`.
        present: which operations are built.
        image_channels: number of channels of the images.
        classes: number of classes.
        affine: whether normalisation in the cells has scale and shift.
        replicas: number of networks side by side.
        auxiliary: whether the skeleton's auxiliary head is built.
        channel_divisor: see :class:`CellModule`.
    """

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        present: Present,
        image_channels: int,
        classes: int,
        affine: bool,
        replicas: int = 1,
        auxiliary: bool = False,
        channel_divisor: int = 1,
    ) -> None:
        super().__init__()
        self.space = space
        self.skeleton = skeleton
        self.replicas = replicas
        self.channel_divisor = channel_divisor
        # torch's layers draw weights when they are created; the caller's random state
        # must not change.
        with torch.random.fork_rng(devices=[]):
            outputs = self._build_stem(image_channels)
            self._build_layers(outputs, present, affine, classes if auxiliary else None)
            self._build_head(outputs[-1].channels, classes)
        for module in self.modules():
            if isinstance(module, ConvNormRelu):
                module.norm.momentum = skeleton.norm_momentum

    def _build_stem(self, image_channels: int) -> list[Features]:
        """Build the stem, and return the shapes of its outputs."""
        stem = STEMS[self.skeleton.stem]
        channels = self.skeleton.stem_channels
        self.stem = stem(image_channels, channels, self.replicas)
        return [Features(channels, scale) for scale in stem.scales]

    def _build_layers(
        self,
        outputs: list[Features],
        present: Present,
        affine: bool,
        auxiliary_classes: int | None,
    ) -> None:
        """Build the layers in order, and append the shape of each output to `outputs`.

        Args:
            outputs: shapes of the outputs so far.
            present: which operations are built.
            affine: whether normalisation in the cells has scale and shift.
            auxiliary_classes: number of classes of the auxiliary head; None for no such
                head.
        """
        self.layers = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        for index, layer in enumerate(self.skeleton.layers):
            if layer.is_cell:
                channels = self._build_cell(layer, outputs, present[layer.cell], affine)
            else:
                channels = self._build_block(layer, outputs[-1])
            scale = outputs[-1].scale * layer.stride
            outputs.append(Features(channels, scale))
            is_watched = index == self.skeleton.auxiliary
            if auxiliary_classes is not None and is_watched:
                self.auxiliary = AuxiliaryHead(
                    channels, auxiliary_classes, self.stem.auxiliary
                )

    def _build_cell(
        self,
        layer: Layer,
        outputs: Sequence[Features],
        present: Sequence[Sequence[int]],
        affine: bool,
    ) -> int:
        """Build the cell of a layer, and return the channels of its output."""
        cell = self.space.cells[layer.cell]
        inputs = _latest(outputs, cell.inputs)
        module = CellModule(
            cell,
            layer.channels,
            layer.stride,
            inputs,
            present,
            affine,
            self.replicas,
            self.channel_divisor,
        )
        self.layers.append(module)
        return module.channels_out

    def _build_block(
        self,
        layer: Layer,
        before: Features,
    ) -> int:
        """Build the fixed block of a layer, and return the channels of its output."""
        build = BLOCKS[layer.block]
        block = build(
            before.channels,
            layer.channels,
            layer.stride,
            replicas=self.replicas,
        )
        self.layers.append(block)
        return layer.channels

    def _build_head(
        self,
        channels: int,
        classes: int,
    ) -> None:
        """Build the head after the last layer, which has `channels` output channels."""
        features = channels * self.replicas
        head = HEADS[self.skeleton.head]
        self.last_norm = nn.BatchNorm2d(features) if head.is_normalised else None
        self.last_rectify = Rectifier()
        # A grouped 1x1 convolution on pooled features is one linear map per replica.
        self.classifier = nn.Conv2d(
            features,
            classes * self.replicas,
            1,
            groups=self.replicas,
            bias=self.skeleton.bias,
        )

    def _forward(
        self,
        images: Tensor,
        mixture: Mixture | None,
        paths: Tensor | None = None,
        replaced: Mapping[CellModule, RunCell] | None = None,
    ) -> Logits:
        """Return the logits of images.

        Args:
            images: images, (batch, channels of all replicas, height, width).
            mixture: weights of the operations; None for a stand-alone network.
            paths: factors of the operations' outputs, (droppable, batch); None for
                ones.
            replaced: functions that replace cells.
        """
        stem = self.stem(images)
        outputs = list(stem) if isinstance(stem, tuple) else [stem]
        auxiliary: Tensor | None = None
        replaced = replaced or {}
        arguments = self._cell_arguments(mixture, paths, replaced)
        for index, module in enumerate(self.layers):
            if isinstance(module, CellModule):
                inputs = _latest(outputs, module.cell.inputs)
                run = replaced.get(module)
                out = run(inputs) if run else module(inputs, *arguments[module])
                # Keep only outputs that a later layer reads.
                kept = max(2, len(inputs))
                outputs = [*inputs, out][-kept:]
            else:
                outputs = [module(outputs[-1])]
            is_watched = index == self.skeleton.auxiliary
            if self.auxiliary is not None and self.training and is_watched:
                auxiliary = self.auxiliary(outputs[-1])
        return Logits(self._classify(outputs[-1]), auxiliary)

    def _cell_arguments(
        self,
        mixture: Mixture | None,
        paths: Tensor | None,
        replaced: Mapping[CellModule, RunCell],
    ) -> dict[CellModule, CellArguments]:
        """Return the arguments of each cell that is not replaced."""
        factors: Iterator[Tensor] = iter(())
        if paths is not None:
            by_operation = paths[:, :, None, None, None]
            factors = iter(by_operation.unbind())
        weights: dict[CellModule, Weights] = {}
        if mixture is not None:
            as_built = {module for _, module in self.cells()} - replaced.keys()
            weights = self.entries(mixture, as_built)
        arguments = {}
        for cell, module in self.cells():
            if module in replaced:
                continue
            cell_weights: CellWeights | None = None
            if mixture is not None:
                cell_weights = CellWeights(
                    weights[module],
                    mixture.support[cell],
                    mixture.side_weight,
                    mixture.edge_entries(cell),
                )
            dropped: list[Tensor] | None = None
            if paths is not None:
                dropped = [next(factors) for _ in range(module.droppable)]
            arguments[module] = CellArguments(cell_weights, dropped)
        return arguments

    def _classify(self, x: Tensor) -> Tensor:
        """Return the logits for the last layer's features.

        They are (batch, classes), or (batch, replicas, classes) with replicas.
        """
        if self.last_norm is not None:
            normalised = self.last_norm(x)
            x = self.last_rectify(normalised)
        pooled = x.mean(dim=(2, 3), keepdim=True)
        logits: Tensor = self.classifier(pooled).flatten(1)
        if self.replicas == 1:
            return logits
        return logits.unflatten(1, (self.replicas, -1))

    def cells(self) -> list[tuple[int, CellModule]]:
        """Return the layers that are cells, in order, each after its cell type."""
        cells = []
        for layer, module in zip(self.skeleton.layers, self.layers, strict=True):
            if isinstance(module, CellModule):
                cells.append((layer.cell, module))
        return cells

    def layers_by_type(self) -> dict[int, list[CellModule]]:
        """Return the layers that are cells, in order, by cell type."""
        layers: dict[int, list[CellModule]] = {}
        for cell, module in self.cells():
            layers.setdefault(cell, []).append(module)
        return layers

    def entries(
        self, mixture: Mixture, wanted: Set[CellModule]
    ) -> dict[CellModule, Weights]:
        """Return the mixture's weights as scalars, by cell.

        The result has all wanted cells, and can have other cells of their types.
        """
        entries: dict[CellModule, Weights] = {}
        for cell, modules in self.layers_by_type().items():
            if not wanted.isdisjoint(modules):
                by_layer = mixture.entries(cell, len(modules))
                entries.update(zip(modules, by_layer, strict=True))
        return entries

    def initialise(self, seeds: Sequence[int]) -> None:
        """Draw all weights, replica r from `seeds[r]`, by the rule of torch's layers.

        Replica r gets the same numbers as a network without replicas from that seed.
        The global random state is neither read nor changed. Call it before the model
        moves to another device. Raises ValueError unless there is one seed per replica.
        """
        if len(seeds) != self.replicas:
            raise ValueError(
                f"{self.replicas} replicas need {self.replicas} seeds, not {len(seeds)}"
            )
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
            if isinstance(module, nn.Conv2d):
                self._draw_weights(module, generators)

    def _draw_weights(
        self, conv: nn.Conv2d, generators: Sequence[torch.Generator]
    ) -> None:
        """Draw a convolution's weights, for each replica from its generator.

        Uniform in ±1/sqrt(fan in) is kaiming_uniform with a = sqrt(5), torch's default.
        The classifier is always drawn in this way.
        """
        fan_in = conv.weight[0].numel()
        bound = 1 / math.sqrt(fan_in)
        is_normal = self.skeleton.initial == "normal" and conv is not self.classifier
        outputs = len(conv.weight) // self.replicas
        deviation = math.sqrt(2 / (conv.weight[0, 0].numel() * outputs))
        for parameter in (conv.weight, conv.bias):
            if parameter is None:
                continue
            parts = parameter.data.chunk(self.replicas)
            for part, generator in zip(parts, generators, strict=True):
                if is_normal:
                    part.normal_(0, deviation, generator=generator)
                else:
                    part.uniform_(-bound, bound, generator=generator)


def all_operations(space: SearchSpace) -> list[list[range]]:
    """Return the indices of all operations, by cell type and edge, for a supernet."""
    by_cell = []
    for edges in space.edges:
        by_cell.append([edge.choices for edge in edges])
    return by_cell


class Supernet(Backbone):
    """A space's supernet: every cell has every operation on every edge.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`.
        image_channels: number of channels of the images.
        classes: number of classes.
        seed: seed of the initial weights.
        normalised_sums: whether the sum that enters each node is normalised, as
            :attr:`.Activation.normalised_sums` demands.
        side_skips: whether there is a skip beside every edge's mixture. Its weights
            have a separate random stream, so the other weights do not change.
        channel_divisor: K, where operations read 1/K of the channels of a node
            (:class:`.ChannelBypass`).
    """

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        image_channels: int,
        classes: int,
        seed: int,
        normalised_sums: bool = False,
        side_skips: bool = False,
        channel_divisor: int = 1,
    ) -> None:
        super().__init__(
            space,
            skeleton,
            all_operations(space),
            image_channels,
            classes,
            affine=False,
            channel_divisor=channel_divisor,
        )
        if normalised_sums:
            self._normalise_sums()
        self.initialise([seed])
        if side_skips:
            self._add_side_skips(stream_seed("side skips", seed))

    def _normalise_sums(self) -> None:
        """Normalise the sum that enters each node of each cell."""
        for _, module in self.cells():
            module.normalise_sums()
            for norm in module.sum_norms.values():
                assert isinstance(norm, nn.BatchNorm2d)
                norm.momentum = self.skeleton.norm_momentum

    def _add_side_skips(self, seed: int) -> None:
        """Add a skip beside every edge of each cell, with weights from a seed."""
        generator = torch.Generator().manual_seed(seed)
        for _, module in self.cells():
            with torch.random.fork_rng(devices=[]):
                module.add_side_skips()
            assert module.side_skips is not None
            for part in module.side_skips.modules():
                if isinstance(part, nn.Conv2d):
                    self._draw_weights(part, [generator])

    def forward(
        self,
        images: Tensor,
        mixture: Mixture,
        replace_cells: ReplaceCells | None = None,
        candidates: Sequence[Mixture] = (),
    ) -> Tensor:
        """Return the logits (batch, classes) of images under a mixture.

        Operations outside the mixture's support are not computed.

        Args:
            images: images, (batch, channels, height, width).
            mixture: weights of the operations.
            replace_cells: replaces cells in the forward (:class:`.FoldedSupernet`,
                :class:`.FusedSupernet`).
            candidates: mixtures whose features such cells return, one after the other
                in the batch. This method ignores them; code that counts forwards reads
                them.
        """
        if replace_cells is None:
            return self._forward(images, mixture).main
        with replace_cells(mixture) as replaced:
            return self._forward(images, mixture, replaced=replaced).main


class Network(Backbone):
    """The stand-alone network of one architecture.

    With replicas it is several such networks with different weights, side by side.

    Args:
        space: the search space.
        architecture: the architecture.
        skeleton: from `space.skeleton(...)`.
        image_channels: number of channels of the images, per replica.
        classes: number of classes.
        seeds: seed of the initial weights of each replica.
        auxiliary: whether it has the skeleton's auxiliary head for training; not
            possible with replicas.
        affine: whether normalisation in the cells has scale and shift. If not, the
            operations are those of the supernet, in which poolings are normalised, too.
    """

    def __init__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        skeleton: Skeleton,
        image_channels: int,
        classes: int,
        seeds: Sequence[int],
        auxiliary: bool = False,
        affine: bool = True,
    ) -> None:
        if auxiliary and len(seeds) > 1:
            raise ValueError("networks with replicas cannot have an auxiliary head")
        present = [_carried(row) for row in architecture.choices]
        super().__init__(
            space,
            skeleton,
            present,
            image_channels,
            classes,
            affine,
            replicas=len(seeds),
            auxiliary=auxiliary,
        )
        self.architecture = architecture
        self.initialise(seeds)

    @property
    def droppable(self) -> int:
        """Number of operations, over all layers, that training may drop at random.

        All operations except identities can be dropped.
        """
        return sum(module.droppable for _, module in self.cells())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (batch, classes) or (batch, replicas, classes).

        Args:
            images: (batch, replicas * channels, height, width).
        """
        return self._forward(images, None).main

    def training_logits(
        self,
        images: Tensor,
        paths: Tensor | None = None,
    ) -> Logits:
        """Return the logits, and those of the auxiliary head.

        The latter are None without such a head, and in evaluation mode.

        Args:
            images: images, (batch, channels, height, width).
            paths: factors of the operations' outputs, (droppable, batch), 0 for a
                dropped operation; None for ones.
        """
        return self._forward(images, None, paths)


def _carried(row: Sequence[int | None]) -> list[list[int]]:
    """Return, for each edge, a list with the index of its operation.

    The list is empty for a dropped edge.
    """
    return [[] if choice is None else [choice] for choice in row]


def _latest(
    outputs: Sequence[Item],
    count: int,
) -> list[Item]:
    """Return the last `count` outputs; repeat the first one if there are fewer."""
    repeated = [outputs[0]] * (count - len(outputs))
    return [*repeated, *outputs[-count:]]


NORM_MODES = ("running", "batch")


@contextmanager
def scoring(model: nn.Module, norm: str) -> Iterator[None]:
    """Prepare a model for scoring inside the block, and restore it afterwards.

    Inside the block there is no autograd graph, and no buffer is updated.

    Args:
        model: any model with batch normalisation.
        norm: "running" normalises with running statistics (evaluation mode). "batch"
            normalises with the statistics of the batch (training mode, as in DARTS-PT's
            released code), without updating the running ones.

    Raises UserError for another mode.
    """
    if norm not in NORM_MODES:
        raise unknown("batch-norm mode", norm, NORM_MODES)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    training = {module: module.training for module in model.modules()}
    model.train(norm == "batch")
    try:
        for layer in norms:
            layer.track_running_stats = norm == "running"
        with torch.no_grad():
            yield
    finally:
        for layer in norms:
            layer.track_running_stats = True
        for module, was in training.items():
            module.training = was
