"""A supernet's cells in training mode with few large kernels.

At the papers' sizes a GPU spends most of its time on launching kernels. So all
operations that read one node are computed together. The node is rectified once.
Operations of one kind on all its edges run as one. Their convolutions have concatenated
kernels (grouped convolutions if they read different features). Their normalisations run
as one, and the last one has the mixture's weights as its scale. Operations without
weights (identity, pooling) are computed once, and one pointwise convolution mixes them
for all edges. A few operations per forward concatenate the kernels and mixtures of all
cells. The sums have the same terms as in :class:`.CellModule`, in another order, so
features and gradients differ by rounding.
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
    """A place in a cell type's mixture.

    Attributes:
        edge: index of the edge.
        choice: index of the operation.
    """

    edge: int
    choice: int


MOST_PLANS = 64
"""Number of supports whose plan is kept."""


class FusedSupernet:
    """A supernet that computes the same in training mode with fewer, larger kernels.

    In evaluation mode it runs the unchanged supernet. Cells that :func:`can_fuse`
    refuses also run unchanged.

    Args:
        supernet: the supernet, whose weights are read and whose running statistics are
            updated.
        always: whether cells are always fused. If not, cells run unchanged on a CPU in
            a forward without gradients, or if they have depthwise convolutions, which
            would need a third of the kernels but twice the time. On a GPU, they run
            unchanged in a forward with gradients: there, in float32 and at the papers'
            size, gradients of the alphas were wrong by up to a quarter, for unknown
            reasons (docs/speed.md).
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
        """Return the logits (batch, classes), like :meth:`.Supernet.forward`."""
        logits: Tensor = self.supernet(images, mixture, self.replace_cells)
        return logits

    @contextmanager
    def replace_cells(self, mixture: Mixture) -> Iterator[dict[CellModule, RunCell]]:
        """Yield the replacements of cells for :meth:`.Supernet.forward`."""
        if not self._fuses(mixture):
            yield {}
            return
        plan = self._plan(mixture)
        statistics = _RunningStatistics()
        runs: dict[CellModule, RunCell] = {}
        for cell, tensors in plan.cell_tensors(mixture).items():
            runs[cell.module] = partial(_run_cell, cell, tensors, statistics)
        yield runs
        statistics.update()

    def _fuses(self, mixture: Mixture) -> bool:
        """Return whether cells are fused in this forward.

        They are not if the mixture has skips beside its edges.
        """
        if not self.supernet.training or mixture.side_weight is not None:
            return False
        on_cpu = mixture.weights[0].device.type == "cpu"
        return self._always or torch.is_grad_enabled() == on_cpu

    def _plan(self, mixture: Mixture) -> _FusionPlan:
        """Return the plan for the mixture's support; make it at the first forward."""
        table = mixture.weights[0]
        key = (mixture.support, table.device, table.dtype)
        if key not in self._plans:
            if len(self._plans) == MOST_PLANS:
                self._plans.clear()
            depthwise = self._always or table.device.type != "cpu"
            self._plans[key] = _FusionPlan(self.supernet, mixture, depthwise)
        return self._plans[key]


def can_fuse(
    cell: CellModule,
    depthwise: bool = True,
) -> bool:
    """Return whether a cell can be fused.

    It can if :func:`.can_fold` is true and it has no depthwise convolutions, or if
    `depthwise` allows them.
    """
    if not can_fold(cell):
        return False
    if depthwise:
        return True
    modules = cell.modules()
    return not any(isinstance(m, SeparableConv | DilatedConv) for m in modules)


@dataclass(frozen=True)
class _Group:
    """Operations of one kind on edges from one node.

    They have convolutions and normalisations in the same order.

    Attributes:
        modules: one module per edge.
        entries: places of the modules in the mixture.
        targets: target nodes of the edges.
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
        """For each step of the operation, the modules of all edges."""
        return list(zip(*self.modules, strict=True))

    @property
    def convs(self) -> list[list[nn.Conv2d]]:
        """For each step that is a convolution, the convolutions of all edges."""
        by_step = []
        for step in self.steps:
            convs = [module for module in step if isinstance(module, nn.Conv2d)]
            if convs:
                by_step.append(convs)
        return by_step


OnEdge = dict[str, PlacedOperation]
"""Identities and poolings on one edge, by kind."""


@dataclass(frozen=True)
class _Weightless:
    """Identities and poolings on edges from one node.

    Attributes:
        modules: for each kind, the modules of all edges. They compute the same, but
            normalised ones have separate running statistics.
        entries: for each edge and kind, the place in the mixture; None if it is not
            live.
        targets: target nodes of the edges.
    """

    modules: list[list[Operation]]
    entries: list[list[Entry | None]]
    targets: list[int]

    @classmethod
    def of(cls, operations: Sequence[PlacedOperation]) -> _Weightless:
        """Return the identities and poolings on edges from one node."""
        by_edge: dict[int, OnEdge] = {}
        targets: dict[int, int] = {}
        for operation in operations:
            on_edge = by_edge.setdefault(operation.edge, {})
            on_edge[_kind(operation.module)] = operation
            targets[operation.edge] = operation.target
        all_kinds = chain.from_iterable(by_edge.values())
        kinds = list(dict.fromkeys(all_kinds))
        modules = [_modules_of_kind(by_edge.values(), kind) for kind in kinds]
        entries = [_entries_of_edge(on_edge, kinds) for on_edge in by_edge.values()]
        return cls(modules, entries, list(targets.values()))


def _kind(module: Operation) -> str:
    """Return the kind of an identity or a pooling, without its normalisation."""
    weightless = module.pool if isinstance(module, NormalisedPool) else module
    return type(weightless).__name__


def _modules_of_kind(
    edges: Iterable[OnEdge],
    kind: str,
) -> list[Operation]:
    """Return the modules of a kind, from all edges that have one."""
    return [on_edge[kind].module for on_edge in edges if kind in on_edge]


def _entries_of_edge(
    on_edge: OnEdge,
    kinds: Sequence[str],
) -> list[Entry | None]:
    """Return the places of an edge's operations in the mixture, by kind.

    The place is None for a kind that the edge does not have.
    """
    entries: list[Entry | None] = []
    for kind in kinds:
        operation = on_edge.get(kind)
        if operation is None:
            entries.append(None)
        else:
            entries.append(Entry(operation.edge, operation.choice))
    return entries


class _LiveCell:
    """The live operations of a cell, by source node and kind.

    Args:
        cell_type: index of the cell type.
        module: the cell.
        support: which operations are live.

    Attributes:
        counts: count of each node's pattern.
        groups: for each node, the groups of operations of one kind.
        weightless: for each node, its identities and poolings; None if there are none.
        others: for each node, the operations that run separately.
    """

    def __init__(
        self,
        cell_type: int,
        module: CellModule,
        support: CellSupport,
    ) -> None:
        self.cell_type = cell_type
        self.module = module
        self.counts = module.pattern_counts(support)
        nodes = range(module.cell.nodes)
        groups: list[dict[Hashable, _Group]] = [{} for _ in nodes]
        weightless: list[list[PlacedOperation]] = [[] for _ in nodes]
        self.others: list[list[PlacedOperation]] = [[] for _ in nodes]
        for operation in module.operations:
            if not support[operation.edge][operation.choice]:
                continue
            source = operation.source
            part = operation.module
            if isinstance(part, ConvNorm | SeparableConv | DilatedConv):
                group = groups[source].setdefault(_shape(part), _Group())
                group.add(operation)
            elif isinstance(part, Skip | AveragePool | MaxPool | NormalisedPool):
                weightless[source].append(operation)
            else:
                self.others[source].append(operation)
        self.groups = [list(by_shape.values()) for by_shape in groups]
        self.weightless: list[_Weightless | None] = []
        for operations in weightless:
            self.weightless.append(_Weightless.of(operations) if operations else None)

    @property
    def all_groups(self) -> Iterable[_Group]:
        """Groups of operations of one kind, node by node."""
        return chain.from_iterable(self.groups)

    @property
    def mixed(self) -> list[_Weightless]:
        """Identities and poolings of the nodes that have some."""
        return [weightless for weightless in self.weightless if weightless is not None]


def _shape(operation: nn.Sequential) -> Hashable:
    """Return the key that operations of one kind share."""
    first = operation[0]
    assert isinstance(first, nn.Conv2d)
    return type(operation), first.kernel_size


class _Stack(NamedTuple):
    """Convolutions of a cell that run as one."""

    cell: _LiveCell
    convs: list[nn.Conv2d]

    @property
    def size(self) -> int:
        """Number of weights of all its convolutions."""
        return sum(conv.weight.numel() for conv in self.convs)


class _FusionPlan:
    """The operations that run together in all cells under a support.

    It also concatenates the weights for them.
    """

    def __init__(
        self,
        supernet: Supernet,
        mixture: Mixture,
        depthwise: bool,
    ) -> None:
        self._supernet = supernet
        self.cells: list[_LiveCell] = []
        for cell_type, module in supernet.cells():
            if can_fuse(module, depthwise):
                support = mixture.support[cell_type]
                self.cells.append(_LiveCell(cell_type, module, support))
        self._stacks: list[_Stack] = []
        for cell in self.cells:
            for group in cell.all_groups:
                self._stacks += [_Stack(cell, convs) for convs in group.convs]
        self._twins = self._find_twins(mixture)

    def _find_twins(self, mixture: Mixture) -> list[_Twins]:
        """Return the cells by type and width."""
        layers = self._supernet.layers_by_type()
        alike: dict[tuple[int, int], list[_LiveCell]] = {}
        for cell in self.cells:
            key = (cell.cell_type, cell.module.channels[-1])
            alike.setdefault(key, []).append(cell)
        twins = []
        for (cell_type, _), cells in alike.items():
            of_type = layers[cell_type]
            places = [of_type.index(cell.module) for cell in cells]
            twins.append(_Twins(cells, places, mixture.weights[cell_type]))
        return twins

    def cell_tensors(self, mixture: Mixture) -> dict[_LiveCell, _CellTensors]:
        """Return the kernels and mixture weights that every cell needs."""
        apart = {cell.module for cell in self.cells if any(cell.others)}
        weights = self._supernet.entries(mixture, apart)
        tensors = {}
        for cell in self.cells:
            own_weights = weights.get(cell.module, ())
            tensors[cell] = _CellTensors(own_weights)
        if self._stacks:
            self._stack_kernels(tensors)
        for twins in self._twins:
            weights_of_twins = mixture.tables(twins.cell_type, twins.places)
            table = F.pad(weights_of_twins, (0, 1))
            scales = twins.scales(table)
            mixers = twins.mixers(table)
            for place, cell in enumerate(twins.cells):
                tensors[cell].scales = scales[place]
                tensors[cell].mixers = mixers[place]
        return tensors

    def _stack_kernels(self, tensors: dict[_LiveCell, _CellTensors]) -> None:
        """Concatenate copies of the kernels of convolutions that run together."""
        kernels = []
        for stack in self._stacks:
            for conv in stack.convs:
                channels_last = conv.weight.permute(0, 2, 3, 1)
                kernels.append(channels_last.reshape(-1))
        flat = torch.cat(kernels)
        pieces = flat.split([stack.size for stack in self._stacks])
        for piece, stack in zip(pieces, self._stacks, strict=True):
            kernel = _stacked_kernel(piece, stack.convs)
            tensors[stack.cell].kernels.append(kernel)


@dataclass
class _CellTensors:
    """Tensors that a cell needs in one forward, in the order of their use.

    Attributes:
        weights: weights of the mixture by edge and operation, if an operation runs
            separately.
        kernels: concatenated kernels of each joint convolution.
        scales: scale of each group of operations, (edges * channels,).
        mixers: kernel that mixes identities and poolings of each node with some,
            (edges * channels, kinds * channels, 1, 1).
    """

    weights: Weights
    kernels: list[Tensor] = field(default_factory=list)
    scales: list[Tensor] = field(default_factory=list)
    mixers: list[Tensor] = field(default_factory=list)


class _Twins:
    """Cells of one type and width, whose parts of the mixture are computed together.

    Every cell gets a separate copy, so that gradients are summed once and not cell by
    cell.

    Args:
        cells: the cells, at least one.
        places: indices of the cells among all of the type.
        weights: mixture of the type, (edges, operations) or (layers, edges,
            operations).

    Attributes:
        cell_type: index of the cell type.
    """

    def __init__(
        self,
        cells: list[_LiveCell],
        places: list[int],
        weights: Tensor,
    ) -> None:
        first = cells[0]
        self.cells = cells
        self.cell_type = first.cell_type
        self.places = places
        self._channels = first.module.channels[-1]
        groups = list(first.all_groups)
        self._scale_sizes = [len(group.entries) * self._channels for group in groups]
        entries = chain.from_iterable(group.entries for group in groups)
        self._scale_index = _places_in_table(entries, weights)
        self._kinds = [len(node.modules) for node in first.mixed]
        self._mixer_index: dict[int, Tensor] = {}
        self._mixer_sizes: dict[int, list[int]] = {}
        # Nodes with equal numbers of kinds have matrices of one shape.
        for kinds in dict.fromkeys(self._kinds):
            self._index_mixers(kinds, weights)
        self._identity = torch.eye(
            self._channels, dtype=weights.dtype, device=weights.device
        )

    def _index_mixers(
        self,
        kinds: int,
        weights: Tensor,
    ) -> None:
        """Store the places in a table of the mixers of nodes with `kinds` kinds."""
        mixed = self.cells[0].mixed
        nodes = [node for node in mixed if len(node.modules) == kinds]
        rows = chain.from_iterable(node.entries for node in nodes)
        entries = chain.from_iterable(rows)
        self._mixer_index[kinds] = _places_in_table(entries, weights)
        self._mixer_sizes[kinds] = [
            len(node.entries) * self._channels for node in nodes
        ]

    def scales(self, table: Tensor) -> list[list[Tensor]]:
        """Return the weights of the edges of each cell and group of operations.

        Each is (edges * channels,), with the edge's weight for all its channels.

        Args:
            table: mixture of each cell, then a zero, (cells, edges * operations + 1).
        """
        count = len(self.cells)
        sizes = self._scale_sizes
        if not sizes:
            return [[]] * count
        rows = table.index_select(1, self._scale_index)
        # Normalisation needs its scale in contiguous memory, so even a single row is
        # copied.
        column = rows[:, :, None]
        by_channel = column.expand(-1, -1, self._channels)
        copies = by_channel.contiguous()
        pieces = copies.view(-1).split(sizes * count)
        by_cell = []
        for start in range(0, len(pieces), len(sizes)):
            end = start + len(sizes)
            by_cell.append(list(pieces[start:end]))
        return by_cell

    def mixers(self, table: Tensor) -> list[list[Tensor]]:
        """Return the matrices that mix a node's features for all its edges.

        They are sorted by cell and node, and mix unchanged and pooled features.

        Args:
            table: as for :meth:`scales`.
        """
        count = len(self.cells)
        matrices: dict[int, Iterator[Tensor]] = {}
        for kinds, index in self._mixer_index.items():
            rows = table.index_select(1, index)
            by_edge = rows.view(count, -1, 1, kinds, 1)
            blocks = by_edge * self._identity[:, None]
            flat = blocks.view(-1, kinds * self._channels, 1, 1)
            sizes = self._mixer_sizes[kinds] * count
            matrices[kinds] = iter(flat.split(sizes))
        by_cell = []
        for _ in range(count):
            by_cell.append([next(matrices[kinds]) for kinds in self._kinds])
        return by_cell


def _places_in_table(
    entries: Iterable[Entry | None],
    weights: Tensor,
) -> Tensor:
    """Return the indices of entries in a flattened table of weights, (entries,).

    The entry None means the zero after the table.
    """
    edges, operations = weights.shape[-2:]
    zero = edges * operations
    places = []
    for entry in entries:
        if entry is None:
            places.append(zero)
        else:
            places.append(entry.edge * operations + entry.choice)
    return torch.tensor(places).to(weights.device)


class _RunningStatistics:
    """Running statistics of normalisations, updated together after a forward."""

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
        """Return x with every channel normalised by the batch.

        It stores the batch's statistics for :meth:`update`.

        Args:
            x: features, (batch, channels, height, width).
            norms: normalisations of consecutive parts of the channels, or each of all
                channels.
            scale: scale of the result, (channels,); None for ones.
        """
        first = norms[0]
        out, mean, inverse = torch.native_batch_norm(
            x, scale, None, None, None, True, 0.0, first.eps
        )
        if first.track_running_stats and first.running_mean is not None:
            # Under autocast, the batch's statistics can have another precision.
            dtype = first.running_mean.dtype
            channels = x.shape[1]
            count = x.numel() / channels
            self._norms += norms
            self._means += _by_norm(mean.to(dtype), norms)
            self._inverses += _by_norm(inverse.to(dtype), norms)
            self._unbiased += [count / (count - 1)] * len(norms)
        return out

    def update(self) -> None:
        """Update the running statistics with those of the batch, like torch."""
        if not self._norms:
            return
        first = self._norms[0]
        assert first.momentum is not None
        buffers = [dict(norm.named_buffers()) for norm in self._norms]
        running_means = [named["running_mean"] for named in buffers]
        running_variances = [named["running_var"] for named in buffers]
        batches = [named["num_batches_tracked"] for named in buffers]
        with torch.no_grad():
            variances = list(torch._foreach_pow(self._inverses, -2))
            torch._foreach_sub_(variances, first.eps)
            torch._foreach_mul_(variances, self._unbiased)
            torch._foreach_lerp_(running_means, self._means, first.momentum)
            torch._foreach_lerp_(running_variances, variances, first.momentum)
            torch._foreach_add_(batches, 1)


def _by_norm(
    statistic: Tensor,
    norms: Sequence[nn.BatchNorm2d],
) -> Sequence[Tensor]:
    """Return each norm's part of a statistic (channels,).

    If all norms have the same channels, each part is the whole statistic.
    """
    parts = statistic.split(norms[0].num_features)
    return parts * len(norms) if len(parts) < len(norms) else parts


class _NodeSums:
    """Running sums of a cell's nodes.

    Concatenated features of several targets are summed before they are split.
    """

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
        """Add features of some targets, (batch, targets * channels, height, width)."""
        key = tuple(targets)
        before = self._side_by_side.get(key)
        self._side_by_side[key] = out if before is None else before.add_(out)

    def split(self) -> None:
        """Split concatenated sums, and add each part to its target."""
        for targets, total in self._side_by_side.items():
            if len(targets) == 1:
                self.terms[targets[0]].append(total)
                continue
            parts = total.chunk(len(targets), dim=1)
            for target, part in zip(targets, parts, strict=True):
                self.terms[target].append(part)
        self._side_by_side.clear()


def _run_cell(
    cell: _LiveCell,
    tensors: _CellTensors,
    statistics: _RunningStatistics,
    inputs: Sequence[Tensor],
) -> Tensor:
    """Return the features of a cell's output nodes, like :meth:`.CellModule.forward`.

    Args:
        cell: the cell.
        tensors: kernels and mixture weights for the cell.
        statistics: stores the batch's statistics.
        inputs: one (batch, channels, height, width) tensor per input node.
    """
    module = cell.module
    kernels = iter(tensors.kernels)
    scales = iter(tensors.scales)
    mixers = iter(tensors.mixers)
    sums = _NodeSums(module.prepared(inputs), module.cell.nodes)
    nodes: list[Tensor] = []
    for node in range(module.cell.nodes):
        terms = sums.terms[node]
        x = _add_up(terms) if terms else module.zeros(node, nodes[0])
        sum_norm = module.sum_norm(node)
        if terms and sum_norm is not None:
            x = statistics.normalised(x, [sum_norm])
        nodes.append(x)
        rectified = module.rectified(node, x, cell.counts)
        for group in cell.groups[node]:
            out = _run_group(group, kernels, next(scales), statistics, rectified)
            sums.add(group.targets, out)
        weightless = cell.weightless[node]
        if weightless is not None:
            out = _run_weightless(weightless, next(mixers), statistics, x)
            sums.add(weightless.targets, out)
        sums.split()
        for operation in cell.others[node]:
            part = operation.module
            out = part(rectified if part.reads_rectified else x)
            factor = tensors.weights[operation.edge][operation.choice]
            sums.terms[operation.target].append(out * factor)
    outputs = [nodes[node] for node in module.cell.output]
    return _concatenate(outputs)


def _run_group(
    group: _Group,
    kernels: Iterator[Tensor],
    scale: Tensor,
    statistics: _RunningStatistics,
    rectified: Tensor,
) -> Tensor:
    """Return the weighted outputs of the operations, concatenated over edges.

    They are (batch, edges * channels, height, width).

    Args:
        group: the operations.
        kernels: yields the kernel of each convolution.
        scale: scale of the last normalisation, (edges * channels,).
        statistics: stores the batch's statistics.
        rectified: rectified input features, (batch, channels, height, width).
    """
    x = rectified
    edges = len(group.modules)
    last = len(group.steps) - 1
    is_shared = True
    for number, step in enumerate(group.steps):
        first = step[0]
        if isinstance(first, nn.Conv2d):
            conv_groups = first.groups * edges
            if is_shared and first.groups > 1:
                x = x.repeat(1, edges, 1, 1)
            elif is_shared:
                conv_groups = 1
            x = F.conv2d(
                x,
                next(kernels),
                None,
                first.stride,
                first.padding,
                first.dilation,
                conv_groups,
            )
            is_shared = False
        elif isinstance(first, nn.BatchNorm2d):
            norms = [norm for norm in step if isinstance(norm, nn.BatchNorm2d)]
            x = statistics.normalised(x, norms, scale if number == last else None)
        else:
            x = first(x)
    return x


def _run_weightless(
    weightless: _Weightless,
    mixer: Tensor,
    statistics: _RunningStatistics,
    x: Tensor,
) -> Tensor:
    """Return a mix of a node's unchanged and pooled features, for all edges.

    They are (batch, edges * channels, height, width).

    Args:
        weightless: the identities and poolings.
        mixer: kernel of the mix, (edges * channels, kinds * channels, 1, 1).
        statistics: stores the batch's statistics.
        x: the node's features, (batch, channels, height, width).
    """
    features = []
    for modules in weightless.modules:
        features.append(_apply_weightless(modules, statistics, x))
    return F.conv2d(_concatenate(features), mixer)


def _add_up(terms: Sequence[Tensor]) -> Tensor:
    """Return the sum of features, added in order."""
    return reduce(torch.add, terms)


def _concatenate(features: Sequence[Tensor]) -> Tensor:
    """Return concatenated features; a single tensor is returned unchanged."""
    if len(features) == 1:
        return features[0]
    return torch.cat(list(features), dim=1)


def _apply_weightless(
    modules: Sequence[Operation],
    statistics: _RunningStatistics,
    x: Tensor,
) -> Tensor:
    """Return the output of an identity or a pooling, which is equal for all edges.

    Args:
        modules: modules of one kind, one per edge.
        statistics: stores the batch's statistics.
        x: input features, (batch, channels, height, width).
    """
    first = modules[0]
    if not isinstance(first, NormalisedPool):
        out: Tensor = first(x)
        return out
    norms = [module.norm for module in modules if isinstance(module, NormalisedPool)]
    pooled = first.pool(x)
    return statistics.normalised(pooled, norms)


def _stacked_kernel(
    flat: Tensor,
    convs: Sequence[nn.Conv2d],
) -> Tensor:
    """Return the concatenated kernels of convolutions, in channels-last memory.

    They are (convs * out, in, height, width).
    """
    out, channels, height, width = convs[0].weight.shape
    channels_last = flat.view(len(convs) * out, height, width, channels)
    return channels_last.permute(0, 3, 1, 2)
