"""Escaping of text for HTML and SVG, Markdown, LaTeX and BibTeX.

Each function returns source code that displays exactly the given text. Invisible
letters, such as control characters, are displayed as :func:`visible` describes.
:func:`spreadsheet_cell` does the same for CSV files.
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
"""Letters that GitHub's Markdown reads as markup anywhere in a line.

An ampersand is markup only at the start of a letter's name. An interval, such as
[1.2, 3.4], is markup only where it could be the text of a link.
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
"""Texts that GitHub turns into links and pictures after it has read all markup.

A backslash does not prevent this.
"""
_NOTHING = "&#8203;"
"""A space of zero width in Markdown, which splits a word."""

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
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi "
        "psi "
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
"""LaTeX's commands for accents over and under letters, in all its encodings."""
_JOINED = "-',"
"""Letters of which LaTeX joins two in a row into another sign."""


def html(text: str) -> str:
    """Return a text escaped for HTML or XML, between tags or in an attribute."""
    return escape(escape_invisible(text))


def markdown(text: str) -> str:
    """Return a text escaped for GitHub's Markdown, on one line.

    The line can be a paragraph, a heading or the cell of a table. It displays no
    markup, HTML, link, mention or mathematics, and begins no list or heading.
    """
    line = one_line(text)
    marked = _MARKDOWN_LETTERS.sub(_escape_unless_interval, line)
    block = _MARKDOWN_BLOCK.match(marked)
    if block:
        # The backslash comes after the number of a list, but before any other mark.
        place = block.end() if block[0].isdigit() else 0
        marked = f"{marked[:place]}\\{marked[place:]}"
    return _MARKDOWN_LINKS.sub(lambda match: match[0] + _NOTHING, marked)


def _escape_unless_interval(match: re.Match[str]) -> str:
    return match["interval"] or f"\\{match[0]}"


def code(text: str) -> str:
    """Return a text as inline code of Markdown."""
    line = one_line(text) or " "
    ticks = [len(ticks) for ticks in _TICKS.findall(line)]
    fence = "`" * (max(ticks, default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def latex(text: str) -> str:
    """Return a text escaped for LaTeX, on one line, in ASCII that pdflatex reads.

    A letter that LaTeX does not have appears as its Unicode number.
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
    # After a rule or the end of a row, LaTeX would read these as arguments.
    if line.startswith(("[", "*")):
        return "{}" + text_in_latex
    return text_in_latex


def bibtex(text: str) -> str:
    """Return a text escaped for a field of BibTeX.

    BibTeX counts even the braces that are escaped for LaTeX.
    """
    return (
        latex(text)
        .replace(r"\{", r"\textbraceleft{}")
        .replace(r"\}", r"\textbraceright{}")
    )


def typst(text: str) -> str:
    """Return a text as a string of Typst, in quotes.

    Typst reads no markup in a string.
    """
    return f'"{_escape_quoted(one_line(text))}"'


def dot(text: str) -> str:
    """Return a text as an identifier or a label of Graphviz' DOT, in quotes."""
    return f'"{_escape_quoted(one_line(text))}"'


def _escape_quoted(line: str) -> str:
    """Return a line with a backslash before quotes and backslashes."""
    return line.replace("\\", "\\\\").replace('"', '\\"')


def _latex_letter(letter: str) -> str:
    """Return a letter in LaTeX."""
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
    """Return a letter in LaTeX with an accent."""
    if mark not in _ACCENTS:
        return base + _numbered(mark)
    return f"\\{_ACCENTS[mark]}{{{base}}}"


def _numbered(letter: str) -> str:
    """Return a letter's Unicode number in LaTeX."""
    return rf"\texttt{{U+{ord(letter):04X}}}"
