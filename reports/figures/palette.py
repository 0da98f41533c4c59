"""Colours and lettering of every figure.

Colour-blind readers can distinguish the colours. The page has a light and a dark theme.
"""

from __future__ import annotations

import re

INK = "#1f2933"
"""Text and axes that matter."""
MUTED = "#5f6b7a"
"""Text, axes and lines that matter less."""
GRID = "#d9dee5"
SPACE = "#c3ccd6"
"""The distribution of a whole space."""
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

They were found by a search. They are as far apart as can be, to the eye and with each
of the three kinds of colour blindness, and stand out from the page.
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
"""What each colour is on a dark page."""

_TAG = re.compile(r"<[^>]*>")
_COLOURED = re.compile(r'\b(?:style|fill|stroke)="[^"]*"')
"""The attributes of a tag that have colours."""
_COLOUR = re.compile("|".join(_DARK))


def series(place: int) -> str:
    """Return the colour of the n-th selector or operation.

    Colours repeat after nine, so names are always written, too.
    """
    return SERIES[place % len(SERIES)]


def variable(colour: str) -> str:
    """Return the CSS variable that stands for a colour on the page."""
    return f"var(--c{list(_DARK).index(colour)})"


def style_sheet(dark: bool) -> str:
    """Return the declarations of all variables, for a light or a dark page."""
    colours = _DARK.values() if dark else _DARK.keys()
    return " ".join(f"--c{place}: {colour};" for place, colour in enumerate(colours))


def themed(svg: str) -> str:
    """Return a figure with every colour of the palette replaced by its variable.

    Text that looks like a colour stays.
    """
    return _TAG.sub(lambda tag: _COLOURED.sub(_with_variables, tag[0]), svg)


def _with_variables(attribute: re.Match[str]) -> str:
    return _COLOUR.sub(lambda colour: variable(colour[0]), attribute[0])
