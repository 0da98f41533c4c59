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
    "#116ddc",
    "#d07730",
    "#0fa378",
    "#8b87e8",
    "#611312",
    "#d505b2",
    "#2c6106",
    "#1c18f3",
    "#65017d",
)
"""Nine colours, enough for eight operations and noise; `none` is MUTED.

They were found by a search. They are as far apart as can be, to the eye and with each
of the three kinds of colour blindness, and stand out from the page.
"""
PHASES = (
    "#4d4d4d",
    "#b7b7b7",
    "#808080",
    "#ebebeb",
    "#666666",
    "#d1d1d1",
    "#9b9b9b",
)
"""Seven greys for the phases of a run: no phase has the colour of a selector.

They differ in lightness alone, and neighbours differ most.
"""
FONT = "'DejaVu Sans', Verdana"

_DARK_SERIES = (
    "#13cfff",
    "#f07b36",
    "#128679",
    "#3e8fff",
    "#9c5e02",
    "#f50072",
    "#f1f40a",
    "#98ffec",
    "#f6c494",
)
_DARK_PHASES = (
    "#ebebeb",
    "#7a7a7a",
    "#b1b1b1",
    "#4d4d4d",
    "#cecece",
    "#636363",
    "#959595",
)
_DARK = {
    INK: "#e6eaf0",
    MUTED: "#9aa7b6",
    GRID: "#333c48",
    SPACE: "#4a5666",
    **dict(zip(SERIES, _DARK_SERIES, strict=True)),
    **dict(zip(PHASES, _DARK_PHASES, strict=True)),
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


def phase(place: int) -> str:
    """Return the colour of the n-th phase of a run; colours repeat after seven."""
    return PHASES[place % len(PHASES)]


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
