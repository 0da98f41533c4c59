"""NAS-Bench-1Shot1 (Zela et al., ICLR 2020): three sub-spaces of NAS-Bench-101 that a supernet can hold.

The number of blocks is fixed, and so is how many parents each block and the output has;
which parents, and the block's operation, is searched. A block that nothing reads is a
loose end: it is part of an architecture and its text, but not of the cell that
NAS-Bench-101 knows, which is pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, permutations, product
from math import isqrt
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, Architecture, Decisions
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    CellGraph,
    CellGraphSpace,
    NasBench101,
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
        self.cells = (block_cell(len(self.parents) - 1, self.parents),)

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`.

        The form is that of nb101, with all blocks in their places.

        Any other text of nb101 whose cell is in the sub-space gives that cell's
        representative. Raises UserError if it is not.
        """
        module = parse_graph(text)
        if self._has_all_blocks(module):
            return Architecture((row_of(module, self.blocks),))
        architecture = _first_with(canonical_graph(module), self.parents)
        if architecture is None:
            raise UserError(
                f"{module} is no cell of {self.name}: its blocks and output have {self._rule} parents"
            )
        return architecture

    @property
    def _rule(self) -> str:
        return ", ".join(map(str, self.parents[:-1])) + f" and {self.parents[-1]}"

    def _has_all_blocks(self, module: CellGraph) -> bool:
        """Return whether a cell has all blocks in their places, each with its number of parents."""
        parents = [len(sources) for sources in predecessors(module.bits)]
        return parents == [0, *self.parents]

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`.

        The text is that of nb101, with all blocks, loose ends included.

        Raises ValueError unless every block has its operation and its number of
        parents.
        """
        module = graph_of(architecture.choices[0], self.blocks)
        if not self._has_all_blocks(module):
            raise ValueError(
                f"blocks and output of {self.name} have {self._rule} parents"
            )
        return str(module)

    def cell_graph(self, architecture: Architecture) -> CellGraph:
        """See :meth:`CellGraphSpace.cell_graph`."""
        return prune(graph_of(architecture.choices[0], self.blocks))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative, here, of all architectures that are the same cell: see :class:`Members`."""
        representative = _first_with(
            canonical_graph(self.cell_graph(architecture)), self.parents
        )
        assert representative is not None
        return representative

    def in_truth(self, architecture: Architecture) -> Architecture:
        """Return the representative of the architecture's cell in :attr:`truth_space`, loose ends pruned."""
        return TRUTH.architecture(canonical_graph(self.cell_graph(architecture)))

    def contains(self, architecture: Architecture) -> bool:
        """Return whether a cell of nb101, given as an architecture of it, is one of the sub-space's."""
        return (
            _first_with(canonical_graph(TRUTH.cell_graph(architecture)), self.parents)
            is not None
        )

    def members(self) -> Members:
        """Return all architectures, and which of them are the same cell.

        The largest sub-space has 1.3 million.
        """
        blocks = self.blocks
        labels = (
            np.indices((len(OPERATIONS),) * blocks, dtype=np.int8).reshape(blocks, -1).T
        )
        graphs: dict[str, int] = {}
        choices = []
        codes = []
        sets = [
            combinations(range(v), keeps)
            for v, keeps in enumerate(self.parents, start=1)
        ]
        for parents in product(*sets):
            choices.append(_choices_with(parents, labels))
            graph, label_codes = _classify(parents, labels)
            # The code of a cell tells its graph and its operations.
            codes.append(
                graphs.setdefault(graph, len(graphs)) * len(labels) + label_codes
            )
        classes, first, cell = np.unique(
            np.concatenate(codes), return_index=True, return_inverse=True
        )
        matrices = list(graphs)
        cells = np.empty((len(classes), len(TRUTH.cells[0].edges)), dtype=np.int8)
        for index, code in enumerate(classes.tolist()):
            graph_index, label_code = divmod(code, len(labels))
            cell_architecture = TRUTH.architecture(
                _decode(matrices[graph_index], label_code)
            )
            (cells[index],) = Decisions.of(cell_architecture).choices
        return Members(np.concatenate(choices), cell, first, cells)


Parents = Sequence[tuple[int, ...]]
"""The vertices that each block, and last the output, reads."""


def _matrix(parents: Parents) -> str:
    """Return the adjacency matrix, as bits row by row, of a cell by its connections."""
    vertices = range(len(parents) + 1)
    return "".join(
        "1" if v and u in parents[v - 1] else "0"
        for u, v in product(vertices, repeat=2)
    )


def _choices_with(parents: Parents, labels: np.ndarray) -> np.ndarray:
    """Return the choices (labels, edges) of architectures with the same connections.

    Args:
        parents: the connections.
        labels: (labels, blocks) the operations of each architecture.
    """
    edges, connections, operations = layout(len(parents) - 1)
    choices = np.full((len(labels), len(edges)), DROPPED, dtype=np.int8)
    for v, sources in enumerate(parents, start=1):
        choices[:, [connections[u, v] for u in sources]] = 0
    choices[:, operations] = labels
    return choices


def _classify(parents: Parents, labels: np.ndarray) -> tuple[str, np.ndarray]:
    """Return the canonical matrix of a cell's connections, and a number of each architecture's canonical operations.

    Args:
        parents: the connections.
        labels: (labels, blocks) the operations of each architecture.
    """
    bits = _matrix(parents)
    kept = live_vertices(bits)
    least, numberings = least_numberings(renumber(bits, kept))
    used = labels[:, operation_places(kept)]
    codes = [_encode(used[:, operation_places(numbering)]) for numbering in numberings]
    return least, np.min(codes, axis=0)


def _encode(labels: np.ndarray) -> np.ndarray:
    """Return rows of operations as numbers, in their lexicographic order."""
    places = np.arange(labels.shape[1])[::-1]
    return labels.astype(np.int64) @ len(OPERATIONS) ** places


def _decode(bits: str, code: int) -> CellGraph:
    """Return the cell of a matrix and of the number of its operations."""
    labels = []
    for _ in range(isqrt(len(bits)) - 2):
        code, label = divmod(code, len(OPERATIONS))
        labels.append(label)
    return CellGraph(bits, tuple(reversed(labels)))


@lru_cache(maxsize=1 << 16)
def _first_with(module: CellGraph, parents: tuple[int, ...]) -> Architecture | None:
    """Return the first architecture with those numbers of parents that is this pruned cell once pruned.

    None if none is. First in the order of :class:`Members`. A loose end takes the first
    parents and the first operation there are.
    """
    blocks = len(parents) - 1
    sources = predecessors(module.bits)
    if len(sources[-1]) != parents[-1]:
        return None
    candidates = []
    for places in permutations(range(1, blocks + 1), module.vertices - 2):
        places = (0, *places)
        if _fits(sources, places, parents):
            candidates.append(_place_cell(module, sources, places, parents))
    if not candidates:
        return None
    connections, operations = min(candidates)
    bits = _matrix(connections)
    return Architecture((row_of(CellGraph(bits, tuple(operations)), blocks),))


def _fits(
    sources: Sequence[Sequence[int]], places: Sequence[int], parents: Sequence[int]
) -> bool:
    """Return whether a cell's vertices have the right numbers of parents at these blocks, and read earlier blocks."""
    for v in range(1, len(places)):
        place = places[v]
        if len(sources[v]) != parents[place - 1]:
            return False
        if any(places[u] > place for u in sources[v]):
            return False
    return True


def _place_cell(
    module: CellGraph,
    sources: Sequence[Sequence[int]],
    places: Sequence[int],
    parents: Sequence[int],
) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the connections and operations of all blocks when a cell's vertices are these blocks.

    Args:
        module: the cell.
        sources: per vertex of the cell, those that it reads.
        places: per vertex but the output, its block; 0 for the input.
        parents: how many connections each block, and last the output, keeps.
    """
    connections = [tuple(range(keeps)) for keeps in parents]
    operations = [0] * (len(parents) - 1)
    for v in range(1, len(places)):
        block = places[v] - 1
        connections[block] = tuple(sorted(places[u] for u in sources[v]))
        operations[block] = module.operations[v - 1]
    connections[-1] = tuple(sorted(places[u] for u in sources[-1]))
    return connections, operations


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
