"""What a table is: numbers for programs and the same rows as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

NONE = "–"
"""What stands where there is no number."""


@dataclass(frozen=True)
class Table:
    """One table.

    `frame` has the numbers in full under stable names, for files and programs; `shown` has the same rows as
    rounded text under readable headers, of which `numeric` are set flush right and `brief` fit a terminal.
    """

    name: str
    title: str
    frame: pd.DataFrame
    shown: pd.DataFrame
    numeric: tuple[str, ...]
    brief: tuple[str, ...]
    caption: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row: numbers under the names of `Table.frame`, text under the headers of `Table.shown`."""

    full: dict[str, object]
    shown: dict[str, str]


def make_table(
    name: str,
    title: str,
    rows: Sequence[Row],
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    text: tuple[str, ...],
    brief: tuple[str, ...],
    caption: str,
    notes: Sequence[str],
) -> Table:
    """The table of these rows.

    Args:
        name, title, caption, notes, brief: of the table.
        rows: in order.
        columns: the names of the frame and the headers of what is shown.
        text: the headers that are not numeric.
    """
    full_names, headers = columns
    return Table(
        name=name,
        title=title,
        frame=pd.DataFrame([row.full for row in rows], columns=list(full_names)),
        shown=pd.DataFrame([row.shown for row in rows], columns=list(headers), dtype=object),
        numeric=tuple(header for header in headers if header not in text),
        brief=brief,
        caption=caption,
        notes=tuple(notes),
    )
