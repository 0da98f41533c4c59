"""A supernet's cells in evaluation mode, folded into few large convolutions: for what looks at features only.

In evaluation mode normalisation is affine. So it folds into the convolution before it;
where an operation is one convolution, the mixture's weight folds in too, the 1x1 kernel
of an edge goes into its 3x3 kernel, and the edges that leave one node run as one
convolution. What is added up is what :class:`.CellModule` adds up, in another order:
features differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import chain, groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from archselect.nasbench_adapters.networks.mixture import CellSupport, Mixture
from archselect.nasbench_adapters.networks.network import (
    CellModule,
    PatternCount,
    PlacedOperation,
    RunCell,
    Supernet,
)
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    Count,
    DilatedConv,
    FactorizedReduction,
    MaxPool,
    NormalisedPool,
    Operation,
    Rectifier,
    SeparableConv,
    Skip,
)

FOLDED = (
    AveragePool,
    ConvNorm,
    DilatedConv,
    FactorizedReduction,
    MaxPool,
    NormalisedPool,
    SeparableConv,
    Skip,
)
"""Operations of which rounding is all that folding changes. Noise is drawn from the
bits of what it replaces.
"""


RunOperation = Callable[[Tensor, Count], Tensor]
"""A way to compute an operation's output from its input and from how often rectifiers
within it count.
"""


class FoldedSupernet:
    """A supernet whose forward gives the same with fewer and larger convolutions, for as long as its weights stay.

    Where they were moved in place since, as by training, they are folded anew.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self._tensors = [*supernet.parameters(), *supernet.buffers()]
        self._versions: list[int] = []
        self._cells: list[FoldedCell] = []
        self._folds_whole = all(can_fold(cell) for _, cell in supernet.cells())

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Return the logits, as :meth:`.Supernet.forward` in evaluation mode; no gradients."""
        logits: Tensor = self.supernet(images, mixture, self._way)
        return logits

    def candidates(self, images: Tensor, mixtures: Sequence[Mixture]) -> Tensor:
        """Return the logits (candidates, batch, classes) under mixtures for which :meth:`together` is true.

        What the candidates share is computed once; from where they differ on, their
        features lie one behind another in the batch, candidate by candidate.
        """
        assert mixtures[0].origin is not None
        origin, _ = mixtures[0].origin
        candidates = _Candidates.of(mixtures, len(images))
        way = partial(self._way, candidates=candidates)
        logits: Tensor = self.supernet(images, origin, way, mixtures)
        return candidates.repeated(logits).unflatten(0, (len(mixtures), len(images)))

    def together(self, mixtures: Sequence[Mixture]) -> bool:
        """Return whether :meth:`candidates` takes these: of one origin, differing on one edge, in cells that fold."""
        first = mixtures[0].origin
        if first is None or not self._folds_whole:
            return False
        origin, edge = first
        others = [mixture.origin for mixture in mixtures]
        return all(
            other is not None and other[0] is origin and other[1] == edge
            for other in others
        )

    @contextmanager
    def _way(
        self, mixture: Mixture, candidates: _Candidates | None = None
    ) -> Iterator[dict[CellModule, RunCell]]:
        versions = [tensor._version for tensor in self._tensors]
        if versions != self._versions:
            self._cells = [
                FoldedCell(type_, cell)
                for type_, cell in self.supernet.cells()
                if can_fold(cell)
            ]
            self._versions = versions
        yield {
            cell.module: partial(
                cell, mixture=_CellMixture.of(mixture, cell.type, candidates)
            )
            for cell in self._cells
        }


@dataclass(frozen=True)
class _Candidates:
    """Mixtures that differ on one edge of a cell type.

    Attributes:
        cell: index of the cell type.
        edge: index of the edge.
        rows: (candidates, operations) weights of the edge.
        support: per candidate, of the edge.
        batch: images of a candidate.
    """

    cell: int
    edge: int
    rows: Tensor
    support: list[tuple[bool, ...]]
    batch: int

    @classmethod
    def of(cls, mixtures: Sequence[Mixture], batch: int) -> _Candidates:
        """Return mixtures with one origin as candidates."""
        assert mixtures[0].origin is not None
        _, (cell, edge) = mixtures[0].origin
        rows = torch.stack([mixture.weights[cell][edge] for mixture in mixtures])
        support = [mixture.support[cell][edge] for mixture in mixtures]
        return cls(cell, edge, rows, support, batch)

    def has_all(self, x: Tensor) -> bool:
        """Return whether features are of all candidates, not shared by them."""
        return len(x) > self.batch

    def repeated(self, x: Tensor) -> Tensor:
        """Return the features of all candidates, (candidates * batch, ...): those given, or repeated if shared."""
        if self.has_all(x):
            return x
        once = [1] * (x.dim() - 1)
        return x.repeat(len(self.rows), *once)

    def copied(self, x: Tensor) -> Tensor:
        """Return the features of all candidates, (candidates * batch, ...), in new memory."""
        return x.clone() if self.has_all(x) else self.repeated(x)

    def split(self, x: Tensor) -> Sequence[Tensor]:
        """Return the features of each candidate, (batch, ...)."""
        return x.chunk(len(self.rows)) if self.has_all(x) else [x] * len(self.rows)

    def factor(self, choice: int) -> Tensor:
        """Return the weight of an operation on the edge, image by image: (candidates * batch, 1, 1, 1)."""
        return self.rows[:, choice].repeat_interleave(self.batch).view(-1, 1, 1, 1)


@dataclass(frozen=True)
class _CellMixture:
    """The part of a mixture, and of its candidates, that is of one cell.

    Attributes:
        table: (edges, operations) weights.
        support: which of them are not zero.
        candidates: None where there is one mixture only.
        edge: index of the edge on which the candidates differ, None if it is none of
            this cell.
    """

    table: Tensor
    support: CellSupport
    candidates: _Candidates | None
    edge: int | None

    @classmethod
    def of(
        cls, mixture: Mixture, cell: int, candidates: _Candidates | None
    ) -> _CellMixture:
        """Return the part that is of a cell type."""
        edge = (
            candidates.edge
            if candidates is not None and candidates.cell == cell
            else None
        )
        return cls(mixture.weights[cell], mixture.support[cell], candidates, edge)

    @cached_property
    def supports(self) -> list[CellSupport]:
        """Supports of the candidates; one where they do not differ in this cell."""
        if self.candidates is None or self.edge is None:
            return [self.support]
        before = self.support[: self.edge]
        after = self.support[self.edge + 1 :]
        return [(*before, row, *after) for row in self.candidates.support]

    def is_live(self, operation: PlacedOperation) -> bool:
        """Return whether any candidate has an operation."""
        return any(
            support[operation.edge][operation.choice] for support in self.supports
        )

    def live(self, operation: PlacedOperation) -> Count:
        """Return how often a live operation counts: by candidate where they differ on its edge."""
        if operation.edge != self.edge:
            return 1
        return tuple(
            int(support[operation.edge][operation.choice]) for support in self.supports
        )

    def factor(self, operation: PlacedOperation) -> Tensor:
        """Return the weight of an operation: a number, or one for each image of all candidates."""
        if self.candidates is not None and operation.edge == self.edge:
            return self.candidates.factor(operation.choice)
        return self.table[operation.edge, operation.choice]

    def pattern_counts(self, cell: CellModule) -> list[PatternCount]:
        """Return how often the pattern of each node of the cell counts."""
        by_candidate = [cell.pattern_counts(support) for support in self.supports]
        return [_merge_counts(counts) for counts in zip(*by_candidate, strict=True)]


def _merge_counts(counts: Sequence[PatternCount]) -> PatternCount:
    """Return how often a node's pattern counts for all candidates."""
    live, blank = zip(*counts, strict=True)
    return PatternCount(_one_if_equal(live), _one_if_equal(blank))


def _one_if_equal(counts: tuple[int, ...]) -> Count:
    return counts[0] if len(set(counts)) == 1 else counts


class FoldedCell:
    """A cell with its weights folded, as they are when it is made; see :func:`can_fold`.

    Args:
        type_: index of the cell type.
        module: the cell.
    """

    def __init__(self, type_: int, module: CellModule) -> None:
        self.type = type_
        self.module = module
        self._separate: list[list[_Separate]] = [[] for _ in range(module.cell.nodes)]
        dense: dict[int, list[_DenseEdge]] = {}
        for entering in module.incoming:
            for _, operations in groupby(
                entering, key=lambda operation: operation.edge
            ):
                self._place_edge(list(operations), dense)
        self._dense = {source: _Dense(edges) for source, edges in dense.items()}

    def _place_edge(
        self, operations: Sequence[PlacedOperation], dense: dict[int, list[_DenseEdge]]
    ) -> None:
        """Sort an edge's operations into those that run together and those that run by themselves.

        Args:
            operations: of the edge, at least one.
            dense: by the node that they leave, the edges whose convolutions run
                together so far.
        """
        convs: dict[int, ConvNorm] = {}
        for operation in operations:
            module = operation.module
            if isinstance(module, ConvNorm) and module.conv.stride == (1, 1):
                convs[operation.choice] = module
        first = operations[0]
        edges = dense.get(first.source, [])
        # One convolution for all of a node's edges needs the same choices on them.
        alike = all(convs.keys() == other.convs.keys() for other in edges)
        if convs and alike:
            dense[first.source] = [*edges, _DenseEdge(first.edge, first.target, convs)]
        for operation in operations:
            if operation.choice not in convs or not alike:
                run = _fold_operation(operation.module)
                self._separate[first.source].append(_Separate(operation, run))

    def __call__(self, inputs: Sequence[Tensor], mixture: _CellMixture) -> Tensor:
        """Return the features of the output nodes; see :meth:`.CellModule.forward`.

        Args:
            inputs: one (batch, channels, height, width) tensor per input node, of all
                candidates or shared by them.
            mixture: what goes forward.
        """
        module = self.module
        prepared = module.prepared(inputs)
        missing = [None] * (module.cell.nodes - len(prepared))
        totals = _Totals([*prepared, *missing], mixture.candidates)
        counts = mixture.pattern_counts(module)
        for node in range(module.cell.nodes):
            x = totals.nodes[node]
            if x is None:
                x = totals.nodes[node] = module.zeros(node, prepared[0])
            source = _Source(x, module.rectified(node, x, counts))
            if node in self._dense:
                _add_dense(self._dense[node], source.rectified, mixture, totals)
            for operation, run in self._separate[node]:
                if mixture.is_live(operation):
                    out = source.apply(operation.module, run, mixture.live(operation))
                    totals.add(operation.target, out, mixture.factor(operation))
        return totals.concatenated(module.cell.output)


class _Separate(NamedTuple):
    """An operation that runs by itself."""

    operation: PlacedOperation
    run: RunOperation


class _DenseEdge(NamedTuple):
    """The convolutions of stride 1 on one edge, by choice, and the node that the edge enters."""

    edge: int
    target: int
    convs: dict[int, ConvNorm]

    def folded(self, choices: Sequence[int]) -> list[_Affine]:
        """Return the convolutions of the choices, each with its normalisation folded in."""
        return [
            _fold(self.convs[choice].conv, self.convs[choice].norm)
            for choice in choices
        ]


class _Source:
    """A node that operations read: its features as they are, rectified, and pooled once for all."""

    def __init__(self, features: Tensor, rectified: Tensor) -> None:
        self.features = features
        self.rectified = rectified
        self._pooled: dict[type[nn.Module], Tensor] = {}

    def apply(self, module: Operation, run: RunOperation, live: Count) -> Tensor:
        """Return an operation's output.

        `live` is how often rectifiers within it count.
        """
        if isinstance(module, NormalisedPool):
            normalised: Tensor = module.norm(self._pool(module.pool))
            return normalised
        if isinstance(module, AveragePool | MaxPool):
            return self._pool(module)
        return run(self.rectified if module.reads_rectified else self.features, live)

    def _pool(self, pool: nn.Module) -> Tensor:
        kind = type(pool)
        if kind not in self._pooled:
            self._pooled[kind] = _pooled(pool, self.features)
        return self._pooled[kind]


class _Totals:
    """The nodes of a cell while they are added up, in place once a total shares its memory with nothing else.

    Args:
        nodes: (batch, channels, height, width) where something has been added; it may
            be a part of a wider tensor.
        candidates: None where there is one mixture only. A node is of all candidates as
            soon as something that is added is.
    """

    def __init__(
        self, nodes: list[Tensor | None], candidates: _Candidates | None
    ) -> None:
        self.nodes = nodes
        self._candidates = candidates
        self._owned: set[int] = set()

    def add(self, node: int, out: Tensor, factor: Tensor | None = None) -> None:
        """Add `out`, weighed by `factor` (one number, or one per image)."""
        total = self.nodes[node]
        length = max(len(x) for x in (total, out, factor) if x is not None and x.dim())
        out = self._of_length(out, length)
        if total is None:
            self.nodes[node] = out if factor is None else out * factor
        elif len(total) == length and node in self._owned:
            total.add_(out) if factor is None else total.addcmul_(out, factor)
        else:
            total = self._of_length(total, length)
            self.nodes[node] = (
                total + out if factor is None else torch.addcmul(total, out, factor)
            )
        if total is not None or factor is not None:
            self._owned.add(node)

    def add_each(self, node: int, outs: Sequence[Tensor | None]) -> None:
        """Add to every candidate its own output, or nothing."""
        assert self._candidates is not None
        present = [out for out in outs if out is not None]
        if not present:
            return
        total = self.nodes[node]
        if total is None:
            zeros = torch.zeros_like(present[0])
            self.nodes[node] = torch.cat(
                [zeros if out is None else out for out in outs]
            )
        else:
            if node not in self._owned or not self._candidates.has_all(total):
                total = self._candidates.copied(total)
            for part, out in zip(self._candidates.split(total), outs, strict=True):
                if out is not None:
                    part.add_(out)
            self.nodes[node] = total
        self._owned.add(node)

    def concatenated(self, output: Sequence[int]) -> Tensor:
        """Return the features of the output nodes side by side."""
        features = [x for node in output if (x := self.nodes[node]) is not None]
        if len(features) == 1:
            return features[0]
        longest = max(map(len, features))
        return torch.cat([self._of_length(x, longest) for x in features], dim=1)

    def _of_length(self, x: Tensor, length: int) -> Tensor:
        """Return features that all candidates share repeated, where the length is that of all candidates."""
        if self._candidates is None or len(x) == length:
            return x
        return self._candidates.repeated(x)


def can_fold(cell: CellModule) -> bool:
    """Return whether all operations of a cell are among :data:`FOLDED`."""
    return all(type(operation.module) in FOLDED for operation in cell.operations)


class _Affine(NamedTuple):
    """A convolution with the normalisation after it folded in: kernel (out, in, side, side) and shift (out,)."""

    kernel: Tensor
    shift: Tensor

    @property
    def side(self) -> int:
        """Height and width of the kernel."""
        return self.kernel.shape[-1]


class _Dense:
    """The convolutions of stride 1 on the edges that leave one node, run as one.

    Args:
        edges: of the node, with convolutions of the same choices.

    Attributes:
        edges: their indices.
    """

    def __init__(self, edges: Sequence[_DenseEdge]) -> None:
        self.edges = [each.edge for each in edges]
        self._targets = [each.target for each in edges]
        self._choices = sorted(edges[0].convs)
        rows = [each.folded(self._choices) for each in edges]
        self._side = max(conv.side for conv in chain.from_iterable(rows))
        channels_out, channels_in = rows[0][0].kernel.shape[:2]
        # As they lie in memory channels-last, so that a mixture of them needs no copy.
        self._shape = (channels_out, self._side, self._side, channels_in)
        self._kernels = torch.stack([_stack_kernels(row, self._side) for row in rows])
        self._shifts = torch.stack([_stack_shifts(row) for row in rows])
        self._sides = [self._sides_of(row) for row in rows]
        # Of the table, as the products want them: (edges, 1, choices).
        device = self._kernels.device
        self._rows = torch.tensor(self.edges, device=device).view(-1, 1, 1)
        self._columns = torch.tensor(self._choices, device=device).view(1, 1, -1)

    def __call__(self, x: Tensor, mixture: _CellMixture) -> list[tuple[int, Tensor]]:
        """Return (node, what is added to it) for every edge with a live convolution.

        The edge on which candidates differ is left out.

        Args:
            x: the rectified features, (batch, channels, height, width).
            mixture: what goes forward.
        """
        weights = mixture.table[self._rows, self._columns]
        kernels = torch.bmm(weights, self._kernels).view(len(self.edges), *self._shape)
        shifts = torch.bmm(weights, self._shifts).squeeze(1)
        sides = [
            0 if edge == mixture.edge else self._live_side(place, mixture.support[edge])
            for place, edge in enumerate(self.edges)
        ]
        added: list[tuple[int, Tensor]] = []
        for side in dict.fromkeys((self._side, 1)):
            places = [
                place for place, live_side in enumerate(sides) if live_side == side
            ]
            if not places:
                continue
            kernel = kernels
            shift = shifts
            if len(places) < len(self.edges):
                kernel = kernels[places]
                shift = shifts[places]
            out = self._conv(x, kernel.flatten(0, 1), shift.flatten(), side)
            targets = [self._targets[place] for place in places]
            added += zip(targets, out.chunk(len(places), dim=1), strict=True)
        return added

    def each(
        self, x: Tensor, edge: int, candidates: _Candidates
    ) -> tuple[int, list[Tensor | None]]:
        """Return the node that an edge enters, and what every candidate adds to it."""
        place = self.edges.index(edge)
        weights = candidates.rows[:, self._choices]
        kernels = weights @ self._kernels[place]
        shifts = weights @ self._shifts[place]
        outs: list[Tensor | None] = []
        for part, support, kernel, shift in zip(
            candidates.split(x), candidates.support, kernels, shifts, strict=True
        ):
            side = self._live_side(place, support)
            outs.append(
                self._conv(part, kernel.view(self._shape), shift, side)
                if side
                else None
            )
        return self._targets[place], outs

    def _sides_of(self, row: Sequence[_Affine]) -> list[int]:
        """Return per convolution of an edge the side with which it is run: 1, or that of the largest."""
        return [self._side if conv.side > 1 else 1 for conv in row]

    def _live_side(self, place: int, support: Sequence[bool]) -> int:
        """Return the side of an edge's largest live convolution; 0 if none is live."""
        sides = zip(self._choices, self._sides[place], strict=True)
        return max((side for choice, side in sides if support[choice]), default=0)

    def _conv(self, x: Tensor, kernel: Tensor, shift: Tensor, side: int) -> Tensor:
        """Return the convolution with the middle of a kernel, channels last; outside of `side` it is zero."""
        margin = (self._side - side) // 2
        middle = kernel[:, margin : margin + side, margin : margin + side].permute(
            0, 3, 1, 2
        )
        return F.conv2d(
            x,
            middle.contiguous(memory_format=torch.channels_last),
            shift,
            padding=side // 2,
        )


def _add_dense(
    dense: _Dense, rectified: Tensor, mixture: _CellMixture, totals: _Totals
) -> None:
    """Add what a node's convolutions of stride 1 give to the totals."""
    for target, out in dense(rectified, mixture):
        totals.add(target, out)
    if mixture.candidates is not None and mixture.edge in dense.edges:
        target, outs = dense.each(rectified, mixture.edge, mixture.candidates)
        totals.add_each(target, outs)


def _stack_kernels(row: Sequence[_Affine], side: int) -> Tensor:
    """Return the kernels of an edge, (choices, out * side * side * in), each with zeros around up to one side."""
    grown = [_grown(conv.kernel, side) for conv in row]
    return torch.stack([kernel.permute(0, 2, 3, 1).flatten() for kernel in grown])


def _stack_shifts(row: Sequence[_Affine]) -> Tensor:
    """Return the shifts of an edge, (choices, out)."""
    return torch.stack([conv.shift for conv in row])


def _pooled(pool: nn.Module, x: Tensor) -> Tensor:
    """Return pooled features in memory that nothing else shares."""
    is_average = type(pool) is AveragePool and pool.stride == 1
    if x.device.type != "cpu" or not is_average or min(x.shape[2:]) < 2:
        pooled: Tensor = pool(x)
        return pooled
    # Nine neighbours everywhere, of which a border has six and a corner four.
    channels = x.shape[1]
    out = F.conv2d(x, _ninths(channels, x.dtype), padding=1, groups=channels)
    for border in (out[:, :, 0], out[:, :, -1], out[..., 0], out[..., -1]):
        border.mul_(1.5)
    return out


@lru_cache(maxsize=64)
def _ninths(channels: int, dtype: torch.dtype) -> Tensor:
    """Return the kernel of the average of the 3x3 neighbourhood in every channel, (channels, 1, 3, 3)."""
    return torch.full((channels, 1, 3, 3), 1 / 9, dtype=dtype)


def _fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> _Affine:
    """Return a convolution and the normalisation after it as one convolution."""
    assert norm.running_mean is not None and norm.running_var is not None
    kernel, shift = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    return _Affine(kernel.detach(), shift.detach())


def _fold_operation(module: nn.Module) -> RunOperation:
    """Return a way to run a module in which every convolution and the normalisation after it are one."""
    if not isinstance(module, nn.Sequential):
        return lambda x, seen: module(x)
    steps: list[Callable[[Tensor], Tensor]] = []
    parts = list(module)
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            steps.append(_FoldedConv(part, _fold(part, after)))
        elif not isinstance(part, nn.BatchNorm2d):
            steps.append(part)

    def run(x: Tensor, seen: Count) -> Tensor:
        for step in steps:
            x = step(x, seen=seen) if isinstance(step, Rectifier) else step(x)
        return x

    return run


class _FoldedConv:
    """A convolution with the kernel and shift of another one."""

    def __init__(self, conv: nn.Conv2d, folded: _Affine) -> None:
        self._conv = conv
        self._folded = folded

    def __call__(self, x: Tensor) -> Tensor:
        return self._conv._conv_forward(x, self._folded.kernel, self._folded.shift)


def _grown(kernel: Tensor, side: int) -> Tensor:
    """Return the same convolution with a larger kernel, zero around."""
    margin = (side - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin,) * 4)
