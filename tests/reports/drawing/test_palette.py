"""The palette is told apart by everybody: checked on simulated colour blindness (Machado et al., TVCG 2009)."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from archselect.reports.drawing.palette import (
    INK,
    MUTED,
    PHASES,
    SERIES,
    series,
    style_sheet,
    themed,
    variable,
)

SIGHT = {
    "normal": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
"""Linear RGB to linear RGB."""
PAGES = {False: "#ffffff", True: "#1a2027"}
"""The report's page by whether it is dark."""


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Oklab (Ottosson, 2020), in which distances are about as large as they look."""
    cones = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
    ]
    cones += [[0.0883024619, 0.2817188376, 0.6299787005]]
    lab = [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
    ]
    lab += [[0.0259040371, 0.7827717662, -0.808675766]]
    return np.array(lab) @ np.cbrt(np.array(cones) @ rgb)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(colour: str, page: str) -> float:
    """As WCAG 2 defines it."""
    low, high = sorted((luminance(colour), luminance(page)))
    return (high + 0.05) / (low + 0.05)


def shown(dark: bool, colours=(*SERIES, MUTED, INK)) -> list[str]:
    """The colours that the page's style sheet gives to colours of the palette."""
    sheet = dict(part.split(": ") for part in style_sheet(dark).rstrip(";").split("; "))
    return [sheet[variable(colour)[4:-1]].rstrip(";") for colour in colours]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_are_told_apart(dark, sight):
    """0.02 is about the least difference that is seen at all; here it is more than twice that, for everybody."""
    seen = [
        oklab(np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1))
        for colour in shown(dark)[: len(SERIES)]
    ]
    nearest = min(
        (np.linalg.norm(a - b), i, j)
        for (i, a), (j, b) in combinations(enumerate(seen), 2)
    )
    assert nearest[0] > 0.08, nearest


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_phases_are_told_apart(dark, sight):
    seen = [
        oklab(np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1))
        for colour in shown(dark, PHASES)
    ]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.06


@pytest.mark.parametrize("dark", [False, True])
def test_no_phase_has_the_colour_of_a_selector(dark):
    phases = [oklab(linear(colour)) for colour in shown(dark, PHASES)]
    selectors = [oklab(linear(colour)) for colour in shown(dark, SERIES)]
    assert min(np.linalg.norm(a - b) for a, b in product(phases, selectors)) > 0.08


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_stands_out_from_the_page_and_words_are_readable(dark):
    """3 for lines and 4.5 for words are WCAG's."""
    *lines, muted, ink = (contrast(colour, PAGES[dark]) for colour in shown(dark))
    assert min(lines) > 3
    assert min(muted, ink) > 4.5


def test_on_the_page_every_colour_is_a_variable():
    svg = "".join(f'<path stroke="{colour}"/>' for colour in (*SERIES, INK, MUTED))
    on_page = themed(svg)
    assert "#" not in on_page
    assert (
        len({variable(colour) for colour in (*SERIES, INK, MUTED)}) == len(SERIES) + 2
    )


def test_colours_repeat_only_after_the_last():
    assert [series(place) for place in range(len(SERIES))] == list(SERIES)
    assert series(len(SERIES)) == SERIES[0]
