"""Text of others, made safe to show: everything in it can be seen, and it steers no terminal and no spreadsheet.

Names, titles, messages of errors and cells of files come from studies, from users' code
and from records that somebody sent. They are data. Every place that shows them takes
them through one of these functions first; what is special to Markdown, LaTeX or HTML is
escaped in :mod:`archselect.reports.escaping`.
"""

from __future__ import annotations

import json
import re
import unicodedata

LONGEST_MESSAGE = 2_000
"""Letters of the longest message; of a longer one, which quotes what was given, the
middle is left out.
"""
LONGEST_LABEL = 100
"""Letters of the longest label that a study may give."""
LONGEST_TITLE = 300
"""Letters of the longest title that a study may have."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters that show nothing, though Unicode calls them printable."""
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What a spreadsheet takes for a formula starts like this."""


def escape_invisible(text: str, keep: str = "\n\t") -> str:
    r"""Return a text in which every letter can be seen.

    Control characters, marks that turn the direction of writing, letters of no width and halves of letters are written
    as in JSON, such as `\u001b`, so that a text in JSON stays the same JSON. Spaces of any width stay.

    Args:
        text: whatever it is.
        keep: control characters that stay.
    """
    if text.isprintable() and _BLANK_LETTERS.isdisjoint(text):
        return text
    return "".join(
        letter if letter in keep or _can_be_seen(letter) else _escaped(letter)
        for letter in text
    )


def one_line(text: str, most: int | None = None) -> str:
    """Return a text as :func:`visible` in one line, with single spaces between words.

    Args:
        text: whatever it is.
        most: letters of the longest line; of a longer one the middle is left out.
    """
    line = escape_invisible(" ".join(text.split()), keep="")
    return line if most is None else shorten(line, most)


def shorten(text: str, most: int) -> str:
    """Return a text of at most so many letters: of a longer one the middle is left out."""
    if len(text) <= most:
        return text
    mark = " … " if most > 20 else "…"
    end = (most - len(mark)) // 2
    start = most - len(mark) - end
    return f"{text[:start]}{mark}{text[len(text) - end :]}"


def check_label(label: str, most: int = LONGEST_LABEL) -> str:
    """Return a label or title that can be shown everywhere.

    Raises ValueError, with the mend, if it is empty or too long, or has line breaks,
    needless spaces or letters that cannot be seen.
    """
    shown = one_line(label, most)
    if len(label) > most:
        raise ValueError(
            f"'{shown}' has {len(label):,} letters: give it at most {most}"
        )
    if not label.strip():
        raise ValueError("it shows nothing: write a word")
    if shown != label:
        raise ValueError(
            f"it has line breaks, needless spaces or letters that cannot be seen ('{shown}'): remove them"
        )
    return label


def spreadsheet_cell(text: str) -> str:
    """Return a text for a cell of a CSV file that no spreadsheet takes for a formula.

    What starts like one gets an apostrophe before it, at which spreadsheets show the
    rest as it is. Numbers stay numbers, also negative ones.
    """
    cell = escape_invisible(text)
    if _FORMULA.match(cell) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text and text == text.strip()


def _can_be_seen(letter: str) -> bool:
    if letter in _BLANK_LETTERS:
        return False
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def _escaped(letter: str) -> str:
    r"""Return a letter as JSON writes it: `\n`, `\u001b`, two of them for what is beyond 16 bits."""
    return (
        json.dumps(letter)[1:-1]
        if not letter.isprintable()
        else f"\\u{ord(letter):04x}"
    )
