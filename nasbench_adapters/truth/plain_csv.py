"""Truths as plain tables, one row per architecture and one column of accuracies, as CSV or Parquet. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.limits import MOST_EPOCHS
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.long_csv import (
    columns_of,
    details_of,
    finish,
    origin_of,
    read_frame,
    refuse_long_rows,
    refuse_repeated,
)
from archselect.nasbench_adapters.truth.rows import Refused, Rows, check_per_cent
from archselect.nasbench_adapters.truth.table import MEASURED, TableBuilder, TruthTable

SEED = "not said"
"""Stands for the seed of the one trial of each architecture."""


@dataclass(frozen=True)
class PlainColumns:
    """Which columns of the file are read, and what the accuracies are of, which the file does not say itself.

    `architecture` holds texts in the space's form, `accuracy` numbers in per cent.
    """

    architecture: str
    accuracy: str
    dataset: str
    split: str
    epochs: int


def import_plain(
    path: Path,
    name: str,
    columns: PlainColumns,
    *,
    space: str = "nb201",
    provenance: str = MEASURED,
    origin: str | None = None,
    left_out: list[Refused] | None = None,
) -> TruthTable:
    """Return the table of such a file; other columns are ignored.

    Args:
        path: the file.
        name: of the table.
        columns: which ones are read, and what of.
        space: of the architectures.
        provenance: MEASURED or PREDICTED.
        origin: who measured or predicted the accuracies; the table names the file in
            any case.
        left_out: where to note the rows that cannot be read, which are then left out;
            None to refuse the file.

    Raises:
        UserError: a column is missing, or no row is left; all accuracies look like
            shares of one; the number of epochs is below 1, or far above that of any
            training. Without `left_out` also, with their numbers, if rows have a
            malformed architecture, one that comes twice, a missing value, or an
            accuracy that is no number within 0..100.
    """
    if not 1 <= columns.epochs <= MOST_EPOCHS:
        raise UserError(
            f"epochs must be a whole number within 1..{MOST_EPOCHS:,}, not {columns.epochs}"
        )
    frame = read_frame(path, (columns.architecture, columns.accuracy))
    rows = Rows(path, frame)
    for column in (columns.architecture, columns.accuracy):
        if column not in frame:
            raise unknown(f"column of {path}", column, columns_of(frame))
    refuse_long_rows(rows)
    rows.require(columns.architecture)
    rows.require(columns.accuracy)
    accuracies = rows.accuracies(columns.accuracy)
    architectures = rows.parse(columns.architecture, get_space(space))
    refuse_repeated(rows, architectures.to_frame(), accuracies, "architecture")
    finish(rows, left_out)
    good = rows.good
    check_per_cent(path, columns.accuracy, accuracies[good])
    builder = TableBuilder(get_space(space))
    for architecture, value in zip(architectures[good], accuracies[good], strict=True):
        builder.add(
            architecture,
            columns.dataset,
            columns.split,
            columns.epochs,
            SEED,
            float(value),
        )
    return builder.table(
        name,
        origin=origin_of(path, origin),
        licence="as the source's",
        provenance=provenance,
        details=details_of(rows),
    )
