"""Hints at dots: each dot of a drawing has its text and its run."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from archselect.reports.figures.canvas import svg
from archselect.reports.figures.hints import Hint, add_hints

SVG = "{http://www.w3.org/2000/svg}"


def read(hints: list[Hint], rasterized: bool = False) -> list[tuple[str, str]]:
    """The hints of a drawing of so many dots: text and run."""

    def draw(canvas):
        ax = canvas.subplots()
        places = range(len(hints))
        dots = ax.scatter(places, places, color="#116ddc", rasterized=rasterized)
        add_hints(dots, hints)

    root = ElementTree.fromstring(svg("figure", "title", 3, draw))
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == "hint"]
    assert not list(root.iter(f"{SVG}a"))
    return [(group[0].text, group.get("data-run", "")) for group in groups]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_dot_has_its_hint_in_order(count):
    hints = [Hint(f"run {place}: 1 % at 2 s", f"id{place}") for place in range(count)]
    assert read(hints) == [(hint.text, hint.run) for hint in hints]


def test_foreign_text_stays_text():
    nasty = '<script>"a" & b|c</script>'
    assert read([Hint(nasty, "x"), Hint("mean")]) == [(nasty, "x"), ("mean", "")]


def test_a_picture_has_no_hints():
    assert read([Hint("a"), Hint("b")], rasterized=True) == []
