"""NAS-Bench-101 (Ying et al., ICML 2019): cells of up to 7 vertices and 9 edges, three operations, 423,624 cells.

The benchmark labels vertices with operations; our cells label edges. So a vertex between input and output, a block,
is a pair of nodes, one for what goes in and one for what comes out, joined by an edge that carries the operation. All
other edges are connections of one kind each, kept or dropped: `projection` from the cell's input (a 1x1 convolution),
`skip_connect` between blocks, `slot_0`, `slot_1`, … from a block to its share of the concatenated output.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import permutations
from math import isqrt
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    Decisions,
    Layer,
    SearchSpace,
    Skeleton,
    skeleton_settings,
)

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""In the benchmark's order, on which its hashes depend."""
MOST_VERTICES, MOST_EDGES = 7, 9
"""Of a cell whose vertices all lie on a path from input to output (section 2.1)."""
BLOCKS = MOST_VERTICES - 2
STAGES = 3
MOMENTA = {"released": 0.997, "benchmark": 1 - 0.997}
"""Torch's momentum (the share of the new batch) of the normalisation after convolutions; see `ModuleSpace.skeleton`."""

FORM = "010/001/000:conv3x3-bn-relu (rows of the adjacency matrix, operations between input and output)"


class Module(NamedTuple):
    """A cell as the benchmark's files write it: a directed acyclic graph with operations at its vertices.

    Attributes:
        bits: the adjacency matrix row by row, "1" for an edge from the row's vertex to the column's. Vertex 0 is the
            input, the last one the output, and every edge goes to a later vertex.
        operations: of the vertices between, as indices of :data:`OPERATIONS`.
    """

    bits: str
    operations: tuple[int, ...]

    @property
    def vertices(self) -> int:
        """How many, input and output included."""
        return len(self.operations) + 2

    @property
    def matrix(self) -> np.ndarray:
        """The adjacency matrix, (vertices, vertices) of 0 and 1."""
        return np.array([int(bit) for bit in self.bits]).reshape(self.vertices, self.vertices)

    def __str__(self) -> str:
        rows = (self.bits[at : at + self.vertices] for at in range(0, len(self.bits), self.vertices))
        return f"{'/'.join(rows)}:{','.join(OPERATIONS[k] for k in self.operations)}"


def parse_module(text: str) -> Module:
    """The cell a text names, not pruned: `010/001/000:conv3x3-bn-relu`.

    Slashes may be left out, and the operations may begin with `input` and end with `output`: so the two columns of
    the benchmark's files, joined by a colon, are read too. Raises UserError, saying where, if it is no such cell.
    """
    rows, colon, names = text.strip().partition(":")
    if not colon:
        raise UserError(
            f"malformed NAS-Bench-101 cell {text.strip()[:60]!r}: no ':' before the operations; form: {FORM}"
        )
    bits = rows.replace("/", "")
    vertices = isqrt(len(bits))
    split = rows.split("/")
    if set(bits) - {"0", "1"} or vertices**2 != len(bits) or vertices < 2:
        raise UserError(f"malformed NAS-Bench-101 cell: {rows[:80]!r} is no square matrix of 0 and 1; form: {FORM}")
    if vertices > MOST_VERTICES:
        raise UserError(f"a NAS-Bench-101 cell has at most {MOST_VERTICES} vertices, not {vertices}")
    if len(split) > 1 and [len(row) for row in split] != [vertices] * vertices:
        raise UserError(
            f"malformed NAS-Bench-101 cell: {rows[:80]!r} has not {vertices} rows of {vertices}; form: {FORM}"
        )
    for u in range(vertices):
        if "1" in bits[u * vertices : u * vertices + u + 1]:
            raise UserError(f"malformed NAS-Bench-101 cell: row {u} of {rows!r} has an edge that leads back")
    found = [name.strip() for name in names.split(",")] if names.strip() else []
    if len(found) == vertices and (found[0], found[-1]) == ("input", "output"):
        found = found[1:-1]
    if len(found) != vertices - 2:
        raise UserError(
            f"malformed NAS-Bench-101 cell: {len(found)} operations for the {vertices - 2} vertices between input and "
            f"output; form: {FORM}"
        )
    for name in found:
        if name not in OPERATIONS:
            raise unknown("NAS-Bench-101 operation", name, OPERATIONS)
    return Module(bits, tuple(OPERATIONS.index(name) for name in found))


def pruned(module: Module) -> Module:
    """The cell without the vertices that lie on no path from input to output.

    Raises UserError if there is no such path, or if what is left has too many edges for the benchmark.
    """
    kept = live_vertices(module.bits)
    if not kept:
        raise UserError(f"{module} is no cell of NAS-Bench-101: its output does not depend on its input")
    bits = renumbered(module.bits, kept)
    if bits.count("1") > MOST_EDGES:
        raise UserError(f"{module} is no cell of NAS-Bench-101: it has {bits.count('1')} edges, more than {MOST_EDGES}")
    return Module(bits, tuple(module.operations[v - 1] for v in kept[1:-1]))


def canonical_module(module: Module) -> Module:
    """The representative of all cells that are the same graph with the same operations: the pruned cell of the least
    matrix, and of the least operations among those, over all numberings of its vertices.
    """
    bits, operations = pruned(module)
    least, numberings = least_numberings(bits)
    return Module(least, min(tuple(operations[v - 1] for v in numbering[1:-1]) for numbering in numberings))


def module_hash(module: Module) -> str:
    """The benchmark's own name of a cell, 32 hexadecimal digits, the same for isomorphic cells (its `hash_module`).

    Every vertex of the pruned cell starts with the MD5 of (edges out, edges in, operation), and takes, as often as
    there are vertices, the MD5 of its predecessors', its successors' and its own; the name is the MD5 of all.
    """
    bits, operations = pruned(module)
    vertices = len(operations) + 2
    sources = [[u for u in range(v) if bits[u * vertices + v] == "1"] for v in range(vertices)]
    targets = [[w for w in range(v + 1, vertices) if bits[v * vertices + w] == "1"] for v in range(vertices)]
    labels = (-1, *operations, -2)
    own = [_md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in range(vertices)]
    for _ in range(vertices):
        before = ["".join(sorted(own[u] for u in sources[v])) for v in range(vertices)]
        after = ["".join(sorted(own[w] for w in targets[v])) for v in range(vertices)]
        own = [_md5(f"{before[v]}|{after[v]}|{own[v]}") for v in range(vertices)]
    return _md5(str(sorted(own)))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@lru_cache(maxsize=1 << 16)
def live_vertices(bits: str) -> tuple[int, ...]:
    """The vertices of a matrix that lie on a path from input to output; none if there is no path."""
    vertices = isqrt(len(bits))
    reached, useful = {0}, {vertices - 1}
    for v in range(1, vertices):
        if any(bits[u * vertices + v] == "1" for u in reached):
            reached.add(v)
    for u in reversed(range(vertices - 1)):
        if any(bits[u * vertices + v] == "1" for v in useful):
            useful.add(u)
    return tuple(sorted(reached & useful)) if 0 in useful else ()


@lru_cache(maxsize=1 << 16)
def least_numberings(bits: str) -> tuple[str, tuple[tuple[int, ...], ...]]:
    """The least matrix of a pruned graph over all numberings of its vertices, and the numberings that give it.

    A numbering lists the old vertices in their new order; edges go to later vertices.
    """
    vertices = isqrt(len(bits))
    edges = [(u, v) for u in range(vertices) for v in range(vertices) if bits[u * vertices + v] == "1"]
    found: dict[str, list[tuple[int, ...]]] = {}
    for between in permutations(range(1, vertices - 1)):
        numbering = (0, *between, vertices - 1)
        place = {v: new for new, v in enumerate(numbering)}
        if all(place[u] < place[v] for u, v in edges):
            found.setdefault(renumbered(bits, numbering), []).append(numbering)
    least = min(found)
    return least, tuple(found[least])


def renumbered(bits: str, numbering: Sequence[int]) -> str:
    """The matrix of the listed vertices, in that order."""
    vertices = isqrt(len(bits))
    return "".join(bits[u * vertices + v] for u in numbering for v in numbering)


class Layout(NamedTuple):
    """Where a cell of ours keeps what: the index of the edge for each connection of vertices, and for each operation.

    Attributes:
        edges: (source node, target node), block by block, the output's last.
        connections: (vertex, later vertex) to the edge between them; vertex 0 is the input, the last one the output.
        operations: per block its edge.
    """

    edges: tuple[tuple[int, int], ...]
    connections: dict[tuple[int, int], int]
    operations: tuple[int, ...]


@cache
def layout(blocks: int) -> Layout:
    """The layout of cells with that many blocks. Block b reads at node 2b - 1 and writes at node 2b."""
    edges: list[tuple[int, int]] = []
    connections: dict[tuple[int, int], int] = {}
    operations = []
    for v in range(1, blocks + 2):
        for u in range(v):
            connections[u, v] = len(edges)
            edges.append((2 * u, 2 * v - 1))
        if v <= blocks:
            operations.append(len(edges))
            edges.append((2 * v - 1, 2 * v))
    return Layout(tuple(edges), connections, tuple(operations))


def module_cell(blocks: int, parents: Sequence[int] = ()) -> Cell:
    """The cell type of that many blocks.

    Args:
        parents: how many connections each block, and last the output, keeps; where it has more to choose from, they
            share one softmax. Empty for a cell without such a rule.
    """
    edges, connections, _ = layout(blocks)
    names: list[tuple[str, ...]] = [OPERATIONS] * len(edges)
    for (u, v), edge in connections.items():
        names[edge] = (f"slot_{u - 1}" if v > blocks else "skip_connect",) if u else ("projection",)
    groups = list(range(len(edges)))
    kept: list[int | None] = [None] * (2 * blocks + 2)
    for v, keeps in enumerate(parents, start=1):
        kept[2 * v - 1] = keeps
        for u in range(v if keeps < v else 0):
            groups[connections[u, v]] = connections[0, v]
    return Cell(
        name="cell",
        inputs=1,
        nodes=2 * blocks + 2,
        edges=edges,
        operations=tuple(names),
        output=(2 * blocks + 1,),
        kept=tuple(kept) if parents else (),
        groups=tuple(groups) if parents else (),
        widths=(*(1,) * (2 * blocks + 1), blocks),
        normalised_pools=True,
    )


def module_of(row: Sequence[int | None], blocks: int) -> Module:
    """The cell of an architecture's row, blocks without an operation left out. Raises ValueError if it is none."""
    edges, connections, operations = layout(blocks)
    used = [v for v in range(1, blocks + 1) if row[operations[v - 1]] is not None]
    vertices = [0, *used, blocks + 1]
    bits = "".join("1" if u < v and row[connections[u, v]] is not None else "0" for u in vertices for v in vertices)
    labels = tuple(k for v in used if (k := row[operations[v - 1]]) is not None)
    connected = sum(row[edge] is not None for edge in connections.values())
    if len(row) != len(edges) or connected != bits.count("1") or not set(labels) <= set(range(len(OPERATIONS))):
        raise ValueError(f"a cell of {blocks} blocks has {len(edges)} edges, and none at a block without an operation")
    return Module(bits, labels)


def row_of(module: Module, blocks: int) -> tuple[int | None, ...]:
    """An architecture's row of a cell, its vertices between input and output being the first blocks."""
    edges, connections, operations = layout(blocks)
    places = [*range(module.vertices - 1), blocks + 1]
    row: list[int | None] = [None] * len(edges)
    for u in range(module.vertices):
        for v in range(u + 1, module.vertices):
            if module.bits[u * module.vertices + v] == "1":
                row[connections[places[u], places[v]]] = 0
    for block, operation in enumerate(module.operations):
        row[operations[block]] = operation
    return tuple(row)


class ModuleSpace(SearchSpace):
    """A space of NAS-Bench-101's cells: the benchmark's own, or a sub-space of it."""

    skeleton_defaults: ClassVar[dict[str, object]]

    @property
    def blocks(self) -> int:
        """The most vertices between input and output."""
        return len(layout_of(self.cells[0]).operations)

    @abstractmethod
    def module(self, architecture: Architecture) -> Module:
        """The architecture's cell, pruned. Raises UserError if it is none of the benchmark."""

    def hash(self, architecture: Architecture) -> str:
        """The benchmark's name of the architecture's cell."""
        return module_hash(self.module(architecture))

    def skeleton(self, **settings: object) -> Skeleton:
        """The macro skeleton: three stages of `cells` cells, max pooling in between.

        It describes the sub-spaces' supernets (NAS-Bench-1Shot1's released `model_search.py`: the stem is a
        convolution with normalisation and ReLU, a 1x1 convolution stands before the classifier) and, with the same
        numbers, the benchmark's networks (:mod:`archselect.nasbench_adapters.networks.nb101`).

        Settings:
            channels: that the stem puts out; a block of a supernet has them in the first stage, twice and four times
                as many in the others (the benchmark: 128; supernets: 16).
            cells: per stage (the benchmark: 3; supernets: 9 in all).
            momentum: of running statistics. The benchmark's 0.997 is TensorFlow's, the share of the old: "benchmark".
                The released code of NAS-Bench-1Shot1 gives the number to torch, where it is the share of the new, so
                that the running statistics are nearly those of the last batch: "released".
        """
        chosen = skeleton_settings(self.name, settings, self.skeleton_defaults)
        channels, cells, momentum = (chosen[key] for key in ("channels", "cells", "momentum"))
        assert isinstance(channels, int) and isinstance(cells, int) and isinstance(momentum, str)
        if momentum not in MOMENTA:
            raise unknown(f"momentum of {self.name}", momentum, MOMENTA)
        layers: list[Layer] = []
        for stage in range(STAGES):
            width = channels * 2**stage
            if stage:
                layers.append(Layer("max_pool_reduction", self.blocks * width // 2, stride=2))
            layers += [Layer("cell", width)] * cells
        layers.append(Layer("projection", channels * 2 ** (STAGES - 1)))
        return Skeleton(channels, tuple(layers), stem="rectified", norm_momentum=MOMENTA[momentum])


def layout_of(cell: Cell) -> Layout:
    """The layout of a cell type made by :func:`module_cell`."""
    return layout(cell.nodes // 2 - 1)


class NasBench101(ModuleSpace):
    """The benchmark's space, to look cells up and to train them; a supernet has only a sub-space of it.

    An architecture's blocks are the cell's vertices in their order; blocks that it does not have carry no operation.
    """

    name = "nb101"
    summary = "NAS-Bench-101: 1 cell of up to 7 vertices and 9 edges, 3 operations, 423,624 cells"
    formulation = 1
    cells = (module_cell(BLOCKS),)
    enumerable = False
    skeleton_defaults: ClassVar[dict[str, object]] = {"channels": 128, "cells": 3, "momentum": "benchmark"}

    @property
    def size(self) -> int:
        """How many distinct cells the benchmark has (its section 2.1; a test counts them)."""
        return 423_624

    def enumerate(self) -> Iterator[Architecture]:
        """Raises UserError: the benchmark lists its cells in a file."""
        raise UserError(f"{self.name} is too large to be listed: import its file ('archselect truth import --help')")

    def undecided(self) -> Decisions:
        """Raises UserError: there is no supernet, because a limit on all edges is no rule to decide edge by edge."""
        raise UserError(f"{self.name} has no supernet: search its sub-space nb1shot1-1, nb1shot1-2 or nb1shot1-3")

    def architecture(self, module: Module) -> Architecture:
        """The architecture of a cell, as it is; the inverse of :func:`module_of`."""
        return Architecture((row_of(module, BLOCKS),))

    def parse(self, text: str) -> Architecture:
        """See :meth:`SearchSpace.parse`, and :func:`parse_module` for the form. The cell is not pruned."""
        module = parse_module(text)
        pruned(module)
        return self.architecture(module)

    def format(self, architecture: Architecture) -> str:
        """See :meth:`SearchSpace.format`. Raises ValueError if it is no cell, or leaves a block out between others."""
        module = module_of(architecture.choices[0], BLOCKS)
        if self.architecture(module) != architecture:
            raise ValueError("the blocks of a NAS-Bench-101 cell are the first ones")
        return str(module)

    def module(self, architecture: Architecture) -> Module:
        """See :meth:`ModuleSpace.module`."""
        return pruned(module_of(architecture.choices[0], BLOCKS))

    def canonical(self, architecture: Architecture) -> Architecture:
        """The representative of all cells that are the same labelled graph once pruned: see :func:`canonical_module`.

        Raises UserError if it is no cell of the benchmark.
        """
        return self.architecture(canonical_module(module_of(architecture.choices[0], BLOCKS)))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """A pruned cell, drawn as in the benchmark's own notebook: every possible edge of seven vertices with
        probability 1/2, operations uniform, again until it is a cell of the benchmark.
        """
        while True:
            matrix = np.triu(rng.integers(2, size=(MOST_VERTICES, MOST_VERTICES)), 1)
            operations = rng.integers(len(OPERATIONS), size=BLOCKS)
            bits = "".join(map(str, matrix.ravel().tolist()))
            kept = live_vertices(bits)
            if kept and renumbered(bits, kept).count("1") <= MOST_EDGES:
                return self.architecture(pruned(Module(bits, tuple(operations.tolist()))))
