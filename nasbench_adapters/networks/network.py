"""Stem, cells and head: the supernet of a space and the stand-alone network of one architecture.

One cell module serves both, in every space. In a :class:`Supernet` an edge holds all
its operations and the mixture passed to `forward` weighs them; in a :class:`Network` an
edge holds its one operation.
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
    STEMS,
    AuxiliaryHead,
    Preprocess,
)
from archselect.nasbench_adapters.networks.mixture import CellSupport, Mixture
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNormRelu,
    Count,
    MaxPool,
    NormalisedPool,
    Operation,
    Rectifier,
    Skip,
    Slot,
    build_operation,
    concatenate,
    fill_slots,
)
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
RunCell = Callable[[Sequence[Tensor]], Tensor]
"""A way to compute a cell's output from its inputs, under a mixture."""
Way = Callable[[Mixture], AbstractContextManager[Mapping["CellModule", RunCell]]]
"""Another way to compute cells, for one forward under a mixture."""


class Features(NamedTuple):
    """The output of a layer: its channels, and by how much it is smaller than the images."""

    channels: int
    scale: int


class PlacedOperation(NamedTuple):
    """An operation that is built on an edge of a cell.

    Attributes:
        edge: index of the edge.
        source, target: nodes that the edge joins.
        choice: index of the operation among those that the edge allows.
        module: what computes it.
    """

    edge: int
    source: int
    target: int
    choice: int
    module: Operation


class PatternCount(NamedTuple):
    """How often the papers' code counts a node's activation pattern, and how often it counts zeros in its place."""

    live: Count
    blank: Count


class CellModule(nn.Module):
    """A cell: nodes are sums over incoming edges of (mixtures of) operations; the output nodes are concatenated.

    Args:
        cell: the cell type.
        channels: of a node of width 1.
        stride: of the edges that leave an input.
        inputs: per input node its features, of which the last are of the size that the
            cell reads.
        present: per edge, the indices of the operations to build.
        affine: whether normalisation within the cell has learnable scale and shift.
        replicas: networks side by side; see :mod:`.operations`.

    Attributes:
        incoming: per node, the operations on the edges into it, edge by edge; `none` is
            not built.
        channels: of each node, over all replicas.
        channels_out: of the cell's output, per replica.
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
    ) -> None:
        super().__init__()
        self.cell = cell
        self.stride = stride
        self.replicas = replicas
        widths = [channels * cell.width(node) for node in range(cell.nodes)]
        self.preprocess = nn.ModuleList()
        if cell.preprocessed:
            smallest = inputs[-1].scale
            for features in inputs:
                shrink = smallest // features.scale
                self.preprocess.append(
                    Preprocess(features.channels, channels, shrink, affine, replicas)
                )
        else:
            widths[: cell.inputs] = [features.channels for features in inputs]
        self.channels_out = sum(widths[node] for node in cell.output)
        self.channels = [width * replicas for width in widths]
        self.edges = nn.ModuleList()
        self.incoming: list[list[PlacedOperation]] = [[] for _ in range(cell.nodes)]
        for edge, indices in enumerate(present):
            self._build_edge(edge, indices, widths, affine)
        self.rectify = nn.ModuleList(Rectifier() for _ in range(cell.nodes))
        self._all_counted = self.pattern_counts(None)

    def _build_edge(
        self, edge: int, indices: Sequence[int], widths: Sequence[int], affine: bool
    ) -> None:
        """Build the operations of an edge.

        Args:
            edge: index of the edge.
            indices: of the operations to build.
            widths: channels of each node, per replica.
            affine: whether normalisation has learnable scale and shift.
        """
        cell = self.cell
        source, target = cell.edges[edge]
        names = cell.operations[edge]
        by_name = nn.ModuleDict()
        for choice in indices:
            module = build_operation(
                names[choice],
                widths[source],
                widths[target],
                stride=self.stride if source < cell.inputs else 1,
                affine=affine,
                replicas=self.replicas,
                normalised_pools=cell.normalised_pools and not affine,
                place=edge,
            )
            if module is not None:
                by_name[names[choice]] = module
                self.incoming[target].append(
                    PlacedOperation(edge, source, target, choice, module)
                )
        self.edges.append(by_name)

    @property
    def operations(self) -> list[PlacedOperation]:
        """Operations that are built, by the node that they enter."""
        return list(chain.from_iterable(self.incoming))

    @property
    def droppable(self) -> int:
        """Number of operations that a training may drop at random: all that are built but identities."""
        return sum(
            not isinstance(operation.module, Skip) for operation in self.operations
        )

    def forward(
        self,
        inputs: Sequence[Tensor],
        mixture: tuple[Weights, CellSupport] | None = None,
        paths: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Return the features of the output nodes, (batch, channels, height, width), side by side.

        Args:
            inputs: one (batch, channels, height, width) tensor per input node.
            mixture: per edge and operation a weight and whether it is not zero, or None
                for weight one everywhere.
            paths: per droppable operation, in order, (batch, 1, 1, 1) factors of its
                output; None for ones.
        """
        weights, support = mixture or (None, None)
        nodes = _Nodes(
            self, self._all_counted if support is None else self.pattern_counts(support)
        )
        for x in self.prepared(inputs):
            nodes.append(x)
        path = iter(paths or ())
        # Where everything is weighed and no gradient is asked for, a total shares its
        # memory with nothing else.
        in_place = weights is not None and not torch.is_grad_enabled()
        for target in range(self.cell.inputs, self.cell.nodes):
            total = _Total(in_place)
            for operation in self.incoming[target]:
                module = operation.module
                if (
                    support is not None
                    and not support[operation.edge][operation.choice]
                ):
                    if module.runs_when_silenced:
                        module(nodes.features[operation.source])
                    continue
                out = nodes.apply(module, operation.source)
                factor = (
                    None
                    if weights is None
                    else weights[operation.edge][operation.choice]
                )
                if paths is not None and not isinstance(module, Skip):
                    factor = next(path)
                if isinstance(module, Slot):
                    total.put(module.place, out, factor)
                else:
                    total.add(out, factor)
            features = total.features(self.cell.width(target))
            nodes.append(
                self.zeros(target, nodes.features[0]) if features is None else features
            )
        outputs = [nodes.features[node] for node in self.cell.output]
        return outputs[0] if len(outputs) == 1 else concatenate(outputs, self.replicas)

    def prepared(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of the input nodes, (batch, channels, height, width) each."""
        if not self.cell.preprocessed:
            return list(inputs)
        return [prepare(x) for prepare, x in zip(self.preprocess, inputs, strict=True)]

    def zeros(self, node: int, x: Tensor) -> Tensor:
        """Return the features of a node to which nothing is added; x is an input."""
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        return x.new_zeros(len(x), self.channels[node], height, width)

    def rectified(self, node: int, x: Tensor, counts: Sequence[PatternCount]) -> Tensor:
        """Return the node's features with negative entries set to zero, or as they are where nothing reads them so."""
        count = counts[node]
        if not count.live and not count.blank:
            return x
        out: Tensor = self.rectify[node](x, seen=count.live, blank=count.blank)
        return out

    def pattern_counts(self, support: CellSupport | None) -> list[PatternCount]:
        """Return how often each node's pattern is counted under a support; None stands for everything being live."""
        live = [0] * self.cell.nodes
        blank = [0] * self.cell.nodes
        for operation in self.operations:
            counted = operation.module.counted
            if support is None or support[operation.edge][operation.choice]:
                live[operation.source] += counted.live
            else:
                live[operation.source] += counted.silent
                blank[operation.source] += counted.blank
        return [PatternCount(*counts) for counts in zip(live, blank, strict=True)]


class _Nodes:
    """The nodes of a cell in one forward: what is shared by the operations that read one of them is computed once.

    Attributes:
        features: (batch, channels, height, width) per node so far.
    """

    def __init__(self, cell: CellModule, counts: Sequence[PatternCount]) -> None:
        self.features: list[Tensor] = []
        self._cell = cell
        self._counts = counts
        self._rectified: list[Tensor] = []
        self._pooled: dict[tuple[int, str], Tensor] = {}

    def append(self, x: Tensor) -> None:
        """Add the features of the next node."""
        self._rectified.append(
            self._cell.rectified(len(self.features), x, self._counts)
        )
        self.features.append(x)

    def apply(self, module: Operation, source: int) -> Tensor:
        """Return an operation's output, (batch, channels, height, width), for a node."""
        if isinstance(module, NormalisedPool):
            normalised: Tensor = module.norm(self._pool(module.pool, source))
            return normalised
        if isinstance(module, AveragePool | MaxPool):
            return self._pool(module, source)
        out: Tensor = module(
            self._rectified[source] if module.reads_rectified else self.features[source]
        )
        return out

    def _pool(self, pool: Operation, source: int) -> Tensor:
        key = (source, type(pool).__name__)
        if key not in self._pooled:
            self._pooled[key] = pool(self.features[source])
        return self._pooled[key]


class _Total:
    """The sum of what enters a node.

    Args:
        in_place: whether it may be added up in place, as soon as something is added.
    """

    def __init__(self, in_place: bool) -> None:
        self._in_place = in_place
        self._sum: Tensor | None = None
        self._slots: dict[int, Tensor] = {}

    def add(self, out: Tensor, factor: Tensor | None) -> None:
        """Add an output, weighed by a factor (None: by one)."""
        if self._sum is None:
            self._sum = out if factor is None else out * factor
        elif factor is None:
            self._sum = self._sum + out
        elif self._in_place:
            self._sum.addcmul_(out, factor)
        else:
            self._sum = torch.addcmul(self._sum, out, factor)

    def put(self, slot: int, out: Tensor, factor: Tensor | None) -> None:
        """Put an output, weighed by a factor (None: by one), at its place of a wide node."""
        self._slots[slot] = out if factor is None else out * factor

    def features(self, slots: int) -> Tensor | None:
        """Return the sum, with the outputs put at one of `slots` places; None if nothing was added."""
        if not self._slots:
            return self._sum
        side_by_side = fill_slots(self._slots, slots)
        return side_by_side if self._sum is None else self._sum + side_by_side


class Backbone(nn.Module):
    """Stem, layers, head. Use :class:`Supernet` or :class:`Network`."""

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        present: Sequence[Sequence[Sequence[int]]],
        image_channels: int,
        classes: int,
        affine: bool,
        replicas: int = 1,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.space = space
        self.skeleton = skeleton
        self.replicas = replicas
        # torch's layers draw weights when they are made; the caller's random state must
        # not move.
        with torch.random.fork_rng(devices=[]):
            self._build(present, image_channels, classes, affine, auxiliary)
        for module in self.modules():
            if isinstance(module, ConvNormRelu):
                module.norm.momentum = skeleton.norm_momentum

    def _build(
        self,
        present: Sequence[Sequence[Sequence[int]]],
        image_channels: int,
        classes: int,
        affine: bool,
        auxiliary: bool,
    ) -> None:
        skeleton = self.skeleton
        self.stem = STEMS[skeleton.stem](
            image_channels, skeleton.stem_channels, self.replicas
        )
        outputs = [
            Features(skeleton.stem_channels, scale) for scale in self.stem.scales
        ]
        self.layers = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        for index, layer in enumerate(skeleton.layers):
            if layer.block == "cell":
                channels = self._build_cell(layer, outputs, present[layer.cell], affine)
            else:
                channels = self._build_block(layer, outputs[-1])
            outputs.append(Features(channels, outputs[-1].scale * layer.stride))
            if auxiliary and index == skeleton.auxiliary:
                self.auxiliary = self._build_auxiliary(channels, classes)
        features = outputs[-1].channels * self.replicas
        self.last_norm = (
            nn.BatchNorm2d(features) if skeleton.head == "rectified" else None
        )
        self.last_rectify = Rectifier()
        # A grouped 1x1 convolution on pooled features is one linear map per replica.
        self.classifier = nn.Conv2d(
            features,
            classes * self.replicas,
            1,
            groups=self.replicas,
            bias=skeleton.bias,
        )

    def _build_cell(
        self,
        layer: Layer,
        outputs: Sequence[Features],
        present: Sequence[Sequence[int]],
        affine: bool,
    ) -> int:
        """Build the cell of a layer. Return the channels of its output."""
        cell = self.space.cells[layer.cell]
        inputs = _latest(outputs, cell.inputs)
        module = CellModule(
            cell, layer.channels, layer.stride, inputs, present, affine, self.replicas
        )
        self.layers.append(module)
        return module.channels_out

    def _build_block(self, layer: Layer, before: Features) -> int:
        """Build the fixed block of a layer. Return the channels of its output."""
        block = BLOCKS[layer.block]
        self.layers.append(
            block(before.channels, layer.channels, layer.stride, replicas=self.replicas)
        )
        return layer.channels

    def _build_auxiliary(self, channels: int, classes: int) -> AuxiliaryHead:
        if self.skeleton.stem == "imagenet":
            return AuxiliaryHead(channels, classes, stride=2, last_norm=False)
        return AuxiliaryHead(channels, classes, stride=3)

    def _forward(
        self,
        images: Tensor,
        mixture: Mixture | None,
        paths: Tensor | None = None,
        instead: Mapping[CellModule, RunCell] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and those of the auxiliary head where there is one and the network is in training mode.

        Args:
            images: (batch, channels of all replicas, height, width).
            mixture: None for a stand-alone network.
            paths: (droppable, batch) factors of the operations' outputs; None for ones.
            instead: what runs in the place of cells.
        """
        stem = self.stem(images)
        outputs = list(stem) if isinstance(stem, tuple) else [stem]
        replaced = instead or {}
        auxiliary: Tensor | None = None
        factors = (
            None if paths is None else iter(paths[:, :, None, None, None].unbind())
        )
        weights: dict[CellModule, Weights] = {}
        if mixture is not None:
            as_built = {module for _, module in self.cells()} - replaced.keys()
            weights = self.entries(mixture, as_built)
        for index, (layer, module) in enumerate(
            zip(self.skeleton.layers, self.layers, strict=True)
        ):
            if isinstance(module, CellModule):
                inputs = _latest(outputs, module.cell.inputs)
                if module in replaced:
                    out = replaced[module](inputs)
                else:
                    weighted = (
                        None
                        if mixture is None
                        else (weights[module], mixture.support[layer.cell])
                    )
                    dropped = (
                        None
                        if factors is None
                        else [next(factors) for _ in range(module.droppable)]
                    )
                    out = module(inputs, weighted, dropped)
                # Only what a later layer reads is kept.
                outputs = [*inputs, out][-max(2, len(inputs)) :]
            else:
                outputs = [module(outputs[-1])]
            if (
                self.auxiliary is not None
                and self.training
                and index == self.skeleton.auxiliary
            ):
                auxiliary = self.auxiliary(outputs[-1])
        return self._classify(outputs[-1]), auxiliary

    def _classify(self, x: Tensor) -> Tensor:
        """Return the logits, (batch, classes) or (batch, replicas, classes), of the last layer's features."""
        if self.last_norm is not None:
            x = self.last_rectify(self.last_norm(x))
        pooled = x.mean(dim=(2, 3), keepdim=True)
        logits: Tensor = self.classifier(pooled).flatten(1)
        return (
            logits if self.replicas == 1 else logits.unflatten(1, (self.replicas, -1))
        )

    def cells(self) -> list[tuple[int, CellModule]]:
        """Return the layers that are cells, in order, with the type of each."""
        return [
            (layer.cell, module)
            for layer, module in zip(self.skeleton.layers, self.layers, strict=True)
            if isinstance(module, CellModule)
        ]

    def layers_by_type(self) -> dict[int, list[CellModule]]:
        """Return the layers that are cells, in order, by type of cell."""
        layers: dict[int, list[CellModule]] = {}
        for cell, module in self.cells():
            layers.setdefault(cell, []).append(module)
        return layers

    def entries(
        self, mixture: Mixture, wanted: Set[CellModule]
    ) -> dict[CellModule, Weights]:
        """Return the mixture's weights as scalars, for the wanted cells, and for others of their types."""
        entries: dict[CellModule, Weights] = {}
        for cell, modules in self.layers_by_type().items():
            if not wanted.isdisjoint(modules):
                entries.update(
                    zip(modules, mixture.entries(cell, len(modules)), strict=True)
                )
        return entries

    def initialise(self, seeds: Sequence[int]) -> None:
        """Draw all weights afresh, replica r from `seeds[r]`, by the rule of torch's own layers.

        Replica r gets the very numbers that a network without replicas gets from the
        same seed, and the global random state is neither read nor moved. Call it before
        the model goes to another device. Raises ValueError unless there are as many
        seeds as replicas.
        """
        if len(seeds) != self.replicas:
            raise ValueError(
                f"{self.replicas} replicas need as many seeds, not {len(seeds)}"
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
        """Draw a convolution's weights, of each replica from its generator.

        Uniform in ±1/sqrt(fan in) is kaiming_uniform with a = sqrt(5), torch's default.
        """
        bound = 1 / math.sqrt(conv.weight[0].numel())
        for parameter in (conv.weight, conv.bias):
            if parameter is None:
                continue
            for part, generator in zip(
                parameter.data.chunk(self.replicas), generators, strict=True
            ):
                part.uniform_(-bound, bound, generator=generator)


def all_operations(space: SearchSpace) -> list[list[range]]:
    """Return the indices of all operations, by cell type and edge: what a supernet builds."""
    return [[edge.choices for edge in edges] for edges in space.edges]


class Supernet(Backbone):
    """A space's supernet: every cell holds every operation of every edge.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`.
        image_channels: of the images.
        classes: number of logits.
        seed: of the initial weights.
    """

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        image_channels: int,
        classes: int,
        seed: int,
    ) -> None:
        super().__init__(
            space,
            skeleton,
            all_operations(space),
            image_channels,
            classes,
            affine=False,
        )
        self.initialise([seed])

    def forward(
        self,
        images: Tensor,
        mixture: Mixture,
        way: Way | None = None,
        candidates: Sequence[Mixture] = (),
    ) -> Tensor:
        """Return the logits (batch, classes) of images (batch, channels, height, width) under a mixture.

        Operations outside the mixture's support are not computed.

        Args:
            images, mixture: what goes forward.
            way: has what runs in the place of cells; see :class:`.FoldedSupernet` and
                :class:`.FusedSupernet`.
            candidates: the mixtures of which such cells give the features, one behind
                another in the batch. They are not read here: it is for those who count
                what a call is worth.
        """
        if way is None:
            return self._forward(images, mixture)[0]
        with way(mixture) as instead:
            return self._forward(images, mixture, instead=instead)[0]


class Network(Backbone):
    """The stand-alone network of one architecture, or `replicas` of them with different weights side by side.

    Args:
        space: the search space.
        architecture: which operation each edge carries.
        skeleton: from `space.skeleton(...)`.
        image_channels: of the images (of one replica).
        classes: number of logits.
        seeds: one seed of initial weights per replica.
        auxiliary: whether it has the skeleton's auxiliary head, for training (a network
            without replicas).
        affine: whether normalisation within the cells has scale and shift. Without, the
            operations are those of the supernet, where poolings are normalised, too.
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
            raise ValueError("replicas have no auxiliary head")
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
        """Number of operations, over all layers, that a training may drop at random (all but identities)."""
        return sum(module.droppable for _, module in self.cells())

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits, (batch, classes) or (batch, replicas, classes).

        Args:
            images: (batch, replicas * channels, height, width).
        """
        return self._forward(images, None)[0]

    def training_logits(
        self, images: Tensor, paths: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and those of the auxiliary head (None without one, or in evaluation mode).

        Args:
            images: (batch, channels, height, width).
            paths: (droppable, batch) factors of the operations' outputs, 0 where an
                operation is dropped; None for ones.
        """
        return self._forward(images, None, paths)


def _carried(row: Sequence[int | None]) -> list[list[int]]:
    """Return per edge the index of the operation that an architecture has on it, if it has one."""
    return [[] if choice is None else [choice] for choice in row]


def _latest(outputs: Sequence[Item], count: int) -> list[Item]:
    """Return the last `count` outputs; where the stem gave fewer, its first stands for those before it."""
    repeated = [outputs[0]] * (count - len(outputs))
    return [*repeated, *outputs[-count:]]


NORM_MODES = ("running", "batch")


@contextmanager
def scoring(model: nn.Module, norm: str) -> Iterator[None]:
    """Score within it without leaving a trace in the model: no gradient graph, no buffer updated, mode restored.

    Args:
        model: any model with batch normalisation.
        norm: "running" normalises with running statistics (evaluation mode); "batch"
            with those of the batch (training mode, as in DARTS-PT's released code) but
            does not update the running ones.

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
