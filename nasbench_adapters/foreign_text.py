"""Functions that make text from other sources safe to show.

Names, titles, error messages and cells of files come from studies, users' code and
other people's records. Each of their letters must be visible, and they must not control
a terminal or a spreadsheet. So every place that shows them first calls one of these
functions. :mod:`archselect.reports.escaping` escapes the special letters of Markdown,
LaTeX and HTML.
"""

from __future__ import annotations

import json
import re
import unicodedata

LONGEST_MESSAGE = 2_000
"""Largest number of letters of a message; a longer one loses its middle."""
LONGEST_LABEL = 100
"""Largest number of letters of a label in a study."""
LONGEST_TITLE = 300
"""Largest number of letters of a study's title."""

_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Letters that are invisible, although Unicode calls them printable."""
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""Start of a text that a spreadsheet reads as a formula."""
_SHORT_LIMIT = 20
"""Length up to which the mark for a missing middle has no spaces around it."""


def escape_invisible(text: str, keep: str = "\n\t") -> str:
    r"""Return a text in which every letter is visible.

    Invisible letters are control characters, marks that change the direction of
    writing, letters without width, and halves of letters. They become escapes as in
    JSON, such as `\u001b`, so the meaning of JSON text does not change. Spaces of any
    width stay.

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
    """Return a text in one line, without double spaces or invisible letters.

    :func:`escape_invisible` makes letters visible.

    Args:
        text: Any text.
        most: Largest number of letters; a longer line loses its middle.
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
    has line breaks, extra spaces or invisible letters.
    """
    shown = one_line(label, most)
    if len(label) > most:
        raise ValueError(
            f"'{shown}' has {len(label):,} letters: give it at most {most}"
        )
    if not label.strip():
        raise ValueError("it is empty or blank: write a word")
    if shown != label:
        raise ValueError(
            "it has line breaks, extra spaces or invisible letters "
            f"('{shown}'): remove them"
        )
    return label


def spreadsheet_cell(text: str) -> str:
    """Return a text for a cell of a CSV file that no spreadsheet reads as a formula.

    A text that starts like a formula gets an apostrophe in front, so that spreadsheets
    show it as text. Numbers, also negative ones, do not change.
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
