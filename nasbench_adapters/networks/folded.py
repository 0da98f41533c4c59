"""A supernet's cells in evaluation mode, folded into few large convolutions: for what looks at features only.

In evaluation mode normalisation is affine. So it folds into the convolution before it; where an operation is one
convolution, the mixture's weight folds in too, the 1x1 kernel of an edge goes into its 3x3 kernel, and the edges that
leave one node run as one convolution. What is added up is what :class:`.CellModule` adds up, in another order: features
differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.network import CellModule, RunCell, Supernet, Support
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    Count,
    DilatedConv,
    FactorizedReduction,
    MaxPool,
    NormalisedPool,
    Rectifier,
    SeparableConv,
    Skip,
)

FOLDED = (AveragePool, ConvNorm, DilatedConv, FactorizedReduction, MaxPool, NormalisedPool, SeparableConv, Skip)
"""Operations of which rounding is all that folding changes. Noise is drawn from the bits of what it replaces."""


RunOperation = Callable[[Tensor, Count], Tensor]
"""An operation's output, from its input and how often rectifiers within it count."""


class FoldedSupernet:
    """A supernet whose forward gives the same with fewer and larger convolutions, for as long as its weights stay.

    Where they were moved in place since, as by training, they are folded anew.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self._tensors = [*supernet.parameters(), *supernet.buffers()]
        self._stamp: list[int] = []
        self._cells: dict[tuple[int, CellModule], FoldedCell] = {}
        self._folds_whole = all(can_fold(cell) for _, cell in supernet.cells())

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Logits, as of :meth:`.Supernet.forward` in evaluation mode; no gradients."""
        logits: Tensor = self.supernet(images, mixture, self._way)
        return logits

    def candidates(self, images: Tensor, mixtures: Sequence[Mixture]) -> Tensor:
        """Logits (candidates, batch, classes) under mixtures for which :meth:`together` says so.

        What the candidates share is computed once; from where they differ on, their features lie one behind another
        in the batch, candidate by candidate.
        """
        assert mixtures[0].origin is not None
        origin, _ = mixtures[0].origin
        varied = _Varied.of(mixtures, len(images))
        logits: Tensor = self.supernet(images, origin, partial(self._way, varied=varied), mixtures)
        return varied.spread(logits).unflatten(0, (len(mixtures), len(images)))

    def together(self, mixtures: Sequence[Mixture]) -> bool:
        """Whether :meth:`candidates` takes these: of one origin, differing on one edge, in cells that can fold."""
        first = mixtures[0].origin
        alike = first is not None and all(
            own.origin is not None and own.origin[0] is first[0] and own.origin[1] == first[1] for own in mixtures
        )
        return alike and self._folds_whole

    @contextmanager
    def _way(self, mixture: Mixture, varied: _Varied | None = None) -> Iterator[dict[CellModule, RunCell]]:
        stamp = [tensor._version for tensor in self._tensors]
        if stamp != self._stamp:
            self._cells = {(c, cell): FoldedCell(cell) for c, cell in self.supernet.cells() if can_fold(cell)}
            self._stamp = stamp
        yield {
            cell: partial(
                folded,
                table=mixture.weights[c],
                support=mixture.support[c],
                varied=varied,
                edge=varied.edge if varied is not None and varied.cell == c else None,
            )
            for (c, cell), folded in self._cells.items()
        }


@dataclass(frozen=True)
class _Varied:
    """Candidates: mixtures that differ on one edge of a cell type.

    Attributes:
        cell, edge: which.
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
    def of(cls, mixtures: Sequence[Mixture], batch: int) -> _Varied:
        """Of mixtures with one origin."""
        assert mixtures[0].origin is not None
        _, (cell, edge) = mixtures[0].origin
        rows = torch.stack([own.weights[cell][edge] for own in mixtures])
        return cls(cell, edge, rows, [own.support[cell][edge] for own in mixtures], batch)

    def spread(self, x: Tensor) -> Tensor:
        """The features of all candidates; as they are, or those that all share."""
        return x if len(x) > self.batch else x.repeat(len(self.rows), *[1] * (x.dim() - 1))

    def copied(self, x: Tensor) -> Tensor:
        """The features of all candidates, in memory of their own."""
        return x.clone() if len(x) > self.batch else self.spread(x)

    def each(self, x: Tensor) -> Sequence[Tensor]:
        """The features of each candidate."""
        return x.chunk(len(self.rows)) if len(x) > self.batch else [x] * len(self.rows)

    def factor(self, choice: int) -> Tensor:
        """The operation's weight on the edge, image by image."""
        return self.rows[:, choice].repeat_interleave(self.batch).view(-1, 1, 1, 1)


class FoldedCell:
    """A cell with its weights folded, as they are when it is made; see :func:`can_fold`."""

    def __init__(self, cell: CellModule) -> None:
        self.cell = cell
        self._others: list[list[tuple[int, int, int, nn.Module, RunOperation]]] = [[] for _ in range(cell.cell.nodes)]
        edges: dict[int, list[tuple[int, int, dict[int, ConvNorm]]]] = {}
        for target, node in enumerate(cell.incoming):
            for edge, source, modules in node:
                dense = {k: m for k, m in modules.items() if isinstance(m, ConvNorm) and m.conv.stride == (1, 1)}
                # One convolution for all of a node's edges needs the same choices on them.
                alike = all(dense.keys() == others.keys() for _, _, others in edges.get(source, ()))
                if dense and alike:
                    edges.setdefault(source, []).append((edge, target, dense))
                for k, module in modules.items():
                    if k not in dense or not alike:
                        self._others[source].append((edge, k, target, module, _fused(module)))
        self._dense = {source: _Dense(own) for source, own in edges.items()}

    def __call__(
        self,
        inputs: Sequence[Tensor],
        table: Tensor,
        support: Support,
        varied: _Varied | None = None,
        edge: int | None = None,
    ) -> Tensor:
        """See :meth:`.CellModule.forward`.

        Args:
            inputs: one (batch, channels, h, w) tensor per input node, of all candidates or shared by them.
            table: the mixture's (edges, operations) weights.
            support: what of it is not zero.
            varied: the candidates, if there are several.
            edge: on which they differ, if it is one of this cell.
        """
        cell = self.cell
        nodes = cell.prepared(inputs)
        totals = _Totals([*nodes, *[None] * (cell.cell.nodes - len(nodes))], varied)
        supports = [support]
        if varied is not None and edge is not None:
            supports = [(*support[:edge], row, *support[edge + 1 :]) for row in varied.support]
        seen = _of_each([cell.seen(own) for own in supports])
        for source in range(cell.cell.nodes):
            x = totals.nodes[source]
            if x is None:
                x = totals.nodes[source] = cell.zeros(source, nodes[0])
            rectified = cell.rectified(source, x, seen)
            if source in self._dense:
                dense = self._dense[source]
                for target, out in dense(rectified, table, support, without=edge):
                    totals.add(target, out)
                if varied is not None and edge in dense.edges:
                    totals.add_each(*dense.each(rectified, edge, varied))
            pools: dict[type[nn.Module], Tensor] = {}
            for own, k, target, module, run in self._others[source]:
                if not any(each[own][k] for each in supports):
                    continue
                pool = module.pool if isinstance(module, NormalisedPool) else module
                if isinstance(pool, AveragePool | MaxPool):
                    if type(pool) not in pools:
                        pools[type(pool)] = _pooled(pool, x)
                    pooled = pools[type(pool)]
                    out = module.norm(pooled) if isinstance(module, NormalisedPool) else pooled
                else:
                    # Rectifiers within the operation count for candidates that have it.
                    live = tuple(int(each[own][k]) for each in supports) if own == edge else 1
                    out = run(rectified if getattr(module, "reads_rectified", False) else x, live)
                factor = varied.factor(k) if varied is not None and own == edge else table[own, k]
                totals.add(target, out, factor)
        outputs = [features for node in cell.cell.output if (features := totals.nodes[node]) is not None]
        if len(outputs) == 1:
            return outputs[0]
        longest = max(map(len, outputs))
        return torch.cat([x if varied is None or len(x) == longest else varied.spread(x) for x in outputs], dim=1)


class _Totals:
    """The nodes of a cell while they are added up, in place once a total is nobody else's.

    Args:
        nodes: (batch, channels, h, w) where something has been added; it may be a part of a wider tensor.
        varied: the candidates, if there are several. A node is of all candidates as soon as something that is added is.
    """

    def __init__(self, nodes: list[Tensor | None], varied: _Varied | None) -> None:
        self.nodes, self._varied = nodes, varied
        self._owned: set[int] = set()

    def add(self, node: int, out: Tensor, factor: Tensor | None = None) -> None:
        """Add `out`, weighed by `factor` (one number, or one per image)."""
        total = self.nodes[node]
        length = max(len(x) for x in (total, out, factor) if x is not None and x.dim())
        if self._varied is not None and len(out) < length:
            out = self._varied.spread(out)
        if total is None:
            self.nodes[node] = out if factor is None else out * factor
        elif len(total) == length and node in self._owned:
            total.add_(out) if factor is None else total.addcmul_(out, factor)
        else:
            if self._varied is not None and len(total) < length:
                total = self._varied.spread(total)
            self.nodes[node] = total + out if factor is None else torch.addcmul(total, out, factor)
        if total is not None or factor is not None:
            self._owned.add(node)

    def add_each(self, node: int, outs: Sequence[Tensor | None]) -> None:
        """Add to every candidate its own, or nothing."""
        assert self._varied is not None
        there = [out for out in outs if out is not None]
        if not there:
            return
        total = self.nodes[node]
        if total is None:
            self.nodes[node] = torch.cat([torch.zeros_like(there[0]) if out is None else out for out in outs])
        else:
            own = node in self._owned and len(total) > self._varied.batch
            total = total if own else self._varied.copied(total)
            for part, out in zip(self._varied.each(total), outs, strict=True):
                if out is not None:
                    part.add_(out)
            self.nodes[node] = total
        self._owned.add(node)


def _of_each(seen: Sequence[list[tuple[int, int]]]) -> list[tuple[Count, Count]]:
    """Per node how often its pattern and zeros count."""

    def joined(counts: tuple[int, ...]) -> Count:
        return counts[0] if len(set(counts)) == 1 else counts

    nodes = [list(zip(*own, strict=True)) for own in zip(*seen, strict=True)]
    return [(joined(live), joined(blank)) for live, blank in nodes]


def can_fold(cell: CellModule) -> bool:
    """Whether all operations of a cell are among :data:`FOLDED`."""
    return all(type(module) in FOLDED for node in cell.incoming for _, _, own in node for module in own.values())


class _Dense:
    """The convolutions of stride 1 on the edges that leave one node, run as one.

    Args:
        edges: per edge, its place, the node that it enters, and its convolutions by choice.
    """

    def __init__(self, edges: Sequence[tuple[int, int, dict[int, ConvNorm]]]) -> None:
        self._edges = [(edge, target) for edge, target, _ in edges]
        self.edges = [edge for edge, _ in self._edges]
        self._choices = sorted({k for _, _, own in edges for k in own})
        built = [[own[k] for k in self._choices] for _, _, own in edges]
        fused = [[_with_norm(module.conv, module.norm) for module in row] for row in built]
        self._size = max(kernel.shape[-1] for row in fused for kernel, _ in row)
        channels_out, channels_in = fused[0][0][0].shape[:2]
        # As they lie in memory channels-last, so that a mixture of them needs no copy.
        self._shape = (channels_out, self._size, self._size, channels_in)
        grown = [[_grown(kernel, self._size).permute(0, 2, 3, 1).flatten() for kernel, _ in row] for row in fused]
        self._kernels = torch.stack([torch.stack(row) for row in grown])
        self._shifts = torch.stack([torch.stack([shift for _, shift in row]) for row in fused])
        self._wide = [[kernel.shape[-1] > 1 for kernel, _ in row] for row in fused]
        # Of the table, as the products want them: (edges, 1, choices).
        device = self._kernels.device
        self._rows = torch.tensor(self.edges, device=device).view(-1, 1, 1)
        self._columns = torch.tensor(self._choices, device=device).view(1, 1, -1)

    def __call__(
        self, x: Tensor, table: Tensor, support: Support, without: int | None = None
    ) -> list[tuple[int, Tensor]]:
        """(node, what is added to it) for every edge with a live convolution, of the rectified features.

        One edge may be left out.
        """
        live = [[edge != without and support[edge][k] for k in self._choices] for edge in self.edges]
        weights = table[self._rows, self._columns]
        kernels = torch.bmm(weights, self._kernels).view(len(self._edges), *self._shape)
        shifts = torch.bmm(weights, self._shifts).squeeze(1)
        parts: list[tuple[int, Tensor]] = []
        wide = [any(a and b for a, b in zip(*rows, strict=True)) for rows in zip(live, self._wide, strict=True)]
        for size in dict.fromkeys((self._size, 1)):
            places = [p for p, row in enumerate(live) if any(row) and wide[p] == (size > 1)]
            if not places:
                continue
            kernel, shift = (kernels, shifts) if len(places) == len(live) else (kernels[places], shifts[places])
            out = self._conv(x, kernel.flatten(0, 1), shift.flatten(), size)
            parts += zip([self._edges[p][1] for p in places], out.chunk(len(places), dim=1), strict=True)
        return parts

    def each(self, x: Tensor, edge: int, varied: _Varied) -> tuple[int, list[Tensor | None]]:
        """The node that the edge enters, and what every candidate adds to it."""
        p = self.edges.index(edge)
        weights = varied.rows[:, self._choices]
        kernels, shifts = (weights @ own[p] for own in (self._kernels, self._shifts))
        outs: list[Tensor | None] = []
        for part, row, kernel, shift in zip(varied.each(x), varied.support, kernels, shifts, strict=True):
            live = [row[k] for k in self._choices]
            wide = any(a and b for a, b in zip(live, self._wide[p], strict=True))
            out = self._conv(part, kernel.view(self._shape), shift, self._size if wide else 1) if any(live) else None
            outs.append(out)
        return self._edges[p][1], outs

    def _conv(self, x: Tensor, kernel: Tensor, shift: Tensor, size: int) -> Tensor:
        """The convolution with the middle of a kernel, channels last; `size` is all that is not zero."""
        margin = (self._size - size) // 2
        middle = kernel[:, margin : margin + size, margin : margin + size].permute(0, 3, 1, 2)
        return F.conv2d(x, middle.contiguous(memory_format=torch.channels_last), shift, padding=size // 2)


def _pooled(pool: nn.Module, x: Tensor) -> Tensor:
    """The pooled features; nobody else's."""
    if x.device.type != "cpu" or type(pool) is not AveragePool or pool.stride != 1 or min(x.shape[2:]) < 2:
        pooled: Tensor = pool(x)
        return pooled
    # Nine neighbours everywhere, of which a border has six and a corner four.
    out = F.conv2d(x, _ninths(x.shape[1], x.dtype), padding=1, groups=x.shape[1])
    for border in (out[:, :, 0], out[:, :, -1], out[..., 0], out[..., -1]):
        border.mul_(1.5)
    return out


@lru_cache(maxsize=64)
def _ninths(channels: int, dtype: torch.dtype) -> Tensor:
    """The kernel of the average of the 3x3 neighbourhood in every channel."""
    return torch.full((channels, 1, 3, 3), 1 / 9, dtype=dtype)


def _with_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and shift of a convolution and the normalisation after it."""
    assert norm.running_mean is not None and norm.running_var is not None
    kernel, shift = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return kernel.detach(), shift.detach()


def _fused(module: nn.Module) -> RunOperation:
    """The module with every convolution and the normalisation after it as one."""
    if not isinstance(module, nn.Sequential):
        return lambda x, seen: module(x)
    steps: list[Callable[[Tensor], Tensor]] = []
    parts = list(module)
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            steps.append(_Conv(part, *_with_norm(part, after)))
        elif not isinstance(part, nn.BatchNorm2d):
            steps.append(part)

    def run(x: Tensor, seen: Count) -> Tensor:
        for step in steps:
            x = step(x, seen=seen) if isinstance(step, Rectifier) else step(x)
        return x

    return run


class _Conv:
    """A convolution with another kernel and shift."""

    def __init__(self, conv: nn.Conv2d, kernel: Tensor, shift: Tensor) -> None:
        self._conv, self._kernel, self._shift = conv, kernel, shift

    def __call__(self, x: Tensor) -> Tensor:
        return self._conv._conv_forward(x, self._kernel, self._shift)


def _grown(kernel: Tensor, size: int) -> Tensor:
    """The same convolution with a larger kernel, zero around."""
    return F.pad(kernel, ((size - kernel.shape[-1]) // 2,) * 4)
