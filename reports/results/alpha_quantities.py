"""Quantities of a supernet's weights of operations, from its trace.

a is the table of weights that the activation gives to the alphas of a cell type, D the
one-hot table of the architecture that it stands for. T epochs have T + 1 points, the
first before training. Shapes: T epochs, E edges, K operations.
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
    """The weights of a cell type over the points of a training.

    Attributes:
        cell: the cell type of the space.
        tables: (T + 1, E, K) weights.
    """

    cell: Cell
    tables: Floats

    @cached_property
    def discrete(self) -> Floats:
        """(T + 1, E, K) the one-hot table D of every point."""
        return discrete_tables(self.cell, self.tables)

    @cached_property
    def distance(self) -> Floats:
        """(T + 1,) ‖a - D‖₂ over all edges and operations."""
        squares = np.square(self.tables - self.discrete)
        return np.sqrt(squares.sum(axis=(1, 2)))

    @cached_property
    def live(self) -> Ints:
        """(T + 1,) how many entries of the table are above zero."""
        return np.count_nonzero(self.tables > 0, axis=(1, 2))

    @cached_property
    def entropies(self) -> Floats:
        """(T + 1, E) entropy of an edge's weights, in nats.

        Weights are divided by their sum. An edge without a weight above zero has
        entropy 0.
        """
        sums = self.tables.sum(axis=-1, keepdims=True)
        zeros = np.zeros_like(self.tables)
        shares = np.divide(self.tables, sums, where=sums > 0, out=zeros)
        logarithms = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
        return -np.sum(shares * logarithms, axis=-1)


@dataclass(frozen=True, eq=False)
class SupernetAlphas:
    """A supernet's weights of operations, of all its cell types."""

    trace: Trace
    cells: tuple[CellAlphas, ...]

    @cached_property
    def distance(self) -> Floats:
        """(T + 1,) ‖a - D‖₂ of each cell type, added up."""
        return np.sum([cell.distance for cell in self.cells], axis=0)

    @cached_property
    def entropy(self) -> Floats:
        """(T + 1,) mean entropy of an edge, in nats, over all cell types."""
        every = [cell.entropies for cell in self.cells]
        return np.concatenate(every, axis=1).mean(axis=1)

    @cached_property
    def live(self) -> Ints:
        """(T + 1,) live operations of all cell types together."""
        return np.sum([cell.live for cell in self.cells], axis=0)

    @property
    def alpha_steps(self) -> int:
        """How often the alphas were stepped in all epochs together."""
        return int(self.trace.alpha_step_counts.sum())


def supernet_alphas(trace: Trace) -> SupernetAlphas:
    """Return the weights of a trace, with the rule of its space.

    Raises UserError if the space is unknown here, or has other cells than the trace.
    """
    space = get_space(trace.info.space)
    if not _match(space.cells, trace.info.cells):
        raise UserError(
            f"the trace of supernet {trace.info.id} has other cells than space {trace.info.space} has: install what "
            "declares the space that it was trained on, or take 'alphas' out of the study's tables"
        )
    pairs = zip(space.cells, trace.cells, strict=True)
    cells = []
    for cell, traced in pairs:
        tables = np.asarray(traced.probabilities, dtype=np.float64)
        cells.append(CellAlphas(cell, tables))
    return SupernetAlphas(trace, tuple(cells))


def _match(cells: Sequence[Cell], traced: Sequence[TracedCell]) -> bool:
    """Return whether the cells of a space are those of a trace."""
    if len(cells) != len(traced):
        return False
    return all(
        list(cell.edges) == other.edges
        and [list(names) for names in cell.operations] == other.operations
        for cell, other in zip(cells, traced, strict=True)
    )


def discrete_tables(cell: Cell, tables: Floats) -> Floats:
    """Return the one-hot tables of the architectures with the largest weights.

    It is the rule of DARTS (section 2.4). Every edge has its largest operation, of
    equals the one of lower index; it is not `none` where nodes keep a number of their
    inputs. Such a node keeps the inputs whose operations weigh most, of equals the
    earlier ones; rows of the others are zero.

    Args:
        cell: says which operations are candidates, and how many inputs nodes keep.
        tables: (points, E, K) weights.

    Returns:
        (points, E, K) zeros and ones.
    """
    weights = np.where(_candidates(cell, tables.shape[-1]), tables, -np.inf)
    chosen = weights.argmax(axis=-1)
    strength = weights.max(axis=-1)
    one_hot = np.zeros_like(tables)
    np.put_along_axis(one_hot, chosen[..., None], 1.0, axis=-1)
    for node in cell.summing_nodes:
        incoming = cell.incoming(node)
        # A stable sort leaves equals in order, so that earlier inputs come first.
        order = np.argsort(-strength[:, incoming], axis=-1, kind="stable")
        for point, places in enumerate(order[:, cell.count_kept(node) :]):
            dropped = [incoming[place] for place in places]
            one_hot[point, dropped] = 0.0
    return one_hot


def _candidates(cell: Cell, columns: int) -> Bools:
    """Return (E, K) which operations an architecture may have."""
    candidates = np.zeros((len(cell.edges), columns), dtype=np.bool_)
    for edge in range(len(cell.edges)):
        candidates[edge, cell.candidates(edge)] = True
    return candidates
