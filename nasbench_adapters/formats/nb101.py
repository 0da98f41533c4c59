"""Cells of NAS-Bench-101 as JSON, and as NASLib's tuples."""

from __future__ import annotations

import json
from itertools import chain
from math import isqrt
from typing import ClassVar

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.formats.base import Format
from archselect.nasbench_adapters.formats.literals import (
    NoLiteral,
    read_literal,
    whole_numbers,
)
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    NasBench101,
    VertexGraph,
    graph_of,
)

INPUT = "input"
OUTPUT = "output"
NASLIB_OPERATIONS = (INPUT, OUTPUT, OPERATIONS[2], OPERATIONS[1], OPERATIONS[0])
"""The operations in NASLib's order (its `all_ops`)."""


class MatrixAndOperations(Format[NasBench101]):
    """Adjacency matrix and operations, the arguments of the benchmark's `ModelSpec`."""

    name: ClassVar[str] = "json"
    summary: ClassVar[str] = (
        '{"matrix": [[0, 1, 0], [0, 0, 1], [0, 0, 0]], "ops": ["input", "conv3x3-bn-relu", "output"]}'
    )
    source: ClassVar[str] = (
        "google-research/nasbench, nasbench/lib/model_spec.py; automl/NASLib, "
        "naslib/search_spaces/nasbench101/conversions.py at 10b52d6"
    )
    space_class = NasBench101

    def parse(self, space: NasBench101, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        try:
            value = read_literal(text)
            if not isinstance(value, dict) or set(value) != {"matrix", "ops"}:
                raise NoLiteral("no dictionary of matrix and ops")
            names = _names(value["ops"])
            rows = value["matrix"]
            if not isinstance(rows, list) or len(rows) != len(names):
                raise NoLiteral(f"matrix has no {len(names)} rows, one for each of ops")
            matrix = [whole_numbers(row, len(names)) for row in rows]
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        return _architecture(space, list(chain.from_iterable(matrix)), names)

    def write(self, space: NasBench101, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        graph = _graph(space, architecture)
        return json.dumps({"matrix": graph.matrix.tolist(), "ops": _operations(graph)})


class NaslibTuple(Format[NasBench101]):
    """NASLib's tuple: the matrix row by row, then the index of each operation."""

    name: ClassVar[str] = "op-indices"
    summary: ClassVar[str] = (
        "(0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 4, 1), NASLib's matrix and operation indices"
    )
    source: ClassVar[str] = (
        "automl/NASLib, naslib/search_spaces/nasbench101/conversions.py at 10b52d6"
    )
    space_class = NasBench101

    def parse(self, space: NasBench101, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        try:
            numbers = whole_numbers(read_literal(text))
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        vertices = isqrt(len(numbers))
        if vertices * (vertices + 1) != len(numbers):
            raise self.malformed(
                text, f"{len(numbers)} numbers are no matrix with its operations"
            )
        bits = numbers[: vertices**2]
        names = []
        for index in numbers[vertices**2 :]:
            if index not in range(len(NASLIB_OPERATIONS)):
                raise self.malformed(text, f"there is no operation {index}")
            names.append(NASLIB_OPERATIONS[index])
        return _architecture(space, bits, names)

    def write(self, space: NasBench101, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        graph = _graph(space, architecture)
        indices = map(NASLIB_OPERATIONS.index, _operations(graph))
        return str((*map(int, graph.bits), *indices))


def _graph(space: NasBench101, architecture: Architecture) -> VertexGraph:
    """Return the cell of an architecture, not pruned."""
    space.format(architecture)  # raises if it is not a cell
    return graph_of(architecture.choices[0], space.blocks)


def _operations(graph: VertexGraph) -> list[str]:
    """Return the operations of all vertices, including input and output."""
    between = [OPERATIONS[index] for index in graph.operations]
    return [INPUT, *between, OUTPUT]


def _names(value: object) -> list[str]:
    """Return a list of texts; raise NoLiteral for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise NoLiteral("ops is no list of texts")
    return value


def _architecture(
    space: NasBench101, bits: list[int], names: list[str]
) -> Architecture:
    """Return the architecture, given its matrix row by row and its operations.

    Raises UserError if it is not a cell of the benchmark.
    """
    if names[:1] != [INPUT] or names[-1:] != [OUTPUT] or len(names) < 2:
        raise UserError(
            "a NAS-Bench-101 cell names input first and output last among its operations"
        )
    vertices = len(names)
    rows = []
    for start in range(0, len(bits), vertices):
        rows.append("".join(map(str, bits[start : start + vertices])))
    return space.parse(f"{'/'.join(rows)}:{','.join(names)}")
