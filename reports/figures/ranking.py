"""The critical-difference diagram of a ranking (Demšar, JMLR 2006)."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes

from archselect.reports.drawing.palette import GRID, INK, MUTED
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    from_top,
    height,
    margin,
    row_names,
    svg,
)
from archselect.reports.statistics.ranking import Clique, find_cliques
from archselect.reports.tables.table import Table

_ROW = 0.3
"""Height of a method, in inches."""
_CAPTION = (
    "Mean ranks over the landscapes; 1 is the best. A vertical bar connects methods whose mean ranks are within "
    "Nemenyi's critical difference (CD): they are not shown to differ from each other. The line at the top has the "
    "width of CD."
)


class _Ranked(NamedTuple):
    """The ranked methods of a table, best first."""

    names: list[str]
    ranks: list[float]
    width: float


def ranking_figures(table: Table, name: str = "critical-difference") -> list[Figure]:
    """Return the critical-difference diagram; an empty list without a test.

    Args:
        table: the ranking.
        name: name of the figure; two figures of one page need different names.
    """
    ranked = _ranked(table.frame)
    if ranked is None:
        return []
    cliques = find_cliques(ranked.ranks, ranked.width)
    lanes = _lanes(cliques)

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        canvas.subplots_adjust(left=margin(ranked.names), right=0.97)
        canvas.subplots_adjust(top=from_top(canvas, 0.35), bottom=0.5 / height(canvas))
        _draw_ranks(ax, ranked)
        _draw_cliques(ax, ranked, cliques, lanes)

    title = "Mean ranks over landscapes, with the critical difference"
    inches = _ROW * (len(ranked.names) + 1) + 0.95
    return [Figure(name, title, _CAPTION, svg(name, title, inches, draw))]


def _ranked(frame: pd.DataFrame) -> _Ranked | None:
    """Return the ranked methods; None if there is no test of their ranks."""
    tested = frame[frame["critical_difference"].notna()]
    if tested.empty:
        return None
    return _Ranked(
        names=tested["method"].tolist(),
        ranks=tested["rank"].tolist(),
        width=float(tested["critical_difference"].iloc[0]),
    )


def _draw_ranks(ax: Axes, ranked: _Ranked) -> None:
    """Draw the mean ranks and the critical difference."""
    count = len(ranked.names)
    places = range(count)
    ax.hlines(places, 1, ranked.ranks, color=GRID, linewidth=0.8)
    ax.scatter(ranked.ranks, places, s=34, color=INK, linewidths=0, zorder=3)
    for place, rank in enumerate(ranked.ranks):
        ax.annotate(
            f"{rank:.2f}",
            (rank, place),
            (6, 0),
            textcoords="offset points",
            va="center",
        )
    ax.plot([1, 1 + ranked.width], [-1, -1], color=INK, linewidth=1.6)
    ax.annotate(
        f"CD {ranked.width:.2f}",
        (1 + ranked.width, -1),
        (6, 0),
        textcoords="offset points",
        va="center",
    )
    ax.set_yticks(places, row_names(ranked.names))
    ax.set_ylim(count - 0.5, -1.6)
    ax.set_xlabel("mean rank")


def _draw_cliques(
    ax: Axes, ranked: _Ranked, cliques: list[Clique], lanes: list[int]
) -> None:
    """Draw a bar for each clique, to the right of the ranks."""
    count = len(ranked.names)
    right = max(count, ranked.ranks[-1], 1 + ranked.width)
    step = 0.02 * right
    start = right + 3 * step
    for clique, lane in zip(cliques, lanes, strict=True):
        at = start + lane * step
        ax.plot(
            [at, at],
            [clique.first - 0.2, clique.last + 0.2],
            color=MUTED,
            linewidth=3,
            solid_capstyle="butt",
        )
    ax.set_xlim(0.9, start + step * (max(lanes, default=0) + 1))
    ticks = range(1, count + 1, math.ceil(count / 12))
    ax.set_xticks(list(ticks))


def _lanes(cliques: list[Clique]) -> list[int]:
    """Return a lane for each bar, so that overlapping bars are side by side."""
    ends: list[int] = []
    lanes = []
    for clique in cliques:
        free = [lane for lane, end in enumerate(ends) if end < clique.first]
        lane = free[0] if free else len(ends)
        if lane == len(ends):
            ends.append(clique.last)
        else:
            ends[lane] = clique.last
        lanes.append(lane)
    return lanes
