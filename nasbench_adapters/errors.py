"""Errors that a user can fix, and hints at the names that a user meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE, one_line

MOST_FAULTS = 50
"""Number of faults that a message lists; it only counts the others."""
SHORT_WORD = 4
"""Length up to which a wrong letter makes a different word: `sgas` is not `snas`."""
LONG_WORD = 8
"""Length from which a word is recognised in spite of two slips."""
_SEPARATORS = re.compile(r"[\s._-]+")
"""Separators between the words of a name."""


class UserError(Exception):
    """Bad input, with a message of one line that says how to fix it.

    The command line prints the message and exits with code 2. If the message quotes a
    file, line breaks in the quote become spaces, and unprintable letters are escaped.

    Attributes:
        faults: The lines of the message, one per fault; a plain UserError has one.
    """

    def __init__(self, message: str) -> None:
        line = one_line(message, LONGEST_MESSAGE)
        self.faults: tuple[str, ...] = (line,)
        super().__init__(line)


class Notice(UserWarning):
    """Information for the user, which the command line prints while it runs."""


class SeveralFaults(UserError):
    """Several faults of one input: a heading, then one line per fault.

    The message lists at most :data:`MOST_FAULTS` faults.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        heading = f"found {len(faults)} faults; nothing was started:"
        super().__init__(heading)
        self.faults = faults
        lines = [heading]
        lines += [f"  {fault}" for fault in faults[:MOST_FAULTS]]
        more = len(faults) - MOST_FAULTS
        if more > 0:
            lines.append(f"  and {more:,} more")
        self._text = "\n".join(lines)
        # An error of a worker process is pickled, and constructed again from these.
        self.args = (faults,)

    def __str__(self) -> str:
        return self._text


class Faults:
    """A collection of the faults that independent checks find, to raise them together.

    Args:
        where: Input that has the faults, such as a file; stands before each of them.
    """

    def __init__(self, where: str = "") -> None:
        self._where = where
        self._lines: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._lines)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Catch and store a UserError of the block."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def add(self, error: UserError) -> None:
        """Store the faults of an error."""
        self.add_lines(error.faults)

    def add_lines(self, faults: Iterable[str]) -> None:
        """Store faults, one per line."""
        for fault in faults:
            line = f"{self._where}: {fault}" if self._where else fault
            self._lines.update(UserError(line).faults)

    def add_all(self, other: Faults) -> None:
        """Store the faults of another collection."""
        self._lines |= other._lines

    def raise_any(self) -> None:
        """Raise a UserError with all faults, sorted, if there are any."""
        lines = tuple(sorted(self._lines))
        if len(lines) == 1:
            raise UserError(lines[0])
        if lines:
            raise SeveralFaults(lines)


def unknown(
    kind: str,
    name: object,
    known: Iterable[str],
    aliases: Mapping[str, str] | None = None,
) -> UserError:
    """Return the error for an unknown name, with the name that was meant if clear.

    Args:
        kind: Kind of the names, such as "space".
        name: The unknown name.
        known: All known names.
        aliases: Other common names, and the known name of each; case, spaces, `-` and
            `_` do not matter.
    """
    names = sorted(set(known))
    meant = nearest(str(name), names, aliases)
    hint = f"did you mean '{meant}'? " if meant else ""
    return UserError(
        f"unknown {kind} {str(name)!r}: {hint}known: {', '.join(names) or 'none'}"
    )


def nearest(
    name: str, known: Iterable[str], aliases: Mapping[str, str] | None = None
) -> str | None:
    """Return the known name that the user probably meant, or None.

    Returns None if there is no such name, or more than one.

    Another spelling differs only in case, spaces, `-`, `_` and `.`. A misspelling has
    the same number of words. Each word has the same first letter (or the first two
    letters exchanged) and at most one slip, or two in a word of :data:`LONG_WORD`
    letters or more. A slip is a missing letter, an extra letter, two exchanged letters,
    or a wrong letter in a word of more than :data:`SHORT_WORD` letters. Names that
    differ in a digit, such as `nb101` and `nb201`, are never misspellings of each
    other.

    Args:
        name: The name that a user wrote.
        known: All known names.
        aliases: Other common names, and the known name of each, such as `nasbench201`
            for `nb201`.
    """
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    for alias, meant in (aliases or {}).items():
        if meant in names and _is_other_spelling(name, alias):
            return meant
    spelled = [other for other in names if _is_other_spelling(name, other)]
    if spelled:
        return _only_one(spelled)
    return _only_one(_least_misspelled(name, names))


def _is_other_spelling(name: str, other: str) -> bool:
    same_numbers = numbers_in(name) == numbers_in(other)
    return same_numbers and fold_spelling(name) == fold_spelling(other)


def _least_misspelled(name: str, names: list[str]) -> list[str]:
    """Return the known names that `name` misspells with the fewest slips."""
    slips: dict[str, int] = {}
    for other in names:
        if numbers_in(other) != numbers_in(name):
            continue
        count = _count_slips(name, other)
        if count is not None:
            slips[other] = count
    fewest = min(slips.values(), default=0)
    return [other for other, count in slips.items() if count == fewest]


def _only_one(names: list[str]) -> str | None:
    return names[0] if len(names) == 1 else None


def fold_spelling(name: str) -> str:
    """Return a name in lower case, without spaces, `-`, `_` and `.`."""
    return _SEPARATORS.sub("", name.casefold())


def numbers_in(name: str) -> list[str]:
    """Return the numbers in a name, in order: ["16", "120"] for `ImageNet16-120`."""
    return re.findall(r"\d+", name)


def _count_slips(name: str, other: str) -> int | None:
    """Return the number of slips that turn one name into the other.

    Returns None if they are different names.
    """
    words = _SEPARATORS.split(name.casefold())
    others = _SEPARATORS.split(other.casefold())
    if len(words) != len(others):
        return None
    total = 0
    for word, meant in zip(words, others, strict=True):
        slips = _count_slips_in_word(word, meant)
        if slips is None:
            return None
        total += slips
    return total


def _count_slips_in_word(word: str, meant: str) -> int | None:
    """Return the number of slips between two words; None for different words."""
    if word == meant:
        return 0
    shorter = min(len(word), len(meant))
    most = 2 if shorter >= LONG_WORD else 1
    if shorter < 2 or abs(len(word) - len(meant)) > most:
        return None
    is_exchanged = word[:2] == meant[1] + meant[0]
    if word[0] != meant[0] and not is_exchanged:
        return None
    replacement_cost = 1 if shorter > SHORT_WORD else most + 1
    slips = _edit_distance(word, meant, replacement_cost)
    return slips if slips <= most else None


def _edit_distance(word: str, other: str, replacement_cost: int) -> int:
    """Return the smallest cost of edits that turn one word into the other.

    This is the optimal string alignment distance. An added letter, a missing letter and
    two exchanged neighbours cost 1; a replaced letter costs `replacement_cost`.
    """
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, start=1):
        above = rows[i - 1]
        row = [i]
        for j, wanted in enumerate(other, start=1):
            replacement = 0 if letter == wanted else replacement_cost
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + replacement)
            is_exchange = (
                i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted
            )
            if is_exchange:
                cost = min(cost, rows[i - 2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
