"""Truths in long form, one row per trial, as CSV (gzip or not) or Parquet.

No torch here.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from archselect.nasbench_adapters.errors import UserError, nearest
from archselect.nasbench_adapters.input_files import (
    DAMAGED,
    check_not_packed,
    open_bytes,
    open_plain,
    open_text,
    unreadable,
)
from archselect.nasbench_adapters.limits import (
    MOST_COLUMNS,
    MOST_EPOCHS,
    MOST_FIELDS_TIMES,
    MOST_FREE_FIELDS,
    MOST_ROWS,
)
from archselect.nasbench_adapters.parquet import check_parquet
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.column_names import horizons
from archselect.nasbench_adapters.truth.rows import (
    TOO_MANY_FIELDS,
    Refused,
    Rows,
    check_per_cent,
    counts_of,
)
from archselect.nasbench_adapters.truth.table import (
    MEASURED,
    TableBuilder,
    TruthTable,
    unflatten,
)

COLUMNS = ("arch", "dataset", "split", "epochs", "seed", "accuracy")
"""`arch` in the space's text form, `epochs` whole, `accuracy` in per cent; the others
are text.
"""
WHOLE_EPOCHS = f"epochs must be a whole number within 1..{MOST_EPOCHS:,}"
PARQUET = b"PAR1"
"""What a Parquet file starts with."""
ROOM = 8
"""Fields beyond its header's that a row may have and be left out; a row of more makes
the file unreadable.
"""
MORE_FIELDS = "more fields than the header has; write decimal points, not commas"
OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons"}
"""What may stand between columns in place of commas, and what it is called."""


def import_long(
    path: Path,
    name: str,
    *,
    space: str = "nb201",
    provenance: str = MEASURED,
    origin: str | None = None,
    left_out: list[Refused] | None = None,
) -> TruthTable:
    """Return the table of a CSV or Parquet file in long form.

    Columns that are not in :data:`COLUMNS` are ignored.

    Args:
        path: the file.
        name: of the table.
        space: of the architectures.
        provenance: MEASURED or PREDICTED.
        origin: who measured or predicted the accuracies; the table names the file in
            any case.
        left_out: where to note the rows that cannot be read, which are then left out;
            None to refuse the file.

    Raises:
        UserError: a column is missing, or no row is left; the accuracies of a data set,
            split and epochs look like shares of one. Without `left_out` also, with
            their numbers, if rows have a malformed architecture, a missing value, a
            number that is none, an accuracy outside 0..100, or a trial that comes
            twice.
    """
    frame = read_frame(path, COLUMNS)
    check_columns(path, frame)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    for column in COLUMNS:
        rows.require(column)
    epochs = rows.numbers("epochs", 1, MOST_EPOCHS, WHOLE_EPOCHS)
    rows.refuse(epochs % 1 != 0, WHOLE_EPOCHS, frame["epochs"])
    accuracies = rows.accuracies("accuracy")
    architectures = rows.parse("arch", get_space(space))
    keys = pd.DataFrame(
        {
            "arch": architectures,
            "dataset": frame["dataset"],
            "split": frame["split"],
            "epochs": epochs,
        }
    ).assign(seed=frame["seed"])
    refuse_repeated(rows, keys, accuracies, "arch, dataset, split, epochs and seed")
    finish(rows, left_out)
    good = rows.good
    check_per_cent(path, "accuracy", accuracies[good])
    for (dataset, split, ends), of_column in accuracies[good].groupby(
        [keys[key][good] for key in COLUMNS[1:4]]
    ):
        check_per_cent(
            path, f"accuracy of {dataset}/{split} at {horizons([int(ends)])}", of_column
        )
    builder = TableBuilder(get_space(space))
    for architecture, dataset, split, ends, seed, value in zip(
        architectures[good],
        frame["dataset"][good],
        frame["split"][good],
        epochs[good],
        frame["seed"][good],
        accuracies[good],
        strict=True,
    ):
        builder.add(architecture, dataset, split, int(ends), seed, float(value))
    return builder.table(
        name,
        origin=origin_of(path, origin),
        licence="as the source's",
        provenance=provenance,
        details=details_of(rows),
    )


def check_columns(path: Path, frame: pd.DataFrame) -> None:
    """Raise UserError if a file lacks columns of the long form, with those of its columns that were probably meant."""
    names = columns_of(frame)
    missing = [column for column in COLUMNS if column not in names]
    if not missing:
        return
    others = [name for name in names if name not in COLUMNS]
    lacking = []
    misspelled = 0
    for column in missing:
        meant = nearest(column, others)
        misspelled += meant is not None
        lacking.append(
            column if meant is None else f"{column} (did you mean {meant!r}? rename it)"
        )
    line = f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(lacking)}"
    if misspelled < len(missing):
        line += (
            f"; it needs {', '.join(COLUMNS)}; or, for a table with a row per architecture, add --architecture-column, "
            "--accuracy-column, --dataset, --split and --epochs"
        )
    raise UserError(line)


def to_long(table: TruthTable) -> pd.DataFrame:
    """A table in long form, with the columns of :data:`COLUMNS`; the inverse of the import."""
    texts = np.array(
        [
            table.space.format(unflatten(table.space, row))
            for row in table.architectures
        ],
        dtype=object,
    )
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
    """Return a CSV (gzip or not) or Parquet file, these columns as text.

    Rows of a CSV may have more fields than the header: :func:`refuse_long_rows` refuses
    them.

    Args:
        path: the file.
        columns: those that are read as text; they need not be there.

    Raises:
        UserError: the file cannot be read or is empty, has a column twice, or separates
            its columns by something else than commas; a row has more than :data:`ROOM`
            fields beyond the header's.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, columns)
    text = {column: str for column in columns}
    try:
        _check_size(path)
        with open_text(path) as file:
            header = _read_header(path, file)
            names = [*header, *(f"{TOO_MANY_FIELDS} {place}" for place in range(ROOM))]
            frame = pd.read_csv(
                file, dtype=text, keep_default_na=False, header=None, names=names
            )
    except OSError as error:
        raise unreadable(path, error) from error
    except pd.errors.EmptyDataError:
        return pd.DataFrame(columns=header, dtype=str)
    except pd.errors.ParserError as error:
        raise _unparsed(path) from error
    except (*DAMAGED, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file: {error}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise _unparsed(path)
    beyond = frame.columns[len(header) :]
    return frame.drop(columns=[name for name in beyond if frame[name].isna().all()])


def _check_size(path: Path) -> None:
    """Raise UserError if a CSV has more rows or columns than are read, or rows that leave most of their fields out."""
    width = len(read_header(path)) + ROOM
    rows = max(0, _count_lines(path) - 1)
    if width - ROOM > MOST_COLUMNS:
        raise UserError(
            f"{path} has {width - ROOM:,} columns, and at most {MOST_COLUMNS:,} are read"
        )
    if rows > MOST_ROWS:
        raise UserError(
            f"{path} has {rows:,} rows, and at most {MOST_ROWS:,} are read: use a part of them"
        )
    size = path.stat().st_size
    if rows * width > MOST_FREE_FIELDS + MOST_FIELDS_TIMES * size:
        raise UserError(
            f"{path} has {rows:,} rows of {width - ROOM:,} columns in {size:,} bytes: leave out empty columns"
        )


def _count_lines(path: Path) -> int:
    """Return how many lines a CSV has, its header among them."""
    lines = 0
    with open_bytes(path) as file:
        while block := file.read(1 << 20):
            lines += max(block.count(b"\n"), block.count(b"\r"))
    return lines


def _read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a Parquet file, these columns as text.

    Raises UserError if it cannot be read.
    """
    try:
        with open_plain(path) as file:
            head = file.read(len(PARQUET))
        if head != PARQUET:
            check_not_packed(path, head)
        check_parquet(path)
        frame = pd.read_parquet(path).reset_index(drop=True)
        present = [column for column in columns if column in frame]
        return frame.assign(
            **{c: frame[c].astype("string").astype(object) for c in present}
        )
    except OSError as error:
        raise unreadable(path, error) from error
    except (*DAMAGED, pa.ArrowException) as error:
        raise UserError(f"{path} is not a readable Parquet file: {error}") from error


def read_header(path: Path) -> list[str]:
    """Return the names of a CSV's columns.

    Raises UserError if it cannot be read, or as :func:`read_frame` does.
    """
    try:
        with open_text(path) as file:
            return _read_header(path, file)
    except OSError as error:
        raise unreadable(path, error) from error
    except (*DAMAGED, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file: {error}") from error


def _read_header(path: Path, file: IO[str]) -> list[str]:
    """Return the columns of a CSV, from its first line that is not blank; the file stands behind it then.

    Raises UserError if there is none, if a column comes twice, or if no comma separates
    the columns.
    """
    for fields in csv.reader(file):
        if len(fields) > 1 or "".join(fields).strip():
            break
    else:
        raise UserError(f"{path} is empty: it needs a header and rows")
    for sign, separator in OTHER_SEPARATORS.items():
        if len(fields) == 1 and sign in fields[0]:
            raise UserError(
                f"{path} separates its columns by {separator}: separate them by commas"
            )
    named = [field for field in fields if field.strip()]
    for name, count in Counter(named).items():
        if count > 1:
            raise UserError(
                f"{path} has the column {name!r} {count} times: remove or rename the others"
            )
    return [
        field if field.strip() else f"Unnamed: {place}"
        for place, field in enumerate(fields)
    ]


def _unparsed(path: Path) -> UserError:
    """Return the error for a CSV that pandas cannot take apart."""
    with open_text(path) as file:
        width = len(_read_header(path, file)) + ROOM
        filled = (
            fields
            for fields in csv.reader(file)
            if len(fields) > 1 or "".join(fields).strip()
        )
        for row, fields in enumerate(filled, start=1):
            if len(fields) > width:
                return UserError(
                    f"{path}, row {row}: {MORE_FIELDS}; this row has {len(fields):,}, too many to leave out"
                )
    return UserError(f"{path}: a quotation mark is not closed: close or remove it")


def columns_of(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns that a file's header has."""
    return [
        str(name) for name in frame.columns if not str(name).startswith(TOO_MANY_FIELDS)
    ]


def refuse_long_rows(rows: Rows) -> None:
    """Refuse the rows of a frame of :func:`read_frame` that have more fields than the header."""
    for column in rows.frame.columns:
        if str(column).startswith(TOO_MANY_FIELDS):
            values = rows.frame[column]
            filled = values.notna() & (values.astype(str).str.strip() != "")
            rows.refuse(filled, MORE_FIELDS)


def refuse_repeated(
    rows: Rows, keys: pd.DataFrame, accuracies: pd.Series, what: str
) -> None:
    """Refuse the rows of one trial that comes again: all of them if their accuracies differ, else all but the first.

    Args:
        keys: per row what names the trial.
        accuracies: per row.
        what: the names of the keys, for the message.
    """
    good = rows.good
    known = keys[good]
    again = known.duplicated(keep=False)
    if not again.any():
        return
    groups = accuracies[good][again].groupby(
        [known[key][again] for key in known], sort=False
    )
    differ = pd.Series(False, index=keys.index)
    differ[again[again].index] = groups.transform("nunique") > 1
    later = pd.Series(False, index=keys.index)
    later[known.index] = known.duplicated()
    came_before = later & differ
    rows.refuse(
        came_before,
        f"this {what} came before, with another accuracy; keep one row of it",
    )
    rows.refuse(
        differ, f"this {what} comes again, with another accuracy; keep one row of it"
    )
    rows.refuse(later, f"this {what} came before; keep one row of it")


def finish(rows: Rows, left_out: list[Refused] | None) -> None:
    """Add the refused rows to those left out.

    Raise UserError if rows may not be left out, or if none remains.
    """
    if left_out is None:
        rows.raise_any("; --skip-invalid leaves out such rows, and lists them")
        return
    if len(rows.frame) and not rows.good.any():
        rows.raise_any("; no row is left to import")
    left_out.extend(rows.refused)


def details_of(rows: Rows) -> dict[str, Any]:
    """Return what a table says of the rows that were left out of it."""
    refused = rows.refused
    if not refused:
        return {}
    return {
        "rows left out": {"of": len(rows.frame), "because": dict(counts_of(refused))}
    }
