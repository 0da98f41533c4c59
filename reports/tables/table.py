"""What a table is: numbers for programs, the same rows as text for people, and what they come to in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from archselect.benchmarks.store.records import Landscape

NONE = "–"
"""What stands where there is no number."""

BEST, LEVEL_WITH_IT, WORSE = "best", "level", "worse"
"""How a selector stands to the one with the best mean: it is it, is not shown to be worse, or is worse.

The first two are marks of cells.
"""

MARKS = (
    "Bold: the best mean. Underlined (italic in Markdown): not shown to be worse than that one by a paired t-test over "
    "supernet seeds (5 % after Holm), which of few seeds shows little."
)
"""The note of a table that has marks."""

HEADINGS = ("Landscape", "Published in")
"""Columns that a page and LaTeX show as headings of groups of rows."""

WHERE = ("truth", "dataset", "split", "epochs")
"""Columns of a frame that say which landscape a row is of."""


@dataclass(frozen=True)
class Table:
    """One table.

    `frame` has the numbers in full under stable names, for files and programs; `shown`
    has the same rows as rounded text under readable headers, of which `numeric` are set
    flush right and `brief` fit a terminal. `answer` is what the table says, in one
    sentence; `marks` has, row by row, the headers of marked cells and their marks.
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

    def narrow(self) -> Table:
        """The table with its most telling columns alone."""
        kept = [c for c in self.shown.columns if c in self.brief or c in HEADINGS]
        return replace(
            self,
            shown=self.shown[kept],
            numeric=tuple(c for c in kept if c in self.numeric),
        )


@dataclass(frozen=True)
class Row:
    """One row: numbers under the names of `Table.frame`, text and marks under the headers of `Table.shown`."""

    full: dict[str, object]
    shown: dict[str, str]
    marks: dict[str, str] = field(default_factory=dict)


def make_table(
    name: str,
    title: str,
    rows: Sequence[Row],
    *,
    answer: str,
    columns: tuple[tuple[str, ...], tuple[str, ...]],
    text: tuple[str, ...],
    brief: tuple[str, ...],
    caption: str,
    notes: Sequence[str],
) -> Table:
    """The table of these rows.

    Args:
        name, title, answer, caption, notes, brief: of the table.
        rows: in order.
        columns: the names of the frame and the headers of what is shown.
        text: the headers that are not numeric.
    """
    full_names, headers = columns
    return Table(
        name=name,
        title=title,
        answer=answer,
        frame=pd.DataFrame([row.full for row in rows], columns=list(full_names)),
        shown=pd.DataFrame(
            [row.shown for row in rows], columns=list(headers), dtype=object
        ),
        marks=tuple(
            {h: mark for h, mark in row.marks.items() if mark != WORSE} for row in rows
        ),
        numeric=tuple(header for header in headers if header not in text),
        brief=brief,
        caption=caption,
        notes=(*((MARKS,) if any(row.marks for row in rows) else ()), *notes),
    )


def where(landscape: Landscape) -> dict[str, object]:
    """The landscape under the names of :data:`WHERE`."""
    return {key: getattr(landscape, key) for key in WHERE}


def highest(rows: Sequence[Row], column: str) -> Row | None:
    """The first row with the highest number in a column of the frame; None if none has a number there."""
    known = [
        (value, row) for row in rows if isinstance(value := row.full.get(column), float)
    ]
    return max(known, key=lambda pair: pair[0])[1] if known else None


def deviation(values: np.ndarray) -> float | None:
    """Sample standard deviation; None of fewer than two values."""
    return float(values.std(ddof=1)) if len(values) > 1 else None


def listed(items: Sequence[str], most: int = 4) -> str:
    """Items in words: "a, b and c", those beyond `most` as a count."""
    if len(items) > most:
        items = [*items[: most - 1], f"{len(items) - most + 1} more"]
    return " and ".join(filter(None, (", ".join(items[:-1]), *items[-1:])))
