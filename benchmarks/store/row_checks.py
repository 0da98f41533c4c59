"""Check that rows of scores and decisions are possible for the cells of their records.

A record has thousands of rows, and there can be thousands of records. So rows are
checked column by column. :func:`are_within` compares the rows of one record with its
smallest cell and edge, which is fast and enough for nearly all. :func:`check_rows`
compares the rows of many records with the exact edge that each row names. This module
does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.cell_checks import Choices, Shape, shape
from archselect.benchmarks.store.columns import Columns, column_types
from archselect.benchmarks.store.ranges import MOST_NODES, MOST_STEPS, Impossible
from archselect.nasbench_adapters.space import DROPPED
from archselect.selectors.selection import Decision

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class OperationCounts:
    """Numbers of operations on the edges of some records.

    Attributes:
        counts: (shapes, cells, edges) for each different shape, by cell and edge; 0 if
            there is no such edge.
        shape_of: (records,) index of each record's shape.
    """

    counts: Ints
    shape_of: Ints

    @classmethod
    def of_records(cls, operations: Sequence[Choices]) -> OperationCounts:
        """Return the counts of the operations of some records.

        Records that share one object, such as those read from one file, are processed
        once.
        """
        place_of_shape: dict[Shape, int] = {}
        place_of_object: dict[int, int] = {}
        for choices in operations:
            if id(choices) in place_of_object:
                continue
            next_place = len(place_of_shape)
            place = place_of_shape.setdefault(shape(choices), next_place)
            place_of_object[id(choices)] = place
        shape_of = [place_of_object[id(choices)] for choices in operations]
        return cls(
            counts=_as_array(list(place_of_shape)),
            shape_of=np.array(shape_of, dtype=np.int64),
        )

    @cached_property
    def cells(self) -> Ints:
        """(records,) the number of cells of each record."""
        has_edges = self.counts.any(axis=2)
        return np.count_nonzero(has_edges, axis=1)[self.shape_of]

    def on_edges(
        self,
        records: Ints,
        cells: Ints,
        edges: Ints,
    ) -> Ints:
        """Return the number of operations on some edges; 0 if there is no such edge.

        Args:
            records, cells, edges: (rows,) the edge of each row.
        """
        _, most_cells, most_edges = self.counts.shape
        has_cell = (cells >= 0) & (cells < most_cells)
        has_edge = (edges >= 0) & (edges < most_edges)
        exists = has_cell & has_edge
        counts = self.counts[
            self.shape_of[records],
            np.where(exists, cells, 0),
            np.where(exists, edges, 0),
        ]
        return np.where(exists, counts, 0)


def _as_array(shapes: Sequence[Shape]) -> Ints:
    """Return shapes as one array (shapes, cells, edges), padded with 0."""
    all_cells = list(chain.from_iterable(shapes))
    most_cells = max(map(len, shapes), default=0)
    most_edges = max(map(len, all_cells), default=0)
    size = (len(shapes), most_cells, most_edges)
    counts = np.zeros(size, dtype=np.int64)
    for place, cells in enumerate(shapes):
        for cell, edges in enumerate(cells):
            counts[place, cell, : len(edges)] = edges
    return counts


def safe_limits(operations: Choices) -> dict[str, int]:
    """Return limits below which every integer of a record's rows is surely possible.

    Cells differ in edges, and edges in operations: the limits are those of the
    smallest.

    Args:
        operations: operations of the record, by cell and edge; none of them empty.
    """
    all_edges = chain.from_iterable(operations)
    fewest_edges = min(map(len, operations))
    fewest_operations = min(map(len, all_edges))
    return {
        "round": MOST_STEPS,
        "step": MOST_STEPS,
        "cell": len(operations),
        "edge": fewest_edges,
        "choice": fewest_operations,
        "node": MOST_NODES,
    }


def are_within(
    rows: Columns[Any],
    limits: Mapping[str, int],
) -> bool:
    """Return whether all rows of one record are surely possible.

    It takes a fraction of the time of :func:`check_rows`, which decides if this is
    False.

    Args:
        rows: scores or decisions.
        limits: result of :func:`safe_limits` for the record.
    """
    if not len(rows):
        return True
    types = column_types(rows.kind)  # type: ignore[arg-type]
    names = [name for name, kind in types.items() if kind is int]
    integers = np.array([rows.column(name) for name in names])
    if rows.kind is Decision:
        choices = integers[names.index("choice")]
        choices[choices == DROPPED] = 0
    # Read as unsigned, a negative number is larger than every limit.
    unsigned = integers.view(np.uint32)
    highest = unsigned.max(axis=1).tolist()
    for name, value in zip(names, highest, strict=True):
        if value >= limits[name]:
            return False
    if "value" not in types:
        return True
    values = rows.column("value")
    return bool(np.isfinite(values).all())


def check_rows(
    name: str,
    kind: type[NamedTuple],
    rows_of: Sequence[Columns[Any]],
    counts: OperationCounts,
) -> None:
    """Raise Impossible for the first row with a wrong edge or operation of its record.

    Args:
        name: name of the field.
        kind: type of the rows, with columns `round`, `step`, `cell` and `edge`, and
            perhaps `choice`, `node` and `value`.
        rows_of: the rows of each record.
        counts: operation counts of the same records.
    """
    if not any(map(len, rows_of)):
        return
    record, columns = Columns.gather(kind, rows_of)
    table = _Table(name, record, columns)
    table.check_range("round", MOST_STEPS)
    table.check_range("step", MOST_STEPS)
    cell = columns["cell"]
    no_cell = (cell < 0) | (cell >= counts.cells[record])
    table.refuse("cell", no_cell, "not a cell of the architecture")
    operations = counts.on_edges(record, cell, columns["edge"])
    table.refuse("edge", operations == 0, "not an edge of its cell")
    if "choice" in columns:
        choice = columns["choice"]
        no_choice = (choice < 0) | (choice >= operations)
        if kind is Decision:
            no_choice &= choice != DROPPED
        table.refuse("choice", no_choice, "not an operation of its edge")
    if "node" in columns:
        node = columns["node"]
        no_node = (node < 0) | (node >= MOST_NODES)
        table.refuse("node", no_node, "not a node of a cell")
    if "value" in columns:
        table.refuse("value", ~np.isfinite(columns["value"]), "not finite")


@dataclass(frozen=True)
class _Table:
    """All rows of a kind.

    Attributes:
        name: name of their field.
        record: (rows,) the record of each.
        columns: (rows,) each, by name.
    """

    name: str
    record: Ints
    columns: Mapping[str, npt.NDArray[Any]]

    def check_range(self, column: str, most: int) -> None:
        """Raise Impossible for the first value that is not between 0 and `most`."""
        values = self.columns[column]
        outside = (values < 0) | (values > most)
        self.refuse(column, outside, f"not between 0 and {most}")

    def refuse(
        self,
        column: str,
        bad: Bools,
        why: str,
    ) -> None:
        """Raise Impossible for the first bad row, with its index in its record."""
        if not bad.any():
            return
        first = int(np.flatnonzero(bad)[0])
        same_record = self.record[:first] == self.record[first]
        place = int(np.count_nonzero(same_record))
        value = self.columns[column][first]
        raise Impossible(f"{self.name}.{column}.{place} is {value}, which is {why}")
