"""Truths in long form, one row per trial, as CSV (gzip or not) or Parquet. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import DAMAGED, open_text, unreadable
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.table import MEASURED, TableBuilder, TruthTable, unflatten

COLUMNS = ("arch", "dataset", "split", "epochs", "seed", "accuracy")
"""`arch` in the space's text form, `epochs` whole, `accuracy` in per cent; the others are text."""


def import_long(
    path: Path, name: str, *, space: str = "nb201", provenance: str = MEASURED, origin: str | None = None
) -> TruthTable:
    """The table of a CSV or Parquet file in long form; columns that are not in :data:`COLUMNS` are ignored.

    `origin` says who measured or predicted the accuracies; the file's name is told in any case.

    Raises UserError, with the row (1 is the first below the header), for a missing column, a malformed
    architecture, a missing value, a number that is none, an accuracy outside 0..100, and a trial that comes
    twice.
    """
    frame = read_frame(path, COLUMNS)
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}; it needs {', '.join(COLUMNS)}")
    frame = frame[list(COLUMNS)].reset_index(drop=True)
    for column in COLUMNS:
        refuse(path, frame[column].isna() | (frame[column] == ""), f"{column} is missing")
    epochs = pd.to_numeric(frame["epochs"], errors="coerce")
    refuse(path, ~(epochs >= 1) | (epochs % 1 != 0), "epochs must be a whole number of at least 1")
    accuracy = pd.to_numeric(frame["accuracy"], errors="coerce")
    refuse(path, ~accuracy.between(0, 100), "accuracy must be a number within 0..100 (per cent)")
    refuse(
        path,
        frame.duplicated(list(COLUMNS[:-1])),
        "this arch, dataset, split, epochs and seed came before; keep one row of it",
    )

    builder = TableBuilder(get_space(space))
    architectures = parse_all(path, frame["arch"], builder.space)
    rows = zip(frame["arch"], frame["dataset"], frame["split"], epochs, frame["seed"], accuracy, strict=True)
    for text, dataset, split, ends, seed, value in rows:
        builder.add(architectures[text], dataset, split, int(ends), seed, float(value))
    return builder.table(name, origin=origin_of(path, origin), licence="as the source's", provenance=provenance)


def to_long(table: TruthTable) -> pd.DataFrame:
    """A table in long form, with the columns of :data:`COLUMNS`; the inverse of the import."""
    texts = np.array([table.space.format(unflatten(table.space, row)) for row in table.architectures], dtype=object)
    parts = []
    for column in table.columns:
        values = table.matrix(*column.key)
        rows, trials = np.nonzero(~np.isnan(values))
        parts.append(
            pd.DataFrame(
                {
                    "arch": texts[rows],
                    "dataset": column.dataset,
                    "split": column.split,
                    "epochs": column.epochs,
                    "seed": np.array(column.seeds, dtype=object)[trials],
                    "accuracy": values[rows, trials],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def origin_of(path: Path, origin: str | None) -> str:
    """What a table says of its origin: the words given, if any, and the file's name."""
    return f"{origin}, from {path.name}" if origin else f"from {path.name}"


def read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a CSV (gzip or not) or Parquet file, these columns as text. Raises UserError if it cannot be read."""
    text = {column: str for column in columns}
    try:
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            present = [column for column in columns if column in frame]
            return frame.assign(**{c: frame[c].astype("string").astype(object) for c in present})
        with open_text(path) as file:
            return pd.read_csv(file, dtype=text, keep_default_na=False)
    except OSError as error:
        raise unreadable(path, error) from error
    except (*DAMAGED, pa.ArrowException) as error:
        raise UserError(f"{path} is not a readable {path.suffix.lstrip('.')} file: {error}") from error


def parse_all(path: Path, texts: pd.Series, space: SearchSpace) -> dict[str, Architecture]:
    """The architecture of every distinct text. Raises UserError, with the row, for one that is none."""
    architectures = {}
    for text in texts.unique():
        try:
            architectures[text] = space.parse(text)
        except UserError as error:
            row = int((texts == text).to_numpy().argmax()) + 1
            raise UserError(f"{path}, row {row}: {error}") from error
    return architectures


def refuse(path: Path, bad: pd.Series, why: str) -> None:
    """Raises UserError, with the first such row and how many there are, if any row is bad."""
    if bad.any():
        row, others = int(bad.to_numpy().argmax()) + 1, int(bad.sum()) - 1
        more = "" if not others else " (and 1 more row)" if others == 1 else f" (and {others:,} more rows)"
        raise UserError(f"{path}, row {row}: {why}{more}")
