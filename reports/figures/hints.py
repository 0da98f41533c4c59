"""Hints: the text shown when a reader points at a dot of a figure, and the dot's run.

Works without JavaScript: a hint is an SVG title. The page's script finds the run by the
attribute `data-run`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.collections import PathCollection

MOST_HINTS = 500
"""Most dots with hints in a row; more would make the page large."""
_SCHEME = "hint:"
_LINK = re.compile(rf"""<a xlink:href=(["']){_SCHEME}(\w*)\|(.*?)\1[^>]*>""")
"""A dot's link; matplotlib puts an address with double quotes into single ones."""


@dataclass(frozen=True)
class Hint:
    """The text of a dot, and the id of its run; the id is empty for means of runs."""

    text: str
    run: str = ""


def add_hints(dots: PathCollection, hints: Sequence[Hint]) -> None:
    """Give each dot its hint; too many dots, or a picture of dots, get none.

    matplotlib has no titles in SVG, so a hint travels as a dot's link.
    """
    if dots.get_rasterized() or len(hints) > MOST_HINTS:
        return
    links = [f"{_SCHEME}{hint.run}|{hint.text}" for hint in hints]
    # A collection with one link would lose it.
    dots.set_urls(links * 2 if len(links) == 1 else links)


def links_to_titles(svg: str) -> str:
    """Return a drawing in which the links of :func:`add_hints` are titles."""
    if not _LINK.search(svg):
        return svg
    return _LINK.sub(_title, svg).replace("</a>", "</g>")


def _title(link: re.Match[str]) -> str:
    _, run, text = link.groups()
    owner = f' data-run="{run}"' if run else ""
    return f'<g class="hint"{owner}><title>{text}</title>'
