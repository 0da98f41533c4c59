"""Quantities of a supernet's wiring, computed from its trace.

They are edges, depth, width and losses. T epochs have T + 1 points; the first is before
training. Shapes: T epochs, E edges, K operations.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from archselect.nasbench_adapters.rank_correlations import Floats, Ints

Bools = npt.NDArray[np.bool_]

NONE = "none"
"""The operation of an edge that does not exist."""
SETTLED = 5
"""Fewest epochs that a drop (argmax none) or a growth (another argmax) must last."""
MOST_EDGES = 16
"""Most edges of a cell for the expected depth, which enumerates all subsets."""


class EdgeChange(NamedTuple):
    """The epoch after which an edge was dropped or grown."""

    edge: int
    epoch: int
    grown: bool


@dataclass(frozen=True, eq=False)
class CellWiring:
    """The wiring of a cell type over a training."""

    cell: TracedCell
    trace: CellTrace

    @cached_property
    def inputs(self) -> Bools:
        """Mask of edges from inputs, shape (E,); all others are between nodes."""
        return np.array([source < self.cell.inputs for source, _ in self.cell.edges])

    @cached_property
    def names(self) -> list[str]:
        """The names of the edges, source→target; k−2 and k−1 are the two inputs."""
        nodes = [_node_name(self.cell, node) for node in range(self.cell.nodes)]
        return [
            f"{nodes[source]}→{nodes[target]}" for source, target in self.cell.edges
        ]

    @cached_property
    def nones(self) -> list[int | None]:
        """The column of `none` for each edge; None if the edge does not allow it."""
        return [
            operations.index(NONE) if NONE in operations else None
            for operations in self.cell.operations
        ]

    @cached_property
    def free(self) -> Bools:
        """Mask of edges that can be none or another operation, shape (E,)."""
        return np.array(
            [
                NONE in operations and len(operations) > 1
                for operations in self.cell.operations
            ]
        )

    @cached_property
    def probabilities(self) -> Floats:
        """Probabilities of the operations, shape (T + 1, E, K)."""
        return np.asarray(self.trace.probabilities, dtype=np.float64)

    @cached_property
    def q(self) -> Floats:
        """Probability that an edge exists, shape (T + 1, E).

        It is 1 - p(none), or 1 if the edge does not allow none.
        """
        q = np.ones(self.probabilities.shape[:2])
        for edge, column in enumerate(self.nones):
            if column is not None:
                q[:, edge] -= self.probabilities[:, edge, column]
        return q

    @cached_property
    def entropy(self) -> Floats:
        """Entropy of each edge's operations with none, in nats, shape (T + 1, E)."""
        p = self.probabilities
        logarithms = np.log(p, where=p > 0, out=np.zeros_like(p))
        return -np.sum(p * logarithms, axis=-1)

    @cached_property
    def genotype(self) -> Ints:
        """Index of each edge's most likely operation, shape (T + 1, E).

        It can be none. Among equally likely operations, it is the first.
        """
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def absent(self) -> Bools:
        """Mask of edges whose most likely operation is none, shape (T + 1, E)."""
        columns = [-1 if column is None else column for column in self.nones]
        return self.genotype == np.array(columns)

    @cached_property
    def edges(self) -> Ints:
        """Number of edges of the argmax genotype, shape (T + 1,)."""
        return np.sum(~self.absent, axis=1)

    @cached_property
    def expected_edges(self) -> Floats:
        """Expected number of edges, Σ q, shape (T + 1,)."""
        return np.sum(self.q, axis=1)

    @cached_property
    def width(self) -> Floats:
        """Expected width, Σ q over edges from inputs, shape (T + 1,)."""
        return np.sum(self.q[:, self.inputs], axis=1)

    @cached_property
    def depth(self) -> Floats | None:
        """The :func:`expected_depth`, shape (T + 1,).

        It is None for a cell with more than :data:`MOST_EDGES` edges.
        """
        if len(self.cell.edges) > MOST_EDGES:
            return None
        return expected_depth(self.q, self.cell.inputs, self.cell.edges)

    @cached_property
    def changes(self) -> list[EdgeChange]:
        """All drops and growths of :func:`find_settled_changes`, in order of epochs."""
        changes = []
        for edge in range(len(self.cell.edges)):
            for epoch, dropped in find_settled_changes(self.absent[:, edge]):
                changes.append(EdgeChange(edge, epoch, grown=not dropped))
        return sorted(changes, key=lambda change: (change.epoch, change.edge))


@dataclass(frozen=True, eq=False)
class SupernetWiring:
    """The trace of a supernet, and the wiring of its cells."""

    trace: Trace

    @cached_property
    def cells(self) -> list[CellWiring]:
        """The wiring of each cell type."""
        pairs = zip(self.trace.info.cells, self.trace.cells, strict=True)
        return [CellWiring(cell, trace) for cell, trace in pairs]

    @cached_property
    def edges(self) -> Ints:
        """Edges of the argmax genotype over all cell types, shape (T + 1,)."""
        return np.sum([cell.edges for cell in self.cells], axis=0)

    @cached_property
    def learns(self) -> bool:
        """Whether the alphas changed in training."""
        return any(
            np.ptp(cell.trace.probabilities, axis=0).any() for cell in self.cells
        )


def _node_name(cell: TracedCell, node: int) -> str:
    """Return a node's name, as in the drawings of :mod:`..drawing.layout`."""
    if cell.inputs == 2:
        return f"k−{2 - node}" if node < 2 else f"{node - 2}"
    if node < cell.inputs:
        return "in" if cell.inputs == 1 else f"in {node}"
    return "out" if cell.output == [node] else f"{node}"


def expected_depth(q: Floats, inputs: int, edges: Sequence[tuple[int, int]]) -> Floats:
    """Return the expected length of the longest path from an input, in edges.

    Each edge exists with probability q, independently of the others. The result is
    exact, over all subsets of the edges.

    Args:
        q: probabilities, shape (points, E).
        inputs: number of input nodes.
        edges: source and target of each edge.

    Returns:
        Expected depths, shape (points,).
    """
    depth = _depths(inputs, tuple(edges))[None].astype(np.float64)
    for edge in reversed(range(len(edges))):  # the last edge's axis varies fastest
        there = q[:, edge, None]
        depth_without = depth[:, 0::2]
        depth_with = depth[:, 1::2]
        depth = (1 - there) * depth_without + there * depth_with
    return depth[:, 0]


@cache
def _depths(inputs: int, edges: tuple[tuple[int, int], ...]) -> npt.NDArray[np.int8]:
    """Return the length of the longest path for each subset of edges, shape (2 ** E,).

    The first edge is the highest binary digit of a subset's number.
    """
    subsets = np.arange(2 ** len(edges))
    nodes = 1 + max(target for _, target in edges)
    longest = [
        np.full(len(subsets), 0 if node < inputs else -1, dtype=np.int8)
        for node in range(nodes)
    ]
    by_target = sorted(enumerate(edges), key=lambda numbered: numbered[1][1])
    for place, (source, target) in by_target:
        digit = len(edges) - 1 - place
        there = (subsets >> digit) & 1 == 1
        reached = there & (longest[source] >= 0)
        through_edge = np.maximum(longest[target], longest[source] + 1)
        longest[target] = np.where(reached, through_edge, longest[target])
    return np.maximum.reduce(longest)


def find_settled_changes(absent: Bools) -> list[tuple[int, bool]]:
    """Return the epochs after which an edge was dropped (True) or grown (False).

    A change counts if it lasts for at least :data:`SETTLED` points.

    Args:
        absent: whether the edge's argmax is none, shape (T + 1,).
    """
    starts = [0, *(np.flatnonzero(np.diff(absent)) + 1), len(absent)]
    state = bool(absent[0])
    changes = []
    for start, end in pairwise(starts):
        lasts = end - start >= SETTLED
        if lasts and bool(absent[start]) != state:
            state = bool(absent[start])
            changes.append((int(start), state))
    return changes


def loss_and_entropy(
    trace: Trace, part: str, images: slice | int = slice(None)
) -> tuple[Floats, Floats]:
    """Return the mean cross-entropy L and mean entropy H of predictions, each (T,).

    They are NaN for an epoch without such images.

    Args:
        trace: trace of the supernet.
        part: part of the images, as in :class:`TraceInfo`.
        images: index of images classified wrong or right; by default, all.
    """
    of_images = _loss_sums(trace, part)[:, images]
    sums = of_images.reshape(trace.epochs, -1, 3).sum(axis=1)
    counts = sums[:, COUNT]
    return _divide(sums[:, LOSS], counts), _divide(sums[:, ENTROPY], counts)


def mean_gap(trace: Trace, part: str, epochs: slice) -> float:
    """Return the mean of L - H over all images of some epochs; NaN without images.

    Epoch 0 is the first.
    """
    sums = _loss_sums(trace, part)[epochs].sum(axis=(0, 1))
    return float(_divide(sums[LOSS] - sums[ENTROPY], sums[COUNT]))


def _loss_sums(trace: Trace, part: str) -> Floats:
    """Return the sums of losses, entropies and images of one part, by epoch."""
    place = trace.info.parts.index(part)
    return np.asarray(trace.losses[:, place], dtype=np.float64)


def _divide(sums: Floats, counts: Floats) -> Floats:
    """Return sums divided by counts; NaN where the count is zero."""
    return np.divide(sums, counts, where=counts > 0, out=np.full_like(sums, np.nan))


def mean_costs(cell: CellWiring, epochs: slice) -> Floats:
    """Return the mean cost of each edge's operations other than none, shape (E,).

    The mean is over all operations used in these epochs; NaN if there are none. Epoch 0
    is the first.
    """
    counts = np.asarray(cell.trace.cost_counts[epochs], dtype=np.float64)
    for edge, column in enumerate(cell.nones):
        if column is not None:
            counts[:, edge, column] = 0
    # An operation that was not used in an epoch has no mean there.
    means = np.nan_to_num(cell.trace.cost_means[epochs])
    sums = (counts * means).sum(axis=(0, 2))
    return _divide(sums, counts.sum(axis=(0, 2)))
