"""Functions that make text of others safe to show.

Names, titles, messages of errors and cells of files come from studies, from users' code
and from records that somebody sent. They are data: each of their letters must be
visible, and they must not control a terminal or a spreadsheet. Every place that shows
them passes them through one of these functions first. Letters that are special in
Markdown, LaTeX or HTML are escaped in :mod:`archselect.reports.escaping`.
"""

from __future__ import annotations

import json
import re
import unicodedata

LONGEST_MESSAGE = 2_000
"""Letters of the longest message.

A longer one, which quotes a long text, loses its middle.
"""
LONGEST_LABEL = 100
"""Letters of the longest label that a study may give."""
LONGEST_TITLE = 300
"""Letters of the longest title that a study may have."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters that show nothing, though Unicode calls them printable."""
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""Start of a text that a spreadsheet takes for a formula."""
_SHORT_LIMIT = 20
"""Letters up to which the mark for a missing middle has no spaces around it."""


def escape_invisible(text: str, keep: str = "\n\t") -> str:
    r"""Return a text in which every letter is visible.

    Invisible letters are written as in JSON, such as `\u001b`, so that JSON stays the
    same JSON: control characters, marks that change the direction of writing, letters
    of no width, and halves of letters. Spaces of any width stay.

    Args:
        text: Any text.
        keep: Control characters that stay.
    """
    if text.isprintable() and _BLANK_LETTERS.isdisjoint(text):
        return text

    def show(letter: str) -> str:
        is_shown = letter in keep or _is_visible(letter)
        return letter if is_shown else _escape(letter)

    return "".join(map(show, text))


def one_line(text: str, most: int | None = None) -> str:
    """Return a text in one line, without invisible letters or double spaces.

    See :func:`escape_invisible`.

    Args:
        text: Any text.
        most: Letters of the longest line; a longer one loses its middle.
    """
    words = text.split()
    line = escape_invisible(" ".join(words), keep="")
    return line if most is None else shorten(line, most)


def shorten(text: str, most: int) -> str:
    """Return a text of at most `most` letters; a longer one loses its middle."""
    if len(text) <= most:
        return text
    mark = " … " if most > _SHORT_LIMIT else "…"
    end = (most - len(mark)) // 2
    start = most - len(mark) - end
    return f"{text[:start]}{mark}{text[len(text) - end :]}"


def check_label(label: str, most: int = LONGEST_LABEL) -> str:
    """Return a label or title if it can be shown everywhere.

    Raises ValueError, which says how to fix it, if the label is empty or too long, or
    has line breaks, needless spaces or invisible letters.
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
            "it has line breaks, needless spaces or letters that cannot be seen "
            f"('{shown}'): remove them"
        )
    return label


def spreadsheet_cell(text: str) -> str:
    """Return a text for a cell of a CSV file that no spreadsheet takes for a formula.

    A text that starts like a formula gets an apostrophe before it, so that spreadsheets
    show the rest as it is. Numbers stay numbers, also negative ones.
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


def _is_visible(letter: str) -> bool:
    if letter in _BLANK_LETTERS:
        return False
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def _escape(letter: str) -> str:
    r"""Return a letter as JSON writes it, such as `\u001b`; two codes above 16 bits."""
    if letter.isprintable():
        return f"\\u{ord(letter):04x}"
    in_quotes = json.dumps(letter)
    return in_quotes[1:-1]
