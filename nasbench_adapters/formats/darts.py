"""Cells of the DARTS space: `compact` tuples, and NAS-Bench-301's configurations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.formats.base import Format
from archselect.nasbench_adapters.formats.literals import (
    NoLiteral,
    read_literal,
    whole_numbers,
)
from archselect.nasbench_adapters.space import Architecture, Cell
from archselect.nasbench_adapters.spaces.darts import (
    OPERATIONS,
    DartsSpace,
    format_entries,
    parse_entries,
)
from archselect.nasbench_adapters.spaces.genotype import Entry

PREFIX = "NetworkSelectorDatasetInfo:darts:"
"""The start of all keys of a NAS-Bench-301 configuration."""


class Compact(Format[DartsSpace]):
    """Pairs of input and operation index, two per node, of both cells.

    Operations are numbered from 0, in NAS-Bench-301's order, which is also ours. An
    older converter of NASLib (`search_spaces/darts`) numbers them from 1; its tuples
    are not supported.
    """

    name: ClassVar[str] = "compact"
    summary: ClassVar[str] = (
        "(((0, 3), (1, 2), …), ((1, 0), …)), per node two pairs of input and operation index"
    )
    source: ClassVar[str] = (
        "automl/NASLib, naslib/search_spaces/nasbench301/conversions.py at 10b52d6"
    )
    space_class = DartsSpace

    def parse(self, space: DartsSpace, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        try:
            rows = _lists(read_literal(text), len(space.cells))
            entries = [self._entries(row) for row in rows]
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        choices = []
        for cell, of_cell in zip(space.cells, entries, strict=True):
            choices.append(parse_entries(space.name, cell, of_cell))
        return Architecture(tuple(choices))

    def _entries(self, row: list[object]) -> list[Entry]:
        """Return the entries of a cell; raise NoLiteral for anything else."""
        entries = []
        for pair in row:
            source, index = whole_numbers(pair, 2)
            if index not in range(len(OPERATIONS)):
                raise NoLiteral(f"there is no operation {index}")
            entries.append((OPERATIONS[index], source))
        return entries

    def write(self, space: DartsSpace, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        cells = []
        for cell, row in zip(space.cells, architecture.choices, strict=True):
            pairs = []
            for operation, source in format_entries(cell, row):
                pairs.append((source, _known(self.name, operation)))
            cells.append(tuple(pairs))
        return str(tuple(cells))


class Nb301Configuration(Format[DartsSpace]):
    """NAS-Bench-301's ConfigSpace dictionary, as JSON.

    Edges are numbered by target, then by source. `edge_normal_3` holds the operation of
    edge 3, and `inputs_node_normal_4` the two inputs of node 4. Node 2 always has two
    inputs, so it has no such key. Both kinds of keys tell which edges are kept, and
    must agree.
    """

    name: ClassVar[str] = "nb301"
    summary: ClassVar[str] = (
        '{"NetworkSelectorDatasetInfo:darts:edge_normal_0": "sep_conv_3x3", …}'
    )
    source: ClassVar[str] = (
        "automl/nasbench301, nasbench301/representations.py at 65f8a9e"
    )
    space_class = DartsSpace

    def parse(self, space: DartsSpace, text: str) -> Architecture:
        """Return the architecture of a text in this format."""
        try:
            texts = _texts(read_literal(text))
        except NoLiteral as error:
            raise self.malformed(text, str(error)) from error
        choices = []
        for cell in space.cells:
            entries = _entries_of(cell, texts)
            choices.append(parse_entries(space.name, cell, entries))
        architecture = Architecture(tuple(choices))
        wanted = self._dictionary(space, architecture)
        for key in [*texts, *wanted]:
            if texts.get(key) != wanted.get(key):
                given = repr(texts[key][:40]) if key in texts else "absent"
                implied = wanted.get(key, "no such key")
                raise self.malformed(
                    text, f"{key[:60]!r} is {given}, where the edges give {implied}"
                )
        return architecture

    def write(self, space: DartsSpace, architecture: Architecture) -> str:
        """Return an architecture in this format."""
        return json.dumps(self._dictionary(space, architecture))

    def _dictionary(
        self, space: DartsSpace, architecture: Architecture
    ) -> dict[str, str]:
        """Return the configuration of an architecture."""
        texts = {}
        for cell, row in zip(space.cells, architecture.choices, strict=True):
            for edge, choice in enumerate(row):
                if choice is not None:
                    operation = cell.operations[edge][choice]
                    _known(self.name, operation)
                    texts[_edge_key(cell, edge)] = operation
            for node in cell.summing_nodes[1:]:
                kept = [edge for edge in cell.incoming(node) if row[edge] is not None]
                sources = [str(cell.edges[edge][0]) for edge in kept]
                texts[f"{PREFIX}inputs_node_{cell.name}_{node}"] = "_".join(sources)
        return texts


def _lists(value: object, count: int) -> list[list[object]]:
    """Return `count` lists; raise NoLiteral for anything else."""
    is_list = isinstance(value, list) and all(isinstance(one, list) for one in value)
    if not is_list or len(value) != count:  # type: ignore[arg-type]
        raise NoLiteral(f"it is not {count} lists, one for each cell")
    return value  # type: ignore[return-value]


def _texts(value: object) -> Mapping[str, str]:
    """Return a dictionary of texts; raise NoLiteral for anything else."""
    if not isinstance(value, dict):
        raise NoLiteral("it is not a dictionary")
    for key, text in value.items():
        if not isinstance(text, str):
            raise NoLiteral(f"the value of {key[:60]!r} is not a text")
    return value


def _edge_key(cell: Cell, edge: int) -> str:
    return f"{PREFIX}edge_{cell.name}_{edge}"


def _entries_of(cell: Cell, texts: Mapping[str, str]) -> list[Entry]:
    """Return the entries of a cell, one for each edge that a configuration names."""
    entries = []
    for edge, (source, _) in enumerate(cell.edges):
        key = _edge_key(cell, edge)
        if key in texts:
            entries.append((texts[key], source))
    return entries


def _known(name: str, operation: str) -> int:
    """Return the index of an operation.

    Raises UserError if the format `name` has no such operation.
    """
    if operation not in OPERATIONS:
        raise UserError(
            f"format {name} has no operation {operation}: it has {', '.join(OPERATIONS)}"
        )
    return OPERATIONS.index(operation)
