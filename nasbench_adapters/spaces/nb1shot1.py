"""NAS-Bench-1Shot1 (Zela et al., ICLR 2020): three sub-spaces of NAS-Bench-101.

Each of them has a supernet. The number of blocks, and the number of parents of each
block and of the output, are fixed. A search chooses the parents, and the operation of
each block. A block that nothing reads is a loose end. It is part of an architecture and
its text, but not of the pruned cell in NAS-Bench-101.
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
    """All architectures of a sub-space, and their cells in NAS-Bench-101.

    Attributes:
        choices: operation indices, (architectures, edges) int8, DROPPED for a dropped
            edge; sorted by connections, then by operations.
        cell: index of each architecture's cell, (architectures,).
        first: index of each cell's representative, its first architecture, (cells,).
        cells: canonical choices of each cell in space nb101, (cells, edges of nb101)
            int8.
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
    """The space whose ground truths hold this space's cells (:meth:`in_truth`)."""
    skeleton_defaults: ClassVar[dict[str, object]] = {
        "channels": 16,
        "cells": 3,
        "momentum": "released",
    }

    def __init__(self) -> None:
        blocks = len(self.parents) - 1
        self.cells = (block_cell(blocks, self.parents),)

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text of nb101 with all blocks.

        Any other text of nb101 gives the representative of its cell. Raises UserError
        if the cell is not in the sub-space.
        """
        graph = parse_graph(text)
        if self._has_all_blocks(graph):
            return Architecture((row_of(graph, self.blocks),))
        architecture = _first_with(canonical_graph(graph), self.parents)
        if architecture is None:
            raise UserError(
                f"{graph} is not a cell of {self.name}, whose blocks and output have {self._rule} parents"
            )
        return architecture

    @property
    def _rule(self) -> str:
        """Numbers of parents for messages, such as "1, 2, 2, 2 and 2"."""
        *blocks, output = map(str, self.parents)
        return f"{', '.join(blocks)} and {output}"

    def _has_all_blocks(self, graph: VertexGraph) -> bool:
        """Return whether a cell has all blocks, each with its number of parents."""
        parents = [len(sources) for sources in predecessors(graph.bits)]
        return parents == [0, *self.parents]

    def format(self, architecture: Architecture) -> str:
        """Return the text of nb101 with all blocks, including loose ends.

        Raises ValueError unless every block has an operation and its number of parents.
        """
        graph = graph_of(architecture.choices[0], self.blocks)
        if not self._has_all_blocks(graph):
            raise ValueError(
                f"the blocks and the output of {self.name} need {self._rule} parents"
            )
        return str(graph)

    def cell_graph(self, architecture: Architecture) -> VertexGraph:
        """Return the architecture's pruned cell, without loose ends."""
        graph = graph_of(architecture.choices[0], self.blocks)
        return prune(graph)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative, in this space, of architectures with one cell.

        It is the first of them in the order of :class:`Members`.
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
        """Return whether the cell of an architecture of nb101 is in the sub-space."""
        graph = canonical_graph(TRUTH.cell_graph(architecture))
        return _first_with(graph, self.parents) is not None

    def members(self) -> Members:
        """Return all architectures and their cells.

        The largest sub-space has 1.3 million architectures.
        """
        labels = _all_labels(self.blocks)
        matrix_index: dict[str, int] = {}
        choices = []
        codes = []
        for parents in self._all_parents():
            choices.append(_choices_with(parents, labels))
            matrix, label_codes = _classify(parents, labels)
            # The code of a cell holds its graph and its operations.
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
        """Yield all connections that a cell can have, in lexicographic order."""
        sets = []
        for vertex, keeps in enumerate(self.parents, start=1):
            sets.append(combinations(range(vertex), keeps))
        return product(*sets)


def _all_labels(blocks: int) -> np.ndarray:
    """Return all operations of blocks, (labels, blocks), in lexicographic order."""
    shape = (len(OPERATIONS),) * blocks
    labels = np.indices(shape, dtype=np.int8)
    return labels.reshape(blocks, -1).T


Parents = Sequence[tuple[int, ...]]
"""The vertices that each block, and last the output, reads."""


def _matrix(parents: Parents) -> str:
    """Return the adjacency matrix of some connections, as bits row by row."""
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
        labels: operations of each architecture, (labels, blocks).
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

    The codes, (labels,), are numbers for each architecture's canonical operations.

    Args:
        parents: the connections.
        labels: operations of each architecture, (labels, blocks).
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
    """Return the cell, given its matrix and the code of its operations."""
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
    """Return the first architecture whose pruned cell is `graph`, or None.

    It has the given numbers of parents, and is first in the order of :class:`Members`.
    A loose end has the first possible parents and the first operation.
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
    """Return whether a cell's vertices can become the blocks `places`.

    They must have the blocks' numbers of parents and read earlier blocks.
    :func:`_place_cell` explains the arguments.
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
        sources: for each vertex of the cell, the vertices that it reads.
        places: block of each vertex except the output; 0 for the input.
        parents: number of connections that each block, and last the output, keeps.
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
    """Return the blocks of some vertices, sorted."""
    return tuple(sorted(places[vertex] for vertex in vertices))


class OneShot1(OneShotSpace):
    """Four blocks with 1, 2, 2 and 2 parents (table 1 of the paper)."""

    name = "nb1shot1-1"
    summary = "NAS-Bench-1Shot1, space 1: 4 blocks with 1, 2, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 2, 2, 2, 2)


class OneShot2(OneShotSpace):
    """Four blocks with 1, 1, 2 and 2 parents, and three parents of the output."""

    name = "nb1shot1-2"
    summary = "NAS-Bench-1Shot1, space 2: 4 blocks with 1, 1, 2 and 2 parents, output of 3; cells of nb101"
    formulation = 1
    parents = (1, 1, 2, 2, 3)


class OneShot3(OneShotSpace):
    """Five blocks with 1, 1, 1, 2 and 2 parents."""

    name = "nb1shot1-3"
    summary = "NAS-Bench-1Shot1, space 3: 5 blocks with 1, 1, 1, 2 and 2 parents, output of 2; cells of nb101"
    formulation = 1
    parents = (1, 1, 1, 2, 2, 2)
