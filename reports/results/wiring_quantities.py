"""Quantities of a supernet's wiring, from its trace: edges, depth, width, losses.

T epochs have T + 1 points, the first before training. Shapes: T epochs, E edges, K
operations.
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
"""The operation that is an edge's absence."""
SETTLED = 5
"""Epochs for which an argmax must stay (or not be) none for a drop (or a growth)."""
MOST_EDGES = 16
"""Most edges of a cell whose expected depth is given: all subsets are looked at."""


class EdgeChange(NamedTuple):
    """After which epoch an edge was dropped, or grown."""

    edge: int
    epoch: int
    grown: bool


@dataclass(frozen=True, eq=False)
class CellWiring:
    """The wiring of a cell type over the points of a training."""

    cell: TracedCell
    trace: CellTrace

    @cached_property
    def inputs(self) -> Bools:
        """(E,) whether an edge leaves an input; all others are between nodes."""
        return np.array([source < self.cell.inputs for source, _ in self.cell.edges])

    @cached_property
    def names(self) -> list[str]:
        """Each edge as source→target, as in a drawing: k−2 and k−1 are two inputs."""
        nodes = [_node_name(self.cell, node) for node in range(self.cell.nodes)]
        return [
            f"{nodes[source]}→{nodes[target]}" for source, target in self.cell.edges
        ]

    @cached_property
    def nones(self) -> list[int | None]:
        """The column of none of each edge; None where none is not allowed."""
        return [
            operations.index(NONE) if NONE in operations else None
            for operations in self.cell.operations
        ]

    @cached_property
    def free(self) -> Bools:
        """(E,) whether an edge may be none and may be something else."""
        return np.array(
            [
                NONE in operations and len(operations) > 1
                for operations in self.cell.operations
            ]
        )

    @cached_property
    def probabilities(self) -> Floats:
        """(T + 1, E, K) probabilities of the operations."""
        return np.asarray(self.trace.probabilities, dtype=np.float64)

    @cached_property
    def q(self) -> Floats:
        """(T + 1, E) probability that an edge is there.

        It is 1 - p(none), and 1 where none is not allowed.
        """
        q = np.ones(self.probabilities.shape[:2])
        for edge, column in enumerate(self.nones):
            if column is not None:
                q[:, edge] -= self.probabilities[:, edge, column]
        return q

    @cached_property
    def entropy(self) -> Floats:
        """(T + 1, E) entropy of an edge's operations, none among them, in nats."""
        p = self.probabilities
        logarithms = np.log(p, where=p > 0, out=np.zeros_like(p))
        return -np.sum(p * logarithms, axis=-1)

    @cached_property
    def genotype(self) -> Ints:
        """(T + 1, E) the likeliest operation of each edge, none included.

        Of equally likely ones it is the first.
        """
        return self.probabilities.argmax(axis=-1)

    @cached_property
    def absent(self) -> Bools:
        """(T + 1, E) whether the likeliest operation is none."""
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
        """(T + 1,) :func:`expected_depth`.

        None of a cell with more than :data:`MOST_EDGES` edges.
        """
        if len(self.cell.edges) > MOST_EDGES:
            return None
        return expected_depth(self.q, self.cell.inputs, self.cell.edges)

    @cached_property
    def changes(self) -> list[EdgeChange]:
        """Every drop and growth, by epoch; see :func:`find_settled_changes`."""
        changes = []
        for edge in range(len(self.cell.edges)):
            for epoch, dropped in find_settled_changes(self.absent[:, edge]):
                changes.append(EdgeChange(edge, epoch, grown=not dropped))
        return sorted(changes, key=lambda change: (change.epoch, change.edge))


@dataclass(frozen=True, eq=False)
class SupernetWiring:
    """A supernet's trace, and its cells' wiring."""

    trace: Trace

    @cached_property
    def cells(self) -> list[CellWiring]:
        """One per cell type."""
        pairs = zip(self.trace.info.cells, self.trace.cells, strict=True)
        return [CellWiring(cell, trace) for cell, trace in pairs]

    @cached_property
    def edges(self) -> Ints:
        """(T + 1,) edges of the argmax genotype, of all cell types together."""
        return np.sum([cell.edges for cell in self.cells], axis=0)

    @cached_property
    def learns(self) -> bool:
        """Whether the alphas ever moved."""
        return any(
            np.ptp(cell.trace.probabilities, axis=0).any() for cell in self.cells
        )


def _node_name(cell: TracedCell, node: int) -> str:
    """Return a node's name, as in :mod:`..drawing.layout`, which draws cells."""
    if cell.inputs == 2:
        return f"k−{2 - node}" if node < 2 else f"{node - 2}"
    if node < cell.inputs:
        return "in" if cell.inputs == 1 else f"in {node}"
    return "out" if cell.output == [node] else f"{node}"


def expected_depth(q: Floats, inputs: int, edges: Sequence[tuple[int, int]]) -> Floats:
    """Return the expected longest path, in edges, from an input to any node.

    An edge is there with probability q, independently of the others. The result is
    exact, over all subsets of the edges.

    Args:
        q: (points, E).
        inputs: how many nodes are inputs.
        edges: source and target of each.

    Returns:
        (points,) depths.
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
    """Return (2 ** E,) the longest path in each subset of the edges.

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
    """Return after which epochs an edge was dropped (True) or grown (False).

    A change counts if it lasts for at least :data:`SETTLED` points.

    Args:
        absent: (T + 1,) whether the edge's argmax is none.
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
    """Return mean cross-entropy L and mean entropy H of predictions, each (T,).

    NaN of an epoch without such images.

    Args:
        trace: of the supernet.
        part: which part of the images; see :class:`TraceInfo`.
        images: those that were classified wrong or right, or all.
    """
    of_images = _loss_sums(trace, part)[:, images]
    sums = of_images.reshape(trace.epochs, -1, 3).sum(axis=1)
    counts = sums[:, COUNT]
    return _divide(sums[:, LOSS], counts), _divide(sums[:, ENTROPY], counts)


def mean_gap(trace: Trace, part: str, epochs: slice) -> float:
    """Return the mean of L - H over all images of these epochs; NaN of none.

    Epoch 0 is the first.
    """
    sums = _loss_sums(trace, part)[epochs].sum(axis=(0, 1))
    return float(_divide(sums[LOSS] - sums[ENTROPY], sums[COUNT]))


def _loss_sums(trace: Trace, part: str) -> Floats:
    """Return the sums of losses, entropies and images of one part, by epoch."""
    place = trace.info.parts.index(part)
    return np.asarray(trace.losses[:, place], dtype=np.float64)


def _divide(sums: Floats, counts: Floats) -> Floats:
    """Return means; NaN where nothing was counted."""
    return np.divide(sums, counts, where=counts > 0, out=np.full_like(sums, np.nan))


def mean_costs(cell: CellWiring, epochs: slice) -> Floats:
    """Return (E,) mean cost of an edge's operations other than none; NaN of none.

    The mean is over all operations that went forward in these epochs. Epoch 0 is the
    first.
    """
    counts = np.asarray(cell.trace.cost_counts[epochs], dtype=np.float64)
    for edge, column in enumerate(cell.nones):
        if column is not None:
            counts[:, edge, column] = 0
    # An operation that never went forward in an epoch has no mean there.
    means = np.nan_to_num(cell.trace.cost_means[epochs])
    sums = (counts * means).sum(axis=(0, 2))
    return _divide(sums, counts.sum(axis=(0, 2)))
