"""The errors that a user can mend, several of them in one message, and hints at names that were meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from archselect.nasbench_adapters.foreign_text import LONGEST_MESSAGE, one_line

MOST_FAULTS = 50
"""Faults that are listed; of others it is said how many there are."""
SHORT_WORD = 4
"""Letters up to which a replaced letter makes another word: `sgas` is not `snas`."""
LONG_WORD = 8
"""Letters from which a word may hold two slips and still be recognised."""


class UserError(Exception):
    """Bad input.

    The message is one line and names the mend; the command line prints it and exits
    with 2.

    Line breaks in what is quoted of a file become spaces, and letters that cannot be
    printed are escaped.

    Attributes:
        faults: the lines of the message, one per fault; of a plain UserError the
            message alone.
    """

    def __init__(self, message: str) -> None:
        line = one_line(message, LONGEST_MESSAGE)
        self.faults: tuple[str, ...] = (line,)
        super().__init__(line)


class Notice(UserWarning):
    """What a user should know while a command runs; the command line prints it in one line."""


class SeveralFaults(UserError):
    """Several faults of one input: a heading, then one line per fault, of many the first :data:`MOST_FAULTS`."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(f"found {len(faults)} faults; nothing was started:")
        heading = self.args[0]
        self.faults = faults
        more = len(faults) - MOST_FAULTS
        shown = [*faults[:MOST_FAULTS], *([f"and {more:,} more"] if more > 0 else [])]
        self._text = "\n".join([heading, *(f"  {fault}" for fault in shown)])
        # What a worker process raises is pickled, and made again from these.
        self.args = (faults,)

    def __str__(self) -> str:
        return self._text


class Faults:
    """Collects the faults that independent checks find, and raises them together.

    Args:
        where: what every fault is part of, such as a file; stands before each of them.
    """

    def __init__(self, where: str = "") -> None:
        self._where = where
        self._lines: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._lines)

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Note a UserError of the block; the code after the block goes on."""
        try:
            yield
        except UserError as error:
            self.add(error)

    def add(self, error: UserError) -> None:
        """Note the faults of an error."""
        self.add_lines(error.faults)

    def add_lines(self, faults: Iterable[str]) -> None:
        """Note faults, a line each."""
        for fault in faults:
            line = f"{self._where}: {fault}" if self._where else fault
            self._lines.update(UserError(line).faults)

    def take(self, other: Faults) -> None:
        """Note the faults that others have collected."""
        self._lines |= other._lines

    def raise_any(self) -> None:
        """Raise UserError if there is a fault: its line, or a heading and the sorted lines of several."""
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
    """Return the :class:`UserError` for a name that is not in `known`, with the name that was meant if that is clear.

    Args:
        kind: what the names are of, such as "space".
        name: the one that is not known.
        known: all that there are.
        aliases: other usual names of known things; case, spaces, `-` and `_` are
            ignored.
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
    """Return the known name that `name` is another spelling or a misspelling of; None if there is none, or several.

    Other spellings differ in case, spaces, `-`, `_` and `.` alone. A misspelling has
    the same number of words, and in each the same first letter, or the first two
    exchanged, and one slip (two in a word of :data:`LONG_WORD` letters): a letter that
    is missing or too many, two that changed places, or a wrong one in a word of more
    than :data:`SHORT_WORD` letters. Names that differ in a digit, such as `nb101` and
    `nb201`, name different things and are never misspellings of one another.

    Args:
        aliases: other usual names of known things, such as `nasbench201` of `nb201`.
    """
    names = list(dict.fromkeys(known))
    if name in names:
        return name
    for alias, meant in (aliases or {}).items():
        if (
            plain(alias) == plain(name)
            and numbers_in(alias) == numbers_in(name)
            and meant in names
        ):
            return meant
    alike = [other for other in names if numbers_in(other) == numbers_in(name)]
    spelled = [other for other in alike if plain(other) == plain(name)]
    if spelled:
        return spelled[0] if len(spelled) == 1 else None
    slips = {
        other: count for other in alike if (count := _slips(name, other)) is not None
    }
    fewest = [other for other, count in slips.items() if count == min(slips.values())]
    return fewest[0] if len(fewest) == 1 else None


def plain(name: str) -> str:
    """Return a name without what other spellings of it differ in: case, spaces, `-`, `_` and `.`."""
    return re.sub(r"[\s._-]+", "", name.casefold())


def numbers_in(name: str) -> list[str]:
    """Return the numbers within a name, in order: ["16", "120"] of `ImageNet16-120`."""
    return re.findall(r"\d+", name)


def _slips(name: str, other: str) -> int | None:
    """Return how many slips turn one name into the other; None if they are different names."""
    words = _words(name)
    others = _words(other)
    if len(words) != len(others):
        return None
    total = 0
    for word, meant in zip(words, others, strict=True):
        if word == meant:
            continue
        slips = _slips_of_word(word, meant)
        if slips is None:
            return None
        total += slips
    return total


def _words(name: str) -> list[str]:
    return re.split(r"[\s._-]+", name.casefold())


def _slips_of_word(word: str, meant: str) -> int | None:
    """Return how many slips turn one word into the other; None if they are different words."""
    shorter = min(len(word), len(meant))
    most = 2 if shorter >= LONG_WORD else 1
    if shorter < 2 or abs(len(word) - len(meant)) > most:
        return None
    exchanged = word[:2] == meant[1] + meant[0]
    if word[0] != meant[0] and not exchanged:
        return None
    replaced = 1 if shorter > SHORT_WORD else most + 1
    slips = _distance(word, meant, replaced)
    return slips if slips <= most else None


def _distance(word: str, other: str, replaced: int) -> int:
    """Return the least cost that turns one word into the other (optimal string alignment).

    A letter added, a letter left out and two neighbours exchanged cost 1 each, a
    replaced letter costs `replaced`.
    """
    rows = [list(range(len(other) + 1))]
    for i, letter in enumerate(word, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(
                rows[i - 1][j] + 1,
                row[j - 1] + 1,
                rows[i - 1][j - 1] + (0 if letter == wanted else replaced),
            )
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == wanted:
                cost = min(cost, rows[i - 2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
