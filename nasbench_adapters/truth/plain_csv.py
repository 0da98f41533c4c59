"""Ground truths in the plain format, one row per architecture, as CSV or Parquet."""

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
"""Name of the only trial of each architecture, in place of a seed."""


@dataclass(frozen=True)
class PlainColumns:
    """The columns to read from a file, and the name of the accuracies.

    Attributes:
        architecture: name of the column with texts in the space's form.
        accuracy: name of the column with accuracies in per cent.
        dataset, split, epochs: data set, split and number of epochs of the accuracies,
            which the file does not hold.
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
        path: path of the file.
        name: name of the table.
        columns: columns to read; others are ignored.
        space: name of the space.
        provenance: MEASURED or PREDICTED.
        origin: who measured or predicted the accuracies; the table also names the file.
        left_out: list to which rows that cannot be read are added; the table leaves
            them out. None refuses a file with such rows.

    Raises:
        UserError: a column is missing, no row is left, all accuracies seem to be
            between 0 and 1, or the number of epochs is out of range. Without `left_out`
            also if rows have an architecture that is malformed or occurs twice, a
            missing value, or an accuracy that is not a number within 0..100; the
            message names the rows.
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
    """Return the rows of a file; refuse those without architecture or accuracy.

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
