"""Text as data in every form that a report has: HTML and SVG, Markdown, LaTeX, BibTeX.

Each function returns the source of a text that shows as just that text. All of them
show what cannot be seen, such as control characters, in the form of :func:`visible`.
Cells of CSV files are a matter of :func:`spreadsheet_cell`.
"""

from __future__ import annotations

import re
import unicodedata
from html import escape

from archselect.nasbench_adapters.foreign_text import escape_invisible, one_line

_MARKDOWN_LETTERS = re.compile(
    r"(?P<interval>(?:(?<=.)|(?!\[[^\]]*\]:))\[[-+−]?\d[-+−\d., ]*\](?![(\[]))|[\\`*_\[\]<|~$#]|&(?=#?\w+;)"
)
"""What Markdown on GitHub takes for markup anywhere in a line; an ampersand only where it names a letter.

An interval, such as [1.2, 3.4], is none unless it could be the text of a link.
"""
_MARKDOWN_BLOCK = re.compile(r"[-+](?![\d.])|[=>]|\d{1,9}(?=[.)](?:\s|$))")
"""What begins a list, a rule, a heading or a quotation at the start of a line."""
_MARKDOWN_LINKS = re.compile(
    r"@(?=[A-Za-z0-9])"  # the mention of a user
    r"|#(?=\d)"  # an issue
    r"|:(?=//)|\bwww(?=\.)"  # an address
    r"|:(?!\d+:)(?=[\w\\+-]{1,60}:)",  # an emoji
    re.IGNORECASE,
)
"""What GitHub turns into links and pictures after all markup is read, so that no
backslash keeps it from that.
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
    """Return a text as Markdown of GitHub's kind, in one line: a paragraph, a heading or the cell of a table.

    It has no markup, HTML, links, mentions or mathematics, and begins no list or
    heading.
    """
    line = one_line(text)
    marked = _MARKDOWN_LETTERS.sub(
        lambda found: found["interval"] or f"\\{found[0]}", line
    )
    if block := _MARKDOWN_BLOCK.match(marked):
        place = block.end() if block[0].isdigit() else 0
        marked = f"{marked[:place]}\\{marked[place:]}"
    return _MARKDOWN_LINKS.sub(lambda found: found[0] + _NOTHING, marked)


def code(text: str) -> str:
    """Return a text as code within a line of Markdown."""
    line = one_line(text) or " "
    longest = max(map(len, _TICKS.findall(line)), default=0)
    fence = "`" * (longest + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def latex(text: str) -> str:
    """Return a text as LaTeX, in one line of ASCII that pdflatex takes; letters that it lacks as their numbers."""
    parts: list[str] = []
    line = unicodedata.normalize("NFC", one_line(text))
    for before, letter in zip(f" {line}", line, strict=False):
        if unicodedata.combining(letter):
            parts.append(_accented(parts.pop() if parts else "", letter))
        elif letter == before and letter in _JOINED:
            parts.append(f"{{}}{letter}")
        else:
            parts.append(_latex_letter(letter))
    # Rules and the ends of rows would take these for arguments of theirs.
    return "".join(["{}" if line[:1] in ("[", "*") else "", *parts])


def bibtex(text: str) -> str:
    """Return a text as the value of a field of BibTeX, which counts braces even where LaTeX does not."""
    return (
        latex(text)
        .replace(r"\{", r"\textbraceleft{}")
        .replace(r"\}", r"\textbraceright{}")
    )


def _latex_letter(letter: str) -> str:
    if letter in _LATEX:
        return _LATEX[letter]
    if letter.isascii():
        return letter
    parts = unicodedata.normalize("NFD", letter)
    marks = parts[1:]
    if not marks or not parts[0].isascii() or not _ACCENTS.keys() >= set(marks):
        return _numbered(letter)
    accented = parts[0]
    for mark in marks:
        accented = _accented(accented, mark)
    return accented


def _accented(base: str, mark: str) -> str:
    return (
        f"\\{_ACCENTS[mark]}{{{base}}}" if mark in _ACCENTS else base + _numbered(mark)
    )


def _numbered(letter: str) -> str:
    return rf"\texttt{{U+{ord(letter):04X}}}"
