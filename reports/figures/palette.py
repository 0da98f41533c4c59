"""Colours and fonts of all figures, for a light and a dark page.

Colour-blind readers can distinguish the colours.
"""

from __future__ import annotations

import re

INK = "#1f2933"
"""Colour of important text and axes."""
MUTED = "#5f6b7a"
"""Colour of less important text, axes and lines."""
GRID = "#d9dee5"
SPACE = "#c3ccd6"
"""Colour of the distribution of a whole space."""
SERIES = (
    "#0072b2",
    "#d55e00",
    "#009678",
    "#7878ff",
    "#780f00",
    "#c31e87",
    "#005a3c",
    "#2d1ee1",
    "#5a1e5a",
)
"""Nine colours, enough for eight operations and noise; `none` is MUTED.

A search chose them: they differ as much as possible, also for the three kinds of colour
blindness, and contrast with the page.
"""
FONT = "'DejaVu Sans', Verdana"

_DARK_SERIES = (
    "#4bb4e1",
    "#ff964b",
    "#3c9678",
    "#5a78ff",
    "#a57800",
    "#f03ca5",
    "#d2ff0f",
    "#2dfff0",
    "#ffe1a5",
)
_DARK = {
    INK: "#e6eaf0",
    MUTED: "#9aa7b6",
    GRID: "#333c48",
    SPACE: "#4a5666",
    **dict(zip(SERIES, _DARK_SERIES, strict=True)),
}
"""The colour on a dark page for each colour on a light page."""

_TAG = re.compile(r"<[^>]*>")
_COLOURED = re.compile(r'\b(?:style|fill|stroke)="[^"]*"')
"""The attributes of a tag that can have colours."""
_COLOUR = re.compile("|".join(_DARK))


def series(place: int) -> str:
    """Return the colour of the n-th selector or operation.

    Colours repeat after nine, so figures always show names as well.
    """
    return SERIES[place % len(SERIES)]


def variable(colour: str) -> str:
    """Return the CSS variable of a colour."""
    return f"var(--c{list(_DARK).index(colour)})"


def style_sheet(dark: bool) -> str:
    """Return the CSS declarations of all variables, for a light or a dark page."""
    colours = _DARK.values() if dark else _DARK.keys()
    return " ".join(f"--c{place}: {colour};" for place, colour in enumerate(colours))


def themed(svg: str) -> str:
    """Return a figure with CSS variables for the colours of the palette.

    Text that looks like a colour does not change.
    """
    return _TAG.sub(lambda tag: _COLOURED.sub(_with_variables, tag[0]), svg)


def _with_variables(attribute: re.Match[str]) -> str:
    return _COLOUR.sub(lambda colour: variable(colour[0]), attribute[0])
