"""Files of operation scores: what scorers think of every operation on every edge.

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
"""Of a file; `cell` may join them in a space of several cell types, by name. `better`
is "higher" or "lower".
"""
TEXTS = ("source_node", "target_node", "operation", "scorer", "better", "cell")
"""The columns that are read as texts."""
IDENTITY = ("cell", "source_node", "target_node", "operation", "scorer")
"""The columns that name a score; no two rows have the same values there."""


class _Row(NamedTuple):
    """A row of a file.

    Attributes:
        number: 1 is the first below the header.
        cell: the cell type's name.
        source: the node that the edge comes from.
        target: the node that the edge leads to.
        operation: by name.
        scorer: by name.
        score: a finite number.
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
    """An operation of an edge, by numbers."""

    cell: int
    edge: int
    choice: int


def read_operation_scores(path: Path, space: SearchSpace) -> list[ScorerFacts]:
    """Return the scorers of a CSV or Parquet file, in its order.

    A score is a finite number. An operation without one is left out of the file, and
    then of the correlation on its edge.

    Args:
        path: of the file.
        space: of the edges and operations.

    Raises:
        UserError: a column is missing; the space does not have an edge or operation; a
            score is not a finite number, or comes twice; or a scorer has two
            directions. The message names the row.
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
    """Raise UserError for the first row with a value that cannot be one."""
    for column in COLUMNS:
        refuse(path, frame[column].isna(), f"{column} is missing")
    score = _numbers(frame)
    refuse(path, score.isna(), "score must be a number")
    refuse(
        path,
        ~np.isfinite(score),
        "score must be finite; leave out the rows of operations without a score",
    )
    refuse(
        path,
        ~frame["better"].isin(["higher", "lower"]),
        "better must be 'higher' or 'lower'",
    )
    refuse(
        path,
        frame.duplicated([*IDENTITY]),
        "this score came before; keep one row of it",
    )


def _numbers(frame: pd.DataFrame) -> pd.Series:
    """Return the scores of a file; NaN where there is no number."""
    return pd.to_numeric(frame["score"], errors="coerce")


def _rows_of(frame: pd.DataFrame) -> Iterator[_Row]:
    """Yield the rows of a file whose values have been checked."""
    columns = [frame[name] for name in IDENTITY]
    values = zip(*columns, _numbers(frame), frame["better"], strict=True)
    for number, row in enumerate(values, start=1):
        yield _Row(number, *row)


def _scorers(path: Path, space: SearchSpace, frame: pd.DataFrame) -> list[ScorerFacts]:
    """Return the scorers of a file whose values have been checked.

    Raises UserError for an edge or operation that the space does not have, and for a
    scorer of two directions.
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
                f"{path}, row {row.number}: better is '{row.better}', and before it was '{scale.better}' for "
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
    """Return where a row's operation is; raise UserError if the space has none such."""
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
