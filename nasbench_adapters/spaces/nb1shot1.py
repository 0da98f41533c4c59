"""NAS-Bench-1Shot1 (Zela et al., ICLR 2020): three sub-spaces of NAS-Bench-101.

A supernet can hold each of them. The number of blocks is fixed, and so is how many
parents each block and the output has; which parents, and the block's operation, is
searched. A block that nothing reads is a loose end: it is part of an architecture and
its text, but not of the cell that NAS-Bench-101 knows, which is pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, permutations, product
from math import isqrt
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Architecture, Decisions
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    CellGraphSpace,
    NasBench101,
    VertexGraph,
    block_cell,
    canonical_graph,
    graph_of,
    layout,
    least_numberings,
    live_vertices,
    operation_places,
    parse_graph,
    predecessors,
    prune,
    renumber,
    row_of,
)

TRUTH = NasBench101()


class Members(NamedTuple):
    """All architectures of a sub-space and the cells of NAS-Bench-101 that they are.

    Attributes:
        choices: (architectures, edges) int8, operation indices, DROPPED for a dropped
            edge; the least connections first, and of one set of connections the least
            operations first.
        cell: (architectures,) of each the index of its cell.
        first: (cells,) of each cell its representative: the index of the first
            architecture that is it.
        cells: (cells, edges of nb101) int8, the canonical choices in space nb101.
    """

    choices: np.ndarray
    cell: np.ndarray
    first: np.ndarray
    cells: np.ndarray


class OneShotSpace(CellGraphSpace):
    """A sub-space of cells with a fixed number of blocks.

    Attributes:
        parents: how many connections each block, and last the output, keeps.
    """

    parents: ClassVar[tuple[int, ...]]
    truth_space: ClassVar[str] = TRUTH.name
    """The space whose tables speak for this one; see :meth:`in_truth`."""
    skeleton_defaults: ClassVar[dict[str, object]] = {
        "channels": 16,
        "cells": 3,
        "momentum": "released",
    }

    def __init__(self) -> None:
        blocks = len(self.parents) - 1
        self.cells = (block_cell(blocks, self.parents),)

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`.

        The form is that of nb101, with all blocks in their places.

        Any other text of nb101 whose cell is in the sub-space gives that cell's
        representative. Raises UserError if it is not.
        """
        graph = parse_graph(text)
        if self._has_all_blocks(graph):
            return Architecture((row_of(graph, self.blocks),))
        architecture = _first_with(canonical_graph(graph), self.parents)
        if architecture is None:
            raise UserError(
                f"{graph} is no cell of {self.name}: its blocks and output have {self._rule} parents"
            )
        return architecture

    @property
    def _rule(self) -> str:
        """Numbers of parents in words."""
        *blocks, output = map(str, self.parents)
        return f"{', '.join(blocks)} and {output}"

    def _has_all_blocks(self, graph: VertexGraph) -> bool:
        """Return whether a cell has all blocks, each with its number of parents."""
        parents = [len(sources) for sources in predecessors(graph.bits)]
        return parents == [0, *self.parents]

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`.

        The text is that of nb101, with all blocks, loose ends included.

        Raises ValueError unless every block has its operation and its number of
        parents.
        """
        graph = graph_of(architecture.choices[0], self.blocks)
        if not self._has_all_blocks(graph):
            raise ValueError(
                f"blocks and output of {self.name} have {self._rule} parents"
            )
        return str(graph)

    def cell_graph(self, architecture: Architecture) -> VertexGraph:
        """See :meth:`CellGraphSpace.cell_graph`."""
        graph = graph_of(architecture.choices[0], self.blocks)
        return prune(graph)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative, here, of all architectures that are the same cell.

        See :class:`Members`.
        """
        graph = canonical_graph(self.cell_graph(architecture))
        representative = _first_with(graph, self.parents)
        assert representative is not None
        return representative

    def in_truth(self, architecture: Architecture) -> Architecture:
        """Return the representative of the architecture's cell in :attr:`truth_space`.

        Its loose ends are pruned.
        """
        graph = canonical_graph(self.cell_graph(architecture))
        return TRUTH.architecture(graph)

    def contains(self, architecture: Architecture) -> bool:
        """Return whether an architecture of nb101 is a cell of the sub-space."""
        graph = canonical_graph(TRUTH.cell_graph(architecture))
        return _first_with(graph, self.parents) is not None

    def members(self) -> Members:
        """Return all architectures, and which of them are the same cell.

        The largest sub-space has 1.3 million.
        """
        labels = _all_labels(self.blocks)
        matrix_index: dict[str, int] = {}
        choices = []
        codes = []
        for parents in self._all_parents():
            choices.append(_choices_with(parents, labels))
            matrix, label_codes = _classify(parents, labels)
            # The code of a cell tells its graph and its operations.
            index = matrix_index.setdefault(matrix, len(matrix_index))
            codes.append(index * len(labels) + label_codes)
        classes, first, cell = np.unique(
            np.concatenate(codes), return_index=True, return_inverse=True
        )
        matrices = list(matrix_index)
        edges = len(TRUTH.cells[0].edges)
        cells = np.empty((len(classes), edges), dtype=np.int8)
        for row, code in enumerate(classes.tolist()):
            index, label_code = divmod(code, len(labels))
            graph = _decode(matrices[index], label_code)
            architecture = TRUTH.architecture(graph)
            (cells[row],) = Decisions.of(architecture).choices
        return Members(np.concatenate(choices), cell, first, cells)

    def _all_parents(self) -> Iterator[Parents]:
        """Yield all connections that a cell can have, the least first."""
        sets = []
        for vertex, keeps in enumerate(self.parents, start=1):
            sets.append(combinations(range(vertex), keeps))
        return product(*sets)


def _all_labels(blocks: int) -> np.ndarray:
    """Return all operations that blocks can have, (labels, blocks), the least first."""
    shape = (len(OPERATIONS),) * blocks
    labels = np.indices(shape, dtype=np.int8)
    return labels.reshape(blocks, -1).T


Parents = Sequence[tuple[int, ...]]
"""The vertices that each block, and last the output, reads."""


def _matrix(parents: Parents) -> str:
    """Return the adjacency matrix, as bits row by row, of a cell by its connections."""
    vertices = range(len(parents) + 1)
    sources_of = [(), *parents]
    bits = []
    for source, target in product(vertices, repeat=2):
        bits.append("1" if source in sources_of[target] else "0")
    return "".join(bits)


def _choices_with(
    parents: Parents,
    labels: np.ndarray,
) -> np.ndarray:
    """Return the choices (labels, edges) of architectures with the same connections.

    Args:
        parents: the connections.
        labels: (labels, blocks) the operations of each architecture.
    """
    edges, connections, operations = layout(len(parents) - 1)
    shape = (len(labels), len(edges))
    choices = np.full(shape, DROPPED, dtype=np.int8)
    for target, sources in enumerate(parents, start=1):
        kept = [connections[source, target] for source in sources]
        choices[:, kept] = 0
    choices[:, operations] = labels
    return choices


def _classify(
    parents: Parents,
    labels: np.ndarray,
) -> tuple[str, np.ndarray]:
    """Return the canonical matrix of a cell's connections, and codes of operations.

    There is a code for each architecture's canonical operations, (labels,).

    Args:
        parents: the connections.
        labels: (labels, blocks) the operations of each architecture.
    """
    bits = _matrix(parents)
    kept = live_vertices(bits)
    least, numberings = least_numberings(renumber(bits, kept))
    used = labels[:, operation_places(kept)]
    codes = []
    for numbering in numberings:
        renumbered = used[:, operation_places(numbering)]
        codes.append(_encode(renumbered))
    return least, np.min(codes, axis=0)


def _encode(labels: np.ndarray) -> np.ndarray:
    """Return rows of operations as numbers, in their lexicographic order."""
    places = np.arange(labels.shape[1])[::-1]
    place_values = len(OPERATIONS) ** places
    return labels.astype(np.int64) @ place_values


def _decode(bits: str, code: int) -> VertexGraph:
    """Return the cell of a matrix and of the number of its operations."""
    labels = []
    for _ in range(isqrt(len(bits)) - 2):
        code, label = divmod(code, len(OPERATIONS))
        labels.append(label)
    return VertexGraph(bits, tuple(reversed(labels)))


@lru_cache(maxsize=1 << 16)
def _first_with(
    graph: VertexGraph,
    parents: tuple[int, ...],
) -> Architecture | None:
    """Return the first architecture that is a pruned cell once it is pruned itself.

    It has those numbers of parents. None if there is no such architecture. First in the
    order of :class:`Members`. A loose end takes the first parents and the first
    operation there are.
    """
    blocks = len(parents) - 1
    sources = predecessors(graph.bits)
    if len(sources[-1]) != parents[-1]:
        return None
    candidates = []
    for between in permutations(range(1, blocks + 1), graph.vertices - 2):
        places = (0, *between)
        if _fits(sources, places, parents):
            candidates.append(_place_cell(graph, sources, places, parents))
    if not candidates:
        return None
    connections, operations = min(candidates)
    bits = _matrix(connections)
    whole_graph = VertexGraph(bits, tuple(operations))
    return Architecture((row_of(whole_graph, blocks),))


def _fits(
    sources: Sequence[Sequence[int]],
    places: Sequence[int],
    parents: Sequence[int],
) -> bool:
    """Return whether a cell's vertices can be these blocks.

    They must have the blocks' numbers of parents and read earlier blocks. For the
    arguments see :func:`_place_cell`.
    """
    for vertex in range(1, len(places)):
        place = places[vertex]
        if len(sources[vertex]) != parents[place - 1]:
            return False
        if any(places[source] > place for source in sources[vertex]):
            return False
    return True


def _place_cell(
    graph: VertexGraph,
    sources: Sequence[Sequence[int]],
    places: Sequence[int],
    parents: Sequence[int],
) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the connections and operations of all blocks.

    Args:
        graph: the cell.
        sources: per vertex of the cell, those that it reads.
        places: per vertex but the output, its block; 0 for the input.
        parents: how many connections each block, and last the output, keeps.
    """
    connections = [tuple(range(keeps)) for keeps in parents]
    operations = [0] * (len(parents) - 1)
    for vertex in range(1, len(places)):
        block = places[vertex] - 1
        connections[block] = _sorted_places(sources[vertex], places)
        operations[block] = graph.operations[vertex - 1]
    connections[-1] = _sorted_places(sources[-1], places)
    return connections, operations


def _sorted_places(
    vertices: Sequence[int],
    places: Sequence[int],
) -> tuple[int, ...]:
    """Return the blocks that vertices are, in order."""
    return tuple(sorted(places[vertex] for vertex in vertices))


class OneShot1(OneShotSpace):
    """Four blocks; see table 1 of the paper."""

    name = "nb1shot1-1"
    summary = "NAS-Bench-1Shot1, space 1: 4 blocks with 1, 2, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 2, 2, 2, 2)


class OneShot2(OneShotSpace):
    """Four blocks, fewer parents within the cell and more at its output."""

    name = "nb1shot1-2"
    summary = "NAS-Bench-1Shot1, space 2: 4 blocks with 1, 1, 2 and 2 parents, output of 3; cells of nb101"
    formulation = 1
    parents = (1, 1, 2, 2, 3)


class OneShot3(OneShotSpace):
    """Five blocks."""

    name = "nb1shot1-3"
    summary = "NAS-Bench-1Shot1, space 3: 5 blocks with 1, 1, 1, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 1, 1, 2, 2, 2)
