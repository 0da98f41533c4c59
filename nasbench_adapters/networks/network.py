"""Stem, cells and head: the supernet of a space and the stand-alone network of one architecture.

One cell module serves both, in every space. In a :class:`Supernet` an edge holds all its operations and the mixture
passed to `forward` weighs them; in a :class:`Network` an edge holds its one operation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.networks.blocks import BLOCKS, STEMS, AuxiliaryHead, Preprocess
from archselect.nasbench_adapters.networks.mixture import Mixture
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
    in_slots,
    joined,
)
from archselect.nasbench_adapters.space import Architecture, Cell, SearchSpace, Skeleton

Support = tuple[tuple[bool, ...], ...]
Weights = Sequence[Sequence[Tensor]]
Item = TypeVar("Item")
RunCell = Callable[[Sequence[Tensor]], Tensor]
"""From the inputs of a cell to its output, under a mixture."""
Way = Callable[[Mixture], AbstractContextManager[Mapping["CellModule", RunCell]]]
"""Another way to compute cells, for one forward under a mixture."""


class Features(NamedTuple):
    """What a layer puts out: channels, and by how much it is smaller than the images."""

    channels: int
    scale: int


class CellModule(nn.Module):
    """A cell: nodes are sums over incoming edges of (mixtures of) operations; the output nodes are concatenated.

    Args:
        cell: the cell type.
        channels: of a node of width 1.
        stride: of the edges that leave an input.
        inputs: per input node its features, of which the last are of the size that the cell reads.
        present: per edge, the indices of the operations to build.
        affine: whether normalisation within the cell has learnable scale and shift.
        replicas: networks side by side; see :mod:`.operations`.
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
        self.cell, self.stride, self.replicas = cell, stride, replicas
        widths = [channels * cell.width(node) for node in range(cell.nodes)]
        self.preprocess = nn.ModuleList()
        if cell.preprocessed:
            smallest = inputs[-1].scale
            self.preprocess.extend(
                Preprocess(x.channels, channels, smallest // x.scale, affine, replicas) for x in inputs
            )
        else:
            widths[: cell.inputs] = [x.channels for x in inputs]
        self.channels_out = sum(widths[node] for node in cell.output)
        self.channels = [width * replicas for width in widths]
        self.edges = nn.ModuleList()
        self.incoming: list[list[tuple[int, int, dict[int, Operation]]]] = [[] for _ in range(cell.nodes)]
        for edge, ((source, target), indices) in enumerate(zip(cell.edges, present, strict=True)):
            built = {
                k: build_operation(
                    cell.operations[edge][k],
                    widths[source],
                    widths[target],
                    stride=stride if source < cell.inputs else 1,
                    affine=affine,
                    replicas=replicas,
                    normalised_pools=cell.normalised_pools and not affine,
                    place=edge,
                )
                for k in indices
            }
            modules = {k: module for k, module in built.items() if module is not None}
            self.edges.append(nn.ModuleDict({cell.operations[edge][k]: module for k, module in modules.items()}))
            self.incoming[target].append((edge, source, modules))
        self.rectify = nn.ModuleList(Rectifier() for _ in range(cell.nodes))
        self._all_seen = self.seen(None)

    @property
    def droppable(self) -> int:
        """How many operations a training may drop at random: all that are built but identities."""
        return sum(not isinstance(m, Skip) for node in self.incoming for _, _, built in node for m in built.values())

    def forward(
        self,
        inputs: Sequence[Tensor],
        mixture: tuple[Weights, Support] | None = None,
        paths: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """Features of the output nodes.

        Args:
            inputs: one (batch, channels, h, w) tensor per input node.
            mixture: per edge and operation a weight and whether it is not zero, or None for weight one everywhere.
            paths: per droppable operation, in order, (batch, 1, 1, 1) factors of its output; None for ones.
        """
        weights, support = mixture or (None, None)
        seen = self._all_seen if support is None else self.seen(support)
        nodes = self.prepared(inputs)
        rectified = [self.rectified(node, x, seen) for node, x in enumerate(nodes)]
        path = iter(paths or ())
        # Where all is weighed and no gradient is asked for, a total is nobody else's.
        in_place = weights is not None and not torch.is_grad_enabled()
        pools: dict[tuple[int, str], Tensor] = {}

        def pooled(pool: Operation, source: int) -> Tensor:
            """The pooled features of a node, made once for all edges that leave it."""
            key = source, type(pool).__name__
            if key not in pools:
                pools[key] = pool(nodes[source])
            return pools[key]

        for target in range(self.cell.inputs, self.cell.nodes):
            total: Tensor | None = None
            slots: dict[int, Tensor] = {}
            for edge, source, modules in self.incoming[target]:
                for k, module in modules.items():
                    if support is not None and not support[edge][k]:
                        if module.overheard:
                            module(nodes[source])
                        continue
                    if isinstance(module, NormalisedPool):
                        out = module.norm(pooled(module.pool, source))
                    elif isinstance(module, AveragePool | MaxPool):
                        out = pooled(module, source)
                    else:
                        out = module(rectified[source] if module.reads_rectified else nodes[source])
                    factor = None if weights is None else weights[edge][k]
                    if paths is not None and not isinstance(module, Skip):
                        factor = next(path)
                    if isinstance(module, Slot):
                        slots[module.place] = out if factor is None else out * factor
                    elif total is None:
                        total = out if factor is None else out * factor
                    elif in_place and factor is not None:
                        total.addcmul_(out, factor)
                    else:
                        total = total + out if factor is None else torch.addcmul(total, out, factor)
            if slots:
                out = in_slots(slots, self.cell.width(target))
                total = out if total is None else total + out
            nodes.append(self.zeros(target, nodes[0]) if total is None else total)
            rectified.append(self.rectified(target, nodes[target], seen))
        outputs = [nodes[node] for node in self.cell.output]
        return outputs[0] if len(outputs) == 1 else joined(outputs, self.replicas)

    def prepared(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The input nodes."""
        if not self.cell.preprocessed:
            return list(inputs)
        return [prepare(x) for prepare, x in zip(self.preprocess, inputs, strict=True)]

    def zeros(self, node: int, x: Tensor) -> Tensor:
        """The features of a node to which nothing is added; x is an input."""
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        return x.new_zeros(len(x), self.channels[node], height, width)

    def rectified(self, node: int, x: Tensor, seen: Sequence[tuple[Count, Count]]) -> Tensor:
        """The node's features without what is negative, or as they are where nothing reads them so."""
        live, blank = seen[node]
        if not live and not blank:
            return x
        out: Tensor = self.rectify[node](x, seen=live, blank=blank)
        return out

    def seen(self, support: Support | None) -> list[tuple[int, int]]:
        """Per node, how often the papers' code counts its pattern, and how often zeros in its place."""
        seen = [[0, 0] for _ in range(self.cell.nodes)]
        for node in self.incoming:
            for edge, source, modules in node:
                for k, module in modules.items():
                    live = support is None or support[edge][k]
                    seen[source][0] += module.counted.live if live else module.counted.silent
                    seen[source][1] += 0 if live else module.counted.blank
        return [(live, blank) for live, blank in seen]


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
        self.space, self.skeleton, self.replicas = space, skeleton, replicas
        # torch's layers draw weights when they are made; the caller's random state is none of our business.
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
        space, skeleton, replicas = self.space, self.skeleton, self.replicas
        self.stem = STEMS[skeleton.stem](image_channels, skeleton.stem_channels, replicas)
        made = [Features(skeleton.stem_channels, scale) for scale in self.stem.scales]
        self.layers = nn.ModuleList()
        self.auxiliary: AuxiliaryHead | None = None
        for index, layer in enumerate(skeleton.layers):
            if layer.block == "cell":
                cell = space.cells[layer.cell]
                module = CellModule(
                    cell,
                    layer.channels,
                    layer.stride,
                    _latest(made, cell.inputs),
                    present[layer.cell],
                    affine,
                    replicas,
                )
                self.layers.append(module)
                channels = module.channels_out
            else:
                self.layers.append(
                    BLOCKS[layer.block](made[-1].channels, layer.channels, layer.stride, replicas=replicas)
                )
                channels = layer.channels
            made.append(Features(channels, made[-1].scale * layer.stride))
            if auxiliary and index == skeleton.auxiliary:
                imagenet = skeleton.stem == "imagenet"
                self.auxiliary = AuxiliaryHead(channels, classes, 2 if imagenet else 3, last_norm=not imagenet)
        features = made[-1].channels * replicas
        self.last_norm = nn.BatchNorm2d(features) if skeleton.head == "rectified" else None
        self.last_rectify = Rectifier()
        # A grouped 1x1 convolution on pooled features is one linear map per replica.
        self.classifier = nn.Conv2d(features, classes * replicas, 1, groups=replicas, bias=skeleton.bias)

    def _forward(
        self,
        images: Tensor,
        mixture: Mixture | None,
        paths: Tensor | None = None,
        instead: Mapping[CellModule, RunCell] | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Logits, and those of the auxiliary head where there is one and the network is in training mode."""
        stem = self.stem(images)
        made = list(stem) if isinstance(stem, tuple) else [stem]
        auxiliary: Tensor | None = None
        factors = None if paths is None else iter(paths[:, :, None, None, None].unbind())
        weights = self.entries(mixture, {m for _, m in self.cells()} - (instead or {}).keys()) if mixture else {}
        for index, (layer, module) in enumerate(zip(self.skeleton.layers, self.layers, strict=True)):
            if not isinstance(module, CellModule):
                made = [module(made[-1])]
            else:
                inputs = _latest(made, module.cell.inputs)
                if instead and module in instead:
                    out = instead[module](inputs)
                else:
                    weighted = mixture and (weights[module], mixture.support[layer.cell])
                    dropped = factors and [next(factors) for _ in range(module.droppable)]
                    out = module(inputs, weighted, dropped)
                # Only what a later layer reads is kept.
                made = [*inputs, out][-max(2, len(inputs)) :]
            if self.auxiliary is not None and self.training and index == self.skeleton.auxiliary:
                auxiliary = self.auxiliary(made[-1])
        x = made[-1]
        if self.last_norm is not None:
            x = self.last_rectify(self.last_norm(x))
        logits = self.classifier(x.mean(dim=(2, 3), keepdim=True)).flatten(1)
        return (logits if self.replicas == 1 else logits.unflatten(1, (self.replicas, -1))), auxiliary

    def cells(self) -> list[tuple[int, CellModule]]:
        """The layers that are cells, in order, with the type of each."""
        return [
            (layer.cell, module)
            for layer, module in zip(self.skeleton.layers, self.layers, strict=True)
            if isinstance(module, CellModule)
        ]

    def layers_by_type(self) -> dict[int, list[CellModule]]:
        """The layers that are cells, in order, by type of cell."""
        found: dict[int, list[CellModule]] = {}
        for cell, module in self.cells():
            found.setdefault(cell, []).append(module)
        return found

    def entries(self, mixture: Mixture, wanted: Set[CellModule]) -> dict[CellModule, Weights]:
        """The mixture's weights as scalars, for these cells, and for others of their types."""
        return {
            module: weights
            for cell, modules in self.layers_by_type().items()
            if not wanted.isdisjoint(modules)
            for module, weights in zip(modules, mixture.entries(cell, len(modules)), strict=True)
        }

    def initialise(self, seeds: Sequence[int]) -> None:
        """Draw all weights afresh, replica r from `seeds[r]`, by the rule of torch's own layers.

        Replica r gets the very numbers that a network without replicas gets from the same seed, and the global
        random state is neither read nor moved. Call it before the model goes to another device.
        """
        if len(seeds) != self.replicas:
            raise ValueError(f"{self.replicas} replicas need as many seeds, not {len(seeds)}")
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()
            if not isinstance(module, nn.Conv2d):
                continue
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in (module.weight, module.bias):
                if parameter is None:
                    continue
                # Uniform in ±1/sqrt(fan in) is kaiming_uniform with a = sqrt(5), torch's default.
                for part, generator in zip(parameter.data.chunk(self.replicas), generators, strict=True):
                    part.uniform_(-bound, bound, generator=generator)


class Supernet(Backbone):
    """A space's supernet: every cell holds every operation of every edge.

    Args:
        space: the search space.
        skeleton: from `space.skeleton(...)`.
        image_channels: of the images.
        classes: number of logits.
        seed: of the initial weights.
    """

    def __init__(self, space: SearchSpace, skeleton: Skeleton, image_channels: int, classes: int, seed: int) -> None:
        present = [[range(len(names)) for names in cell.operations] for cell in space.cells]
        super().__init__(space, skeleton, present, image_channels, classes, affine=False)
        self.initialise([seed])

    def forward(
        self, images: Tensor, mixture: Mixture, way: Way | None = None, candidates: Sequence[Mixture] = ()
    ) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width) under a mixture.

        Operations outside the mixture's support are not computed.

        Args:
            images, mixture: what goes forward.
            way: has what runs in the place of cells; see :class:`.FoldedSupernet` and :class:`.FusedSupernet`.
            candidates: the mixtures of which such cells give the features, one behind another in the batch. They are
                not read here: it is for those who count what a call is worth.
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
        auxiliary: whether it has the skeleton's auxiliary head, for training (a network without replicas).
        affine: whether normalisation within the cells has scale and shift. Without, the operations are those of the
            supernet, where poolings are normalised, too.
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
        present = [[() if k is None else (k,) for k in choices] for choices in architecture.choices]
        super().__init__(
            space, skeleton, present, image_channels, classes, affine, replicas=len(seeds), auxiliary=auxiliary
        )
        self.architecture = architecture
        self.initialise(seeds)

    @property
    def droppable(self) -> int:
        """How many operations, over all layers, a training may drop at random (all but identities)."""
        return sum(module.droppable for module in self.layers if isinstance(module, CellModule))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes), or (batch, replicas, classes) for images (batch, replicas * channels, h, w)."""
        return self._forward(images, None)[0]

    def training_logits(self, images: Tensor, paths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Logits, and those of the auxiliary head (None without one, or in evaluation mode).

        Args:
            images: (batch, channels, h, w).
            paths: (droppable, batch) factors of the operations' outputs, 0 where an operation is dropped; None for
                ones.
        """
        return self._forward(images, None, paths)


def _latest(made: Sequence[Item], count: int) -> list[Item]:
    """The last `count` of what was made; where the stem made fewer, its first stands for those before it."""
    return [*[made[0]] * (count - len(made)), *made[-count:]]


NORM_MODES = ("running", "batch")


@contextmanager
def scoring(model: nn.Module, norm: str) -> Iterator[None]:
    """Within it the model scores without leaving a trace: no gradient graph, no buffer updated, mode restored.

    Args:
        model: any model with batch normalisation.
        norm: "running" normalises with running statistics (evaluation mode); "batch" with those of the batch
            (training mode, as in DARTS-PT's released code) but does not update the running ones.
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
