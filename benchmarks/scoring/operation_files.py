"""Files of operation scores, such as papers release them: what a scorer thinks of every operation on every edge."""

from __future__ import annotations

from pathlib import Path

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

COLUMNS = ("source_node", "target_node", "operation", "scorer", "score", "better")
"""Of a file; `cell` may join them in a space of several cell types, by name. `better`
is "higher" or "lower".
"""


def read_operation_scores(path: Path, space: SearchSpace) -> list[ScorerFacts]:
    """Return the scorers of a CSV or Parquet file, in its order.

    A score is a finite number. An operation without one is left out of the file, and
    then of the correlation on its edge.

    Raises UserError, with the row (1 is the first below the header), for a missing
    column, an edge or operation that the space does not have, a score that is not a
    finite number or comes twice, and a scorer of two directions.
    """
    frame = read_frame(
        path, ("source_node", "target_node", "operation", "scorer", "better", "cell")
    )
    for column in COLUMNS:
        if column not in frame:
            raise unknown(f"column of {path}", column, columns_of(frame))
    rows_of_file = Rows(path, frame)
    refuse_long_rows(rows_of_file)
    rows_of_file.raise_any()
    for column in COLUMNS:
        refuse(path, frame[column].isna(), f"{column} is missing")
    score = pd.to_numeric(frame["score"], errors="coerce")
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
    cells = (
        frame["cell"]
        if "cell" in frame
        else pd.Series(space.cells[0].name, index=frame.index)
    )
    refuse(
        path,
        frame.assign(cell=cells).duplicated(["cell", *COLUMNS[:4]]),
        "this score came before; keep one row of it",
    )
    scales: dict[str, Scale] = {}
    scorers: dict[str, list[OperationScore]] = {}
    rows = zip(
        cells,
        *(frame[column] for column in COLUMNS[:4]),
        score,
        frame["better"],
        strict=True,
    )
    for row, (cell, source, target, operation, scorer, value, better) in enumerate(
        rows, start=1
    ):
        try:
            place = _place(space, str(cell), source, target, operation)
        except UserError as error:
            raise UserError(f"{path}, row {row}: {error}") from error
        scale = scales.setdefault(scorer, Scale(name=scorer, better=better))
        if scale.better != better:
            raise UserError(
                f"{path}, row {row}: better is '{better}', and before it was '{scale.better}' for {scorer}"
            )
        c, edge, choice = place
        scorers.setdefault(scorer, []).append(
            OperationScore(
                round=0, step=0, cell=c, edge=edge, choice=choice, value=float(value)
            )
        )
    return [
        ScorerFacts(name=name, scale=scales[name], scores=scores)
        for name, scores in scorers.items()
    ]


def _place(
    space: SearchSpace, cell: str, source: object, target: object, operation: str
) -> tuple[int, int, int]:
    names = [known.name for known in space.cells]
    if cell not in names:
        raise unknown(f"cell of space {space.name}", cell, names)
    c = names.index(cell)
    edges = {f"{a}→{b}": e for e, (a, b) in enumerate(space.cells[c].edges)}
    if f"{source}→{target}" not in edges:
        raise unknown(f"edge of space {space.name}", f"{source}→{target}", edges)
    edge = edges[f"{source}→{target}"]
    operations = space.cells[c].operations[edge]
    if operation not in operations:
        raise unknown(f"operation of space {space.name}", operation, operations)
    return c, edge, operations.index(operation)
