"""A supernet's cells in evaluation mode, folded into few large convolutions.

It is for code that needs features but no gradients. In evaluation mode, normalisation
is affine, so it folds into the convolution before it. If an operation is a single
convolution, the mixture's weight folds into it, too. The 1x1 kernel of an edge is added
to its 3x3 kernel, and the edges from one node run as one convolution. The sums have the
same terms as in :class:`.CellModule`, in another order, so features differ by rounding.
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
"""Operations whose output folding changes by rounding only.

Noise is not among them, because it depends on all bits of its input.
"""


RunOperation = Callable[[Tensor, Count], Tensor]
"""Function that computes an operation's output, given its input and the counts of its
rectifiers.
"""


class FoldedSupernet:
    """A supernet that computes the same with fewer and larger convolutions.

    It is folded again if its weights have changed in place, for example by training.

    Args:
        supernet: the supernet, whose weights and statistics are read.
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
        """Return the logits, like :meth:`.Supernet.forward` in evaluation mode.

        They have no gradients.
        """
        logits: Tensor = self.supernet(images, mixture, self._replace_cells)
        return logits

    def candidates(
        self,
        images: Tensor,
        mixtures: Sequence[Mixture],
    ) -> Tensor:
        """Return the logits (candidates, batch, classes) under several mixtures.

        Features that the candidates share are computed once. After the edge on which
        they differ, their features follow each other in the batch, candidate by
        candidate.

        Args:
            images: images, (batch, channels, height, width).
            mixtures: mixtures for which :meth:`run_together` is true.
        """
        batch = len(images)
        origin = _origin_of(mixtures[0])
        candidates = _Candidates.of(mixtures, batch)
        replace_cells = partial(self._replace_cells, candidates=candidates)
        logits: Tensor = self.supernet(images, origin.mixture, replace_cells, mixtures)
        by_image = candidates.repeated(logits)
        return by_image.unflatten(0, (len(mixtures), batch))

    def run_together(self, mixtures: Sequence[Mixture]) -> bool:
        """Return whether :meth:`candidates` accepts these mixtures.

        They must have one origin and differ on one edge only, and all cells must be
        foldable. If sums are normalised, the mixtures must also feed the same nodes,
        because a node without inputs is zero even if its normalisation would change
        zeros.
        """
        first = mixtures[0].origin
        if first is None or not self._folds_whole:
            return False
        if self._normalises_sums and not self._feed_same_nodes(mixtures, first):
            return False
        return all(_is_same_origin(mixture.origin, first) for mixture in mixtures)

    def _feed_same_nodes(self, mixtures: Sequence[Mixture], origin: Origin) -> bool:
        """Return whether all mixtures, or none, feed the node of the edge."""
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
        """Yield the folded cells that replace the supernet's cells."""
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
        """Fold all foldable cells, with their current weights."""
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
    """Return the mixture's origin; every candidate has one."""
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
        rows: weights of the edge, (candidates, operations).
        support: support of the edge for each candidate.
        batch: number of images per candidate.
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
        rows = [mixture.table(cell)[edge] for mixture in mixtures]
        support = [mixture.support[cell][edge] for mixture in mixtures]
        return cls(cell, edge, torch.stack(rows), support, batch)

    @property
    def count(self) -> int:
        """Number of candidates."""
        return len(self.rows)

    def has_all(self, x: Tensor) -> bool:
        """Return whether features are separate for each candidate, not shared."""
        return len(x) > self.batch

    def repeated(self, x: Tensor) -> Tensor:
        """Return the features of all candidates, (candidates * batch, ...).

        Shared features are repeated; others are returned unchanged.
        """
        if self.has_all(x):
            return x
        once = [1] * (x.dim() - 1)
        return x.repeat(self.count, *once)

    def copied(self, x: Tensor) -> Tensor:
        """Return a copy of all candidates' features, (candidates * batch, ...)."""
        return x.clone() if self.has_all(x) else self.repeated(x)

    def split(self, x: Tensor) -> Sequence[Tensor]:
        """Return the features of each candidate, (batch, ...)."""
        if self.has_all(x):
            return x.chunk(self.count)
        return [x] * self.count

    def factor(self, choice: int) -> Tensor:
        """Return the weight of an operation on the edge, for each image.

        It is (candidates * batch, 1, 1, 1).
        """
        by_candidate = self.rows[:, choice]
        by_image = by_candidate.repeat_interleave(self.batch)
        return by_image.view(-1, 1, 1, 1)


@dataclass(frozen=True)
class _CellMixture:
    """The part of a mixture, and of its candidates, for one cell.

    Attributes:
        table: weights, (edges, operations).
        support: which weights are not zero.
        candidates: the candidates; None if there is only one mixture.
        edge: index of the edge on which the candidates differ; None if it is not in
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
        """Return the part for a cell type."""
        edge: int | None = None
        if candidates is not None and candidates.cell == cell:
            edge = candidates.edge
        table = mixture.table(cell)
        support = mixture.support[cell]
        return cls(table, support, candidates, edge)

    @cached_property
    def supports(self) -> list[CellSupport]:
        """Supports of the candidates; only one if they do not differ in this cell."""
        if self.candidates is None or self.edge is None:
            return [self.support]
        before = self.support[: self.edge]
        after = self.support[self.edge + 1 :]
        supports = []
        for row in self.candidates.support:
            supports.append((*before, row, *after))
        return supports

    def live_in(self, operation: PlacedOperation) -> list[bool]:
        """Return, for each of :attr:`supports`, whether an operation is live."""
        edge = operation.edge
        choice = operation.choice
        return [support[edge][choice] for support in self.supports]

    def is_live(self, operation: PlacedOperation) -> bool:
        """Return whether an operation is live in any candidate."""
        return any(self.live_in(operation))

    def live_count(self, operation: PlacedOperation) -> Count:
        """Return the count of a live operation.

        It is one number per candidate if they differ on its edge.
        """
        if operation.edge != self.edge:
            return 1
        return tuple(int(is_live) for is_live in self.live_in(operation))

    def factor(self, operation: PlacedOperation) -> Tensor:
        """Return the weight of an operation.

        It is one number, or one per image of all candidates.
        """
        if self.candidates is not None and operation.edge == self.edge:
            return self.candidates.factor(operation.choice)
        return self.table[operation.edge, operation.choice]

    def pattern_counts(self, cell: CellModule) -> list[PatternCount]:
        """Return the count of each node's pattern in the cell."""
        by_candidate = [cell.pattern_counts(support) for support in self.supports]
        by_node = zip(*by_candidate, strict=True)
        return [_merge_counts(counts) for counts in by_node]


def _merge_counts(counts: Sequence[PatternCount]) -> PatternCount:
    """Return the count of a node's pattern for all candidates."""
    live = tuple(count.live for count in counts)
    blank = tuple(count.blank for count in counts)
    return PatternCount(_one_if_equal(live), _one_if_equal(blank))


def _one_if_equal(counts: tuple[Count, ...]) -> Count:
    """Return the counts of candidates, or one number if they are equal."""
    return counts[0] if len(set(counts)) == 1 else counts  # type: ignore[return-value]


class FoldedCell:
    """A cell with folded weights, as they were when it was created.

    Args:
        cell_type: index of the cell type.
        module: the cell, for which :func:`can_fold` is true.
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
            operations: operations of the edge, at least one.
            dense: for each source node, the edges whose convolutions run together so
                far; this edge may be added to them.
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
        """Return the features of the output nodes, like :meth:`.CellModule.forward`.

        Args:
            inputs: one (batch, channels, height, width) tensor per input node, for all
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
    """Return those operations of an edge that are one convolution, by choice."""
    convs = {}
    for operation in operations:
        module = operation.module
        if isinstance(module, ConvNorm) and module.conv.stride == (1, 1):
            convs[operation.choice] = module
    return convs


class _SeparateOperation(NamedTuple):
    """An operation that runs separately."""

    operation: PlacedOperation
    run: RunOperation


class _DenseEdge(NamedTuple):
    """The convolutions of stride 1 on one edge.

    Attributes:
        edge: index of the edge.
        target: node that the edge enters.
        convs: convolutions by choice.
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

    It has its features, also rectified, and pools them only once for all operations.
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
            run: function that computes it, if it is not a pooling.
            count: counts of its rectifiers.
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
    """Running sums of a cell's nodes.

    Sums are in place when no other tensor shares the memory of a total.

    Args:
        nodes: features of each node, (batch, channels, height, width), which may be a
            part of a wider tensor; None if nothing has been added.
        candidates: the candidates; None if there is only one mixture. A node has
            separate features for all candidates as soon as one of its terms has.
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
            out: features, (batch, channels, height, width).
            factor: weight, one number or one per image; None for one.
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
        """Add a separate output to every candidate, or nothing if it has none."""
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
        """Return the concatenated features of the output nodes."""
        nodes = [self.nodes[node] for node in output]
        features = [x for x in nodes if x is not None]
        if len(features) == 1:
            return features[0]
        longest = max(map(len, features))
        of_one_length = [self._of_length(x, longest) for x in features]
        return torch.cat(of_one_length, dim=1)

    def _of_length(self, x: Tensor, length: int) -> Tensor:
        """Return features with a batch length; repeat shared ones if needed."""
        if self._candidates is None or len(x) == length:
            return x
        return self._candidates.repeated(x)


def _add_in_place(
    total: Tensor,
    out: Tensor,
    factor: Tensor | None,
) -> None:
    """Add an output times a factor (None means one) to a total, in place."""
    if factor is None:
        total.add_(out)
    else:
        total.addcmul_(out, factor)


def _add_copied(
    total: Tensor,
    out: Tensor,
    factor: Tensor | None,
) -> Tensor:
    """Return the sum of a total and an output times a factor (None means one)."""
    return total + out if factor is None else torch.addcmul(total, out, factor)


def can_fold(cell: CellModule) -> bool:
    """Return whether all operations of a cell are among :data:`FOLDED`.

    A cell cannot be folded where something passes by the operations: a part of the
    channels, or a skip beside every edge.
    """
    if cell.bypass is not None or cell.edge_skips is not None:
        return False
    return all(type(operation.module) in FOLDED for operation in cell.operations)


class _AffineConv(NamedTuple):
    """A convolution that includes the normalisation after it.

    Attributes:
        kernel: kernel, (out, in, side, side).
        shift: bias, (out,).
    """

    kernel: Tensor
    shift: Tensor

    @property
    def side(self) -> int:
        """Height and width of the kernel."""
        return self.kernel.shape[-1]


class _AddedFeatures(NamedTuple):
    """Features that an edge adds to its target node.

    Attributes:
        target: index of the node.
        features: features, (batch, channels, height, width).
    """

    target: int
    features: Tensor


class _DenseNode:
    """The convolutions of stride 1 on the edges from one node, run as one.

    Args:
        edges: edges of the node, with convolutions of the same choices.

    Attributes:
        edges: indices of the edges.
    """

    def __init__(self, edges: Sequence[_DenseEdge]) -> None:
        self.edges = [edge.edge for edge in edges]
        self._targets = [edge.target for edge in edges]
        self._choices = sorted(edges[0].convs)
        rows = [edge.folded(self._choices) for edge in edges]
        self._side = max(_largest_side(row) for row in rows)
        channels_out, channels_in = rows[0][0].kernel.shape[:2]
        # The order of channels-last memory, so that a mixture of kernels needs no copy.
        self._shape = (channels_out, self._side, self._side, channels_in)
        kernels = [_stack_kernels(row, self._side) for row in rows]
        shifts = [_stack_shifts(row) for row in rows]
        self._kernels = torch.stack(kernels)
        self._shifts = torch.stack(shifts)
        self._sides = [self._sides_of(row) for row in rows]
        # Indices into the table, in the shape for the products: (edges, 1, choices).
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
        """Return the features that every edge with a live convolution adds.

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
        """Return the features that an edge adds for every candidate; None for nothing.

        Args:
            x: the rectified features, (batch, channels, height, width), for all
                candidates or shared by them.
            edge: index of the edge on which the candidates differ.
            candidates: the candidates.
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
        """Return the kernel side used for each convolution of an edge.

        It is 1 for 1x1 kernels, otherwise the largest side of the node's kernels.
        """
        return [self._side if conv.side > 1 else 1 for conv in row]

    def _live_sides(self, mixture: _CellMixture) -> list[int]:
        """Return the kernel side used for each edge; 0 for an edge that is left out."""
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
        """Return the side of an edge's largest live kernel; 0 if none is live."""
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
            x: input features, (batch, in, height, width).
            kernel: kernel, (out, height, width, in), zero outside the middle.
            shift: bias, (out,).
            side: height and width of the middle.
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
    """Add the outputs of a node's convolutions of stride 1 to the totals.

    Args:
        dense: the convolutions.
        rectified: rectified features of the node, (batch, channels, height, width).
        mixture: the cell's part of the mixture.
        totals: running sums of the cell's nodes.
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

    Smaller kernels are padded with zeros to the side.
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
    """Return pooled features in new memory."""
    is_average = type(pool) is AveragePool and pool.stride == 1
    on_cpu = x.device.type == "cpu"
    is_large = min(x.shape[2:]) >= 2
    if not (on_cpu and is_average and is_large):
        pooled: Tensor = pool(x)
        return pooled
    # Divide by nine everywhere, then correct borders (six neighbours) and corners
    # (four neighbours).
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
    """Return a function that runs a module, with normalisations folded in."""
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
    """Return a module's output, as a :data:`RunOperation`."""
    out: Tensor = module(x)
    return out


def _run_steps(
    steps: Sequence[Callable[[Tensor], Tensor]],
    x: Tensor,
    count: Count,
) -> Tensor:
    """Return the output of steps, one after the other, as a :data:`RunOperation`."""
    for step in steps:
        options = {"seen": count} if isinstance(step, Rectifier) else {}
        x = step(x, **options)
    return x


class _FoldedConv:
    """A convolution's settings with a folded kernel and bias."""

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
    """Return a kernel padded with zeros to a larger side."""
    margin = (side - kernel.shape[-1]) // 2
    return F.pad(kernel, (margin,) * 4)
