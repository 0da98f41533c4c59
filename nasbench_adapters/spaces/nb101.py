"""NAS-Bench-101 (Ying et al., ICML 2019): cells of up to 7 vertices and 9 edges.

With three operations there are 423,624 cells. The benchmark puts operations on
vertices; our cells put them on edges. So a vertex between input and output, called a
block, becomes two nodes: one for its input and one for its output. The edge between
them has the operation. All other edges are connections, which are kept or dropped. Each
has a single operation: `projection` from the cell's input (a 1x1 convolution),
`skip_connect` between blocks, and `slot_0`, `slot_1`, … from a block to its part of the
concatenated output.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import permutations, product
from math import isqrt
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    Edge,
    Layer,
    SearchSpace,
    Skeleton,
    skeleton_settings,
)

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations in the benchmark's order, on which its hashes depend."""
MOST_VERTICES = 7
"""Largest number of vertices on paths from input to output (section 2.1)."""
MOST_EDGES = 9
"""Largest number of edges on paths from input to output (section 2.1)."""
BLOCKS = MOST_VERTICES - 2
STAGES = 3
MOMENTA = {"released": 0.997, "benchmark": 1 - 0.997}
"""Momentum of the normalisation after convolutions, as torch defines it: the weight of
the new batch. `CellGraphSpace.skeleton` explains the two values.
"""

FORM = "010/001/000:conv3x3-bn-relu (rows of the adjacency matrix, operations between input and output)"


class VertexGraph(NamedTuple):
    """A cell in the form of the benchmark's files.

    It is a directed acyclic graph with operations on its vertices.

    Attributes:
        bits: the adjacency matrix row by row; "1" is an edge from the row's vertex to
            the column's. Vertex 0 is the input, the last vertex the output, and every
            edge goes to a later vertex.
        operations: operations of the vertices between input and output, as indices of
            :data:`OPERATIONS`.
    """

    bits: str
    operations: tuple[int, ...]

    @property
    def vertices(self) -> int:
        """Number of vertices, including input and output."""
        return len(self.operations) + 2

    @property
    def matrix(self) -> np.ndarray:
        """Adjacency matrix, (vertices, vertices) of 0 and 1."""
        bits = [int(bit) for bit in self.bits]
        entries = np.array(bits)
        return entries.reshape(self.vertices, self.vertices)

    def __str__(self) -> str:
        rows = []
        for start in range(0, len(self.bits), self.vertices):
            end = start + self.vertices
            rows.append(self.bits[start:end])
        names = [OPERATIONS[index] for index in self.operations]
        return f"{'/'.join(rows)}:{','.join(names)}"

    def renumbered_operations(self, numbering: Sequence[int]) -> tuple[int, ...]:
        """Return the operations of the listed vertices, in that order.

        Args:
            numbering: vertices, first the input and last the output.
        """
        places = operation_places(numbering)
        return tuple(self.operations[place] for place in places)


def parse_graph(text: str) -> VertexGraph:
    """Return the cell of a text such as `010/001/000:conv3x3-bn-relu`, not pruned.

    The text may omit the slashes, and its operations may begin with `input` and end
    with `output`. So the two columns of the benchmark's files, joined by a colon, are
    also accepted. Raises UserError, which shows the place, if the text is malformed.
    """
    rows, colon, names = text.strip().partition(":")
    if not colon:
        raise _malformed(f" {text.strip()[:60]!r}: no ':' before the operations")
    bits = _parse_matrix(rows)
    return VertexGraph(bits, _parse_operations(names, isqrt(len(bits))))


def _malformed(fault: str) -> UserError:
    """Return the error for a malformed text; its message shows the right form."""
    return UserError(f"malformed NAS-Bench-101 cell{fault}; form: {FORM}")


def _parse_matrix(rows: str) -> str:
    """Return the bits of a matrix; raise UserError if it is malformed."""
    bits = rows.replace("/", "")
    vertices = isqrt(len(bits))
    is_binary = set(bits) <= {"0", "1"}
    is_square = vertices**2 == len(bits) and vertices >= 2
    if not is_binary or not is_square:
        raise _malformed(f": {rows[:80]!r} is not a square matrix of 0 and 1")
    if vertices > MOST_VERTICES:
        raise UserError(
            f"a NAS-Bench-101 cell has at most {MOST_VERTICES} vertices, not {vertices}"
        )
    lengths = [len(row) for row in rows.split("/")]
    if len(lengths) > 1 and lengths != [vertices] * vertices:
        raise _malformed(f": {rows[:80]!r} must have {vertices} rows of {vertices}")
    for vertex in range(vertices):
        first = vertex * vertices
        up_to_itself = bits[first : first + vertex + 1]
        if "1" in up_to_itself:
            raise UserError(
                f"malformed NAS-Bench-101 cell: row {vertex} of {rows!r} has an edge to the same or an earlier vertex"
            )
    return bits


def _parse_operations(
    text: str,
    vertices: int,
) -> tuple[int, ...]:
    """Return the operations of the vertices between input and output.

    They are indices of :data:`OPERATIONS`.
    """
    names = []
    if text.strip():
        names = [name.strip() for name in text.split(",")]
    if len(names) == vertices:
        has_ends = names[0] == "input" and names[-1] == "output"
        names = names[1:-1] if has_ends else names
    between = vertices - 2
    if len(names) != between:
        raise _malformed(
            f": {len(names)} operations for the {between} vertices between input and output"
        )
    for name in names:
        if name not in OPERATIONS:
            raise unknown("NAS-Bench-101 operation", name, OPERATIONS)
    return tuple(OPERATIONS.index(name) for name in names)


def prune(graph: VertexGraph) -> VertexGraph:
    """Return the cell with only the vertices on paths from input to output.

    Raises UserError if there is no such path, or if the rest has too many edges for the
    benchmark.
    """
    kept = live_vertices(graph.bits)
    if not kept:
        raise UserError(
            f"{graph} is not a cell of NAS-Bench-101: its output does not depend on its input"
        )
    bits = renumber(graph.bits, kept)
    edges = bits.count("1")
    if edges > MOST_EDGES:
        raise UserError(
            f"{graph} is not a cell of NAS-Bench-101: it has {edges} edges, more than {MOST_EDGES}"
        )
    return VertexGraph(bits, graph.renumbered_operations(kept))


def is_cell(bits: str) -> bool:
    """Return whether a pruned matrix belongs to a cell of the benchmark."""
    kept = live_vertices(bits)
    return bool(kept) and renumber(bits, kept).count("1") <= MOST_EDGES


def canonical_graph(graph: VertexGraph) -> VertexGraph:
    """Return the representative of all cells with the same labelled graph.

    Among all numberings of the pruned cell's vertices, it has the smallest matrix and
    then the smallest operations. Raises UserError like :func:`prune`.
    """
    pruned = prune(graph)
    least, numberings = least_numberings(pruned.bits)
    operations = [pruned.renumbered_operations(each) for each in numberings]
    return VertexGraph(least, min(operations))


def graph_hash(graph: VertexGraph) -> str:
    """Return the benchmark's hash of a cell (its `hash_module`).

    It is equal for isomorphic cells. In the pruned cell, the hash of a vertex starts as
    the MD5 of (edges out, edges in, operation). Each round replaces it by the MD5 of
    the hashes of its predecessors and successors and of the vertex itself; there are as
    many rounds as vertices. The result is the MD5 of all hashes, 32 hexadecimal digits.
    Raises UserError like :func:`prune`.
    """
    pruned = prune(graph)
    vertices = range(pruned.vertices)
    before = predecessors(pruned.bits)
    after = successors(pruned.bits)
    labels = (-1, *pruned.operations, -2)
    hashes = []
    for vertex in vertices:
        edges_out = len(after[vertex])
        edges_in = len(before[vertex])
        start = (edges_out, edges_in, labels[vertex])
        hashes.append(_md5(str(start)))
    for _ in vertices:
        longer_paths = []
        for vertex in vertices:
            from_before = _join(hashes, before[vertex])
            from_after = _join(hashes, after[vertex])
            longer_paths.append(_md5(f"{from_before}|{from_after}|{hashes[vertex]}"))
        hashes = longer_paths
    return _md5(str(sorted(hashes)))


def _join(
    hashes: Sequence[str],
    vertices: Sequence[int],
) -> str:
    """Return the sorted hashes of some vertices as one text."""
    selected = [hashes[vertex] for vertex in vertices]
    selected.sort()
    return "".join(selected)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def predecessors(bits: str) -> list[list[int]]:
    """Return, for each vertex of a matrix, the vertices with an edge to it."""
    vertices = isqrt(len(bits))
    # A column has every n-th bit of a matrix with n columns.
    by_vertex = []
    for first in range(vertices):
        column = bits[first::vertices]
        by_vertex.append(_ones(column))
    return by_vertex


def successors(bits: str) -> list[list[int]]:
    """Return, for each vertex of a matrix, the vertices that it has an edge to."""
    vertices = isqrt(len(bits))
    by_vertex = []
    for first in range(0, len(bits), vertices):
        row = bits[first : first + vertices]
        by_vertex.append(_ones(row))
    return by_vertex


def _ones(bits: str) -> list[int]:
    """Return the positions of "1" in a text."""
    return [place for place, bit in enumerate(bits) if bit == "1"]


@lru_cache(maxsize=1 << 16)
def live_vertices(bits: str) -> tuple[int, ...]:
    """Return the vertices of a matrix that are on a path from input to output.

    There are none if there is no path.
    """
    before = predecessors(bits)
    after = successors(bits)
    last = len(before) - 1
    reached = {0}
    for vertex in range(1, last + 1):
        if not reached.isdisjoint(before[vertex]):
            reached.add(vertex)
    useful = {last}
    for vertex in reversed(range(last)):
        if not useful.isdisjoint(after[vertex]):
            useful.add(vertex)
    if 0 not in useful:
        return ()
    return tuple(sorted(reached & useful))


class Numberings(NamedTuple):
    """The smallest matrix of a graph, and the numberings of its vertices that give it.

    Attributes:
        bits: the matrix, row by row.
        numberings: each lists the old vertices in their new order.
    """

    bits: str
    numberings: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=1 << 16)
def least_numberings(bits: str) -> Numberings:
    """Return the smallest matrix of a pruned graph over all numberings of vertices.

    In a numbering, every edge goes to a later vertex.
    """
    last = isqrt(len(bits)) - 1
    edges = []
    for source, targets in enumerate(successors(bits)):
        edges += [(source, target) for target in targets]
    by_matrix: dict[str, list[tuple[int, ...]]] = {}
    for between in permutations(range(1, last)):
        numbering = (0, *between, last)
        place = {vertex: new for new, vertex in enumerate(numbering)}
        if all(place[source] < place[target] for source, target in edges):
            matrix = renumber(bits, numbering)
            by_matrix.setdefault(matrix, []).append(numbering)
    least = min(by_matrix)
    return Numberings(least, tuple(by_matrix[least]))


def renumber(bits: str, numbering: Sequence[int]) -> str:
    """Return the matrix of the listed vertices, in that order."""
    vertices = isqrt(len(bits))
    entries = product(numbering, repeat=2)
    return "".join(bits[row * vertices + column] for row, column in entries)


def operation_places(numbering: Sequence[int]) -> list[int]:
    """Return the indices of the listed vertices among a cell's operations.

    The first vertex, the input, and the last, the output, have no operation.
    """
    between = numbering[1:-1]
    return [vertex - 1 for vertex in between]


class BlockLayout(NamedTuple):
    """The edges of a cell type that represent connections and operations of vertices.

    Attributes:
        edges: (source node, target node), block by block, those of the output last.
        connections: maps (vertex, later vertex) to the edge between them; vertex 0 is
            the input, the last vertex the output.
        operations: for each block, the edge that has its operation.
    """

    edges: tuple[tuple[int, int], ...]
    connections: dict[tuple[int, int], int]
    operations: tuple[int, ...]


@cache
def layout(blocks: int) -> BlockLayout:
    """Return the layout of cells with a number of blocks.

    The input of block b is node 2b - 1, its output node 2b.
    """
    edges: list[tuple[int, int]] = []
    connections: dict[tuple[int, int], int] = {}
    operations = []
    for vertex in range(1, blocks + 2):
        reads_at = 2 * vertex - 1
        writes_at = 2 * vertex
        for source in range(vertex):
            connections[source, vertex] = len(edges)
            edges.append((2 * source, reads_at))
        if vertex <= blocks:
            operations.append(len(edges))
            edges.append((reads_at, writes_at))
    return BlockLayout(tuple(edges), connections, tuple(operations))


def block_cell(
    blocks: int,
    parents: Sequence[int] = (),
) -> Cell:
    """Return the cell type with a number of blocks.

    Args:
        blocks: number of vertices between input and output.
        parents: number of connections that each block, and last the output, keeps. If
            there are more to choose from, they share one softmax. Empty for a cell
            without such a rule.
    """
    edges, connections, _ = layout(blocks)
    nodes = 2 * blocks + 2
    names: list[tuple[str, ...]] = [OPERATIONS] * len(edges)
    for (source, target), edge in connections.items():
        names[edge] = (_connection(source, target, blocks),)
    groups = list(range(len(edges)))
    kept: list[int | None] = [None] * nodes
    for vertex, keeps in enumerate(parents, start=1):
        kept[2 * vertex - 1] = keeps
        if keeps < vertex:
            first = connections[0, vertex]
            for source in range(vertex):
                groups[connections[source, vertex]] = first
    return Cell(
        name="cell",
        inputs=1,
        nodes=nodes,
        edges=edges,
        operations=tuple(names),
        output=(nodes - 1,),
        kept=tuple(kept) if parents else (),
        groups=tuple(groups) if parents else (),
        widths=(*[1] * (nodes - 1), blocks),
        normalised_pools=True,
    )


def _connection(
    source: int,
    target: int,
    blocks: int,
) -> str:
    """Return the operation that connects two vertices."""
    if source == 0:
        return "projection"
    is_output = target > blocks
    return f"slot_{source - 1}" if is_output else "skip_connect"


def graph_of(
    row: Sequence[int | None],
    blocks: int,
) -> VertexGraph:
    """Return the cell of an architecture's row, without blocks that have no operation.

    Raises ValueError if the row is not a cell.

    Args:
        row: choice on each edge.
        blocks: number of blocks of the cell type.
    """
    edges, connections, operations = layout(blocks)
    kept = set()
    for connection, edge in connections.items():
        if row[edge] is not None:
            kept.add(connection)
    labels: list[int] = []
    vertices = [0]
    for block, edge in enumerate(operations, start=1):
        label = row[edge]
        if label is not None:
            labels.append(label)
            vertices.append(block)
    vertices.append(blocks + 1)
    pairs = product(vertices, repeat=2)
    bits = "".join("1" if pair in kept else "0" for pair in pairs)
    has_all_edges = len(row) == len(edges)
    has_no_loose_edge = len(kept) == bits.count("1")
    known = range(len(OPERATIONS))
    has_known_labels = all(label in known for label in labels)
    if not (has_all_edges and has_no_loose_edge and has_known_labels):
        raise ValueError(
            f"a cell of {blocks} blocks needs {len(edges)} choices, and no connection at a block without an operation"
        )
    return VertexGraph(bits, tuple(labels))


def row_of(
    graph: VertexGraph,
    blocks: int,
) -> tuple[int | None, ...]:
    """Return the row of choices for a cell.

    The cell's vertices between input and output become the first blocks.

    Args:
        graph: the cell.
        blocks: number of blocks of the cell type.
    """
    edges, connections, operations = layout(blocks)
    places = [*range(graph.vertices - 1), blocks + 1]
    row: list[int | None] = [None] * len(edges)
    for source, targets in enumerate(successors(graph.bits)):
        for target in targets:
            edge = connections[places[source], places[target]]
            row[edge] = 0
    for block, operation in enumerate(graph.operations):
        row[operations[block]] = operation
    return tuple(row)


class CellGraphSpace(SearchSpace):
    """A space of NAS-Bench-101's cells: the benchmark's space, or a sub-space."""

    skeleton_defaults: ClassVar[dict[str, object]]

    @property
    def blocks(self) -> int:
        """Largest number of vertices between input and output."""
        return len(layout_of(self.cells[0]).operations)

    @abstractmethod
    def cell_graph(self, architecture: Architecture) -> VertexGraph:
        """Return the architecture's pruned cell.

        Raises UserError if it is not a cell of the benchmark.
        """

    def hash(self, architecture: Architecture) -> str:
        """Return the benchmark's hash of the architecture's cell.

        Raises UserError like :meth:`cell_graph`.
        """
        return graph_hash(self.cell_graph(architecture))

    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton: three stages of `cells` cells.

        Between stages there is max pooling. The skeleton is that of the sub-spaces'
        supernets (NAS-Bench-1Shot1's released `model_search.py`): the stem is a
        convolution with normalisation and ReLU, and a 1x1 convolution comes before the
        classifier. With the same numbers it is also that of the benchmark's networks
        (:mod:`archselect.nasbench_adapters.networks.nb101`).

        Settings:
            channels: output channels of the stem, and channels of a supernet's block in
                the first stage; the other stages have two and four times as many
                (benchmark: 128; supernets: 16).
            cells: number of cells per stage (benchmark: 3; supernets: 9 in total).
            momentum: momentum of the running statistics. The benchmark's 0.997 is
                TensorFlow's, the weight of the old statistics: "benchmark". The
                released code of NAS-Bench-1Shot1 passes that number to torch, which
                takes it as the weight of the new batch, so the running statistics are
                almost those of the last batch: "released".
        """
        chosen = skeleton_settings(self.name, settings, self.skeleton_defaults)
        channels = chosen.number("channels")
        cells = chosen.number("cells")
        momentum = chosen.word("momentum", MOMENTA, f"momentum of {self.name}")
        layers: list[Layer] = []
        for stage in range(STAGES):
            width = channels * 2**stage
            if stage:
                cell_channels = self.blocks * width // 2
                layers.append(Layer("max_pool_reduction", cell_channels, stride=2))
            layers += [Layer("cell", width)] * cells
        last_width = channels * 2 ** (STAGES - 1)
        layers.append(Layer("projection", last_width))
        return Skeleton(
            channels,
            tuple(layers),
            stem="rectified",
            norm_momentum=MOMENTA[momentum],
        )


def layout_of(cell: Cell) -> BlockLayout:
    """Return the layout of a cell type made by :func:`block_cell`."""
    return layout(cell.nodes // 2 - 1)


class NasBench101(CellGraphSpace):
    """The benchmark's space, to look up cells and to train them.

    Only sub-spaces have a supernet, because a search cannot decide edge by edge under a
    limit on the total number of edges. An architecture's blocks are the cell's vertices
    in order; the other blocks have no operation.
    """

    name = "nb101"
    summary = "NAS-Bench-101: 1 cell of up to 7 vertices and 9 edges, 3 operations, 423,624 cells"
    formulation = 1
    cells = (block_cell(BLOCKS),)
    enumerable = False
    has_supernet = False
    sub_spaces = ("nb1shot1-1", "nb1shot1-2", "nb1shot1-3")
    skeleton_defaults: ClassVar[dict[str, object]] = {
        "channels": 128,
        "cells": 3,
        "momentum": "benchmark",
    }

    @property
    def size(self) -> int:
        """Number of distinct cells of the benchmark (section 2.1 of its paper)."""
        return 423_624

    def enumerate(self) -> Iterator[Architecture]:
        """Raise UserError: the space is listed in the benchmark's file only."""
        raise UserError(
            f"{self.name} is too large to be listed: import its file ('archselect truth import --help')"
        )

    def valid(self, architecture: Architecture) -> bool:
        """Return whether an architecture's pruned cell is one of the benchmark."""
        graph = graph_of(architecture.choices[0], BLOCKS)
        return is_cell(graph.bits)

    def is_optional(self, edge: Edge) -> bool:
        """Return whether an edge is a connection, which can be dropped alone."""
        return edge.index not in layout(BLOCKS).operations

    def full_form(self, architecture: Architecture) -> Architecture:
        """Return the same cell with seven vertices, as in the benchmark's evolution.

        The added blocks come first, have the first operation and read the input;
        nothing reads them. So one more connection puts such a block between the input
        and any later vertex. A move changes one connection or one operation.
        """
        graph = graph_of(architecture.choices[0], BLOCKS)
        missing = MOST_VERTICES - graph.vertices
        matrix = np.zeros((MOST_VERTICES, MOST_VERTICES), dtype=int)
        places = [0, *range(missing + 1, MOST_VERTICES)]
        matrix[np.ix_(places, places)] = graph.matrix
        matrix[0, 1 : missing + 1] = 1
        entries = matrix.ravel().tolist()
        bits = "".join(map(str, entries))
        return self.architecture(VertexGraph(bits, (0,) * missing + graph.operations))

    def architecture(self, graph: VertexGraph) -> Architecture:
        """Return the architecture of a cell, without pruning.

        It is the inverse of :func:`graph_of`.
        """
        return Architecture((row_of(graph, BLOCKS),))

    def parse(self, text: str) -> Architecture:
        """Return the architecture of a text in the form of :func:`parse_graph`.

        The cell is not pruned. Raises UserError, which shows the place, if it is not a
        cell of the benchmark.
        """
        graph = parse_graph(text)
        prune(graph)
        return self.architecture(graph)

    def format(self, architecture: Architecture) -> str:
        """Return the text of an architecture.

        Raises ValueError if it is not a cell, or leaves out a block between others.
        """
        graph = graph_of(architecture.choices[0], BLOCKS)
        if self.architecture(graph) != architecture:
            raise ValueError("a NAS-Bench-101 cell cannot leave out a block in between")
        return str(graph)

    def cell_graph(self, architecture: Architecture) -> VertexGraph:
        """Return the architecture's pruned cell.

        Raises UserError if it is not a cell of the benchmark.
        """
        return prune(graph_of(architecture.choices[0], BLOCKS))

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of all cells with the same labelled graph.

        :func:`canonical_graph` chooses it. Raises UserError if it is not a cell of the
        benchmark.
        """
        graph = graph_of(architecture.choices[0], BLOCKS)
        return self.architecture(canonical_graph(graph))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw a pruned cell as in the benchmark's notebook.

        Every possible edge of seven vertices has probability 1/2, and operations are
        uniform. Repeat until the result is a cell of the benchmark.
        """
        while True:
            drawn = rng.integers(2, size=(MOST_VERTICES, MOST_VERTICES))
            matrix = np.triu(drawn, 1)
            operations = rng.integers(len(OPERATIONS), size=BLOCKS)
            entries = matrix.ravel().tolist()
            bits = "".join(map(str, entries))
            if is_cell(bits):
                graph = VertexGraph(bits, tuple(operations.tolist()))
                return self.architecture(prune(graph))
