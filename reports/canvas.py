"""What every figure is drawn on: its size and style, and how it is saved as SVG. Same drawing, same bytes."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

import matplotlib.style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as _Figure

from archselect.reports.palette import FONT, GRID, INK, MUTED

Canvas = _Figure
WIDTH = 9.2
"""Of every figure, in inches."""
DPI = 200
"""Of pictures within a drawing."""
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
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Figure:
    """One figure: `name` of its file and part of its ids, what it shows in a sentence, and the SVG."""

    name: str
    title: str
    caption: str
    svg: str


def margin(names: Iterable[str]) -> float:
    """The left margin, as a part of the width, that holds the longest name."""
    return min(0.4, (0.35 + 0.083 * max(map(len, names))) / WIDTH)


def height(canvas: Canvas) -> float:
    """In inches."""
    return float(canvas.get_figheight())


def from_top(canvas: Canvas, inches: float) -> float:
    """So far below the upper edge, as a part of the height."""
    return 1 - inches / height(canvas)


def slug(text: str) -> str:
    """The text as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def svg(name: str, title: str, inches: float, draw: Callable[[Canvas], None]) -> str:
    """Draw and save without dates or random ids; ids begin with the figure's name: one page can hold all."""
    with matplotlib.style.context(["default", {**_STYLE, "svg.hashsalt": name}]):
        canvas = Canvas(figsize=(WIDTH, inches))
        FigureCanvasSVG(canvas)
        draw(canvas)
        file = io.StringIO()
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}, dpi=DPI)
    text = re.sub(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", "", file.getvalue(), flags=re.DOTALL).strip()
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    return (
        text.replace("'DejaVu Sans'", FONT).replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1) + "\n"
    )
