"""What a table is: numbers for programs, the same rows as text, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pandas as pd

from archselect.benchmarks.store.records import Landscape

NONE = "–"
"""What stands where there is no number."""

Mark = Literal["best", "level", "worse"]
"""How a selector does beside the one with the best mean.

It is the best itself, it is not shown to be worse, or it is worse. The first two are
marks of cells.
"""
BEST: Mark = "best"
NOT_WORSE: Mark = "level"
WORSE: Mark = "worse"

MARKS_NOTE = (
    "Bold: the best mean. Italic (underlined in LaTeX): not significantly worse than the best "
    "(paired t-test over supernet seeds, 5 % after Holm); with few seeds it shows little."
)
"""The note of a table that has marks."""

LANDSCAPE_FIELDS = ("truth", "dataset", "split", "epochs")
"""Columns of a frame that say which landscape a row is of."""


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes:
        name: its stable name in `Table.frame`; empty for a column that is only shown.
        header: its header in `Table.shown`; empty for a column of the frame alone.
        text: whether it holds words. Numbers are set flush right.
        brief: whether it is one of the most telling columns, which fit a terminal.
        heading: whether a page and LaTeX show it as headings of groups of rows; then it
            is brief, too.
        optional: whether a page and LaTeX leave it out where all rows are empty.
    """

    name: str = ""
    header: str = ""
    text: bool = False
    brief: bool = False
    heading: bool = False
    optional: bool = False


def frame_columns(*names: str) -> tuple[TableColumn, ...]:
    """Return columns that are in the frame alone."""
    return tuple(TableColumn(name) for name in names)


LANDSCAPE_COLUMNS = (
    *frame_columns(*LANDSCAPE_FIELDS),
    TableColumn(header="Landscape", text=True, brief=True, heading=True),
)
"""The columns of a table that has rows per landscape."""


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: stands for it in the names of files and in links.
        title: its title.
        answer: what it says, in one sentence.
        frame: the numbers in full under stable names, for files and programs.
        shown: the same rows as rounded text under readable headers.
        marks: by row, the marked cells' headers and marks.
        numeric: the headers that are set flush right.
        brief: the headers that fit a terminal.
        caption: what its columns mean.
        notes: sentences that stand under it.
        heading: the header of the column that is shown as headings; empty without one.
        optional: the headers of columns that are left out where all rows are empty.
        row_ids: ids of the rows on a page; empty without any.
        links: by row, the places on the page that cells lead to, by header.
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
        """Return the table with its most telling columns alone."""
        kept = [header for header in self.shown.columns if header in self.brief]
        return replace(
            self,
            shown=self.shown[kept],
            numeric=tuple(header for header in kept if header in self.numeric),
            optional=tuple(header for header in kept if header in self.optional),
        )


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        full: its numbers, under the names of `Table.frame`.
        shown: its text, under the headers of `Table.shown`.
        marks: the marks of its cells, by header.
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
    """Return the table of these rows.

    What a row has under none of the columns' names and headers is left out; what it
    lacks is empty.

    Args:
        name: of the table.
        title: of the table.
        rows: in order.
        answer: of the table.
        columns: those of the frame and those that are shown, each in order.
        caption: of the table.
        notes: of the table, without the one on marks.
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
    """Return the marks that a reader sees: what is worse is not marked."""
    return {header: mark for header, mark in row.marks.items() if mark != WORSE}


def landscape_fields(landscape: Landscape) -> dict[str, object]:
    """Return the landscape under the names of :data:`LANDSCAPE_FIELDS`."""
    return {name: getattr(landscape, name) for name in LANDSCAPE_FIELDS}


def highest_row(rows: Sequence[Row], column: str) -> Row | None:
    """Return the first row with the highest number in a column of the frame.

    None if no row has a number there.
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
    """Return the sample standard deviation; None for fewer than two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def join_words(items: Sequence[str], most: int = 4) -> str:
    """Return items as "a, b and c"; of more than `most`, the last ones are a count."""
    if len(items) > most:
        rest = len(items) - most + 1
        items = [*items[: most - 1], f"{rest} more"]
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
