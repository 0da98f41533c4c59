"""Quantities of a supernet's operation weights, computed from its trace.

a is the table of weights that the activation computes from the alphas of a cell type; D
is the one-hot table of the architecture read from it. T epochs have T + 1 points; the
first is before training. Shapes: T epochs, E edges, K operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from archselect.benchmarks.store.traces import Trace, TracedCell
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.rank_correlations import Floats, Ints
from archselect.nasbench_adapters.space import Cell
from archselect.nasbench_adapters.spaces import get_space
from archselect.reports.results.wiring_quantities import Bools


@dataclass(frozen=True, eq=False)
class CellAlphas:
    """The operation weights of a cell type over a training.

    Attributes:
        cell: cell type of the space.
        tables: weights, shape (T + 1, E, K).
    """

    cell: Cell
    tables: Floats

    @cached_property
    def discrete(self) -> Floats:
        """The one-hot table D of every point, shape (T + 1, E, K)."""
        return discrete_tables(self.cell, self.tables)

    @cached_property
    def distance(self) -> Floats:
        """‖a - D‖₂ over all edges and operations, shape (T + 1,)."""
        squares = np.square(self.tables - self.discrete)
        return np.sqrt(squares.sum(axis=(1, 2)))

    @cached_property
    def live(self) -> Ints:
        """Number of weights above zero, shape (T + 1,)."""
        return np.count_nonzero(self.tables > 0, axis=(1, 2))

    @cached_property
    def entropies(self) -> Floats:
        """Entropy of an edge's weights divided by their sum, in nats, shape (T + 1, E).

        An edge without a weight above zero has entropy 0.
        """
        sums = self.tables.sum(axis=-1, keepdims=True)
        zeros = np.zeros_like(self.tables)
        shares = np.divide(self.tables, sums, where=sums > 0, out=zeros)
        logarithms = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
        return -np.sum(shares * logarithms, axis=-1)


@dataclass(frozen=True, eq=False)
class SupernetAlphas:
    """The operation weights of all cell types of a supernet."""

    trace: Trace
    cells: tuple[CellAlphas, ...]

    @cached_property
    def distance(self) -> Floats:
        """‖a - D‖₂, summed over cell types, shape (T + 1,)."""
        return np.sum([cell.distance for cell in self.cells], axis=0)

    @cached_property
    def entropy(self) -> Floats:
        """Mean entropy over the edges of all cell types, in nats, shape (T + 1,)."""
        every = [cell.entropies for cell in self.cells]
        return np.concatenate(every, axis=1).mean(axis=1)

    @cached_property
    def live(self) -> Ints:
        """Number of live operations in all cell types together, shape (T + 1,)."""
        return np.sum([cell.live for cell in self.cells], axis=0)

    @property
    def alpha_steps(self) -> int:
        """Number of alpha steps over all epochs."""
        return int(self.trace.alpha_step_counts.sum())


def supernet_alphas(trace: Trace) -> SupernetAlphas:
    """Return the operation weights of a trace.

    Raises UserError if its space is unknown, or if the cells of the space differ from
    those of the trace.
    """
    space = get_space(trace.info.space)
    if not _match(space.cells, trace.info.cells):
        raise UserError(
            f"the cells in the trace of supernet {trace.info.id} differ from those of space {trace.info.space}: "
            f"install "
            "the package with the space of the training, or remove 'alphas' from the study's tables"
        )
    pairs = zip(space.cells, trace.cells, strict=True)
    cells = []
    for cell, traced in pairs:
        tables = np.asarray(traced.probabilities, dtype=np.float64)
        cells.append(CellAlphas(cell, tables))
    return SupernetAlphas(trace, tuple(cells))


def _match(cells: Sequence[Cell], traced: Sequence[TracedCell]) -> bool:
    """Return whether the cells of a space equal those of a trace."""
    if len(cells) != len(traced):
        return False
    return all(
        list(cell.edges) == other.edges
        and [list(names) for names in cell.operations] == other.operations
        for cell, other in zip(cells, traced, strict=True)
    )


def discrete_tables(cell: Cell, tables: Floats) -> Floats:
    """Return the one-hot tables of the architectures with the largest weights.

    This is the rule of DARTS (section 2.4). Every edge gets its operation with the
    largest weight; among equals, the one with the lower index. If nodes keep a fixed
    number of inputs, `none` is excluded, and a node keeps the inputs whose operations
    have the largest weights; among equals, the earlier ones. Rows of dropped edges are
    zero.

    Args:
        cell: cell type, which defines the candidates and the number of inputs to keep.
        tables: weights, shape (points, E, K).

    Returns:
        Zeros and ones, shape (points, E, K).
    """
    weights = np.where(_candidates(cell, tables.shape[-1]), tables, -np.inf)
    chosen = weights.argmax(axis=-1)
    strength = weights.max(axis=-1)
    one_hot = np.zeros_like(tables)
    np.put_along_axis(one_hot, chosen[..., None], 1.0, axis=-1)
    for node in cell.summing_nodes:
        incoming = cell.incoming(node)
        # The sort is stable: among equals, earlier inputs come first.
        order = np.argsort(-strength[:, incoming], axis=-1, kind="stable")
        for point, places in enumerate(order[:, cell.count_kept(node) :]):
            dropped = [incoming[place] for place in places]
            one_hot[point, dropped] = 0.0
    return one_hot


def _candidates(cell: Cell, columns: int) -> Bools:
    """Return the mask of operations that an architecture can have, shape (E, K)."""
    candidates = np.zeros((len(cell.edges), columns), dtype=np.bool_)
    for edge in range(len(cell.edges)):
        candidates[edge, cell.candidates(edge)] = True
    return candidates
