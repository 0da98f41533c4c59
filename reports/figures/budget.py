"""The figure of query budgets: reward and accuracy by number of queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.drawing.colours import selector_colours
from archselect.reports.drawing.palette import INK, MUTED, SPACE
from archselect.reports.figures.accuracy_axis import AccuracyAxis
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    slugs,
    svg,
)
from archselect.reports.results.query_runs import (
    QueryPlane,
    QueryRuns,
    find_query_planes,
)
from archselect.reports.results.results import Results
from archselect.reports.statistics.intervals import LEAST_SEEDS, student_quantile

_INCHES = 3.9
"""Least height of the figure, in inches; a long key makes it higher."""
_KEY_ROW = 0.2
_APART = 0.07
"""Least distance of two ticks, as a fraction of the axis."""
_DASHED = (0, (4, 3))
_FIRST = 3
"""Number of queries from which the lines determine the range of the axis."""
_LEAST_UNIT = 1 / 40
"""Smallest distance to stretch, as a fraction of the axis's range."""
_CAPTION = (
    "Left: the reward, which selectors see. Right: the reported accuracy of the same incumbents. Line: mean "
    "over the runs of a selector. Band: its 95 % interval by Student's t. The axis of queries is logarithmic; the "
    "other "
    "axes are logarithmic in the distance to the highest value."
)

_Side = Literal["reward", "accuracy"]


@dataclass(frozen=True)
class _Curve:
    """A line of a panel.

    Attributes:
        name: name in the key.
            colour: colour of the line.
            queries: numbers of queries with a value.
            means: values.
            margins: half the width of the band; 0 without a band, NaN if undefined.
            is_random: whether it shows the expectation of random architectures.
    """

    name: str
    colour: str
    queries: Sequence[int]
    means: Floats
    margins: Floats
    is_random: bool


@dataclass(frozen=True)
class _Level:
    """A horizontal line: the best by reward, or the best of all."""

    name: str
    value: float


def budget_figures(results: Results) -> list[Figure]:
    """Return a figure per truth and queried reward."""
    planes = find_query_planes(results)
    colours = selector_colours(results)
    names = slugs(f"budget-{plane.title}" for plane in planes)
    return [
        _budget_figure(plane, name, colours)
        for plane, name in zip(planes, names, strict=True)
    ]


def _budget_figure(plane: QueryPlane, name: str, colours: Mapping[str, str]) -> Figure:
    rewards = list(_curves(plane, "reward", colours))
    accuracies = list(_curves(plane, "accuracy", colours))
    inches = max(_INCHES, _KEY_ROW * (len(rewards) + 1) + 0.9)

    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2)
        canvas.subplots_adjust(left=0.07, right=0.775, wspace=0.2)
        canvas.subplots_adjust(top=from_top(canvas, 0.35), bottom=0.5 / height(canvas))
        _draw_panel(left, plane, rewards, _levels(plane, "reward"))
        _draw_panel(right, plane, accuracies, _levels(plane, "accuracy"))
        left.set_title("reward in per cent", fontweight="normal", color=MUTED)
        right.set_title("accuracy in per cent", fontweight="normal", color=MUTED)
        names = [curve.name for curve in rewards]
        colours = [curve.colour for curve in rewards]
        add_key(right, names, colours, loc="upper left", bbox_to_anchor=(1.04, 1.0))

    title = f"Accuracy by number of queries: {plane.title}"
    caption = " ".join([_CAPTION, *_baseline_caption(plane)])
    return Figure(name, title, caption, svg(name, title, inches, draw))


def _baseline_caption(plane: QueryPlane) -> Iterator[str]:
    """Yield sentences on the grey lines."""
    if not plane.baselines:
        return
    population = plane.population(plane.baselines[0])
    yield f"Grey: expectation of random {population.over}."
    if not plane.baselines[0].is_whole_space:
        yield "They cover only the part of the space that has a reward."
    yield "Dashed: the architecture with the highest reward; on the right also the highest accuracy of all, if it "
    "differs."


# --- curves


def _curves(
    plane: QueryPlane, side: _Side, colours: Mapping[str, str]
) -> Iterator[_Curve]:
    """Yield the lines of a panel: random ones, then the selectors."""
    yield from _random_curves(plane, side)
    for runs in plane.runs:
        yield _selector_curve(runs, side, colours[runs.group.name])


def _selector_curve(runs: QueryRuns, side: _Side, colour: str) -> _Curve:
    values = runs.rewards if side == "reward" else runs.reported
    return _Curve(
        name=runs.name,
        colour=colour,
        queries=runs.numbers,
        means=_means(values),
        margins=_margins(values),
        is_random=False,
    )


def _means(values: Floats) -> Floats:
    """Return the mean of each column's known values; NaN if none is known."""
    known = ~np.isnan(values)
    sums = np.where(known, values, 0.0).sum(axis=0)
    counts = known.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _margins(values: Floats) -> Floats:
    """Return half the width of each column's interval; NaN if it is undefined."""
    margins = np.full(values.shape[1], np.nan)
    for column, of_column in enumerate(values.T):
        known = of_column[~np.isnan(of_column)]
        if len(known) >= LEAST_SEEDS:
            error = known.std(ddof=1) / len(known) ** 0.5
            margins[column] = student_quantile(len(known) - 1) * error
    return margins


def _random_curves(plane: QueryPlane, side: _Side) -> Iterator[_Curve]:
    """Yield the expectations of random architectures; † is darker than the others."""
    if not plane.baselines:
        return
    baseline = plane.baselines[0]
    reference = plane.random_search(baseline)
    population = plane.population(baseline)
    for random in population.random:
        values = random.rewards if side == "reward" else random.reported
        is_reference = random is reference
        name = f"{population.over}, {random.drawn}"
        yield _Curve(
            name="random-search (expected)" if random.is_random_search else name,
            colour=MUTED if is_reference else SPACE,
            queries=baseline.queries if values else (),
            means=np.array(values),
            margins=np.zeros(len(values)),
            is_random=True,
        )


def _levels(plane: QueryPlane, side: _Side) -> list[_Level]:
    """Return the horizontal lines of a panel, each once."""
    if not plane.baselines:
        return []
    population = plane.population(plane.baselines[0])
    if side == "reward":
        return [_Level("best by reward", population.best_reward)]
    levels = []
    if population.best_reported is not None:
        levels.append(_Level("best by reward", population.best_reported))
    highest = population.highest_reported
    if highest is not None and highest != population.best_reported:
        levels.append(_Level("highest of all", highest))
    return levels


# --- panels


def _draw_panel(
    ax: Axes, plane: QueryPlane, curves: Sequence[_Curve], levels: Sequence[_Level]
) -> None:
    """Draw the lines of one panel over the number of queries."""
    means = np.concatenate([curve.means for curve in curves])
    known = means[~np.isnan(means)]
    budget = plane.marks[-1]
    ax.set_xscale("log")
    ax.set_xlim(1, max(budget, 2))
    ax.xaxis.set_minor_locator(NullLocator())
    ticks = _query_ticks(budget)
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.set_xlabel("queries")
    ax.grid()
    if not len(known):
        ax.set_yticks([])
        return
    heights = [level.value for level in levels]
    lowest = float(known.min())
    axis = _axis(lowest, max([*heights, float(known.max())]))
    for curve in curves:
        _draw_curve(ax, axis, curve)
    for level in levels:
        _draw_level(ax, axis, level)
    _set_accuracies(ax, axis, _lowest_shown(curves, budget, lowest))


def _query_ticks(budget: int) -> list[int]:
    """Return 1, 3, 10, 30, … up to the budget."""
    ticks = [1]
    while ticks[-1] < budget:
        ticks += [3 * ticks[-1], 10 * ticks[-1]]
    return [tick for tick in ticks if tick <= budget]


def _lowest_shown(curves: Sequence[_Curve], budget: int, lowest: float) -> float:
    """Return the lowest mean after the first queries, whose results vary widely.

    If no later mean is known, return `lowest`.
    """
    means: list[float] = []
    for curve in curves:
        is_late = np.array(curve.queries) >= min(_FIRST, budget)
        means += curve.means[is_late & ~np.isnan(curve.means)].tolist()
    return min(means, default=lowest)


def _axis(lowest: float, highest: float) -> AccuracyAxis:
    """Return the axis of a panel."""
    return AccuracyAxis(highest, (highest - lowest) * _LEAST_UNIT or 1.0)


def _set_accuracies(ax: Axes, axis: AccuracyAxis, lowest: float) -> None:
    """Set the range and the ticks of the axis of accuracies."""
    low = float(axis.place(lowest))
    high = float(axis.place(axis.top))
    pad = 0.04 * (high - low) or 1.0
    ticks = axis.ticks(lowest, _APART * (high - low)) or [round(lowest, 2)]
    ax.set_yticks(axis.place(ticks), [f"{tick:g}" for tick in ticks])
    ax.set_ylim(low - pad, high + pad)


def _draw_curve(ax: Axes, axis: AccuracyAxis, curve: _Curve) -> None:
    """Draw a line with its band."""
    places = axis.place(curve.means)
    width = 2.4 if curve.is_random else 1.6
    order = 2 if curve.is_random else 3
    ax.plot(
        curve.queries,
        np.where(np.isnan(curve.means), np.nan, places),
        color=curve.colour,
        linewidth=width,
        zorder=order,
    )
    if curve.is_random:
        return
    low = axis.place(curve.means - curve.margins)
    high = axis.place(np.minimum(curve.means + curve.margins, axis.top))
    is_known = ~np.isnan(curve.margins)
    ax.fill_between(
        curve.queries,
        low,
        high,
        where=is_known.tolist(),
        color=curve.colour,
        alpha=0.16,
        linewidth=0,
        zorder=1,
    )


def _draw_level(ax: Axes, axis: AccuracyAxis, level: _Level) -> None:
    """Draw a horizontal line, with its name and number below it at the left."""
    place = float(axis.place(level.value))
    ax.axhline(place, color=MUTED, linewidth=1, linestyle=_DASHED, zorder=1)
    ax.annotate(
        f"{level.name} {level.value:.2f}",
        (0, place),
        (4, -4),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=INK,
    )
