"""Colours and lettering of every figure: for the colour-blind too, and themed on the page."""

from __future__ import annotations

import re

INK, MUTED, GRID, SPACE = "#1f2933", "#5f6b7a", "#d9dee5", "#c3ccd6"
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
"""Nine, enough for eight operations and noise (`none` is MUTED): found by a search for colours that are as far apart
as can be, to the eye and as seen with each of the three kinds of colour blindness, and stand out from the page."""
FONT = "'DejaVu Sans', Verdana"

_DARK = {
    INK: "#e6eaf0",
    MUTED: "#9aa7b6",
    GRID: "#333c48",
    SPACE: "#4a5666",
    **dict(
        zip(
            SERIES,
            (
                "#4bb4e1",
                "#ff964b",
                "#3c9678",
                "#5a78ff",
                "#a57800",
                "#f03ca5",
                "#d2ff0f",
                "#2dfff0",
                "#ffe1a5",
            ),
            strict=True,
        )
    ),
}

_TAG = re.compile(r"<[^>]*>")
_COLOURED = re.compile(r'\b(?:style|fill|stroke)="[^"]*"')
"""The attributes of a tag that have colours."""
_COLOUR = re.compile("|".join(_DARK))


def series(place: int) -> str:
    """The colour of the n-th selector or operation.

    They repeat after nine: names are always written too.
    """
    return SERIES[place % len(SERIES)]


def variable(colour: str) -> str:
    """The CSS variable that stands for a colour on the page."""
    return f"var(--c{list(_DARK).index(colour)})"


def style_sheet(dark: bool) -> str:
    """The declarations of all variables, for a light or a dark page."""
    return " ".join(
        f"--c{i}: {night if dark else day};"
        for i, (day, night) in enumerate(_DARK.items())
    )


def themed(svg: str) -> str:
    """A figure with every colour of the palette replaced by its variable; text that looks like one stays."""
    return _TAG.sub(lambda tag: _COLOURED.sub(_with_variables, tag[0]), svg)


def _with_variables(attribute: re.Match[str]) -> str:
    return _COLOUR.sub(lambda colour: variable(colour[0]), attribute[0])
