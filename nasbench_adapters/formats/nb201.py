"""NAS-Bench-201's cells in the numberings of NASLib and of the benchmark's files."""

from __future__ import annotations

import random
from functools import cache
from itertools import product
from typing import ClassVar

from archselect.nasbench_adapters.formats.base import Format
from archselect.nasbench_adapters.formats.literals import (
    NoLiteral,
    read_literal,
    whole_numbers,
)
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces.nb201 import EDGES, OPERATIONS, NasBench201

NASLIB_OPERATIONS = (
    "skip_connect",
    "none",
    "nor_conv_3x3",
    "nor_conv_1x1",
    "avg_pool_3x3",
)
"""The operations in NASLib's order (its `OP_NAMES_NB201`)."""
NASLIB_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
"""The edges in NASLib's order (its `EDGE_LIST`), with nodes counted from 0."""
SHUFFLE_SEED = 88
"""Seed of the order in which the benchmark trained its cells."""


class OperationIndices(Format[NasBench201]):
    """NASLib's tuple of six operation indices, one per edge."""

    name: ClassVar[str] = "op-indices"
    summary: ClassVar[str] = (
        "(4, 3, 1, 0, 2, 2), NASLib's index of each edge's operation"
    )
    source: ClassVar[str] = (
        "automl/NASLib, naslib/search_spaces/nasbench201/conversions.py at 28b1f2a"
    )
    space_class = NasBench201

    def parse(self, space: NasBench201, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        del space
        try:
            indices = whole_numbers(read_literal(text), len(EDGES))
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        choices = [0] * len(EDGES)
        for edge, index in zip(NASLIB_EDGES, indices, strict=True):
            if index not in range(len(NASLIB_OPERATIONS)):
                raise self.malformed(text, f"there is no operation {index}")
            choices[EDGES.index(edge)] = OPERATIONS.index(NASLIB_OPERATIONS[index])
        return Architecture((tuple(choices),))

    def write(self, space: NasBench201, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        del space
        (choices,) = architecture.choices
        indices = []
        for edge in NASLIB_EDGES:
            choice = choices[EDGES.index(edge)]
            assert choice is not None
            indices.append(NASLIB_OPERATIONS.index(OPERATIONS[choice]))
        return str(tuple(indices))


class BenchmarkIndex(Format[NasBench201]):
    """Number of a cell in NAS-Bench-201's files, 0 to 15,624.

    The authors listed all cells by their operations, shuffled the list with Python's
    generator and seed 88, and trained the cells in that order. Their script states
    which cells 0, 9 and 123 must be.
    """

    name: ClassVar[str] = "index"
    summary: ClassVar[str] = "9, the cell's place in NAS-Bench-201's files"
    source: ClassVar[str] = (
        "D-X-Y/AutoDL-Projects, exps/NAS-Bench-201/main.py (generate_meta_info) at 2202588"
    )
    space_class = NasBench201

    def parse(self, space: NasBench201, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        del space
        cells = _cells()
        try:
            index = read_literal(text)
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        if type(index) is not int or index not in range(len(cells)):
            raise self.malformed(text, f"no whole number from 0 to {len(cells) - 1:,}")
        return Architecture((cells[index],))

    def write(self, space: NasBench201, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        del space
        return str(_places()[architecture.choices[0]])


@cache
def _cells() -> list[tuple[int, ...]]:
    """Return the choices of all cells, in the benchmark's order."""
    cells = list(product(range(len(OPERATIONS)), repeat=len(EDGES)))
    random.Random(SHUFFLE_SEED).shuffle(cells)
    return cells


@cache
def _places() -> dict[tuple[int | None, ...], int]:
    """Return the number of every cell in the benchmark's order."""
    return {choices: place for place, choices in enumerate(_cells())}


class NatsText(Format[NasBench201]):
    """Text form in the files of NAS-Bench-201 and of NATS-Bench's topology space.

    It is also the text form of the space.
    """

    name: ClassVar[str] = "nats"
    summary: ClassVar[str] = (
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    )
    source: ClassVar[str] = (
        "D-X-Y/NATS-Bench, nats_bench/api_topology.py (str2lists) at 00201cc"
    )
    space_class = NasBench201

    def parse(self, space: NasBench201, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        return space.parse(text)

    def write(self, space: NasBench201, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        return space.format(architecture)
