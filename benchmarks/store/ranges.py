"""Which values are possible in a file of facts: numbers in a range, and places that are in the cells. No torch here.

A file of the right shape may still say what nothing can have measured, because it was
damaged or edited. What is wrong is said by the field's place in the file. Rows of many
records are looked at together, for there are thousands in each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archselect.benchmarks.store.columns import Columns, kinds

FINITE = sys.float_info.max
"""The largest finite number. Scores of networks may be of any size."""
LARGEST = 1e30
"""No number that is measured is larger; sums of larger ones overflow."""
MOST_COUNTED = 10**30
"""Neither is a count; as a float, no larger one is exact."""
PER_CENT = 100.0
COEFFICIENT = 1 + 1e-9
"""The largest rank correlation, which rounding may bring above one."""
QUANTILES = 201
"""Of a landscape's accuracies: at 0, 0.5, …, 100 %."""
ROUNDING = 1e-6
"""In points, by how much numbers in order may be out of it."""
MOST_NODES = 1_000
"""No cell has more; they are drawn."""
MOST_STEPS = 2**31 - 2
"""The largest number of a round or a step; one more is still an integer of 32 bits."""
DROPPED = -2
"""The choice of a decision that drops an edge."""

Ints = npt.NDArray[np.int64]
Choices = list[list[list[Any]]]
"""By cell, edge and operation."""


class Impossible(ValueError):
    """Something that a file cannot say."""


def check_number(
    name: str, value: float | None, lowest: float = 0.0, highest: float = LARGEST
) -> None:
    """Raise Impossible for a number that is not finite or not in the range; None is none."""
    if value is None or lowest <= value <= highest:
        return
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Impossible(
            f"{name} is an integer of {value.bit_length()} bits, which is not between {lowest:g} and {highest:g}"
        )
    fault = (
        f"not between {lowest:g} and {highest:g}" if isfinite(value) else "not finite"
    )
    raise Impossible(f"{name} is {value}, which is {fault}")


def check_numbers(
    name: str,
    values: Iterable[float | None],
    lowest: float = 0.0,
    highest: float = LARGEST,
) -> None:
    """Raise Impossible for the first of some numbers that :func:`check_number` refuses."""
    for value in values:
        check_number(name, value, lowest, highest)


def are_between(values: Sequence[float], lowest: float, highest: float) -> bool:
    """Return whether all of many numbers are finite and in a range."""
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer that no float can hold
        return False
    return not len(array) or bool((array.min() >= lowest) & (array.max() <= highest))


def check_same_length(
    name: str, values: Sequence[object], other_name: str, others: Sequence[object]
) -> None:
    """Raise Impossible if two lists that belong together differ in length."""
    if len(values) != len(others):
        raise Impossible(
            f"{name} has {len(values)} entries and {other_name} {len(others)}"
        )


def check_graph(
    name: str,
    inputs: int,
    nodes: int,
    output: Sequence[int],
    edges: Iterable[tuple[int, int, str]],
) -> None:
    """Raise Impossible for a cell whose inputs, output or edges are not among its nodes, or whose edges go back."""
    check_number(f"{name}.nodes", nodes, 1, MOST_NODES)
    check_number(f"{name}.inputs", inputs, 1, nodes)
    if not output:
        raise Impossible(f"{name}.output is empty")
    check_numbers(f"{name}.output", output, 0, nodes - 1)
    for source, target, _ in edges:
        if not 0 <= source < target < nodes:
            raise Impossible(
                f"{name}.edges has one from {source} to {target}, and the nodes are 0 to {nodes - 1}"
            )


def check_choices(
    operations: Choices, edges: Sequence[Sequence[tuple[int, int]]]
) -> None:
    """Raise Impossible unless every edge of every cell has operations, and edges go from node to later node."""
    if not operations:
        raise Impossible("operations is empty")
    check_same_length("operations", operations, "edges", edges)
    for cell, (choices, ends) in enumerate(zip(operations, edges, strict=True)):
        check_same_length(f"operations.{cell}", choices, f"edges.{cell}", ends)
        if not choices or not all(choices):
            raise Impossible(
                f"operations.{cell} has no edge, or an edge without operations"
            )
        for source, target in ends:
            if not 0 <= source < target < MOST_NODES:
                raise Impossible(f"edges.{cell} has one from {source} to {target}")


def check_oracle(name: str, oracle: Choices) -> None:
    """Raise Impossible for an oracle without cells, edges or operations, or with what is no accuracy.

    An operation that no architecture has is worth nothing that is known: NaN.
    """
    if not oracle or not all(oracle) or not all(map(all, oracle)):
        raise Impossible(
            f"{name} has no cell, or a cell without edges, or an edge without operations"
        )
    for cell, edges in enumerate(oracle):
        for edge, values in enumerate(edges):
            known = [value for value in values if value == value]
            check_numbers(f"{name}.{cell}.{edge}", known, 0, PER_CENT)


def check_like(name: str, values: Choices, other_name: str, others: Choices) -> None:
    """Raise Impossible unless two have the same cells, edges and numbers of operations."""
    if _sizes(values) != _sizes(others):
        raise Impossible(
            f"{name} has other cells, edges or operations than {other_name}"
        )


def _sizes(choices: Choices) -> list[list[int]]:
    return [list(map(len, cell)) for cell in choices]


@dataclass(frozen=True)
class Cells:
    """How many operations there are on the edges of each of some records.

    Attributes:
        counts: (distinct, cells, edges) by cell and edge, 0 where there is no such
            edge.
        of: (records,) which of the distinct ones a record has.
    """

    counts: Ints
    of: Ints

    @classmethod
    def of_all(cls, every: Sequence[Choices]) -> Cells:
        """Return those of some records; lists of them that are one object are looked at once."""
        known = {id(choices): choices for choices in every}
        sizes = {
            key: tuple(map(tuple, _sizes(choices))) for key, choices in known.items()
        }
        distinct = {
            size: place for place, size in enumerate(dict.fromkeys(sizes.values()))
        }
        cells = max(map(len, distinct), default=0)
        edges = max((len(cell) for size in distinct for cell in size), default=0)
        counts = np.zeros((len(distinct), cells, edges), dtype=np.int64)
        for size, place in distinct.items():
            for cell, of_edges in enumerate(size):
                counts[place, cell, : len(of_edges)] = of_edges
        return cls(
            counts,
            np.array(
                [distinct[sizes[id(choices)]] for choices in every], dtype=np.int64
            ),
        )

    @cached_property
    def numbers(self) -> Ints:
        """How many cells each record has."""
        return np.count_nonzero(self.counts.any(axis=2), axis=1)[self.of]

    def operations(self, records: Ints, cells: Ints, edges: Ints) -> Ints:
        """Return how many operations there are on an edge of a cell of a record; 0 where there is no such edge."""
        _, most_cells, most_edges = self.counts.shape
        there = (
            (cells >= 0) & (cells < most_cells) & (edges >= 0) & (edges < most_edges)
        )
        found = self.counts[
            self.of[records], np.where(there, cells, 0), np.where(there, edges, 0)
        ]
        return np.where(there, found, 0)


class Limits(NamedTuple):
    """What is below that of all rows of a record is possible, however its cells and edges differ."""

    cells: int
    edges: int
    operations: int

    @classmethod
    def of(cls, choices: Choices) -> Limits:
        """Return those of the operations of a record: its cells, and the fewest edges and operations."""
        edges = [edge for cell in choices for edge in cell]
        return cls(len(choices), min(map(len, choices)), min(map(len, edges)))


def are_within(rows: Columns[Any], limits: Limits) -> bool:
    """Return whether all rows are plainly possible; :func:`check_rows` says whether others are, too.

    It takes a fraction of that one's time for the rows of a single record.
    """
    if not len(rows):
        return True
    names = [name for name, of in kinds(rows.kind).items() if of is int]  # type: ignore[arg-type]
    columns = np.array([rows.column(name) for name in names])
    if rows.kind.__name__ == "Decision":
        choices = columns[names.index("choice")]
        choices[choices == DROPPED] = 0
    # Without a sign, what is below zero is larger than all limits.
    highest = columns.view(np.uint32).max(axis=1).tolist()
    below = {
        "cell": limits.cells,
        "edge": limits.edges,
        "choice": limits.operations,
        "node": MOST_NODES,
    }
    if any(
        value >= below.get(name, MOST_STEPS)
        for name, value in zip(names, highest, strict=True)
    ):
        return False
    return "value" not in rows.kind._fields or bool(
        np.isfinite(rows.column("value")).all()
    )


def check_rows(
    name: str, kind: type[NamedTuple], parts: Sequence[Columns[Any]], cells: Cells
) -> None:
    """Raise Impossible for the first row of scores or decisions that is of no edge or operation of its record's cells.

    Args:
        name: of the field.
        kind: of the rows; has columns `round`, `step`, `cell` and `edge`, and perhaps
            `choice`, `node` and `value`.
        parts: the rows of each record.
        cells: of each record.
    """
    if not any(map(len, parts)):
        return
    of, columns = Columns.gathered(kind, parts)

    def refuse(column: str, bad: npt.NDArray[np.bool_], why: str) -> None:
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            row = int(np.count_nonzero(of[:first] == of[first]))
            raise Impossible(
                f"{name}.{column}.{row} is {columns[column][first]}, which is {why}"
            )

    for column in ("round", "step"):
        refuse(
            column,
            (columns[column] < 0) | (columns[column] > MOST_STEPS),
            f"not between 0 and {MOST_STEPS}",
        )
    cell, edge = columns["cell"], columns["edge"]
    refuse(
        "cell", (cell < 0) | (cell >= cells.numbers[of]), "no cell of the architecture"
    )
    operations = cells.operations(of, cell, edge)
    refuse("edge", operations == 0, "no edge of its cell")
    if "choice" in columns:
        choice = columns["choice"]
        impossible = (choice < 0) | (choice >= operations)
        if kind.__name__ == "Decision":
            impossible &= choice != DROPPED
        refuse("choice", impossible, "no operation of its edge")
    if "node" in columns:
        refuse(
            "node",
            (columns["node"] < 0) | (columns["node"] >= MOST_NODES),
            "no node of a cell",
        )
    if "value" in columns:
        refuse("value", ~np.isfinite(columns["value"]), "not finite")
