"""The canvas of every figure: its size and style, and how it is saved as SVG.

The same drawing always has the same bytes.
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
from matplotlib.lines import Line2D

from archselect.benchmarks.store.facts import content_id
from archselect.nasbench_adapters.foreign_text import (
    escape_invisible,
    one_line,
    shorten,
)
from archselect.reports.escaping import html
from archselect.reports.figures.hints import links_to_titles
from archselect.reports.figures.palette import FONT, GRID, INK, MUTED

Canvas = _Figure
WIDTH = 9.2
"""Of every figure, in inches."""
PHONE = 4.4
"""Of a figure on a phone, in inches."""
DPI = 200
"""Of pictures within a drawing."""
LONGEST_ROW = 40
"""Letters of a row's name for which the widest left margin has room."""
LONGEST_KEY = 24
"""Letters of a name in a key of colours."""
LONGEST_NAME = 80
"""Letters of a part of a file's name."""
_TAG = re.compile(r"<[^>]*>")
_HEAD = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", flags=re.DOTALL
)
"""What stands before the drawing in a file, and what is said about it."""
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
    """One figure.

    Attributes:
        name: of its file; its ids begin with it.
        title: what it shows, in a few words.
        caption: what it shows, in sentences.
        svg: the drawing.
        narrow: the drawing for a phone; empty if there is none.
    """

    name: str
    title: str
    caption: str
    svg: str
    narrow: str = ""


def row_names(names: Iterable[str]) -> list[str]:
    """Return the names of rows as the left margin has room for them.

    The middle of a long one is left out.
    """
    return [_fit_row(name) for name in names]


def _fit_row(name: str) -> str:
    letters = LONGEST_ROW * len(name) // max(1, _letters(name))
    return shorten(name, max(1, letters))


def margin(names: Iterable[str]) -> float:
    """Return the left margin, as a part of the width, that holds the longest name."""
    longest = max(_letters(name) for name in names)
    inches = 0.35 + 0.083 * longest
    return min(0.4, inches / WIDTH)


def _letters(text: str) -> int:
    """Return how many letters wide a text is.

    Letters of Chinese, Japanese and Korean are as wide as two.
    """
    wide = [letter for letter in text if unicodedata.east_asian_width(letter) in "WF"]
    return len(text) + len(wide)


def add_key(
    ax: Axes,
    names: Sequence[str],
    colours: Sequence[str],
    markers: Sequence[str] = (),
    **place: Any,
) -> None:
    """Add a key of colours to a panel.

    Args:
        ax: the panel.
        names: what the colours stand for.
        colours: one of each.
        markers: shapes of the points, one of each; squares if there are none.
        place: arguments of `Axes.legend`.
    """
    shapes = markers or ["s"] * len(colours)
    points = [
        Line2D([], [], color=colour, marker=shape, linestyle="none", label=f"{number}")
        for number, (colour, shape) in enumerate(zip(colours, shapes, strict=True))
    ]
    legend = ax.legend(
        handles=points,
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
    """Return the height of a canvas, in inches."""
    return float(canvas.get_figheight())


def from_top(canvas: Canvas, inches: float) -> float:
    """Return a place so far below the upper edge, as a part of the height."""
    return 1 - inches / height(canvas)


def slugs(texts: Iterable[str]) -> list[str]:
    """Return the texts as parts of files' names, no two of which are the same."""
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
    """Return the text as a part of a file's name.

    It ends in the text's hash where that is long or has letters that names lack.
    """
    kept = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if kept and text.isascii() and len(kept) <= LONGEST_NAME:
        return kept
    hashed = content_id(text)[:8]
    return f"{kept[:LONGEST_NAME]}-{hashed}" if kept else hashed


def svg(
    name: str,
    title: str,
    inches: float,
    draw: Callable[[Canvas], None],
    width: float = WIDTH,
) -> str:
    """Return a drawing as SVG, without dates and random ids.

    Its ids begin with the figure's name, so that one page can hold all figures.

    Args:
        name: of the figure.
        title: what a screen reader says.
        inches: the height.
        draw: draws on the canvas that it is given.
        width: the width, in inches.
    """
    drawing = _save(name, (width, inches), draw)
    text = links_to_titles(_HEAD.sub("", drawing).strip())
    text = _TAG.sub(lambda tag: _own_tag(tag[0], name), escape_invisible(text))
    labelled = f'<svg role="img" aria-label="{html(title)}" '
    return text.replace("<svg ", labelled, 1) + "\n"


def _save(name: str, size: tuple[float, float], draw: Callable[[Canvas], None]) -> str:
    """Return what matplotlib writes of a drawing of a size in inches."""
    style = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # The drawing holds text, of which whoever shows it has the letters that our
        # font lacks.
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from", category=UserWarning
        )
        canvas = Canvas(figsize=size)
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
    return file.getvalue()


def _own_tag(tag: str, name: str) -> str:
    """Return a tag with our font, and with the figure's name before its ids.

    Text between tags stays as it is.
    """
    named = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    return named.replace("'DejaVu Sans'", FONT)
