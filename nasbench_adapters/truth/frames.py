"""Readers of tables in CSV (gzip or not) and Parquet files, with limits of size."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pandas as pd
import pyarrow as pa

from archselect.nasbench_adapters.errors import UserError
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
    MOST_FIELDS_TIMES,
    MOST_FREE_FIELDS,
    MOST_ROWS,
)
from archselect.nasbench_adapters.parquet import check_parquet
from archselect.nasbench_adapters.truth.rows import Rows

PARQUET = b"PAR1"
"""The first bytes of a Parquet file."""
ROOM = 8
"""Number of extra fields with which a row can still be left out.

A row with more extra fields makes the file unreadable.
"""
MORE_FIELDS = "more fields than the header has; write decimal points, not commas"
_TOO_MANY_FIELDS = "more fields"
"""Start of the names of columns that hold the extra fields of rows."""
_OTHER_SEPARATORS = {"\t": "tabs", ";": "semicolons"}
"""Other separators of columns, and their names."""
_BLOCK = 1 << 20
"""Number of bytes to read at once to count lines."""


def read_frame(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a CSV (gzip or not) or Parquet file, with some columns as text.

    Rows of a CSV may have more fields than the header; :func:`refuse_long_rows` refuses
    them.

    Args:
        path: path of the file.
        columns: columns to read as text; they need not exist.

    Raises:
        UserError: the file cannot be read, is empty, has a column twice, or does not
            separate its columns by commas; or a row has more than :data:`ROOM` extra
            fields.
    """
    if path.suffix == ".parquet":
        return _read_parquet(path, columns)
    return _read_csv(path, columns)


def _read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a CSV, some columns as text, as :func:`read_frame` does."""
    as_text = {column: str for column in columns}
    try:
        _check_size(path)
        with open_text(path) as file:
            header = _read_header(path, file)
            beyond = [f"{_TOO_MANY_FIELDS} {place}" for place in range(ROOM)]
            frame = pd.read_csv(
                file,
                dtype=as_text,
                keep_default_na=False,
                header=None,
                names=[*header, *beyond],
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
    unused = [name for name in beyond if frame[name].isna().all()]
    return frame.drop(columns=unused)


def _check_size(path: Path) -> None:
    """Raise UserError if a CSV is too large.

    It may have too many rows or columns, or rows in which most fields are missing.
    """
    columns = len(read_header(path))
    rows = max(0, _count_lines(path) - 1)
    if columns > MOST_COLUMNS:
        raise UserError(
            f"{path} has {columns:,} columns, more than {MOST_COLUMNS:,}: use a part of them"
        )
    if rows > MOST_ROWS:
        raise UserError(
            f"{path} has {rows:,} rows, more than {MOST_ROWS:,}: use a part of them"
        )
    size = path.stat().st_size
    fields = rows * (columns + ROOM)
    if fields > MOST_FREE_FIELDS + MOST_FIELDS_TIMES * size:
        raise UserError(
            f"{path} has too many fields, {rows:,} rows of {columns:,} columns in {size:,} bytes: remove empty columns"
        )


def _count_lines(path: Path) -> int:
    """Return the number of lines of a CSV, including its header."""
    lines = 0
    with open_bytes(path) as file:
        block = file.read(_BLOCK)
        while block:
            lines += max(block.count(b"\n"), block.count(b"\r"))
            block = file.read(_BLOCK)
    return lines


def _read_parquet(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Return a Parquet file, some columns as text.

    Raises UserError if it cannot be read.
    """
    try:
        with open_plain(path) as file:
            head = file.read(len(PARQUET))
        if head != PARQUET:
            check_not_packed(path, head)
        check_parquet(path)
        frame = pd.read_parquet(path).reset_index(drop=True)
        texts = {
            column: frame[column].astype("string").astype(object)
            for column in columns
            if column in frame
        }
        return frame.assign(**texts)
    except OSError as error:
        raise unreadable(path, error) from error
    except (*DAMAGED, pa.ArrowException) as error:
        raise UserError(f"{path} is not a readable Parquet file: {error}") from error


def read_header(path: Path) -> list[str]:
    """Return the names of a CSV's columns.

    Raises UserError if it cannot be read, or like :func:`read_frame`.
    """
    try:
        with open_text(path) as file:
            return _read_header(path, file)
    except OSError as error:
        raise unreadable(path, error) from error
    except (*DAMAGED, csv.Error) as error:
        raise UserError(f"{path} is not a readable CSV file: {error}") from error


def _read_header(path: Path, file: IO[str]) -> list[str]:
    """Return the columns of a CSV from its first line that is not blank.

    It leaves the file at the next line. Raises UserError if there is no such line, if a
    column occurs twice, or if no comma separates the columns.
    """
    for fields in csv.reader(file):
        if not _is_blank(fields):
            break
    else:
        raise UserError(f"{path} is empty: it needs a header and rows")
    for sign, separator in _OTHER_SEPARATORS.items():
        if len(fields) == 1 and sign in fields[0]:
            raise UserError(
                f"{path} separates its columns by {separator}: separate them by commas"
            )
    named = [field for field in fields if field.strip()]
    for name, count in Counter(named).items():
        if count > 1:
            raise UserError(
                f"{path} has the column {name!r} {count} times: keep one, and remove or rename the others"
            )
    return [
        field if field.strip() else f"Unnamed: {place}"
        for place, field in enumerate(fields)
    ]


def _is_blank(fields: Sequence[str]) -> bool:
    """Return whether a line of a CSV is empty."""
    return len(fields) <= 1 and not "".join(fields).strip()


def _unparsed(path: Path) -> UserError:
    """Return the error for a CSV that pandas cannot parse."""
    with open_text(path) as file:
        most = len(_read_header(path, file)) + ROOM
        row = 0
        for fields in csv.reader(file):
            if _is_blank(fields):
                continue
            row += 1
            if len(fields) > most:
                return UserError(
                    f"{path}, row {row}: {MORE_FIELDS}; this row has {len(fields):,}, too many to leave out"
                )
    return UserError(f"{path}: a quotation mark is not closed: close or remove it")


def columns_of(frame: pd.DataFrame) -> list[str]:
    """Return the names of the columns in a file's header."""
    names = [str(name) for name in frame.columns]
    return [name for name in names if not name.startswith(_TOO_MANY_FIELDS)]


def refuse_long_rows(rows: Rows) -> None:
    """Refuse the rows of :func:`read_frame` that have more fields than the header."""
    for column in rows.frame.columns:
        if str(column).startswith(_TOO_MANY_FIELDS):
            values = rows.frame[column]
            filled = values.notna() & (values.astype(str).str.strip() != "")
            rows.refuse(filled, MORE_FIELDS)
