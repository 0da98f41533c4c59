"""A supernet's cells in evaluation mode, folded into few large convolutions: for what looks at features only.

In evaluation mode normalisation is affine. So it folds into the convolution before it; where an operation is one
convolution, the mixture's weight folds in too, the 1x1 kernel of an edge goes into its 3x3 kernel, and the edges that
leave one node run as one convolution. What is added up is what :class:`.CellModule` adds up, in another order: features
differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.network import CellModule, RunCell, Supernet, Support
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    DilatedConv,
    FactorizedReduction,
    MaxPool,
    NormalisedPool,
    SeparableConv,
    Skip,
)

FOLDED = (AveragePool, ConvNorm, DilatedConv, FactorizedReduction, MaxPool, NormalisedPool, SeparableConv, Skip)
"""Operations of which rounding is all that folding changes. Noise is drawn from the bits of what it replaces."""


class FoldedSupernet:
    """A supernet whose forward gives the same with fewer and larger convolutions, for as long as its weights stay.

    Where they were moved in place since, as by training, they are folded anew.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self._stamp: list[int] = []
        self._cells: dict[tuple[int, CellModule], FoldedCell] = {}

    def __call__(self, images: Tensor, mixture: Mixture) -> Tensor:
        """Logits, as of :meth:`.Supernet.forward` in evaluation mode; no gradients."""
        logits: Tensor = self.supernet(images, mixture, self._way)
        return logits

    @contextmanager
    def _way(self, mixture: Mixture) -> Iterator[dict[CellModule, RunCell]]:
        stamp = [tensor._version for tensor in (*self.supernet.parameters(), *self.supernet.buffers())]
        if stamp != self._stamp:
            self._cells = {(c, cell): FoldedCell(cell) for c, cell in self.supernet.cells() if can_fold(cell)}
            self._stamp = stamp
        yield {
            cell: partial(folded, table=mixture.weights[c], support=mixture.support[c])
            for (c, cell), folded in self._cells.items()
        }


class FoldedCell:
    """A cell with its weights folded, as they are when it is made; see :func:`can_fold`."""

    def __init__(self, cell: CellModule) -> None:
        self.cell = cell
        self._others: list[list[tuple[int, int, int, nn.Module, Callable[[Tensor], Tensor]]]] = [
            [] for _ in range(cell.cell.nodes)
        ]
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

    def __call__(self, inputs: Sequence[Tensor], table: Tensor, support: Support) -> Tensor:
        """See :meth:`.CellModule.forward`; `table` is the mixture's (edges, operations) weights."""
        cell = self.cell
        seen = cell.seen(support)
        nodes = cell.prepared(inputs)
        totals: list[Tensor | None] = [*nodes, *[None] * (cell.cell.nodes - len(nodes))]

        owned: set[int] = set()

        def add(target: int, out: Tensor, factor: Tensor | None = None) -> None:
            """In place once the total is our own: it starts as a part of a wider convolution's output."""
            total = totals[target]
            if total is None:
                totals[target] = out if factor is None else out * factor
            elif target in owned:
                total.add_(out) if factor is None else total.addcmul_(out, factor)
            else:
                totals[target] = total + out if factor is None else torch.addcmul(total, out, factor)
            if total is not None or factor is not None:
                owned.add(target)

        for source in range(cell.cell.nodes):
            known = totals[source]
            x = cell.zeros(source, nodes[0]) if known is None else known
            totals[source] = x
            rectified = cell.rectified(source, x, seen)
            if source in self._dense:
                for target, out in self._dense[source](rectified, table, support):
                    add(target, out)
            pools: dict[type[nn.Module], Tensor] = {}
            for edge, k, target, module, run in self._others[source]:
                if not support[edge][k]:
                    continue
                pool = module.pool if isinstance(module, NormalisedPool) else module
                if isinstance(pool, AveragePool | MaxPool):
                    if type(pool) not in pools:
                        pools[type(pool)] = pool(x)
                    pooled = pools[type(pool)]
                    out = module.norm(pooled) if isinstance(module, NormalisedPool) else pooled
                else:
                    out = run(rectified if getattr(module, "reads_rectified", False) else x)
                add(target, out, table[edge, k])
        outputs = [features for node in cell.cell.output if (features := totals[node]) is not None]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)


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
        self._choices = sorted({k for _, _, own in edges for k in own})
        built = [[own[k] for k in self._choices] for _, _, own in edges]
        fused = [[_with_norm(module.conv, module.norm) for module in row] for row in built]
        self._size = max(kernel.shape[-1] for row in fused for kernel, _ in row)
        self._shape = (*fused[0][0][0].shape[:2], self._size, self._size)
        grown = [[_grown(kernel, self._size).flatten() for kernel, _ in row] for row in fused]
        self._kernels = torch.stack([torch.stack(row) for row in grown])
        self._shifts = torch.stack([torch.stack([shift for _, shift in row]) for row in fused])
        self._wide = [[kernel.shape[-1] > 1 for kernel, _ in row] for row in fused]

    def __call__(self, x: Tensor, table: Tensor, support: Support) -> list[tuple[int, Tensor]]:
        """(node, what is added to it) for every edge with a live convolution, of the rectified features."""
        live = [[support[edge][k] for k in self._choices] for edge, _ in self._edges]
        weights = table[[edge for edge, _ in self._edges]][:, None, self._choices]
        kernels = torch.bmm(weights, self._kernels).view(len(self._edges), *self._shape)
        shifts = torch.bmm(weights, self._shifts).squeeze(1)
        parts: list[tuple[int, Tensor]] = []
        wide = [any(a and b for a, b in zip(*rows, strict=True)) for rows in zip(live, self._wide, strict=True)]
        for size in dict.fromkeys((self._size, 1)):
            places = [p for p, row in enumerate(live) if any(row) and wide[p] == (size > 1)]
            if not places:
                continue
            kernel, shift = (kernels, shifts) if len(places) == len(live) else (kernels[places], shifts[places])
            margin = (self._size - size) // 2
            kernel = kernel[..., margin : margin + size, margin : margin + size].flatten(0, 1)
            kernel = kernel.contiguous(memory_format=torch.channels_last)
            out = F.conv2d(x, kernel, shift.flatten(), padding=size // 2)
            parts += zip([self._edges[p][1] for p in places], out.chunk(len(places), dim=1), strict=True)
        return parts


def _with_norm(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and shift of a convolution and the normalisation after it."""
    assert norm.running_mean is not None and norm.running_var is not None
    kernel, shift = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return kernel.detach(), shift.detach()


def _fused(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The module with every convolution and the normalisation after it as one."""
    if not isinstance(module, nn.Sequential):
        return module
    steps: list[Callable[[Tensor], Tensor]] = []
    parts = list(module)
    for part, after in zip(parts, [*parts[1:], None], strict=True):
        if isinstance(part, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            steps.append(_Conv(part, *_with_norm(part, after)))
        elif not isinstance(part, nn.BatchNorm2d):
            steps.append(part)

    def run(x: Tensor) -> Tensor:
        for step in steps:
            x = step(x)
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
