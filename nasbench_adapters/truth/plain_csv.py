"""Truths as plain tables, one row per architecture and one column of accuracies, as CSV or Parquet. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.long_csv import origin_of, parse_all, read_frame, refuse
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
) -> TruthTable:
    """The table of such a file; other columns are ignored.

    Raises UserError, with the row (1 is the first below the header), for a missing column, a malformed architecture or
    one that comes twice, a missing value, and an accuracy that is no number within 0..100; if all accuracies look like
    shares of one; and for a number of epochs below 1.
    """
    if columns.epochs < 1:
        raise UserError(f"epochs must be a whole number of at least 1, not {columns.epochs}")
    frame = read_frame(path, (columns.architecture, columns.accuracy))
    for column in (columns.architecture, columns.accuracy):
        if column not in frame:
            raise unknown(f"column of {path}", column, map(str, frame.columns))
        refuse(path, frame[column].isna() | (frame[column] == ""), f"{column} is missing")
    accuracy = pd.to_numeric(frame[columns.accuracy], errors="coerce")
    refuse(path, ~accuracy.between(0, 100), f"{columns.accuracy} must be a number within 0..100 (per cent)")
    if len(frame) > 1 and accuracy.max() <= 1:
        raise UserError(f"{path}: no {columns.accuracy} is above 1: give accuracies in per cent, not as shares of one")
    builder = TableBuilder(get_space(space))
    architectures = parse_all(path, frame[columns.architecture], builder.space)
    parsed = frame[columns.architecture].map(architectures)
    refuse(path, parsed.duplicated(), "this architecture came before; keep one row of it")
    for architecture, value in zip(parsed, accuracy, strict=True):
        builder.add(architecture, columns.dataset, columns.split, columns.epochs, SEED, float(value))
    return builder.table(name, origin=origin_of(path, origin), licence="as the source's", provenance=provenance)
