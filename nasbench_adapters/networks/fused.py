"""A supernet's cells in training mode with few large kernels: at the papers' sizes a GPU's time goes into launching.

What leaves a node of a cell is computed together. The node is rectified once.
Operations of one kind on all its edges run as one: convolutions with their kernels side
by side (in groups where they read features of their own), normalisations as one, the
last of which takes the mixture's weights as its scale. What has no weights (identity,
pooling) is computed once and mixed for all edges by one pointwise convolution. The
kernels and mixtures of all cells are put side by side in a few operations per forward.
What is added up is what :class:`.CellModule` adds up, in another order: features and
gradients differ by rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial, reduce
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks.folded import can_fold
from archselect.nasbench_adapters.networks.mixture import CellSupport, Mixture
from archselect.nasbench_adapters.networks.network import (
    CellModule,
    PlacedOperation,
    RunCell,
    Supernet,
    Weights,
)
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


class Entry(NamedTuple):
    """A place in a cell type's mixture."""

    edge: int
    choice: int


PLANS = 64
"""How many supports are kept with their plan."""


class FusedSupernet:
    """A supernet whose forward and backward give the same with fewer and larger kernels, in training mode.

    In evaluation mode it is the supernet as it is, and so are cells that
    :func:`can_fuse` refuses.

    Args:
        supernet: whose weights and running statistics are read and moved.
        always: whether cells are fused whatever it brings. If not, on a CPU they are
            left as they are in a forward without gradients and where they have
            depthwise convolutions, which would have a third of the kernels in twice the
            time; and on a GPU in a forward with gradients: there, in float32 and at the
            papers' size, those of the alphas came out up to a quarter off, and it is
            not yet known why (docs/speed.md).
    """

    def __init__(
        self,
        supernet: Supernet,
        always: bool = False,
    ) -> None:
        self.supernet = supernet
        self._always = always
        self._plans: dict[Hashable, _FusionPlan] = {}

    def __call__(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Tensor:
        """Return the logits (batch, classes), as :meth:`.Supernet.forward`."""
        logits: Tensor = self.supernet(images, mixture, self.replace_cells)
        return logits

    @contextmanager
    def replace_cells(self, mixture: Mixture) -> Iterator[dict[CellModule, RunCell]]:
        """Yield what runs in the place of cells: the third argument of :meth:`.Supernet.forward`."""
        if not self._fuses(mixture):
            yield {}
            return
        plan = self._plan(mixture)
        statistics = _Statistics()
        parts = plan.parts(mixture)
        yield {
            cell.module: partial(_run, cell, needed, statistics)
            for cell, needed in parts.items()
        }
        statistics.update()

    def _fuses(self, mixture: Mixture) -> bool:
        """Return whether cells are fused in this forward."""
        if not self.supernet.training:
            return False
        on_cpu = mixture.weights[0].device.type == "cpu"
        return self._always or torch.is_grad_enabled() == on_cpu

    def _plan(self, mixture: Mixture) -> _FusionPlan:
        """Return the plan for the mixture's support, made at its first forward."""
        table = mixture.weights[0]
        key = (mixture.support, table.device, table.dtype)
        if key not in self._plans:
            if len(self._plans) == PLANS:
                self._plans.clear()
            depthwise = self._always or table.device.type != "cpu"
            self._plans[key] = _FusionPlan(self.supernet, mixture, depthwise)
        return self._plans[key]


def can_fuse(
    cell: CellModule,
    depthwise: bool = True,
) -> bool:
    """Return whether a cell can be fused.

    It can if :func:`.can_fold` says so, and if it has no depthwise convolutions unless
    they are to be fused.
    """
    if not can_fold(cell):
        return False
    return depthwise or not any(
        isinstance(module, SeparableConv | DilatedConv) for module in cell.modules()
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

    def add(self, operation: PlacedOperation) -> None:
        """Add an operation of the kind."""
        assert isinstance(operation.module, nn.Sequential)
        self.modules.append(operation.module)
        self.entries.append(Entry(operation.edge, operation.choice))
        self.targets.append(operation.target)

    @cached_property
    def steps(self) -> list[tuple[nn.Module, ...]]:
        """Modules of all edges per step of the operation; to be read once all are added."""
        return list(zip(*self.modules, strict=True))

    @property
    def convs(self) -> list[list[nn.Conv2d]]:
        """Convolutions of all edges per step that is one."""
        by_step = []
        for step in self.steps:
            convs = [module for module in step if isinstance(module, nn.Conv2d)]
            if convs:
                by_step.append(convs)
        return by_step


@dataclass(frozen=True)
class _Weightless:
    """Identities and poolings on edges that leave one node.

    Attributes:
        modules: per kind those of all edges: they give the same, but normalised ones
            have statistics of their own.
        entries: per edge and kind the place in the mixture, or None where it is not
            live.
        targets: of the edges.
    """

    modules: list[list[Operation]]
    entries: list[list[Entry | None]]
    targets: list[int]

    @classmethod
    def of(cls, operations: Sequence[PlacedOperation]) -> _Weightless:
        """Return identities and poolings that leave one node, by edge and kind."""
        by_edge: dict[int, dict[str, PlacedOperation]] = {}
        for operation in operations:
            by_edge.setdefault(operation.edge, {})[_kind(operation.module)] = operation
        kinds = list(dict.fromkeys(chain.from_iterable(by_edge.values())))
        modules = [_modules(by_edge.values(), kind) for kind in kinds]
        entries = [_entries(on_edge, kinds) for on_edge in by_edge.values()]
        targets = [next(iter(on_edge.values())).target for on_edge in by_edge.values()]
        return cls(modules, entries, targets)


def _kind(module: Operation) -> str:
    """Return the name of what an identity or a pooling computes before it is normalised."""
    weightless = module.pool if isinstance(module, NormalisedPool) else module
    return type(weightless).__name__


def _modules(
    edges: Iterable[dict[str, PlacedOperation]],
    kind: str,
) -> list[Operation]:
    """Return the modules of a kind on all edges that have one."""
    return [on_edge[kind].module for on_edge in edges if kind in on_edge]


def _entries(
    on_edge: dict[str, PlacedOperation], kinds: Sequence[str]
) -> list[Entry | None]:
    """Return the places in the mixture of an edge's operations by kind, None where it has none."""
    operations = [on_edge.get(kind) for kind in kinds]
    return [
        None if operation is None else Entry(operation.edge, operation.choice)
        for operation in operations
    ]


class _Cell:
    """The live operations of a cell by the node that they leave and by what runs together.

    Args:
        type_: index of the cell type.
        module: the cell.
        support: which operations are live.

    Attributes:
        counts: how often the pattern of each node counts.
        alike: per node, the groups of operations of one kind.
        weightless: per node, its identities and poolings; None where there are none.
        others: per node, the operations that run by themselves.
    """

    def __init__(
        self,
        type_: int,
        module: CellModule,
        support: CellSupport,
    ) -> None:
        self.type = type_
        self.module = module
        self.counts = module.pattern_counts(support)
        nodes = range(module.cell.nodes)
        alike: list[dict[Hashable, _Alike]] = [{} for _ in nodes]
        weightless: list[list[PlacedOperation]] = [[] for _ in nodes]
        self.others: list[list[PlacedOperation]] = [[] for _ in nodes]
        for operation in module.operations:
            if not support[operation.edge][operation.choice]:
                continue
            part = operation.module
            if isinstance(part, ConvNorm | SeparableConv | DilatedConv):
                alike[operation.source].setdefault(_shape(part), _Alike()).add(
                    operation
                )
            elif isinstance(part, Skip | AveragePool | MaxPool | NormalisedPool):
                weightless[operation.source].append(operation)
            else:
                self.others[operation.source].append(operation)
        self.alike = [list(groups.values()) for groups in alike]
        self.weightless = [
            _Weightless.of(operations) if operations else None
            for operations in weightless
        ]

    @property
    def groups(self) -> Iterable[_Alike]:
        """Groups of operations of one kind, node by node."""
        return chain.from_iterable(self.alike)

    @property
    def mixed(self) -> list[_Weightless]:
        """Identities and poolings of the nodes that have some."""
        return [weightless for weightless in self.weightless if weightless is not None]


def _shape(operation: nn.Sequential) -> Hashable:
    """Return what operations of one kind have in common."""
    first = operation[0]
    assert isinstance(first, nn.Conv2d)
    return type(operation), first.kernel_size


class _Stack(NamedTuple):
    """Convolutions of a cell that run as one."""

    cell: _Cell
    convs: list[nn.Conv2d]


class _FusionPlan:
    """What runs together in all cells under a support, and how weights are laid side by side for it."""

    def __init__(
        self,
        supernet: Supernet,
        mixture: Mixture,
        depthwise: bool,
    ) -> None:
        self._supernet = supernet
        self.cells = [
            _Cell(type_, module, mixture.support[type_])
            for type_, module in supernet.cells()
            if can_fuse(module, depthwise)
        ]
        self._stacks: list[_Stack] = []
        for cell in self.cells:
            for group in cell.groups:
                self._stacks += [_Stack(cell, convs) for convs in group.convs]
        layers = supernet.layers_by_type()
        alike: dict[tuple[int, int], list[_Cell]] = {}
        for cell in self.cells:
            alike.setdefault((cell.type, cell.module.channels[-1]), []).append(cell)
        self._twins: list[_Twins] = []
        for (type_, _), cells in alike.items():
            places = [layers[type_].index(cell.module) for cell in cells]
            self._twins.append(_Twins(cells, places, mixture.weights[type_]))

    def parts(self, mixture: Mixture) -> dict[_Cell, _Parts]:
        """Return what every cell needs of the supernet's kernels, as they are now, and of the mixture."""
        apart = {cell.module for cell in self.cells if any(cell.others)}
        weights = self._supernet.entries(mixture, apart)
        parts = {cell: _Parts(weights.get(cell.module, ())) for cell in self.cells}
        if self._stacks:
            self._stack_kernels(parts)
        for twins in self._twins:
            table = F.pad(mixture.tables(twins.type, twins.places), (0, 1))
            for cell, scales, mixers in zip(
                twins.cells, twins.scales(table), twins.mixers(table), strict=True
            ):
                parts[cell].scales = scales
                parts[cell].mixers = mixers
        return parts

    def _stack_kernels(self, parts: dict[_Cell, _Parts]) -> None:
        """Put the kernels of all convolutions that run together side by side, in one copy."""
        convs = chain.from_iterable(stack.convs for stack in self._stacks)
        kernels = [conv.weight.permute(0, 2, 3, 1).reshape(-1) for conv in convs]
        flat = torch.cat(kernels)
        pieces = flat.split([_kernel_size(stack.convs) for stack in self._stacks])
        for piece, stack in zip(pieces, self._stacks, strict=True):
            parts[stack.cell].kernels.append(_stacked(piece, stack.convs))


@dataclass
class _Parts:
    """What a cell needs: per group of operations, node by node, a scale, per step a kernel; and mixing matrices.

    Attributes:
        weights: the mixture's, by edge and operation, where something runs by itself.
        kernels: per convolution of what runs together.
        scales: (edges * channels) per group of operations.
        mixers: (edges * channels, kinds * channels, 1, 1) per node that identities and
            poolings leave.
    """

    weights: Weights
    kernels: list[Tensor] = field(default_factory=list)
    scales: list[Tensor] = field(default_factory=list)
    mixers: list[Tensor] = field(default_factory=list)


class _Twins:
    """Cells of one type and width: their parts of the mixture are made at once.

    Every cell gets a copy of its own, so that gradients are added up once in place of
    cell by cell.

    Args:
        cells: which, at least one.
        places: of the cells among all of the type.
        weights: the mixture of the type, (edges, operations) or (layers, edges,
            operations).

    Attributes:
        type: index of the cell type.
    """

    def __init__(
        self,
        cells: list[_Cell],
        places: list[int],
        weights: Tensor,
    ) -> None:
        self.cells = cells
        self.type = cells[0].type
        self.places = places
        self._channels = cells[0].module.channels[-1]
        groups = list(cells[0].groups)
        self._scale_sizes = [len(group.entries) * self._channels for group in groups]
        self._scale_index = _places_in_table(
            chain.from_iterable(group.entries for group in groups), weights
        )
        self._kinds = [len(node.modules) for node in cells[0].mixed]
        self._mixer_index: dict[int, Tensor] = {}
        self._mixer_sizes: dict[int, list[int]] = {}
        # Nodes that are left by as many kinds have matrices of one shape.
        for kinds in dict.fromkeys(self._kinds):
            nodes = [node for node in cells[0].mixed if len(node.modules) == kinds]
            rows = chain.from_iterable(node.entries for node in nodes)
            self._mixer_index[kinds] = _places_in_table(
                chain.from_iterable(rows), weights
            )
            self._mixer_sizes[kinds] = [
                len(node.entries) * self._channels for node in nodes
            ]
        self._identity = torch.eye(
            self._channels, dtype=weights.dtype, device=weights.device
        )

    def scales(self, table: Tensor) -> list[list[Tensor]]:
        """Return, per cell and group of operations, the weights of its edges, for every channel of theirs.

        Args:
            table: (cells, edges * operations + 1) the mixture of each, then a zero.
        """
        count = len(self.cells)
        sizes = self._scale_sizes
        if not sizes:
            return [[]] * count
        rows = table.index_select(1, self._scale_index)
        # Normalisation reads its scale as it lies in memory: a single row must be
        # written out, too.
        copies = rows[:, :, None].expand(-1, -1, self._channels).contiguous()
        pieces = copies.view(-1).split(sizes * count)
        starts = range(0, len(pieces), len(sizes))
        return [list(pieces[start : start + len(sizes)]) for start in starts]

    def mixers(self, table: Tensor) -> list[list[Tensor]]:
        """Return, per cell and node, the matrix that mixes its features, as they are and pooled, for all edges.

        Args:
            table: as of :meth:`scales`.
        """
        count = len(self.cells)
        pieces: dict[int, Iterator[Tensor]] = {}
        for kinds, index in self._mixer_index.items():
            rows = table.index_select(1, index).view(count, -1, 1, kinds, 1)
            blocks = rows * self._identity[:, None]
            matrices = blocks.view(-1, kinds * self._channels, 1, 1).split(
                self._mixer_sizes[kinds] * count
            )
            pieces[kinds] = iter(matrices)
        by_cell = []
        for _ in range(count):
            by_cell.append([next(pieces[kinds]) for kinds in self._kinds])
        return by_cell


def _places_in_table(
    entries: Iterable[Entry | None],
    weights: Tensor,
) -> Tensor:
    """Return where entries lie in a flattened table of weights, (entries,); None stands for the zero after it."""
    edges, operations = weights.shape[-2:]
    zero = edges * operations
    places = [
        zero if entry is None else entry.edge * operations + entry.choice
        for entry in entries
    ]
    return torch.tensor(places).to(weights.device)


class _Statistics:
    """Running statistics of normalisations, updated together at the end of a forward."""

    def __init__(self) -> None:
        self._norms: list[nn.BatchNorm2d] = []
        self._means: list[Tensor] = []
        self._inverses: list[Tensor] = []
        self._unbiased: list[float] = []

    def normalised(
        self,
        x: Tensor,
        norms: Sequence[nn.BatchNorm2d],
        scale: Tensor | None = None,
    ) -> Tensor:
        """Return x with every channel normalised by the batch, and note what running statistics are to be moved to.

        Args:
            x: (batch, channels, height, width).
            norms: of parts of the channels, side by side, or each of all of them.
            scale: (channels,) of the result; None for ones.
        """
        first = norms[0]
        out, mean, inverse = torch.native_batch_norm(
            x, scale, None, None, None, True, 0.0, first.eps
        )
        if first.track_running_stats and first.running_mean is not None:
            # Under autocast the batch's may be of another precision.
            dtype = first.running_mean.dtype
            count = x.numel() / x.shape[1]
            self._norms += norms
            self._means += _by_norm(mean.to(dtype), norms)
            self._inverses += _by_norm(inverse.to(dtype), norms)
            self._unbiased += [count / (count - 1)] * len(norms)
        return out

    def update(self) -> None:
        """Move the running statistics towards those of the batch, as torch's normalisation does."""
        if not self._norms:
            return
        first = self._norms[0]
        assert first.momentum is not None
        buffers = [dict(norm.named_buffers()) for norm in self._norms]
        with torch.no_grad():
            variances = list(torch._foreach_pow(self._inverses, -2))
            torch._foreach_sub_(variances, first.eps)
            torch._foreach_mul_(variances, self._unbiased)
            torch._foreach_lerp_(
                [named["running_mean"] for named in buffers],
                self._means,
                first.momentum,
            )
            torch._foreach_lerp_(
                [named["running_var"] for named in buffers], variances, first.momentum
            )
            torch._foreach_add_([named["num_batches_tracked"] for named in buffers], 1)


def _by_norm(
    statistic: Tensor,
    norms: Sequence[nn.BatchNorm2d],
) -> Sequence[Tensor]:
    """Return the part of a statistic (channels,) that is each norm's: all of it where they are of the same channels."""
    parts = statistic.split(norms[0].num_features)
    return parts * len(norms) if len(parts) < len(norms) else parts


class _NodeSums:
    """What is added to the nodes of a cell: features of several targets side by side are added up before they part."""

    def __init__(
        self,
        inputs: Sequence[Tensor],
        nodes: int,
    ) -> None:
        self.terms: list[list[Tensor]] = [[x] for x in inputs]
        self.terms += [[] for _ in range(nodes - len(inputs))]
        self._side_by_side: dict[tuple[int, ...], Tensor] = {}

    def add(
        self,
        targets: Sequence[int],
        out: Tensor,
    ) -> None:
        """Add features of the targets, (batch, targets * channels, height, width)."""
        key = tuple(targets)
        before = self._side_by_side.get(key)
        self._side_by_side[key] = out if before is None else before.add_(out)

    def part(self) -> None:
        """Take the features added side by side apart, by target."""
        for targets, total in self._side_by_side.items():
            parts = total.chunk(len(targets), dim=1) if len(targets) > 1 else (total,)
            for target, part in zip(targets, parts, strict=True):
                self.terms[target].append(part)
        self._side_by_side.clear()


def _run(
    cell: _Cell,
    parts: _Parts,
    statistics: _Statistics,
    inputs: Sequence[Tensor],
) -> Tensor:
    """Return the features of a cell's output nodes; see :meth:`.CellModule.forward`."""
    module = cell.module
    kernels = iter(parts.kernels)
    scales = iter(parts.scales)
    mixers = iter(parts.mixers)
    sums = _NodeSums(module.prepared(inputs), module.cell.nodes)
    nodes: list[Tensor] = []
    for node in range(module.cell.nodes):
        terms = sums.terms[node]
        x = reduce(torch.add, terms) if terms else module.zeros(node, nodes[0])
        nodes.append(x)
        rectified = module.rectified(node, x, cell.counts)
        for group in cell.alike[node]:
            sums.add(
                group.targets,
                _run_alike(group, kernels, next(scales), statistics, rectified),
            )
        weightless = cell.weightless[node]
        if weightless is not None:
            sums.add(
                weightless.targets,
                _run_weightless(weightless, next(mixers), statistics, x),
            )
        sums.part()
        for operation in cell.others[node]:
            out = operation.module(rectified if operation.module.reads_rectified else x)
            sums.terms[operation.target].append(
                out * parts.weights[operation.edge][operation.choice]
            )
    outputs = [nodes[node] for node in module.cell.output]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


def _run_alike(
    group: _Alike,
    kernels: Iterator[Tensor],
    scale: Tensor,
    statistics: _Statistics,
    rectified: Tensor,
) -> Tensor:
    """Return the operations' output, weighed and side by side: (batch, edges * channels, height, width)."""
    x = rectified
    edges = len(group.modules)
    last = group.steps[-1]
    is_shared = True
    for step in group.steps:
        first = step[0]
        if isinstance(first, nn.Conv2d):
            groups = first.groups * edges
            if is_shared and first.groups > 1:
                x = x.repeat(1, edges, 1, 1)
            elif is_shared:
                groups = 1
            x = F.conv2d(
                x,
                next(kernels),
                None,
                first.stride,
                first.padding,
                first.dilation,
                groups,
            )
            is_shared = False
        elif isinstance(first, nn.BatchNorm2d):
            norms = [norm for norm in step if isinstance(norm, nn.BatchNorm2d)]
            x = statistics.normalised(x, norms, scale if step is last else None)
        else:
            x = first(x)
    return x


def _run_weightless(
    weightless: _Weightless,
    mixer: Tensor,
    statistics: _Statistics,
    x: Tensor,
) -> Tensor:
    """Return a node's features, as they are and pooled, mixed for all edges: (batch, edges * channels, h, w)."""
    features = [
        _apply_weightless(modules, statistics, x) for modules in weightless.modules
    ]
    side_by_side = torch.cat(features, dim=1) if len(features) > 1 else features[0]
    return F.conv2d(side_by_side, mixer)


def _apply_weightless(
    modules: Sequence[Operation],
    statistics: _Statistics,
    x: Tensor,
) -> Tensor:
    """Return the features (batch, channels, h, w) as an identity or a pooling gives them to all edges."""
    first = modules[0]
    if not isinstance(first, NormalisedPool):
        out: Tensor = first(x)
        return out
    norms = [module.norm for module in modules if isinstance(module, NormalisedPool)]
    return statistics.normalised(first.pool(x), norms)


def _kernel_size(convs: Sequence[nn.Conv2d]) -> int:
    return sum(conv.weight.numel() for conv in convs)


def _stacked(
    flat: Tensor,
    convs: Sequence[nn.Conv2d],
) -> Tensor:
    """Return the kernels of convolutions side by side, (convs * out, in, height, width) in channels-last memory."""
    out, channels, height, width = convs[0].weight.shape
    return flat.view(len(convs) * out, height, width, channels).permute(0, 3, 1, 2)
