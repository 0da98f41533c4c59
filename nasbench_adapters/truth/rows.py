"""The rows of a table in a file: which rows cannot be read, and why.

Rows are counted from 1, the first row after the header. Every rule checks every row
before an error is raised, so that one message shows how much of a file is unusable.
This file does not import torch.
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
"""Number of rows that a message quotes."""


@dataclass(frozen=True)
class Refused:
    """A row that cannot be read.

    Attributes:
        row: number of the row, from 1.
        kind: the rule that the row breaks, equal for all rows that break it.
        reason: the rule, with the value in the row.
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
    """The rows of a file, and which of them are refused.

    If a row breaks several rules, only the first counts.

    Attributes:
        path: path of the file.
        frame: rows of the file, with the index 0, 1, ….
    """

    def __init__(self, path: Path, frame: pd.DataFrame) -> None:
        self.path = path
        self.frame = frame
        self._refused: dict[int, Refused] = {}

    def refuse(self, bad: pd.Series, kind: str, shown: pd.Series | None = None) -> None:
        """Refuse the rows that break a rule.

        Args:
            bad: whether each row breaks the rule.
            kind: the rule, for messages.
            shown: value of each row, to be quoted.
        """
        for index in bad.index[bad.to_numpy(dtype=bool)].tolist():
            reason = kind if shown is None else f"{kind}, not {str(shown[index])!r}"
            self._note(index, kind, reason)

    def require(self, column: str) -> None:
        """Refuse rows without a value in a column."""
        values = self.frame[column]
        blank = values.astype(str).str.strip() == ""
        self.refuse(values.isna() | blank, f"{column} is missing")

    def numbers(self, column: str, low: float, high: float, kind: str) -> pd.Series:
        """Return a column as numbers, NaN if there is no number.

        It refuses rows outside low and high, by the rule `kind`.
        """
        values = pd.to_numeric(self.frame[column], errors="coerce")
        self.refuse(~values.between(low, high), kind, self.frame[column])
        return values

    def accuracies(self, column: str) -> pd.Series:
        """Return a column of accuracies in per cent.

        It refuses rows that are not numbers within 0..100.
        """
        kind = f"{column} must be a number within 0..100 (per cent), such as 85.86"
        return self.numbers(column, 0, 100, kind)

    def parse(self, column: str, space: SearchSpace) -> pd.Series:
        """Return the architecture of every row's text, None if there is none.

        It refuses rows whose text is not an architecture of the space.
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
        """Mask of the rows that were not refused, one bool per row."""
        good = pd.Series(True, index=self.frame.index)
        good[list(self._refused)] = False
        return good

    @property
    def refused(self) -> list[Refused]:
        """Refused rows, in the order of the file."""
        return [self._refused[index] for index in sorted(self._refused)]

    def raise_any(self, advice: str = "") -> None:
        """Raise UserError if rows were refused; quote the first and count the others.

        Args:
            advice: advice for the end of the message.
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
    """Raise UserError if several accuracies of a column seem to be between 0 and 1.

    They seem so if more than half of those above 0 are at most 1. A few such values in
    per cent are possible: networks without a path from input to output guess, and have
    1 % on 100 classes.

    Args:
        path: path of the file.
        column: name of the column, for messages.
        accuracies: accuracies that should be in per cent.
    """
    above_zero = accuracies[accuracies > 0]
    shares = int((above_zero <= 1).sum())
    if len(accuracies) > 1 and shares > len(above_zero) / 2:
        raise UserError(
            f"{path}: {shares:,} of {len(accuracies):,} values of {column} are at most 1: give accuracies in per cent, "
            "not between 0 and 1"
        )


def refuse(path: Path, bad: pd.Series, why: str) -> None:
    """Raise UserError if any row is bad; quote the first and count the others.

    Args:
        path: path of the file.
        bad: whether each row is bad.
        why: the rule that a bad row breaks, for messages.
    """
    rows = Rows(path, bad.to_frame())
    rows.refuse(bad, why)
    rows.raise_any()
