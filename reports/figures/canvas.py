"""The size and style of all figures, and their export as SVG.

The same drawing always gives the same bytes.
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
from archselect.reports.drawing.palette import FONT, GRID, INK, MUTED
from archselect.reports.escaping import html
from archselect.reports.figures.hints import links_to_titles

Canvas = _Figure
WIDTH = 9.2
"""Width of every figure, in inches."""
PHONE = 4.4
"""Width of a figure for a phone, in inches."""
DPI = 200
"""Resolution of bitmaps within a drawing."""
LONGEST_ROW = 40
"""Most letters of a row's name; the widest left margin fits them."""
LONGEST_KEY = 24
"""Most letters of a name in a key of colours."""
LONGEST_NAME = 80
"""Most letters of a part of a file's name."""
_TAG = re.compile(r"<[^>]*>")
_HEAD = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", flags=re.DOTALL
)
"""The header and the metadata of an SVG file."""
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
    # Names are plain text, even with dollar signs or backslashes.
    "text.parse_math": False,
    "text.usetex": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Figure:
    """A figure of a report.

    Attributes:
        name: name of the file, without ending; the ids in the SVG begin with it.
        title: short title.
        caption: explanation in sentences.
        svg: drawing.
        narrow: drawing for a phone; empty if there is none.
    """

    name: str
    title: str
    caption: str
    svg: str
    narrow: str = ""


def row_names(names: Iterable[str]) -> list[str]:
    """Return the names of rows, short enough for the left margin.

    A long name loses its middle.
    """
    return [_fit_row(name) for name in names]


def _fit_row(name: str) -> str:
    letters = LONGEST_ROW * len(name) // max(1, _letters(name))
    return shorten(name, max(1, letters))


def margin(names: Iterable[str]) -> float:
    """Return the left margin that fits the longest name, as a fraction of the width."""
    longest = max(_letters(name) for name in names)
    inches = 0.35 + 0.083 * longest
    return min(0.4, inches / WIDTH)


def _letters(text: str) -> int:
    """Return the width of a text, in letters.

    A letter of Chinese, Japanese or Korean counts as two.
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
        ax: panel.
        names: name of each colour.
        colours: colours, in the order of the names.
        markers: shapes of the points, in the same order; squares if empty.
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
    # matplotlib leaves out labels that begin with an underscore, so set them later.
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(shorten(one_line(name), LONGEST_KEY))


def height(canvas: Canvas) -> float:
    """Return the height of a canvas, in inches."""
    return float(canvas.get_figheight())


def from_top(canvas: Canvas, inches: float) -> float:
    """Return the position `inches` below the top, as a fraction of the height."""
    return 1 - inches / height(canvas)


def slugs(texts: Iterable[str]) -> list[str]:
    """Return texts as distinct parts of file names."""
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
    """Return a text as a part of a file name.

    It ends with a hash if the text is long or is not ASCII.
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

    The ids begin with the figure's name, so that one page can have all figures.

    Args:
        name: name of the figure.
        title: title for screen readers.
        inches: height.
        draw: function that draws on a canvas.
        width: width, in inches.
    """
    drawing = _save(name, (width, inches), draw)
    text = links_to_titles(_HEAD.sub("", drawing).strip())
    text = _TAG.sub(lambda tag: _own_tag(tag[0], name), escape_invisible(text))
    labelled = f'<svg role="img" aria-label="{html(title)}" '
    return text.replace("<svg ", labelled, 1) + "\n"


def _save(name: str, size: tuple[float, float], draw: Callable[[Canvas], None]) -> str:
    """Return the SVG that matplotlib writes for a drawing; the size is in inches."""
    style = {**_STYLE, "svg.hashsalt": name}
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # The SVG has text, not shapes: the viewer supplies letters that are missing
        # from our font.
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

    Text between tags does not change.
    """
    named = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag)
    return named.replace("'DejaVu Sans'", FONT)
