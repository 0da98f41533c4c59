"""A table: numbers for programs, the same rows as text, and a one-sentence answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from archselect.benchmarks.store.records import Landscape

NONE = "–"
"""Text of a cell without a number."""

Mark = Literal["best", "level", "worse"]
"""The comparison of a selector with the one that has the best mean.

"best": it is the best. "level": it is not shown to be worse. "worse": it is worse.
Cells show the first two.
"""
BEST: Mark = "best"
NOT_WORSE: Mark = "level"
WORSE: Mark = "worse"

MARKS_NOTE = (
    "Bold: the best mean. Italic (underlined in LaTeX): not significantly worse than the best "
    "(paired t-test over supernet seeds at 5 %, Holm-adjusted); with few seeds the test has little power."
)
"""The note under a table that has marks."""

LANDSCAPE_FIELDS = ("truth", "dataset", "split", "epochs")
"""Columns of a frame that identify the landscape of a row."""


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes:
        name: stable name in `Table.frame`; empty for a column that is only shown.
            header: header in `Table.shown`; empty for a column that only the frame has.
            text: whether the column holds words. Numbers are aligned right. brief:
            whether the column is among the most important ones, which fit a terminal.
            heading: whether the page and LaTeX show the column as headings over groups
            of rows. Such a column must also be `brief`. optional: whether the page and
            LaTeX leave the column out if all its cells are empty.
    """

    name: str = ""
    header: str = ""
    text: bool = False
    brief: bool = False
    heading: bool = False
    optional: bool = False


def frame_columns(*names: str) -> tuple[TableColumn, ...]:
    """Return columns that only the frame has."""
    return tuple(TableColumn(name) for name in names)


LANDSCAPE_COLUMNS = (
    *frame_columns(*LANDSCAPE_FIELDS),
    TableColumn(header="Landscape", text=True, brief=True, heading=True),
)
"""The first columns of a table with one or more rows per landscape."""


@dataclass(frozen=True)
class Table:
    """A table of a report.

    Attributes:
        name: name used in file names and links.
        title: title.
        answer: main result, in one sentence.
        frame: unrounded numbers under stable column names, for files and programs.
        shown: the same rows as rounded text under readable headers.
        marks: by row, the marks of its cells by header.
        numeric: headers of the columns to align right.
        brief: headers of the columns that fit a terminal.
        caption: meaning of the columns.
        notes: sentences shown under the table.
        heading: header of the column that is shown as headings; empty if there is none.
        optional: headers of the columns to leave out if all their cells are empty.
        row_ids: ids of the rows on the page; empty if they have none.
        links: by row, the ids on the page that its cells link to, by header.
    """

    name: str
    title: str
    answer: str
    frame: pd.DataFrame
    shown: pd.DataFrame
    marks: tuple[Mapping[str, str], ...]
    numeric: tuple[str, ...]
    brief: tuple[str, ...]
    caption: str
    notes: tuple[str, ...]
    heading: str = ""
    optional: tuple[str, ...] = ()
    row_ids: tuple[str, ...] = ()
    links: tuple[Mapping[str, str], ...] = ()

    def narrow(self) -> Table:
        """Return the table with only its most important columns."""
        kept = [header for header in self.shown.columns if header in self.brief]
        return replace(
            self,
            shown=self.shown[kept],
            numeric=tuple(header for header in kept if header in self.numeric),
            optional=tuple(header for header in kept if header in self.optional),
        )


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        full: values by column name of `Table.frame`.
        shown: texts by header of `Table.shown`.
        marks: marks of cells by header.
    """

    full: dict[str, object]
    shown: dict[str, str]
    marks: dict[str, Mark] = field(default_factory=dict)


def make_table(
    name: str,
    title: str,
    rows: Sequence[Row],
    *,
    answer: str,
    columns: Sequence[TableColumn],
    caption: str,
    notes: Sequence[str],
) -> Table:
    """Return a table made of rows.

    Ignore values of a row that belong to no column. Leave the cells of missing values
    empty.

    Args:
        name: name of the table.
        title: title of the table.
        rows: rows in order.
        answer: main result, in one sentence.
        columns: columns of the frame and of the shown table, in order.
        caption: meaning of the columns.
        notes: sentences to show under the table, without :data:`MARKS_NOTE`.
    """
    names = [column.name for column in columns if column.name]
    shown = [column for column in columns if column.header]
    headers = [column.header for column in shown]
    headings = [column.header for column in shown if column.heading]
    has_marks = any(row.marks for row in rows)
    return Table(
        name=name,
        title=title,
        answer=answer,
        frame=pd.DataFrame([row.full for row in rows], columns=names),
        shown=pd.DataFrame([row.shown for row in rows], columns=headers, dtype=object),
        marks=tuple(_visible_marks(row) for row in rows),
        numeric=tuple(column.header for column in shown if not column.text),
        brief=tuple(column.header for column in shown if column.brief),
        caption=caption,
        notes=(MARKS_NOTE, *notes) if has_marks else tuple(notes),
        heading=headings[0] if headings else "",
        optional=tuple(column.header for column in shown if column.optional),
    )


def _visible_marks(row: Row) -> dict[str, str]:
    """Return the marks that a reader sees; "worse" has none."""
    return {header: mark for header, mark in row.marks.items() if mark != WORSE}


def landscape_fields(landscape: Landscape) -> dict[str, object]:
    """Return the values of :data:`LANDSCAPE_FIELDS` by name."""
    return {name: getattr(landscape, name) for name in LANDSCAPE_FIELDS}


def highest_row(rows: Sequence[Row], column: str) -> Row | None:
    """Return the first row with the highest number in a column of the frame.

    Return None if no row has a number in this column.
    """
    best: Row | None = None
    highest = -np.inf
    for row in rows:
        value = row.full.get(column)
        if isinstance(value, float) and (best is None or value > highest):
            best = row
            highest = value
    return best


def deviation(values: np.ndarray) -> float | None:
    """Return the sample standard deviation (n − 1); None for fewer than two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def join_words(items: Sequence[str], most: int = 4) -> str:
    """Return items as "a, b and c"; beyond `most` items, end with "and N more"."""
    if len(items) > most:
        rest = len(items) - most + 1
        items = [*items[: most - 1], f"{rest} more"]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
