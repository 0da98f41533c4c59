"""Text as data in every form that a report has: HTML and SVG, Markdown, LaTeX, BibTeX.

Each function returns a source that shows as exactly the text that it was given. Letters
that cannot be seen, such as control characters, are shown as :func:`visible` shows
them. For cells of CSV files see :func:`spreadsheet_cell`.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line

_MARKDOWN_LETTERS = re.compile(
    r"(?P<interval>(?:(?<=.)|(?!\[[^\]]*\]:))\[[-+−]?\d[-+−\d., ]*\](?![(\[]))"
    r"|[\\`*_\[\]<|~$#]"
    r"|&(?=#?\w+;)"
)
"""What Markdown on GitHub takes for markup anywhere in a line.

An ampersand is markup only where it names a letter. An interval, such as [1.2, 3.4], is
none unless it could be the text of a link.
"""
_MARKDOWN_BLOCK = re.compile(r"[-+](?![\d.])|[=>]|\d{1,9}(?=[.)](?:\s|$))")
"""The start of a line that begins a list, a rule, a heading or a quotation."""
_MARKDOWN_LINKS = re.compile(
    r"@(?=[A-Za-z0-9])"  # the mention of a user
    r"|#(?=\d)"  # an issue
    r"|:(?=//)|\bwww(?=\.)"  # an address
    r"|:(?!\d+:)(?=[\w\\+-]{1,60}:)",  # an emoji
    re.IGNORECASE,
)
"""What GitHub turns into links and pictures after all markup is read.

A backslash does not stop it.
"""
_NOTHING = "&#8203;"
"""A space of no width in Markdown, which breaks a word in two."""

_TICKS = re.compile("`+")

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': "''",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "∂": r"$\partial$",
    "∇": r"$\nabla$",
    "‖": r"$\Vert$",
    "⟨": r"$\langle$",
    "⟩": r"$\rangle$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
    "←": r"$\leftarrow$",
    "−": "$-$",
    "–": "--",
    "—": "---",
    "‑": "-",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "⁹": r"\textsuperscript{9}",
    "⁶": r"\textsuperscript{6}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_GREEK = {
    "αβγδεζηθικλμνξπρστυφχψω": (
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
        "omega"
    ),
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
}
for _letters, _names in _GREEK.items():
    _LATEX.update(
        {
            letter: rf"$\{name}$"
            for letter, name in zip(_letters, _names.split(), strict=True)
        }
    )
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""The marks over and under letters that LaTeX has in each of its encodings."""
_JOINED = "-',"
"""Two of these in a row make another sign in LaTeX."""


def html(text: str) -> str:
    """Return a text as HTML or XML, between tags or as the value of an attribute."""
    return escape(escape_invisible(text))


def markdown(text: str) -> str:
    """Return a text as one line of GitHub's Markdown.

    It can be a paragraph, a heading or the cell of a table. It has no markup, HTML,
    links, mentions or mathematics, and begins no list or heading.
    """
    line = one_line(text)
    marked = _MARKDOWN_LETTERS.sub(_escape_unless_interval, line)
    block = _MARKDOWN_BLOCK.match(marked)
    if block:
        # Behind the number of a list, before any other mark.
        place = block.end() if block[0].isdigit() else 0
        marked = f"{marked[:place]}\\{marked[place:]}"
    return _MARKDOWN_LINKS.sub(lambda match: match[0] + _NOTHING, marked)


def _escape_unless_interval(match: re.Match[str]) -> str:
    return match["interval"] or f"\\{match[0]}"


def code(text: str) -> str:
    """Return a text as code within a line of Markdown."""
    line = one_line(text) or " "
    ticks = [len(ticks) for ticks in _TICKS.findall(line)]
    fence = "`" * (max(ticks, default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def latex(text: str) -> str:
    """Return a text as one line of LaTeX, in ASCII that pdflatex takes.

    Letters that it lacks are shown as their numbers.
    """
    parts: list[str] = []
    line = unicodedata.normalize("NFC", one_line(text))
    for before, letter in zip(f" {line}", line, strict=False):
        if unicodedata.combining(letter):
            parts.append(_accented(parts.pop() if parts else "", letter))
        elif letter == before and letter in _JOINED:
            parts.append(f"{{}}{letter}")
        else:
            parts.append(_latex_letter(letter))
    text_in_latex = "".join(parts)
    # Rules and the ends of rows would take these as their arguments.
    if line.startswith(("[", "*")):
        return "{}" + text_in_latex
    return text_in_latex


def bibtex(text: str) -> str:
    """Return a text as the value of a field of BibTeX.

    BibTeX counts braces even where LaTeX does not.
    """
    return (
        latex(text)
        .replace(r"\{", r"\textbraceleft{}")
        .replace(r"\}", r"\textbraceright{}")
    )


def _latex_letter(letter: str) -> str:
    """Return one letter in LaTeX."""
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isascii():
        return letter
    decomposed = unicodedata.normalize("NFD", letter)
    base = decomposed[0]
    marks = decomposed[1:]
    known_marks = all(mark in _ACCENTS for mark in marks)
    if not marks or not base.isascii() or not known_marks:
        return _numbered(letter)
    accented = base
    for mark in marks:
        accented = _accented(accented, mark)
    return accented


def _accented(base: str, mark: str) -> str:
    """Return a letter in LaTeX with a mark over or under it."""
    if mark not in _ACCENTS:
        return base + _numbered(mark)
    return f"\\{_ACCENTS[mark]}{{{base}}}"


def _numbered(letter: str) -> str:
    """Return a letter's number in Unicode."""
    return rf"\texttt{{U+{ord(letter):04X}}}"
