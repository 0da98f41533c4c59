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

A search chose them: they differ as much as possible, also for the three kinds of colour
blindness, and contrast with the page.
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


def phase(place: int) -> str:
    """Return the colour of the n-th phase of a run; colours repeat after seven."""
    return PHASES[place % len(PHASES)]


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
