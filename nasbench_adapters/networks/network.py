"""Stem, cells and head: the supernet of a space and the stand-alone network of one architecture.

One cell module serves both. In a :class:`Supernet` an edge holds all its operations and the mixture passed to
`forward` weighs them; in a :class:`Network` an edge holds its one operation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.errors import unknown
from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.operations import (
    BLOCKS,
    Rectifier,
    build_operation,
    conv,
)
from archselect.nasbench_adapters.space import Architecture, Cell, SearchSpace, Skeleton


class CellModule(nn.Module):
    """A cell: nodes are sums over incoming edges of (mixtures of) operations; the output nodes are concatenated.

    Args:
        cell: the cell type.
        channels: of every node.
        present: per edge, the indices of the operations to build.
        affine: whether the candidates' normalisation has learnable scale and shift.
        replicas: networks side by side; see :mod:`.operations`.
    """

    def __init__(
        self, cell: Cell, channels: int, present: Sequence[Sequence[int]], affine: bool, replicas: int
    ) -> None:
        super().__init__()
        self.cell = cell
        self.edges = nn.ModuleList()
        self.incoming: list[list[tuple[int, int, dict[int, nn.Module]]]] = [[] for _ in range(cell.nodes)]
        self.readers = [0] * cell.nodes
        for edge, ((source, target), indices) in enumerate(zip(cell.edges, present, strict=True)):
            built = {
                k: build_operation(cell.operations[edge][k], channels, channels, affine, replicas) for k in indices
            }
            modules = {k: module for k, module in built.items() if module is not None}
            self.edges.append(nn.ModuleDict({cell.operations[edge][k]: module for k, module in modules.items()}))
            self.incoming[target].append((edge, source, modules))
            self.readers[source] += sum(bool(module.reads_rectified) for module in modules.values())
        self.rectify = nn.ModuleList(Rectifier() for _ in range(cell.nodes))

    def forward(
        self, inputs: Sequence[Tensor], mixture: tuple[Tensor, tuple[tuple[bool, ...], ...]] | None = None
    ) -> Tensor:
        """Features of the output nodes.

        Args:
            inputs: one (batch, channels, h, w) tensor per input node.
            mixture: (edges, operations) weights and their support, or None for weight one everywhere.
        """
        weights, support = mixture or (None, None)
        live = self._live_readers(support)
        nodes = list(inputs)
        rectified = [self._rectify(0, x, live) for x in nodes]
        for target in range(self.cell.inputs, self.cell.nodes):
            total: Tensor | None = None
            for edge, source, modules in self.incoming[target]:
                for k, module in modules.items():
                    if support is not None and not support[edge][k]:
                        continue
                    x = rectified[source] if module.reads_rectified else nodes[source]
                    out = module(x)
                    if weights is not None:
                        out = out * weights[edge, k]
                    total = out if total is None else total + out
            nodes.append(torch.zeros_like(nodes[0]) if total is None else total)
            rectified.append(self._rectify(target, nodes[target], live))
        outputs = [nodes[node] for node in self.cell.output]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def _rectify(self, node: int, x: Tensor, live: list[int]) -> Tensor:
        if not self.readers[node]:
            return x
        out: Tensor = self.rectify[node](x, readers=self.readers[node], silent=self.readers[node] - live[node])
        return out

    def _live_readers(self, support: tuple[tuple[bool, ...], ...] | None) -> list[int]:
        """Per node, how many convolutions that read it have a weight other than zero."""
        if support is None:
            return self.readers
        live = [0] * self.cell.nodes
        for node in self.incoming:
            for edge, source, modules in node:
                live[source] += sum(bool(m.reads_rectified) and support[edge][k] for k, m in modules.items())
        return live


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
    ) -> None:
        super().__init__()
        self.space, self.skeleton, self.replicas = space, skeleton, replicas
        # torch's layers draw weights when they are made; the caller's random state is none of our business.
        with torch.random.fork_rng(devices=[]):
            self._build(present, image_channels, classes, affine)

    def _build(
        self, present: Sequence[Sequence[Sequence[int]]], image_channels: int, classes: int, affine: bool
    ) -> None:
        space, skeleton, replicas = self.space, self.skeleton, self.replicas
        self.stem = nn.Sequential(
            conv(image_channels, skeleton.stem_channels, 3, replicas=replicas),
            nn.BatchNorm2d(skeleton.stem_channels * replicas),
        )
        self.layers = nn.ModuleList()
        for layer in skeleton.layers:
            if layer.block == "cell":
                cell = space.cells[layer.cell]
                self.layers.append(CellModule(cell, layer.channels_out, present[layer.cell], affine, replicas))
            else:
                self.layers.append(
                    BLOCKS[layer.block](layer.channels_in, layer.channels_out, layer.stride, replicas=replicas)
                )
        features = skeleton.layers[-1].channels_out
        self.last_norm, self.last_rectify = nn.BatchNorm2d(features * replicas), Rectifier()
        # A grouped 1x1 convolution on pooled features is one linear map per replica.
        self.classifier = nn.Conv2d(features * replicas, classes * replicas, 1, groups=replicas)

    def _forward(self, images: Tensor, mixture: Mixture | None) -> Tensor:
        x = self.stem(images)
        for layer, module in zip(self.skeleton.layers, self.layers, strict=True):
            if layer.block != "cell":
                x = module(x)
            elif mixture is None:
                x = module([x])
            else:
                x = module([x], (mixture.weights[layer.cell], mixture.support[layer.cell]))
        x = self.last_rectify(self.last_norm(x))
        logits = self.classifier(x.mean(dim=(2, 3), keepdim=True)).flatten(1)
        return logits if self.replicas == 1 else logits.unflatten(1, (self.replicas, -1))

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

    def forward(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Logits (batch, classes) of images (batch, channels, height, width) under a mixture.

        Operations outside the mixture's support are not computed.
        """
        return self._forward(images, mixture)


class Network(Backbone):
    """The stand-alone network of one architecture, or `replicas` of them with different weights side by side.

    Args:
        space: the search space.
        architecture: which operation each edge carries.
        skeleton: from `space.skeleton(...)`.
        image_channels: of the images (of one replica).
        classes: number of logits.
        seeds: one seed of initial weights per replica.
    """

    def __init__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        skeleton: Skeleton,
        image_channels: int,
        classes: int,
        seeds: Sequence[int],
    ) -> None:
        present = [[() if k is None else (k,) for k in choices] for choices in architecture.choices]
        super().__init__(space, skeleton, present, image_channels, classes, affine=True, replicas=len(seeds))
        self.architecture = architecture
        self.initialise(seeds)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (batch, classes), or (batch, replicas, classes) for images (batch, replicas * channels, h, w)."""
        return self._forward(images, None)


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
