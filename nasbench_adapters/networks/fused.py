"""A supernet's cells in training mode with few large kernels: at the papers' sizes a GPU's time goes into launching.

What leaves a node of a cell is computed together. The node is rectified once. Operations of one kind on all its edges
run as one: convolutions with their kernels side by side (in groups where they read features of their own),
normalisations as one, the last of which takes the mixture's weights as its scale. What has no weights (identity,
pooling) is computed once and mixed for all edges by one pointwise convolution. The kernels and mixtures of all cells
are put side by side in a few operations per forward. What is added up is what :class:`.CellModule` adds up, in another
order: features and gradients differ by rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial, reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks.folded import can_fold
from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.network import CellModule, RunCell, Supernet, Support
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    DilatedConv,
    MaxPool,
    NormalisedPool,
    Operation,
    SeparableConv,
    Skip,
)

Entry = tuple[int, int]
"""Edge and operation."""
PLANS = 64
"""How many supports are kept with their plan."""


class FusedSupernet:
    """A supernet whose forward and backward give the same with fewer and larger kernels, in training mode.

    In evaluation mode it is the supernet as it is, and so are cells that :func:`can_fuse` refuses.

    Args:
        supernet: whose weights and running statistics are read and moved.
        always: whether cells are fused whatever it brings. If not, on a CPU they are left as they are in a forward
            without gradients and where they have depthwise convolutions, which would have a third of the kernels in
            twice the time; and on a GPU in a forward with gradients: there, in float32 and at the papers' size, those
            of the alphas came out up to a quarter off, and it is not yet known why (docs/speed.md).
    """

    def __init__(self, supernet: Supernet, always: bool = False) -> None:
        self.supernet, self._always = supernet, always
        self._plans: dict[Hashable, _Plan] = {}

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Logits, as of :meth:`.Supernet.forward`."""
        logits: Tensor = self.supernet(images, mixture, self.way)
        return logits

    @contextmanager
    def way(self, mixture: Mixture) -> Iterator[dict[CellModule, RunCell]]:
        """What runs in the place of cells: the third argument of :meth:`.Supernet.forward`."""
        device, dtype = mixture.weights[0].device, mixture.weights[0].dtype
        on_cpu = device.type == "cpu"
        if not self.supernet.training or not (self._always or torch.is_grad_enabled() == on_cpu):
            yield {}
            return
        key = mixture.support, device, dtype
        if key not in self._plans:
            if len(self._plans) == PLANS:
                self._plans.clear()
            self._plans[key] = _Plan(self.supernet, mixture, depthwise=self._always or not on_cpu)
        plan, statistics = self._plans[key], _Statistics()
        yield {cell.module: partial(_run, cell, own, statistics) for cell, own in plan.parts(mixture).items()}
        statistics.update()


def can_fuse(cell: CellModule, depthwise: bool = True) -> bool:
    """Whether :func:`.can_fold` says so, and it has no depthwise convolutions unless they are to be fused."""
    return can_fold(cell) and (
        depthwise or not any(isinstance(module, SeparableConv | DilatedConv) for module in cell.modules())
    )


@dataclass(frozen=True)
class _Alike:
    """Operations of one kind on edges that leave one node: convolutions and normalisations in the same order.

    Attributes:
        modules: one per edge.
        entries: their places in the mixture.
        targets: of the edges.
    """

    modules: list[nn.Sequential] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)

    @cached_property
    def steps(self) -> list[tuple[nn.Module, ...]]:
        """Per step of the operation, the modules of all edges; once these are there."""
        return list(zip(*self.modules, strict=True))


@dataclass(frozen=True)
class _Weightless:
    """Identities and poolings on edges that leave one node.

    Attributes:
        modules: per kind those of all edges: they give the same, but normalised ones have statistics of their own.
        entries: per edge and kind the place in the mixture, or None where it is not live.
        targets: of the edges.
    """

    modules: list[list[Operation]]
    entries: list[list[Entry | None]]
    targets: list[int]


class _Cell:
    """What leaves each node of a cell, by what runs together."""

    def __init__(self, type_: int, module: CellModule, support: Support) -> None:
        self.type, self.module = type_, module
        self.seen = module.seen(support)
        nodes = range(module.cell.nodes)
        alike: list[dict[Hashable, _Alike]] = [{} for _ in nodes]
        weightless: list[dict[tuple[int, int], dict[str, tuple[Entry, Operation]]]] = [{} for _ in nodes]
        self.others: list[list[tuple[Entry, int, Operation]]] = [[] for _ in nodes]
        for target, node in enumerate(module.incoming):
            for edge, source, modules in node:
                for k, operation in modules.items():
                    if not support[edge][k]:
                        continue
                    if isinstance(operation, ConvNorm | SeparableConv | DilatedConv):
                        first = operation[0]
                        assert isinstance(first, nn.Conv2d)
                        own = alike[source].setdefault((type(operation), first.kernel_size), _Alike())
                        own.modules.append(operation)
                        own.entries.append((edge, k))
                        own.targets.append(target)
                    elif isinstance(operation, Skip | AveragePool | MaxPool | NormalisedPool):
                        kind = operation.pool if isinstance(operation, NormalisedPool) else operation
                        weightless[source].setdefault((edge, target), {})[type(kind).__name__] = (edge, k), operation
                    else:
                        self.others[source].append(((edge, k), target, operation))
        self.alike = [list(own.values()) for own in alike]
        self.weightless: list[_Weightless | None] = []
        for edges in weightless:
            kinds = list(dict.fromkeys(kind for own in edges.values() for kind in own))
            self.weightless.append(
                _Weightless(
                    [[own[kind][1] for own in edges.values() if kind in own] for kind in kinds],
                    [[own[kind][0] if kind in own else None for kind in kinds] for own in edges.values()],
                    [target for _, target in edges],
                )
                if edges
                else None
            )


class _Plan:
    """What runs together in all cells under a support, and how weights are laid side by side for it."""

    def __init__(self, supernet: Supernet, mixture: Mixture, depthwise: bool) -> None:
        cells = [(c, module) for c, module in supernet.cells() if can_fuse(module, depthwise)]
        self.cells = [_Cell(c, module, mixture.support[c]) for c, module in cells]
        steps = ((cell, step) for cell in self.cells for own in cell.alike for one in own for step in one.steps)
        self._convs = [
            (cell, convs) for cell, step in steps if (convs := [part for part in step if isinstance(part, nn.Conv2d)])
        ]
        self._supernet = supernet
        layers = supernet.layers_by_type()
        twins: dict[tuple[int, int], list[_Cell]] = {}
        for cell in self.cells:
            twins.setdefault((cell.type, cell.module.channels[-1]), []).append(cell)
        self._twins = [
            _Twins(own, [layers[c].index(cell.module) for cell in own], mixture.weights[c])
            for (c, _), own in twins.items()
        ]

    def parts(self, mixture: Mixture) -> dict[_Cell, _Parts]:
        """What every cell needs of the supernet's kernels, as they are now, and of the mixture."""
        apart = {cell.module for cell in self.cells if any(cell.others)}
        weights = self._supernet.entries(mixture, apart)
        parts = {cell: _Parts(weights.get(cell.module, ())) for cell in self.cells}
        if self._convs:
            flat = torch.cat([c.weight.permute(0, 2, 3, 1).reshape(-1) for _, convs in self._convs for c in convs])
            pieces = flat.split([sum(conv.weight.numel() for conv in convs) for _, convs in self._convs])
            for piece, (cell, convs) in zip(pieces, self._convs, strict=True):
                parts[cell].kernels.append(_stacked(piece, convs))
        for twins in self._twins:
            table = F.pad(mixture.tables(twins.type, twins.places), (0, 1))
            for cell, scales, mixers in zip(twins.cells, twins.scales(table), twins.mixers(table), strict=True):
                parts[cell].scales, parts[cell].mixers = scales, mixers
        return parts


@dataclass
class _Parts:
    """What a cell needs: per group of operations, node by node, a scale, per step a kernel; and mixing matrices.

    Attributes:
        weights: the mixture's, by edge and operation, where something runs by itself.
        kernels: per convolution of what runs together.
        scales: (edges * channels) per group of operations.
        mixers: (edges * channels, kinds * channels, 1, 1) per node that identities and poolings leave.
    """

    weights: Sequence[Sequence[Tensor]]
    kernels: list[Tensor] = field(default_factory=list)
    scales: list[Tensor] = field(default_factory=list)
    mixers: list[Tensor] = field(default_factory=list)


class _Twins:
    """Cells of one type and width: their parts of the mixture are made at once.

    Every cell gets a copy of its own, so that gradients are added up once in place of cell by cell.

    Attributes:
        cells, type: which.
        places: of the cells among all of the type.
    """

    def __init__(self, cells: list[_Cell], places: list[int], weights: Tensor) -> None:
        self.cells, self.type, self.places = cells, cells[0].type, places
        self._channels = cells[0].module.channels[-1]
        (edges, operations), device = weights.shape[-2:], weights.device

        def index(entries: Sequence[Entry | None]) -> Tensor:
            """Where the entries lie in the flattened weights; after them is a zero."""
            places = [edges * operations if entry is None else entry[0] * operations + entry[1] for entry in entries]
            return torch.tensor(places).to(device)

        groups = [one for own in cells[0].alike for one in own]
        self._scale_sizes = [len(one.entries) * self._channels for one in groups]
        self._scale_index = index([entry for one in groups for entry in one.entries])
        # Nodes that are left by as many kinds have matrices of one shape.
        self._nodes: dict[int, list[list[list[Entry | None]]]] = {}
        for weightless in filter(None, cells[0].weightless):
            self._nodes.setdefault(len(weightless.modules), []).append(weightless.entries)
        self._kinds = [len(weightless.modules) for weightless in filter(None, cells[0].weightless)]
        self._mixer_index = {
            kinds: index([entry for node in nodes for row in node for entry in row]).view(-1, kinds)
            for kinds, nodes in self._nodes.items()
        }
        self._identity = torch.eye(self._channels, dtype=weights.dtype, device=device)

    def scales(self, table: Tensor) -> list[list[Tensor]]:
        """Per cell and group of operations the weights of its edges, for every channel of theirs.

        Args:
            table: (cells, edges * operations + 1) the mixture of each, then a zero.
        """
        count, sizes = len(self.cells), self._scale_sizes
        if not sizes:
            return [[]] * count
        rows = table.index_select(1, self._scale_index)
        # Normalisation reads its scale as it lies in memory: one row's is to be written out, too.
        spread = rows[:, :, None].expand(-1, -1, self._channels).contiguous()
        pieces = spread.view(-1).split(sizes * count)
        return [list(pieces[i * len(sizes) : (i + 1) * len(sizes)]) for i in range(count)]

    def mixers(self, table: Tensor) -> list[list[Tensor]]:
        """Per cell and node the matrix that mixes its features, as they are and pooled, for all edges.

        Args:
            table: as of :meth:`scales`.
        """
        count, channels = len(self.cells), self._channels
        pieces = {}
        for kinds, nodes in self._nodes.items():
            rows = table.index_select(1, self._mixer_index[kinds].flatten()).view(count, -1, 1, kinds, 1)
            blocks = rows * self._identity[:, None]
            sizes = [len(node) * channels for node in nodes]
            pieces[kinds] = iter(blocks.view(-1, kinds * channels, 1, 1).split(sizes * count))
        return [[next(pieces[kinds]) for kinds in self._kinds] for _ in range(count)]


class _Statistics:
    """Running statistics of normalisations, updated together at the end of a forward."""

    def __init__(self) -> None:
        self._norms: list[nn.BatchNorm2d] = []
        self._means: list[Tensor] = []
        self._inverses: list[Tensor] = []
        self._unbiased: list[float] = []

    def normalised(self, x: Tensor, norms: Sequence[nn.BatchNorm2d], scale: Tensor | None = None) -> Tensor:
        """x with every channel normalised by the batch; the norms are of parts of it, side by side, or each of all."""
        out, mean, inverse = torch.native_batch_norm(x, scale, None, None, None, True, 0.0, norms[0].eps)
        running = norms[0].running_mean
        if norms[0].track_running_stats and running is not None:
            channels, count = norms[0].num_features, x.numel() / x.shape[1]
            # Under autocast the batch's may be of another precision.
            own = [part.to(running.dtype).split(channels) for part in (mean, inverse)]
            means, inverses = (part * len(norms) if len(part) < len(norms) else part for part in own)
            self._norms += norms
            self._means += means
            self._inverses += inverses
            self._unbiased += [count / (count - 1)] * len(norms)
        return out

    def update(self) -> None:
        """Move the running statistics towards those of the batch, as torch's normalisation does."""
        if not self._norms:
            return
        first, buffers = self._norms[0], [dict(norm.named_buffers()) for norm in self._norms]
        assert first.momentum is not None
        with torch.no_grad():
            variances = list(torch._foreach_pow(self._inverses, -2))
            torch._foreach_sub_(variances, first.eps)
            torch._foreach_mul_(variances, self._unbiased)
            torch._foreach_lerp_([own["running_mean"] for own in buffers], self._means, first.momentum)
            torch._foreach_lerp_([own["running_var"] for own in buffers], variances, first.momentum)
            torch._foreach_add_([own["num_batches_tracked"] for own in buffers], 1)


def _run(cell: _Cell, parts: _Parts, statistics: _Statistics, inputs: Sequence[Tensor]) -> Tensor:
    """The features of a cell's output nodes; see :meth:`.CellModule.forward`."""
    module = cell.module
    kernels, scales, mixers = iter(parts.kernels), iter(parts.scales), iter(parts.mixers)
    terms: list[list[Tensor]] = [[x] for x in module.prepared(inputs)]
    terms += [[] for _ in range(module.cell.nodes - len(terms))]
    nodes: list[Tensor] = []
    for source in range(module.cell.nodes):
        x = reduce(torch.add, terms[source]) if terms[source] else module.zeros(source, nodes[0])
        nodes.append(x)
        rectified = module.rectified(source, x, cell.seen)
        sums: dict[tuple[int, ...], Tensor] = {}
        for one in cell.alike[source]:
            targets, out = tuple(one.targets), _run_alike(one, kernels, next(scales), statistics, rectified)
            sums[targets] = sums[targets].add_(out) if targets in sums else out
        weightless = cell.weightless[source]
        if weightless:
            targets = tuple(weightless.targets)
            features = [_weightless(modules, statistics, x) for modules in weightless.modules]
            out = F.conv2d(torch.cat(features, dim=1) if len(features) > 1 else features[0], next(mixers))
            sums[targets] = sums[targets].add_(out) if targets in sums else out
        for targets, total in sums.items():
            parts_of = total.chunk(len(targets), dim=1) if len(targets) > 1 else (total,)
            for target, part in zip(targets, parts_of, strict=True):
                terms[target].append(part)
        for (edge, k), target, operation in cell.others[source]:
            out = operation(rectified if operation.reads_rectified else x)
            terms[target].append(out * parts.weights[edge][k])
    outputs = [nodes[node] for node in module.cell.output]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


def _run_alike(
    one: _Alike, kernels: Iterator[Tensor], scale: Tensor, statistics: _Statistics, rectified: Tensor
) -> Tensor:
    """The operations' output, weighed and side by side: (batch, edges * channels, h, w)."""
    x, shared, count = rectified, True, len(one.modules)
    for i, step in enumerate(one.steps):
        first = step[0]
        if isinstance(first, nn.Conv2d):
            groups = first.groups * count
            if shared and first.groups > 1:
                x = x.repeat(1, count, 1, 1)
            elif shared:
                groups = 1
            x = F.conv2d(x, next(kernels), None, first.stride, first.padding, first.dilation, groups)
            shared = False
        elif isinstance(first, nn.BatchNorm2d):
            norms = [norm for norm in step if isinstance(norm, nn.BatchNorm2d)]
            x = statistics.normalised(x, norms, scale if i == len(one.steps) - 1 else None)
        else:
            x = first(x)
    return x


def _weightless(modules: Sequence[Operation], statistics: _Statistics, x: Tensor) -> Tensor:
    """The features as an identity or a pooling gives them to all edges."""
    first = modules[0]
    if not isinstance(first, NormalisedPool):
        out: Tensor = first(x)
        return out
    return statistics.normalised(first.pool(x), [m.norm for m in modules if isinstance(m, NormalisedPool)])


def _stacked(flat: Tensor, convs: Sequence[nn.Conv2d]) -> Tensor:
    """The kernels of convolutions side by side, in channels-last memory."""
    out, channels, height, width = convs[0].weight.shape
    return flat.view(len(convs) * out, height, width, channels).permute(0, 3, 1, 2)
