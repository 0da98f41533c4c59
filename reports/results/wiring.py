"""What a trace says of the wiring, epoch by epoch: edges, depth, width, losses.

Pure functions of it.

T epochs have T + 1 points, the first before training. Shapes: T epochs, E edges, K
operations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.traces import (
    COUNT,
    ENTROPY,
    LOSS,
    CellTrace,
    Trace,
    TracedCell,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NONE = "none"
"""The operation that is an edge's absence."""
SETTLED = 5
"""Epochs for which an argmax must stay (or not be) none, for an edge to count as
dropped (or grown): protocols.
"""
MOST_EDGES = 16
"""Edges of which every subset is looked at; the expected depth of a cell with more is
not given.
"""


class Change(NamedTuple):
    """After which epoch an edge was dropped, or grown."""

    edge: int
    epoch: int
    grown: bool


@dataclass(frozen=True, eq=False)
class CellWiring:
    """The wiring of a cell type over the points of a training."""

    cell: TracedCell
    seen: CellTrace

    @cached_property
    def inputs(self) -> Bools:
        """(E,) whether an edge leaves an input; all others are between nodes."""
        return np.array([source < self.cell.inputs for source, _ in self.cell.edges])

    @cached_property
    def names(self) -> list[str]:
        """Of each edge its source and target as a drawing names them: k−2 and k−1 are two inputs."""
        nodes = [_node(self.cell, node) for node in range(self.cell.nodes)]
        return [
            f"{nodes[source]}→{nodes[target]}" for source, target in self.cell.edges
        ]

    @cached_property
    def nones(self) -> list[int | None]:
        """Of each edge the column of none, None where it is not allowed."""
        return [
            own.index(NONE) if NONE in own else None for own in self.cell.operations
        ]

    @cached_property
    def free(self) -> Bools:
        """(E,) whether an edge may be none and may be something else."""
        return np.array([NONE in own and len(own) > 1 for own in self.cell.operations])

    @cached_property
    def probabilities(self) -> Floats:
        """(T + 1, E, K) of the operations."""
        return np.asarray(self.seen.probabilities, dtype=np.float64)

    @cached_property
    def q(self) -> Floats:
        """(T + 1, E) probability that an edge is there, 1 - p(none); 1 where none is not allowed."""
        found = np.ones(self.probabilities.shape[:2])
        for edge, column in enumerate(self.nones):
            if column is not None:
                found[:, edge] -= self.probabilities[:, edge, column]
        return found

    @cached_property
    def entropy(self) -> Floats:
        """(T + 1, E) of an edge's distribution of operations, none among them, in nats."""
        p = self.probabilities
        return -np.sum(p * np.log(p, where=p > 0, out=np.zeros_like(p)), axis=-1)

    @cached_property
    def genotype(self) -> Ints:
        """(T + 1, E) the likeliest operation of each edge, none included; of equal ones the first."""
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def absent(self) -> Bools:
        """(T + 1, E) whether that is none."""
        columns = [-1 if column is None else column for column in self.nones]
        return self.genotype == np.array(columns)

    @cached_property
    def edges(self) -> Ints:
        """(T + 1,) edges of the argmax genotype."""
        return np.sum(~self.absent, axis=1)

    @cached_property
    def expected_edges(self) -> Floats:
        """(T + 1,) expected number of edges, Σ q."""
        return np.sum(self.q, axis=1)

    @cached_property
    def width(self) -> Floats:
        """(T + 1,) Σ q over the edges from inputs."""
        return np.sum(self.q[:, self.inputs], axis=1)

    @cached_property
    def depth(self) -> Floats | None:
        """(T + 1,) :func:`expected_depth`; None of a cell with more than :data:`MOST_EDGES` edges."""
        if len(self.cell.edges) > MOST_EDGES:
            return None
        return expected_depth(self.q, self.cell.inputs, self.cell.edges)

    @cached_property
    def changes(self) -> list[Change]:
        """Every drop and growth, in order of epochs; see :func:`settled`."""
        found = [
            Change(edge, epoch, grown=not gone)
            for edge in range(len(self.cell.edges))
            for epoch, gone in settled(self.absent[:, edge])
        ]
        return sorted(found, key=lambda change: (change.epoch, change.edge))


@dataclass(frozen=True, eq=False)
class Wiring:
    """A supernet's trace, and its cells' wiring."""

    trace: Trace

    @cached_property
    def cells(self) -> list[CellWiring]:
        """One per cell type."""
        return [
            CellWiring(cell, seen)
            for cell, seen in zip(self.trace.info.cells, self.trace.cells, strict=True)
        ]

    @cached_property
    def edges(self) -> Ints:
        """(T + 1,) edges of the argmax genotype, of all cell types together."""
        return np.sum([cell.edges for cell in self.cells], axis=0)

    @cached_property
    def learns(self) -> bool:
        """Whether the alphas ever moved."""
        return any(np.ptp(cell.seen.probabilities, axis=0).any() for cell in self.cells)


def _node(cell: TracedCell, node: int) -> str:
    """See :mod:`..drawing.layout`, which draws cells."""
    if cell.inputs == 2:
        return f"k−{2 - node}" if node < 2 else f"{node - 2}"
    if node < cell.inputs:
        return "in" if cell.inputs == 1 else f"in {node}"
    return "out" if cell.output == [node] else f"{node}"


def expected_depth(q: Floats, inputs: int, edges: list[tuple[int, int]]) -> Floats:
    """The expected longest path, in edges, from an input to any node; an edge is there, by itself, with probability q.

    Exact, over all subsets of the edges: (points, E) to (points,).
    """
    found = _depths(inputs, tuple(edges))[None].astype(np.float64)
    for edge in reversed(range(len(edges))):  # the last edge's axis varies fastest
        there = q[:, edge, None]
        found = (1 - there) * found[:, 0::2] + there * found[:, 1::2]
    return found[:, 0]


@cache
def _depths(inputs: int, edges: tuple[tuple[int, int], ...]) -> npt.NDArray[np.int8]:
    """(2 ** E,) the longest path in each subset of the edges; the first edge is the highest binary digit."""
    subsets = np.arange(2 ** len(edges))
    nodes = 1 + max(target for _, target in edges)
    longest = [
        np.full(len(subsets), 0 if node < inputs else -1, dtype=np.int8)
        for node in range(nodes)
    ]
    for place, (source, target) in sorted(enumerate(edges), key=lambda edge: edge[1]):
        there = (subsets >> (len(edges) - 1 - place)) & 1 == 1
        reached = there & (longest[source] >= 0)
        longest[target] = np.where(
            reached, np.maximum(longest[target], longest[source] + 1), longest[target]
        )
    return np.maximum.reduce(longest)


def settled(absent: Bools) -> list[tuple[int, bool]]:
    """After which epochs an edge was dropped (True) or grown (False): when what it is
    changed for :data:`SETTLED` points at least; shorter spells are no change.

    Args:
        absent: (T + 1,) whether the edge's argmax is none.
    """
    starts = [0, *(np.flatnonzero(np.diff(absent)) + 1), len(absent)]
    state, found = bool(absent[0]), []
    for start, end in pairwise(starts):
        if end - start >= SETTLED and bool(absent[start]) != state:
            state = bool(absent[start])
            found.append((int(start), state))
    return found


def loss_and_entropy(
    trace: Trace, part: str, images: slice | int = slice(None)
) -> tuple[Floats, Floats]:
    """(T,) mean cross-entropy L and mean entropy H of the prediction of an epoch's images; NaN of no images.

    Args:
        trace: of the supernet.
        part: which images; see :class:`TraceInfo`.
        images: those that were classified wrong or right, or all.
    """
    sums = _sums(trace, part)[:, images].reshape(trace.epochs, -1, 3).sum(axis=1)
    return _over(sums[:, LOSS], sums[:, COUNT]), _over(sums[:, ENTROPY], sums[:, COUNT])


def mean_gap(trace: Trace, part: str, epochs: slice) -> float:
    """The mean of L - H over all images of these epochs; NaN of none.

    Epoch 0 is the first.
    """
    sums = _sums(trace, part)[epochs].sum(axis=(0, 1))
    return float(_over(sums[LOSS] - sums[ENTROPY], sums[COUNT]))


def _sums(trace: Trace, part: str) -> Floats:
    return np.asarray(trace.losses[:, trace.info.parts.index(part)], dtype=np.float64)


def _over(sums: Floats, counts: Floats) -> Floats:
    return np.divide(sums, counts, where=counts > 0, out=np.full_like(sums, np.nan))


def mean_costs(cell: CellWiring, epochs: slice) -> Floats:
    """(E,) mean cost of an edge's operations other than none, over all that went forward in these epochs; NaN of none.

    Epoch 0 is the first.
    """
    counts = np.asarray(cell.seen.cost_counts[epochs], dtype=np.float64)
    for edge, column in enumerate(cell.nones):
        if column is not None:
            counts[:, edge, column] = 0
    # Of what never went forward in an epoch there is no mean.
    sums = counts * np.nan_to_num(cell.seen.cost_means[epochs])
    return _over(sums.sum(axis=(0, 2)), counts.sum(axis=(0, 2)))
