"""Truths with one row per architecture, as CSV or Parquet. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.limits import MOST_EPOCHS
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.frames import (
    columns_of,
    read_frame,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.ground_truth import MEASURED, Provenance
from archselect.nasbench_adapters.truth.long_csv import (
    LICENCE,
    WHOLE_EPOCHS,
    details_of,
    finish,
    origin_of,
    refuse_repeated,
)
from archselect.nasbench_adapters.truth.rows import Refused, Rows, check_per_cent
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.table_builder import TableBuilder

SEED = "not said"
"""Stands for the seed of the one trial of each architecture."""


@dataclass(frozen=True)
class PlainColumns:
    """The columns of a file that are read, and what the accuracies are of.

    Attributes:
        architecture: the column of texts in the space's form.
        accuracy: the column of numbers in per cent.
        dataset, split, epochs: what the accuracies are of, which the file does not say.
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
    provenance: Provenance = MEASURED,
    origin: str | None = None,
    left_out: list[Refused] | None = None,
) -> TruthTable:
    """Return the table of a file with a row per architecture.

    Args:
        path: the file.
        name: of the table.
        columns: those that are read; others are ignored.
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
        raise UserError(f"{WHOLE_EPOCHS}, not {columns.epochs}")
    rows = _read_rows(path, columns)
    accuracies = rows.accuracies(columns.accuracy)
    architectures = rows.parse(columns.architecture, get_space(space))
    refuse_repeated(rows, architectures.to_frame(), accuracies, "architecture")
    finish(rows, left_out)
    good = rows.good
    check_per_cent(path, columns.accuracy, accuracies[good])
    builder = TableBuilder(get_space(space))
    for architecture, accuracy in zip(
        architectures[good], accuracies[good], strict=True
    ):
        builder.add(
            architecture,
            columns.dataset,
            columns.split,
            columns.epochs,
            SEED,
            float(accuracy),
        )
    return builder.table(
        name,
        origin=origin_of(path, origin),
        licence=LICENCE,
        provenance=provenance,
        details=details_of(rows),
    )


def _read_rows(path: Path, columns: PlainColumns) -> Rows:
    """Return the rows of a file; those without architecture or accuracy are refused.

    Raises UserError if the file cannot be read, or lacks a column.
    """
    names = (columns.architecture, columns.accuracy)
    frame = read_frame(path, names)
    for name in names:
        if name not in frame:
            raise unknown(f"column of {path}", name, columns_of(frame))
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    for name in names:
        rows.require(name)
    return rows
