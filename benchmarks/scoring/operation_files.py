"""Files of operation scores: the scores that scorers give to operations on edges.

Papers release such files as CSV or Parquet.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from archselect.benchmarks.store.records import OperationScore, Scale, ScorerFacts
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth.frames import (
    columns_of,
    read_frame,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.rows import Rows, refuse
from archselect.selectors.selection import Better

COLUMNS = ("source_node", "target_node", "operation", "scorer", "score", "better")
"""Columns of a file. In a space of several cell types, `cell` names the cell type.
`better` is "higher" or "lower".
"""
TEXTS = ("source_node", "target_node", "operation", "scorer", "better", "cell")
"""Columns that are read as text."""
IDENTITY = ("cell", "source_node", "target_node", "operation", "scorer")
"""Columns that identify a score; no two rows have the same values in them."""


class _Row(NamedTuple):
    """A row of a file.

    Attributes:
        number: number of the row; 1 is the first row below the header.
        cell: name of the cell type.
        source: node where the edge starts.
        target: node where the edge ends.
        operation: name of the operation.
        scorer: name of the scorer.
        score: the score, a finite number.
        better: "higher" or "lower".
    """

    number: int
    cell: str
    source: object
    target: object
    operation: str
    scorer: str
    score: float
    better: Better


class _OperationPlace(NamedTuple):
    """The indices of an operation: its cell type, edge and choice."""

    cell: int
    edge: int
    choice: int


def read_operation_scores(path: Path, space: SearchSpace) -> list[ScorerFacts]:
    """Return the scorers in a CSV or Parquet file, in its order.

    A score is a finite number. An operation without a score is not in the file, and
    then does not count in the correlation on its edge.

    Args:
        path: path of the file.
        space: space of the edges and operations.

    Raises:
        UserError: a column is missing; the space lacks an edge or operation; a score is
            not a finite number, or is repeated; or a scorer has two directions. The
            message names the row.
    """
    frame = read_frame(path, TEXTS)
    for column in COLUMNS:
        if column not in frame:
            raise unknown(f"column of {path}", column, columns_of(frame))
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.raise_any()
    if "cell" not in frame:
        frame = frame.assign(cell=space.cells[0].name)
    _refuse_bad_values(path, frame)
    return _scorers(path, space, frame)


def _refuse_bad_values(path: Path, frame: pd.DataFrame) -> None:
    """Raise UserError for the first row with a value that is not valid."""
    for column in COLUMNS:
        refuse(path, frame[column].isna(), f"{column} is missing")
    score = _numbers(frame)
    refuse(path, score.isna(), "score must be a number")
    refuse(
        path,
        ~np.isfinite(score),
        "score must be finite; remove the rows of operations without a score",
    )
    refuse(
        path,
        ~frame["better"].isin(["higher", "lower"]),
        "better must be 'higher' or 'lower'",
    )
    refuse(
        path,
        frame.duplicated([*IDENTITY]),
        "this score is repeated; keep one row of it",
    )


def _numbers(frame: pd.DataFrame) -> pd.Series:
    """Return the scores of a file; NaN for values that are no numbers."""
    return pd.to_numeric(frame["score"], errors="coerce")


def _rows_of(frame: pd.DataFrame) -> Iterator[_Row]:
    """Yield the rows of a file whose values have been checked."""
    columns = [frame[name] for name in IDENTITY]
    values = zip(*columns, _numbers(frame), frame["better"], strict=True)
    for number, row in enumerate(values, start=1):
        yield _Row(number, *row)


def _scorers(path: Path, space: SearchSpace, frame: pd.DataFrame) -> list[ScorerFacts]:
    """Return the scorers of a file whose values have been checked.

    Raises UserError for an edge or operation that the space lacks, and for a scorer
    with two directions.
    """
    scales: dict[str, Scale] = {}
    scores: dict[str, list[OperationScore]] = {}
    for row in _rows_of(frame):
        try:
            place = _find_operation(space, row)
        except UserError as error:
            raise UserError(f"{path}, row {row.number}: {error}") from error
        scale = Scale(name=row.scorer, better=row.better)
        scale = scales.setdefault(row.scorer, scale)
        if scale.better != row.better:
            raise UserError(
                f"{path}, row {row.number}: better is '{row.better}', but an earlier row has '{scale.better}' for "
                f"{row.scorer}"
            )
        score = OperationScore(
            round=0, step=0, **place._asdict(), value=float(row.score)
        )
        scores.setdefault(row.scorer, []).append(score)
    return [
        ScorerFacts(name=name, scale=scale, scores=scores[name])
        for name, scale in scales.items()
    ]


def _find_operation(space: SearchSpace, row: _Row) -> _OperationPlace:
    """Return the indices of a row's operation; raise UserError if there is none."""
    names = [known.name for known in space.cells]
    cell_name = str(row.cell)
    if cell_name not in names:
        raise unknown(f"cell of space {space.name}", cell_name, names)
    number = names.index(cell_name)
    cell = space.cells[number]
    edges = {
        f"{source}→{target}": edge for edge, (source, target) in enumerate(cell.edges)
    }
    edge_name = f"{row.source}→{row.target}"
    if edge_name not in edges:
        raise unknown(f"edge of space {space.name}", edge_name, edges)
    edge = edges[edge_name]
    operations = cell.operations[edge]
    if row.operation not in operations:
        raise unknown(f"operation of space {space.name}", row.operation, operations)
    return _OperationPlace(number, edge, operations.index(row.operation))
