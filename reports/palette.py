"""Colours and lettering of every figure: for the colour-blind too, and themed on the page."""

from __future__ import annotations

INK, MUTED, GRID, SPACE = "#1f2933", "#5f6b7a", "#d9dee5", "#c3ccd6"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#b5579b", "#a97800", "#3b8fc4", "#7a5fc0", "#6b6f1d")
FONT = "'DejaVu Sans', Verdana"

_DARK = {
    INK: "#e6eaf0",
    MUTED: "#9aa7b6",
    GRID: "#333c48",
    SPACE: "#4a5666",
    **dict(
        zip(
            SERIES,
            ("#4fb0e8", "#ff9147", "#3fcf9f", "#e08cc8", "#e0b040", "#8cc8f0", "#b09cf0", "#b8bd5a"),
            strict=True,
        )
    ),
}


def series(place: int) -> str:
    """The colour of the n-th selector or operation. They repeat after eight: names are always written too."""
    return SERIES[place % len(SERIES)]


def variable(colour: str) -> str:
    """The CSS variable that stands for a colour on the page."""
    return f"var(--c{list(_DARK).index(colour)})"


def style_sheet(dark: bool) -> str:
    """The declarations of all variables, for a light or a dark page."""
    return " ".join(f"--c{i}: {night if dark else day};" for i, (day, night) in enumerate(_DARK.items()))


def themed(svg: str) -> str:
    """A figure with every colour of the palette replaced by its variable."""
    for colour in _DARK:
        svg = svg.replace(colour, variable(colour))
    return svg
