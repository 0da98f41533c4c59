"""A supernet's cells in evaluation mode, folded into few large convolutions.

It serves what looks at features only. In evaluation mode normalisation is affine, so it
folds into the convolution before it. Where an operation is one convolution, the
mixture's weight folds in too. The 1x1 kernel of an edge goes into its 3x3 kernel, and
the edges that leave one node run as one convolution. What is added up is what
:class:`.CellModule` adds up, in another order: features differ by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights

from archselect.nasbench_adapters.networks.mixture import (
    CellSupport,
    EdgeSupport,
    Mixture,
    Origin,
)
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
from archselect.nasbench_adapters.space import NONE, Cell

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
    """A supernet whose forward gives the same with fewer and larger convolutions.

    It is folded again where its weights were moved in place since, as by training.

    Args:
        supernet: whose weights and statistics are read.
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self._tensors = [*supernet.parameters(), *supernet.buffers()]
        self._versions: list[int] = []
        self._cells: list[FoldedCell] = []
        cells = [module for _, module in supernet.cells()]
        self._folds_whole = all(can_fold(module) for module in cells)
        self._normalises_sums = any(module.sum_norms for module in cells)

    def __call__(
        self,
        images: Tensor,
        mixture: Mixture,
    ) -> Tensor:
        """Return the logits, as :meth:`.Supernet.forward` in evaluation mode.

        They carry no gradients.
        """
        logits: Tensor = self.supernet(images, mixture, self._replace_cells)
        return logits

    def candidates(
        self,
        images: Tensor,
        mixtures: Sequence[Mixture],
    ) -> Tensor:
        """Return the logits (candidates, batch, classes) under several mixtures.

        What the candidates share is computed once; from where they differ on, their
        features lie one behind another in the batch, candidate by candidate.

        Args:
            images: (batch, channels, height, width).
            mixtures: for which :meth:`run_together` is true.
        """
        batch = len(images)
        origin = _origin_of(mixtures[0])
        candidates = _Candidates.of(mixtures, batch)
        replace_cells = partial(self._replace_cells, candidates=candidates)
        logits: Tensor = self.supernet(images, origin.mixture, replace_cells, mixtures)
        by_image = candidates.repeated(logits)
        return by_image.unflatten(0, (len(mixtures), batch))

    def run_together(self, mixtures: Sequence[Mixture]) -> bool:
        """Return whether :meth:`candidates` takes these mixtures.

        They must be of one origin and differ on one edge, and all cells must fold.
        Where sums are normalised, they must also feed the same nodes: a node that
        nothing enters is zero, whatever its normalisation makes of zeros.
        """
        first = mixtures[0].origin
        if first is None or not self._folds_whole:
            return False
        if self._normalises_sums and not self._feed_same_nodes(mixtures, first):
            return False
        return all(_is_same_origin(mixture.origin, first) for mixture in mixtures)

    def _feed_same_nodes(self, mixtures: Sequence[Mixture], origin: Origin) -> bool:
        """Return whether the node that the edge enters is fed by all or by none."""
        cell = self.supernet.space.cells[origin.cell]
        node = cell.edges[origin.edge][1]
        answers = {
            _feeds(cell, mixture.support[origin.cell], node) for mixture in mixtures
        }
        return len(answers) == 1

    @contextmanager
    def _replace_cells(
        self, mixture: Mixture, candidates: _Candidates | None = None
    ) -> Iterator[dict[CellModule, RunCell]]:
        """Yield the folded cells that run in the place of the supernet's."""
        versions = [tensor._version for tensor in self._tensors]
        if versions != self._versions:
            self._fold_cells()
            self._versions = versions
        runs: dict[CellModule, RunCell] = {}
        for cell in self._cells:
            cell_mixture = _CellMixture.of(mixture, cell.cell_type, candidates)
            runs[cell.module] = partial(cell, mixture=cell_mixture)
        yield runs

    def _fold_cells(self) -> None:
        """Fold all cells that can be folded, with their weights as they are now."""
        self._cells = []
        for cell_type, module in self.supernet.cells():
            if can_fold(module):
                self._cells.append(FoldedCell(cell_type, module))


def _feeds(cell: Cell, support: CellSupport, node: int) -> bool:
    """Return whether an operation other than `none` enters a node."""
    for edge, (_, target) in enumerate(cell.edges):
        if target != node:
            continue
        for name, is_live in zip(cell.operations[edge], support[edge], strict=False):
            if is_live and name != NONE:
                return True
    return False


def _origin_of(mixture: Mixture) -> Origin:
    """Return the mixture's origin, which a candidate has."""
    assert mixture.origin is not None
    return mixture.origin


def _is_same_origin(
    origin: Origin | None,
    other: Origin,
) -> bool:
    """Return whether two mixtures were made of one mixture, on one edge."""
    if origin is None or origin.mixture is not other.mixture:
        return False
    return origin.cell == other.cell and origin.edge == other.edge


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
    support: list[EdgeSupport]
    batch: int

    @classmethod
    def of(
        cls,
        mixtures: Sequence[Mixture],
        batch: int,
    ) -> _Candidates:
        """Return mixtures with one origin as candidates."""
        _, cell, edge = _origin_of(mixtures[0])
        rows = [mixture.weights[cell][edge] for mixture in mixtures]
        support = [mixture.support[cell][edge] for mixture in mixtures]
        return cls(cell, edge, torch.stack(rows), support, batch)

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self.rows)

    def has_all(self, x: Tensor) -> bool:
        """Return whether features are of all candidates, not shared by them."""
        return len(x) > self.batch

    def repeated(self, x: Tensor) -> Tensor:
        """Return the features of all candidates, (candidates * batch, ...).

        They are those given, or where they are shared those repeated.
        """
        if self.has_all(x):
            return x
        once = [1] * (x.dim() - 1)
        return x.repeat(self.count, *once)

    def copied(self, x: Tensor) -> Tensor:
        """Return the features of all candidates, (candidates * batch, ...), copied."""
        return x.clone() if self.has_all(x) else self.repeated(x)

    def split(self, x: Tensor) -> Sequence[Tensor]:
        """Return the features of each candidate, (batch, ...)."""
        if self.has_all(x):
            return x.chunk(self.count)
        return [x] * self.count

    def factor(self, choice: int) -> Tensor:
        """Return the weight of an operation on the edge, image by image.

        It is (candidates * batch, 1, 1, 1).
        """
        by_candidate = self.rows[:, choice]
        by_image = by_candidate.repeat_interleave(self.batch)
        return by_image.view(-1, 1, 1, 1)


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
        cls,
        mixture: Mixture,
        cell: int,
        candidates: _Candidates | None,
    ) -> _CellMixture:
        """Return the part that is of a cell type."""
        edge: int | None = None
        if candidates is not None and candidates.cell == cell:
            edge = candidates.edge
        table = mixture.weights[cell]
        support = mixture.support[cell]
        return cls(table, support, candidates, edge)

    @cached_property
    def supports(self) -> list[CellSupport]:
        """Supports of the candidates; one where they do not differ in this cell."""
        if self.candidates is None or self.edge is None:
            return [self.support]
        before = self.support[: self.edge]
        after = self.support[self.edge + 1 :]
        supports = []
        for row in self.candidates.support:
            supports.append((*before, row, *after))
        return supports

    def live_in(self, operation: PlacedOperation) -> list[bool]:
        """Return for each of :attr:`supports` whether an operation is live in it."""
        edge = operation.edge
        choice = operation.choice
        return [support[edge][choice] for support in self.supports]

    def is_live(self, operation: PlacedOperation) -> bool:
        """Return whether any candidate has an operation."""
        return any(self.live_in(operation))

    def live_count(self, operation: PlacedOperation) -> Count:
        """Return how often a live operation counts.

        It is a number for each candidate where they differ on its edge.
        """
        if operation.edge != self.edge:
            return 1
        return tuple(int(is_live) for is_live in self.live_in(operation))

    def factor(self, operation: PlacedOperation) -> Tensor:
        """Return the weight of an operation.

        It is one number, or one for each image of all candidates.
        """
        if self.candidates is not None and operation.edge == self.edge:
            return self.candidates.factor(operation.choice)
        return self.table[operation.edge, operation.choice]

    def pattern_counts(self, cell: CellModule) -> list[PatternCount]:
        """Return how often the pattern of each node of the cell counts."""
        by_candidate = [cell.pattern_counts(support) for support in self.supports]
        by_node = zip(*by_candidate, strict=True)
        return [_merge_counts(counts) for counts in by_node]


def _merge_counts(counts: Sequence[PatternCount]) -> PatternCount:
    """Return how often a node's pattern counts for all candidates."""
    live = tuple(count.live for count in counts)
    blank = tuple(count.blank for count in counts)
    return PatternCount(_one_if_equal(live), _one_if_equal(blank))


def _one_if_equal(counts: tuple[Count, ...]) -> Count:
    """Return the counts of candidates, as one number where they are equal."""
    return counts[0] if len(set(counts)) == 1 else counts  # type: ignore[return-value]


class FoldedCell:
    """A cell with its weights folded, as they are when it is made: :func:`can_fold`.

    Args:
        cell_type: index of the cell type.
        module: the cell.
    """

    def __init__(
        self,
        cell_type: int,
        module: CellModule,
    ) -> None:
        self.cell_type = cell_type
        self.module = module
        nodes = range(module.cell.nodes)
        self._separate: list[list[_SeparateOperation]] = [[] for _ in nodes]
        dense: dict[int, list[_DenseEdge]] = {}
        for entering in module.incoming:
            for _, operations in groupby(entering, key=_edge_index):
                self._sort_edge(list(operations), dense)
        self._dense: dict[int, _DenseNode] = {}
        for source, edges in dense.items():
            self._dense[source] = _DenseNode(edges)

    def _sort_edge(
        self, operations: Sequence[PlacedOperation], dense: dict[int, list[_DenseEdge]]
    ) -> None:
        """Sort an edge's operations into those that run together and the others.

        Args:
            operations: of the edge, at least one.
            dense: by the node that they leave, the edges whose convolutions run
                together so far; the edge may be added to them.
        """
        first = operations[0]
        convs = _convolutions_of_stride_1(operations)
        edges = dense.get(first.source, [])
        # One convolution for all of a node's edges needs the same choices on them.
        choices = convs.keys()
        has_same_choices = all(choices == other.convs.keys() for other in edges)
        if convs and has_same_choices:
            edge = _DenseEdge(first.edge, first.target, convs)
            dense[first.source] = [*edges, edge]
        for operation in operations:
            if operation.choice in convs and has_same_choices:
                continue
            run = _fold_operation(operation.module)
            separate = _SeparateOperation(operation, run)
            self._separate[first.source].append(separate)

    def __call__(
        self,
        inputs: Sequence[Tensor],
        mixture: _CellMixture,
    ) -> Tensor:
        """Return the features of the output nodes; see :meth:`.CellModule.forward`.

        Args:
            inputs: one (batch, channels, height, width) tensor per input node, of all
                candidates or shared by them.
            mixture: the cell's part of the mixture.
        """
        module = self.module
        nodes = module.cell.nodes
        prepared = module.prepared(inputs)
        missing = [None] * (nodes - len(prepared))
        totals = _NodeTotals([*prepared, *missing], mixture.candidates)
        counts = mixture.pattern_counts(module)
        for node in range(nodes):
            x = totals.nodes[node]
            sum_norm = module.sum_norm(node)
            if x is None:
                x = module.zeros(node, prepared[0])
            elif sum_norm is not None:
                x = sum_norm(x)
            totals.nodes[node] = x
            rectified = module.rectified(node, x, counts)
            if node in self._dense:
                _add_dense(self._dense[node], rectified, mixture, totals)
            source = _SourceNode(x, rectified)
            for operation, run in self._separate[node]:
                if mixture.is_live(operation):
                    count = mixture.live_count(operation)
                    out = source.apply(operation.module, run, count)
                    factor = mixture.factor(operation)
                    totals.add(operation.target, out, factor)
        return totals.concatenated(module.cell.output)


def _edge_index(operation: PlacedOperation) -> int:
    return operation.edge


def _convolutions_of_stride_1(
    operations: Sequence[PlacedOperation],
) -> dict[int, ConvNorm]:
    """Return those operations of an edge that are one such convolution, by choice."""
    convs = {}
    for operation in operations:
        module = operation.module
        if isinstance(module, ConvNorm) and module.conv.stride == (1, 1):
            convs[operation.choice] = module
    return convs


class _SeparateOperation(NamedTuple):
    """An operation that runs by itself."""

    operation: PlacedOperation
    run: RunOperation


class _DenseEdge(NamedTuple):
    """The convolutions of stride 1 on one edge.

    Attributes:
        edge: index of the edge.
        target: node that it enters.
        convs: by choice.
    """

    edge: int
    target: int
    convs: dict[int, ConvNorm]

    def folded(self, choices: Sequence[int]) -> list[_AffineConv]:
        """Return the convolutions of the choices, with their normalisations."""
        folded = []
        for choice in choices:
            module = self.convs[choice]
            folded.append(_fold(module.conv, module.norm))
        return folded


class _SourceNode:
    """A node that operations read.

    It has its features as they are and rectified; they are pooled once for all.
    """

    def __init__(
        self,
        features: Tensor,
        rectified: Tensor,
    ) -> None:
        self.features = features
        self.rectified = rectified
        self._pooled: dict[type[nn.Module], Tensor] = {}

    def apply(
        self,
        module: Operation,
        run: RunOperation,
        count: Count,
    ) -> Tensor:
        """Return an operation's output.

        Args:
            module: the operation.
            run: computes it, where it is no pooling.
            count: how often rectifiers within it count.
        """
        if isinstance(module, NormalisedPool):
            pooled = self._pool(module.pool)
            normalised: Tensor = module.norm(pooled)
            return normalised
        if isinstance(module, AveragePool | MaxPool):
            return self._pool(module)
        x = self.rectified if module.reads_rectified else self.features
        return run(x, count)

    def _pool(self, pool: nn.Module) -> Tensor:
        """Return the pooled features."""
        kind = type(pool)
        if kind not in self._pooled:
            self._pooled[kind] = _pooled(pool, self.features)
        return self._pooled[kind]


class _NodeTotals:
    """The nodes of a cell while they are added up.

    They are added up in place once a total shares its memory with nothing else.

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

    def add(
        self,
        node: int,
        out: Tensor,
        factor: Tensor | None = None,
    ) -> None:
        """Add features to a node.

        Args:
            node: index of the node.
            out: (batch, channels, height, width).
            factor: weighs them, one number or one per image; None for one.
        """
        total = self.nodes[node]
        batched = [x for x in (total, out, factor) if x is not None and x.dim()]
        length = max(map(len, batched))
        out = self._of_length(out, length)
        if total is None:
            self.nodes[node] = out if factor is None else out * factor
        elif len(total) == length and node in self._owned:
            _add_in_place(total, out, factor)
        else:
            total = self._of_length(total, length)
            self.nodes[node] = _add_copied(total, out, factor)
        if total is not None or factor is not None:
            self._owned.add(node)

    def add_each(
        self,
        node: int,
        outs: Sequence[Tensor | None],
    ) -> None:
        """Add to every candidate its own output, or nothing where it has none."""
        assert self._candidates is not None
        present = [out for out in outs if out is not None]
        if not present:
            return
        total = self.nodes[node]
        if total is None:
            zeros = torch.zeros_like(present[0])
            filled = [zeros if out is None else out for out in outs]
            total = torch.cat(filled)
        else:
            is_writable = node in self._owned and self._candidates.has_all(total)
            if not is_writable:
                total = self._candidates.copied(total)
            parts = self._candidates.split(total)
            for part, out in zip(parts, outs, strict=True):
                if out is not None:
                    part.add_(out)
        self.nodes[node] = total
        self._owned.add(node)

    def concatenated(self, output: Sequence[int]) -> Tensor:
        """Return the features of the output nodes side by side."""
        nodes = [self.nodes[node] for node in output]
        features = [x for x in nodes if x is not None]
        if len(features) == 1:
            return features[0]
        longest = max(map(len, features))
        of_one_length = [self._of_length(x, longest) for x in features]
        return torch.cat(of_one_length, dim=1)

    def _of_length(self, x: Tensor, length: int) -> Tensor:
        """Return features of a length.

        Those that all candidates share are repeated where it is that of all candidates.
        """
        if self._candidates is None or len(x) == length:
            return x
        return self._candidates.repeated(x)


def _add_in_place(
    total: Tensor,
    out: Tensor,
    factor: Tensor | None,
) -> None:
    """Add an output, weighed by a factor (None: by one), to a total in its memory."""
    if factor is None:
        total.add_(out)
    else:
        total.addcmul_(out, factor)


def _add_copied(
    total: Tensor,
    out: Tensor,
    factor: Tensor | None,
) -> Tensor:
    """Return a total and an output, weighed by a factor (None: by one), added up."""
    return total + out if factor is None else torch.addcmul(total, out, factor)


def can_fold(cell: CellModule) -> bool:
    """Return whether all operations of a cell are among :data:`FOLDED`."""
    return all(type(operation.module) in FOLDED for operation in cell.operations)


class _AffineConv(NamedTuple):
    """A convolution with the normalisation after it folded in.

    Attributes:
        kernel: (out, in, side, side).
        shift: (out,).
    """

    kernel: Tensor
    shift: Tensor

    @property
    def side(self) -> int:
        """Height and width of the kernel."""
        return self.kernel.shape[-1]


class _AddedFeatures(NamedTuple):
    """What an edge adds to the node that it enters.

    Attributes:
        target: index of the node.
        features: (batch, channels, height, width).
    """

    target: int
    features: Tensor


class _DenseNode:
    """The convolutions of stride 1 on the edges that leave one node, run as one.

    Args:
        edges: of the node, with convolutions of the same choices.

    Attributes:
        edges: their indices.
    """

    def __init__(self, edges: Sequence[_DenseEdge]) -> None:
        self.edges = [edge.edge for edge in edges]
        self._targets = [edge.target for edge in edges]
        self._choices = sorted(edges[0].convs)
        rows = [edge.folded(self._choices) for edge in edges]
        self._side = max(_largest_side(row) for row in rows)
        channels_out, channels_in = rows[0][0].kernel.shape[:2]
        # As they lie in memory channels-last, so that a mixture of them needs no copy.
        self._shape = (channels_out, self._side, self._side, channels_in)
        kernels = [_stack_kernels(row, self._side) for row in rows]
        shifts = [_stack_shifts(row) for row in rows]
        self._kernels = torch.stack(kernels)
        self._shifts = torch.stack(shifts)
        self._sides = [self._sides_of(row) for row in rows]
        # Of the table, as the products want them: (edges, 1, choices).
        device = self._kernels.device
        row_index = torch.tensor(self.edges, device=device)
        column_index = torch.tensor(self._choices, device=device)
        self._rows = row_index.view(-1, 1, 1)
        self._columns = column_index.view(1, 1, -1)

    def __call__(
        self,
        x: Tensor,
        mixture: _CellMixture,
    ) -> list[_AddedFeatures]:
        """Return what every edge with a live convolution adds to its target.

        The edge on which candidates differ is left out.

        Args:
            x: the rectified features, (batch, channels, height, width).
            mixture: the cell's part of the mixture.
        """
        weights = mixture.table[self._rows, self._columns]
        flat_kernels = torch.bmm(weights, self._kernels)
        kernels = flat_kernels.view(len(self.edges), *self._shape)
        shifts = torch.bmm(weights, self._shifts).squeeze(1)
        sides = self._live_sides(mixture)
        added = []
        for side in dict.fromkeys((self._side, 1)):
            places = [place for place, live in enumerate(sides) if live == side]
            if not places:
                continue
            kernel = kernels
            shift = shifts
            if len(places) < len(self.edges):
                kernel = kernels[places]
                shift = shifts[places]
            all_kernels = kernel.flatten(0, 1)
            all_shifts = shift.flatten()
            out = self._convolve(x, all_kernels, all_shifts, side)
            parts = out.chunk(len(places), dim=1)
            for place, part in zip(places, parts, strict=True):
                target = self._targets[place]
                added.append(_AddedFeatures(target, part))
        return added

    def of_candidates(
        self,
        x: Tensor,
        edge: int,
        candidates: _Candidates,
    ) -> list[Tensor | None]:
        """Return what every candidate adds on an edge; None for nothing.

        Args:
            x: the rectified features, (batch, channels, height, width), of all
                candidates or shared by them.
            edge: index of the edge on which they differ.
            candidates: the mixtures.
        """
        place = self.edges.index(edge)
        weights = candidates.rows[:, self._choices]
        kernels = weights @ self._kernels[place]
        shifts = weights @ self._shifts[place]
        outs: list[Tensor | None] = []
        for part, support, kernel, shift in zip(
            candidates.split(x), candidates.support, kernels, shifts, strict=True
        ):
            side = self._live_side(place, support)
            if side:
                shaped = kernel.view(self._shape)
                outs.append(self._convolve(part, shaped, shift, side))
            else:
                outs.append(None)
        return outs

    def target_of(self, edge: int) -> int:
        """Return the node that an edge enters."""
        return self._targets[self.edges.index(edge)]

    def _sides_of(self, row: Sequence[_AffineConv]) -> list[int]:
        """Return the side with which each convolution of an edge is run.

        It is 1, or that of the largest of the node.
        """
        return [self._side if conv.side > 1 else 1 for conv in row]

    def _live_sides(self, mixture: _CellMixture) -> list[int]:
        """Return the side with which each edge is run; 0 for one that is left out."""
        sides = []
        for place, edge in enumerate(self.edges):
            if edge == mixture.edge:
                sides.append(0)
            else:
                sides.append(self._live_side(place, mixture.support[edge]))
        return sides

    def _live_side(
        self,
        place: int,
        support: EdgeSupport,
    ) -> int:
        """Return the side of an edge's largest live convolution; 0 if none is live."""
        largest = 0
        sides = self._sides[place]
        for choice, side in zip(self._choices, sides, strict=True):
            if support[choice]:
                largest = max(largest, side)
        return largest

    def _convolve(
        self,
        x: Tensor,
        kernel: Tensor,
        shift: Tensor,
        side: int,
    ) -> Tensor:
        """Return the convolution with the middle of a kernel.

        Args:
            x: (batch, in, height, width).
            kernel: (out, height, width, in), zero outside of `side`.
            shift: (out,).
            side: of the middle.
        """
        first = (self._side - side) // 2
        middle = slice(first, first + side)
        channels_first = kernel[:, middle, middle].permute(0, 3, 1, 2)
        contiguous = channels_first.contiguous(memory_format=torch.channels_last)
        return F.conv2d(x, contiguous, shift, padding=side // 2)


def _add_dense(
    dense: _DenseNode,
    rectified: Tensor,
    mixture: _CellMixture,
    totals: _NodeTotals,
) -> None:
    """Add what a node's convolutions of stride 1 give to the totals.

    Args:
        dense: the convolutions.
        rectified: the node's features, (batch, channels, height, width).
        mixture: the cell's part of the mixture.
        totals: the nodes that the convolutions' edges enter.
    """
    for added in dense(rectified, mixture):
        totals.add(added.target, added.features)
    if mixture.candidates is not None and mixture.edge in dense.edges:
        outs = dense.of_candidates(rectified, mixture.edge, mixture.candidates)
        totals.add_each(dense.target_of(mixture.edge), outs)


def _largest_side(row: Sequence[_AffineConv]) -> int:
    return max(conv.side for conv in row)


def _stack_kernels(
    row: Sequence[_AffineConv],
    side: int,
) -> Tensor:
    """Return the kernels of an edge, (choices, out * side * side * in).

    Each has zeros around it up to the side.
    """
    flat = []
    for conv in row:
        grown = _grown(conv.kernel, side)
        channels_last = grown.permute(0, 2, 3, 1)
        flat.append(channels_last.flatten())
    return torch.stack(flat)


def _stack_shifts(row: Sequence[_AffineConv]) -> Tensor:
    """Return the shifts of an edge, (choices, out)."""
    return torch.stack([conv.shift for conv in row])


def _pooled(pool: nn.Module, x: Tensor) -> Tensor:
    """Return pooled features in memory that nothing else shares."""
    is_average = type(pool) is AveragePool and pool.stride == 1
    on_cpu = x.device.type == "cpu"
    is_large = min(x.shape[2:]) >= 2
    if not (on_cpu and is_average and is_large):
        pooled: Tensor = pool(x)
        return pooled
    # Nine neighbours everywhere, of which a border has six and a corner four.
    channels = x.shape[1]
    kernel = _ninths(channels, x.dtype)
    out = F.conv2d(x, kernel, padding=1, groups=channels)
    top = out[:, :, 0]
    bottom = out[:, :, -1]
    left = out[..., 0]
    right = out[..., -1]
    for border in (top, bottom, left, right):
        border.mul_(1.5)
    return out


@lru_cache(maxsize=64)
def _ninths(channels: int, dtype: torch.dtype) -> Tensor:
    """Return the kernel of the mean of each 3x3 neighbourhood, (channels, 1, 3, 3)."""
    shape = (channels, 1, 3, 3)
    return torch.full(shape, 1 / 9, dtype=dtype)


def _fold(
    conv: nn.Conv2d,
    norm: nn.BatchNorm2d,
) -> _AffineConv:
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
    return _AffineConv(kernel.detach(), shift.detach())


def _fold_operation(module: nn.Module) -> RunOperation:
    """Return a way to run a module in which convolutions have their normalisations."""
    if not isinstance(module, nn.Sequential):
        return partial(_run_module, module)
    steps: list[Callable[[Tensor], Tensor]] = []
    parts = list(module)
    followers = [*parts[1:], None]
    for part, follower in zip(parts, followers, strict=True):
        if isinstance(part, nn.Conv2d) and isinstance(follower, nn.BatchNorm2d):
            steps.append(_FoldedConv(part, _fold(part, follower)))
        elif not isinstance(part, nn.BatchNorm2d):
            steps.append(part)
    return partial(_run_steps, steps)


def _run_module(
    module: nn.Module,
    x: Tensor,
    _count: Count,
) -> Tensor:
    """Return a module's output: see :data:`RunOperation`."""
    out: Tensor = module(x)
    return out


def _run_steps(
    steps: Sequence[Callable[[Tensor], Tensor]],
    x: Tensor,
    count: Count,
) -> Tensor:
    """Return the output of steps, one after another: see :data:`RunOperation`."""
    for step in steps:
        options = {"seen": count} if isinstance(step, Rectifier) else {}
        x = step(x, **options)
    return x


class _FoldedConv:
    """A convolution with the kernel and shift of another one."""

    def __init__(
        self,
        conv: nn.Conv2d,
        folded: _AffineConv,
    ) -> None:
        self._conv = conv
        self._folded = folded

    def __call__(self, x: Tensor) -> Tensor:
        kernel = self._folded.kernel
        shift = self._folded.shift
        return self._conv._conv_forward(x, kernel, shift)


def _grown(kernel: Tensor, side: int) -> Tensor:
    """Return the same convolution with a larger kernel, zero around."""
    margin = (side - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin,) * 4)
