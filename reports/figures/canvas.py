"""What every figure is drawn on: its size and style, and how it is saved as SVG.

Same drawing, same bytes.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.style
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as _Figure
from matplotlib.patches import Patch

from archselect.benchmarks.store.facts import content_id
from archselect.nasbench_adapters.foreign_text import (
    escape_invisible,
    one_line,
    shorten,
)
from archselect.reports.escaping import html
from archselect.reports.figures.palette import FONT, GRID, INK, MUTED

Canvas = _Figure
WIDTH = 9.2
"""Of every figure, in inches."""
DPI = 200
"""Of pictures within a drawing."""
LONGEST_ROW = 40
"""Letters of a row's name for which the widest left margin has room."""
LONGEST_KEY = 24
"""Letters of a name in a key of colours."""
LONGEST_NAME = 80
"""Letters of a part of a file's name."""
_TAG = re.compile(r"<[^>]*>")
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "legend.frameon": False,
    # Names are no mathematics, whatever dollars and backslashes are in them.
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Figure:
    """One figure: `name` of its file and part of its ids, what it shows in a sentence, and the SVG."""

    name: str
    title: str
    caption: str
    svg: str


def row_names(names: Iterable[str]) -> list[str]:
    """The names of rows as the left margin has room for them: of a long one the middle is left out."""
    return [
        shorten(name, max(1, LONGEST_ROW * len(name) // max(1, _letters(name))))
        for name in names
    ]


def margin(names: Iterable[str]) -> float:
    """The left margin, as a part of the width, that holds the longest name."""
    return min(0.4, (0.35 + 0.083 * max(map(_letters, names))) / WIDTH)


def _letters(text: str) -> int:
    """How many letters wide a text is: those of Chinese, Japanese and Korean are as wide as two."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text
    )


def add_key(
    ax: Axes, names: Sequence[str], colours: Sequence[str], **place: Any
) -> None:
    """Add a key of colours to a panel.

    Args:
        ax: the panel.
        names: what the colours stand for.
        colours: one of each.
        place: arguments of `Axes.legend`.
    """
    legend = ax.legend(
        handles=[
            Patch(color=colour, label=f"{number}")
            for number, colour in enumerate(colours)
        ],
        handlelength=0.9,
        handletextpad=0.4,
        columnspacing=0.9,
        borderpad=0,
        **place,
    )
    # Given as labels, names that begin with an underscore would be left out.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(shorten(one_line(name), LONGEST_KEY))


def height(canvas: Canvas) -> float:
    """In inches."""
    return float(canvas.get_figheight())


def from_top(canvas: Canvas, inches: float) -> float:
    """So far below the upper edge, as a part of the height."""
    return 1 - inches / height(canvas)


def slugs(texts: Iterable[str]) -> list[str]:
    """The texts as parts of files' names, no two of which are the same."""
    names: list[str] = []
    for text in texts:
        name = slug(text)
        numbered = name
        number = 1
        while numbered in names:
            number += 1
            numbered = f"{name}-{number}"
        names.append(numbered)
    return names


def slug(text: str) -> str:
    """The text as a part of a file's name; ends in its hash where it is long or has letters that names lack."""
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if kept and text.isascii() and len(kept) <= LONGEST_NAME:
        return kept
    return "-".join(filter(None, (kept[:LONGEST_NAME], content_id(text)[:8])))


def svg(name: str, title: str, inches: float, draw: Callable[[Canvas], None]) -> str:
    """Draw and save without dates or random ids; ids begin with the figure's name: one page can hold all."""
    with (
        matplotlib.style.context(["default", {**_STYLE, "svg.hashsalt": name}]),
        warnings.catch_warnings(),
    ):
        # The drawing holds text, of which whoever shows it has the letters that our
        # font lacks.
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from", category=UserWarning
        )
        canvas = Canvas(figsize=(WIDTH, inches))
        FigureCanvasSVG(canvas)
        draw(canvas)
        file = io.StringIO()
        canvas.savefig(
            file,
            format="svg",
            transparent=True,
            metadata={"Date": None, "Creator": None},
            dpi=DPI,
        )
    text = re.sub(
        r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>",
        "",
        file.getvalue(),
        flags=re.DOTALL,
    ).strip()
    text = _TAG.sub(lambda tag: _own_tag(tag[0], name), escape_invisible(text))
    return (
        text.replace("<svg ", f'<svg role="img" aria-label="{html(title)}" ', 1) + "\n"
    )


def _own_tag(tag: str, name: str) -> str:
    """A tag of a figure with our font, and with the figure's name before its ids; never what stands between tags."""
    named = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    return named.replace("'DejaVu Sans'", FONT)
