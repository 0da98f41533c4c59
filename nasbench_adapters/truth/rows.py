"""The rows of a table in a file: which of them cannot be read, and why.

No torch here.

Rows are counted from 1, the first one below the header. Every row is checked by every
rule before anything is raised, so that one message says how much of a file is unusable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, SearchSpace

SHOWN = 3
"""Rows that a message quotes."""


@dataclass(frozen=True)
class Refused:
    """A row that cannot be read.

    Attributes:
        row: its number, from 1.
        kind: the rule that it breaks, the same for all rows that break it.
        reason: in words, with what the row says.
    """

    row: int
    kind: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.reason}"


def counts_of(refused: Iterable[Refused]) -> list[tuple[str, int]]:
    """Return (rule, rows that break it), the most frequent first."""
    return Counter(row.kind for row in refused).most_common()


class Rows:
    """The rows of a file while they are checked.

    Of a row that breaks several rules, the first one counts.

    Attributes:
        path: of the file.
        frame: its rows, with the index 0, 1, ….
    """

    def __init__(self, path: Path, frame: pd.DataFrame) -> None:
        self.path = path
        self.frame = frame
        self._refused: dict[int, Refused] = {}

    def refuse(self, bad: pd.Series, kind: str, shown: pd.Series | None = None) -> None:
        """Note the rows that break a rule.

        Args:
            bad: per row whether it does.
            kind: the rule, in words.
            shown: per row what it says, to be quoted.
        """
        for index in bad.index[bad.to_numpy(dtype=bool)].tolist():
            reason = kind if shown is None else f"{kind}, not {str(shown[index])!r}"
            self._note(index, kind, reason)

    def require(self, column: str) -> None:
        """Refuse rows that have nothing in a column."""
        values = self.frame[column]
        blank = values.astype(str).str.strip() == ""
        self.refuse(values.isna() | blank, f"{column} is missing")

    def numbers(self, column: str, low: float, high: float, kind: str) -> pd.Series:
        """Return a column as numbers, NaN where it has none.

        Refuse rows that are not within low and high, by the rule `kind`.
        """
        values = pd.to_numeric(self.frame[column], errors="coerce")
        self.refuse(~values.between(low, high), kind, self.frame[column])
        return values

    def accuracies(self, column: str) -> pd.Series:
        """Return a column of accuracies in per cent.

        Refuse rows that are not numbers within 0..100.
        """
        kind = f"{column} must be a number within 0..100 (per cent), such as 85.86"
        return self.numbers(column, 0, 100, kind)

    def parse(self, column: str, space: SearchSpace) -> pd.Series:
        """Return the architecture of every row's text, None where there is none.

        Refuse rows whose text is no architecture of the space.
        """
        architectures: dict[str, Architecture | None] = {}
        errors: dict[str, str] = {}
        texts = self.frame[column]
        for text in texts[self.good].unique():
            try:
                architectures[text] = space.parse(text)
            except UserError as error:
                architectures[text] = None
                errors[text] = str(error)
        kind = f"{column} is no architecture of {space.name}"
        for index, text in texts[texts.isin(list(errors)) & self.good].items():
            self._note(int(index), kind, errors[text])
        return texts.map(architectures)

    @property
    def good(self) -> pd.Series:
        """Mask of the rows that were not refused: bool, one per row."""
        good = pd.Series(True, index=self.frame.index)
        good[list(self._refused)] = False
        return good

    @property
    def refused(self) -> list[Refused]:
        """Refused rows, in the order of the file."""
        return [self._refused[index] for index in sorted(self._refused)]

    def raise_any(self, advice: str = "") -> None:
        """Raise UserError if a row was refused, with the first few and their number.

        Args:
            advice: what else can be done about it, for the end of the message.
        """
        refused = self.refused
        if not refused:
            return
        quoted = "; ".join(str(row) for row in refused[:SHOWN])
        others = len(refused) - SHOWN
        more = ""
        if others == 1:
            more = " (and 1 more row)"
        elif others > 1:
            more = f" (and {others:,} more rows)"
        raise UserError(f"{self.path}, {quoted}{more}{advice}")

    def _note(self, index: int, kind: str, reason: str) -> None:
        """Refuse a row, unless it was refused before."""
        one_line = UserError(reason).faults[0]
        self._refused.setdefault(index, Refused(index + 1, kind, one_line))


def check_per_cent(path: Path, column: str, accuracies: pd.Series) -> None:
    """Raise UserError if several accuracies of one kind look like shares of one.

    They do if more than half of those above 0 are at most 1. A few such per cents are
    honest: networks without a path from input to output guess, and have 1 % on 100
    classes.

    Args:
        path: of the file.
        column: which accuracies they are, in words.
        accuracies: that are said to be in per cent.
    """
    above_zero = accuracies[accuracies > 0]
    shares = int((above_zero <= 1).sum())
    if len(accuracies) > 1 and shares > len(above_zero) / 2:
        raise UserError(
            f"{path}: {shares:,} of {len(accuracies):,} values of {column} are at most 1: give accuracies in per cent, "
            "not as shares of one"
        )


def refuse(path: Path, bad: pd.Series, why: str) -> None:
    """Raise UserError if any row is bad, with the first few and their number.

    Args:
        path: of the file.
        bad: per row whether it is.
        why: the rule that such a row breaks, in words.
    """
    rows = Rows(path, bad.to_frame())
    rows.refuse(bad, why)
    rows.raise_any()
