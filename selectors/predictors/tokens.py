"""Architectures as sequences of tokens, which an encoder reads and a decoder writes.

Token 0 starts a sequence and pads a short one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    DROPPED,
    Architecture,
    Cell,
    SearchSpace,
)
from archselect.nasbench_adapters.spaces.nb101 import (
    MOST_VERTICES,
    OPERATIONS,
    NasBench101,
    VertexGraph,
    predecessors,
    prune,
)
from archselect.nasbench_adapters.truth.choices import (
    operation_counts,
    row_bytes,
    unflatten,
)

PAD = 0
"""The token that starts a sequence and pads it."""


class Tokens(ABC):
    """A way to write the architectures of a space as tokens.

    Attributes:
        length: length of every sequence.
        vocabulary: number of tokens, including :data:`PAD`.
    """

    length: int
    vocabulary: int

    @abstractmethod
    def encode(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the tokens of architectures, (architectures, length) of int64."""

    @abstractmethod
    def decode(self, tokens: Sequence[int]) -> Architecture | None:
        """Return the architecture of a sequence; None if there is no valid one."""


class EdgeTokens(Tokens):
    """One token per edge of every cell type: its operation, or that it is dropped.

    Every edge has different tokens.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self.operations = operation_counts(space)
        values = self.operations + 1
        self.length = len(values)
        self.vocabulary = 1 + int(values.sum())
        self._first = 1 + np.cumsum(values) - values

    def choices(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the choice on every edge, (architectures, edges) of int64.

        A choice is the index of the operation. For a dropped edge it is the number of
        the edge's operations.
        """
        rows = b"".join(map(row_bytes, architectures))
        numbers = np.frombuffer(rows, dtype=np.int8).astype(np.int64)
        table = numbers.reshape(len(architectures), self.length)
        return np.where(table == DROPPED, self.operations, table)

    def encode(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the tokens of architectures, (architectures, length) of int64."""
        return self.choices(architectures) + self._first

    def decode(self, tokens: Sequence[int]) -> Architecture | None:
        """Return the architecture of a sequence; None if there is no valid one.

        There is none if a token belongs to another edge, a node has more or fewer
        inputs than it keeps, or the space excludes the architecture.
        """
        choices = np.asarray(tokens) - self._first
        if np.any((choices < 0) | (choices > self.operations)):
            return None
        row = np.where(choices == self.operations, DROPPED, choices)
        architecture = unflatten(self.space, row)
        cells = zip(self.space.cells, architecture.choices, strict=True)
        if not all(_is_complete(cell, chosen) for cell, chosen in cells):
            return None
        return architecture if self.space.valid(architecture) else None


def _is_complete(cell: Cell, row: Sequence[int | None]) -> bool:
    """Return whether every node of a cell keeps the right number of inputs.

    Each kept input must also have an operation that an architecture may have.
    """
    for node in cell.summing_nodes:
        kept = [edge for edge in cell.incoming(node) if row[edge] is not None]
        if len(kept) != cell.count_kept(node):
            return False
        if any(row[edge] not in cell.candidates(edge) for edge in kept):
            return False
    return True


NO = 1
YES = 2
OPERATION_TOKENS = {"conv1x1-bn-relu": 3, "conv3x3-bn-relu": 4, "maxpool3x3": 5}
OUTPUT = 6


class VertexTokens(Tokens):
    """NAS-Bench-101's cells in the form of SemiNAS' released code.

    Each vertex except the input gives one token per earlier vertex, for whether it
    reads that vertex (:data:`NO`, :data:`YES`), and then its operation, or
    :data:`OUTPUT`. Vertices that are on no path from input to output are left out.
    """

    length = sum(vertex + 1 for vertex in range(1, MOST_VERTICES))
    vocabulary = OUTPUT + 1

    def __init__(self, space: NasBench101) -> None:
        self.space = space

    def encode(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the tokens of architectures, (architectures, length) of int64."""
        tokens = np.full((len(architectures), self.length), PAD)
        for row, architecture in zip(tokens, architectures, strict=True):
            graph = self.space.cell_graph(architecture)
            written = list(_write(graph))
            row[: len(written)] = written
        return tokens

    def decode(self, tokens: Sequence[int]) -> Architecture | None:
        """Return the architecture of a sequence; None if there is no valid one.

        There is none if the sequence is malformed, or the benchmark has no such cell.
        """
        graph = _read(tokens)
        if graph is None:
            return None
        try:
            return self.space.architecture(prune(graph))
        except UserError:
            # Output and input are not connected, or there are too many edges.
            return None


def _write(graph: VertexGraph) -> Iterator[int]:
    """Yield the tokens of a pruned cell."""
    labels = [OPERATION_TOKENS[OPERATIONS[index]] for index in graph.operations]
    labels.append(OUTPUT)
    reads = predecessors(graph.bits)
    for vertex, label in enumerate(labels, start=1):
        for source in range(vertex):
            yield YES if source in reads[vertex] else NO
        yield label


def _read(tokens: Sequence[int]) -> VertexGraph | None:
    """Return the cell of some tokens, not pruned; None if they are malformed."""
    operation_of = {token: name for name, token in OPERATION_TOKENS.items()}
    columns: list[Sequence[int]] = []
    operations: list[int] = []
    place = 0
    while place < len(tokens):
        vertex = len(columns) + 1
        column = tokens[place : place + vertex]
        label = tokens[place + vertex]
        place += vertex + 1
        if not set(column) <= {NO, YES}:
            return None
        columns.append(column)
        if label == OUTPUT:
            is_filled_up = set(tokens[place:]) <= {PAD}
            return _graph(columns, operations) if is_filled_up else None
        if label not in operation_of:
            return None
        operations.append(OPERATIONS.index(operation_of[label]))
    return None


def _graph(columns: Sequence[Sequence[int]], operations: Sequence[int]) -> VertexGraph:
    """Return the cell, given what each vertex except the input reads."""
    vertices = len(columns) + 1
    matrix = np.zeros((vertices, vertices), dtype=int)
    for vertex, column in enumerate(columns, start=1):
        matrix[:vertex, vertex] = np.asarray(column) == YES
    bits = map(str, chain.from_iterable(matrix.tolist()))
    return VertexGraph("".join(bits), tuple(operations))


def tokens_of(space: SearchSpace) -> Tokens:
    """Return the way to write the architectures of a space as tokens."""
    if isinstance(space, NasBench101):
        return VertexTokens(space)
    return EdgeTokens(space)
