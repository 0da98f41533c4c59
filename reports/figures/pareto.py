"""The figure of accuracy against cost, with the true front if it is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from archselect.benchmarks.store.records import Landscape
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.drawing.colours import selector_colours
from archselect.reports.drawing.palette import INK, MUTED, SPACE
from archselect.reports.figures.accuracy_axis import AccuracyAxis
from archselect.reports.figures.canvas import (
    PHONE,
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    slugs,
    svg,
)
from archselect.reports.figures.hints import Hint, add_hints
from archselect.reports.results.paths import SettingPath
from archselect.reports.results.results import Group, Results
from archselect.reports.results.trade_offs import (
    SEARCH_SECONDS,
    Plane,
    TradeOff,
    find_planes,
    plane_of_search,
)
from archselect.reports.tables.words import median, short

_INCHES = 4.4
"""Least height of the figure, in inches; a long key makes it higher."""
_KEY_ROW = 0.2
_PHONE_PANEL = 2.6
"""Height of a panel on a phone, in inches."""
_WIDE = 20
"""Least ratio of the highest to the lowest cost for a logarithmic axis."""
_MARKERS = "osD^vP"
"""Shapes of points: selectors with the same colour have different ones."""
_APART = 0.05
"""Least distance of two ticks, as a fraction of the axis."""
_RIGHT = 0.75
"""Fraction of the axis from which the label of a point is at its left."""
_CAPTION = (
    "Small dots: runs. Large dots: mean over the runs of a selector, with the standard deviation as bars. A line "
    "connects selectors that differ only in one numeric setting; its values are next to the points."
)


@dataclass(frozen=True)
class _Series:
    """The points of one colour: a selector, or the selectors of a path.

    Attributes:
        name: name in the key.
        colour: colour of the selector, or of the first one of the path.
        marker: shape of the points.
        points: points in the order of the connecting line.
        values: label of each point; empty for a single selector.
    """

    name: str
    colour: str
    marker: str
    points: tuple[TradeOff, ...]
    values: tuple[str, ...] = ()


def pareto_figures(results: Results) -> list[Figure]:
    """Return a figure per truth and cost.

    Figures of the search time are made only if the study lists the table "pareto".
    """
    asked = "pareto" in results.info.tables
    planes = [
        plane for plane in find_planes(results) if asked or plane.cost != SEARCH_SECONDS
    ]
    colours = selector_colours(results)
    names = slugs(f"pareto-{plane.title}" for plane in planes)
    return [
        _pareto_figure(plane, name, colours)
        for plane, name in zip(planes, names, strict=True)
    ]


def search_figure(
    results: Results, landscape: Landscape, groups: Sequence[Group]
) -> Figure | None:
    """Return the figure of accuracy against search time; None without a known accuracy.

    Args:
        results: results of the study.
        landscape: landscape of the truth.
        groups: selectors of one search.
    """
    plane = plane_of_search(results, landscape, groups)
    if not plane.trade_offs:
        return None
    figure = _pareto_figure(plane, "first-screen", selector_colours(results), True)
    return replace(figure, narrow=_phone_figure(plane, selector_colours(results)))


def _pareto_figure(
    plane: Plane,
    name: str,
    colours: Mapping[str, str],
    with_landmarks: bool = False,
) -> Figure:
    drawn = _series(plane, colours)
    inches = max(_INCHES, _KEY_ROW * (len(drawn) + 1) + 0.9)

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        canvas.subplots_adjust(left=0.075, right=0.76, top=from_top(canvas, 0.2))
        canvas.subplots_adjust(bottom=0.55 / height(canvas))
        _draw_plane(ax, plane, drawn, with_landmarks)
        _add_names(ax, plane, drawn, loc="upper left", bbox_to_anchor=(1.02, 1.0))

    drawing = svg(name, _title(plane), inches, draw)
    return Figure(name, _title(plane), _caption(plane), drawing)


def _phone_figure(plane: Plane, colours: Mapping[str, str]) -> str:
    """Return the drawing for a phone, with the key below it."""
    drawn = _series(plane, colours)
    key = _KEY_ROW * (len(drawn) + 1)
    below = 0.6 + key

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        canvas.subplots_adjust(left=0.14, right=0.97, top=from_top(canvas, 0.2))
        canvas.subplots_adjust(bottom=below / height(canvas))
        _draw_plane(ax, plane, drawn, with_landmarks=True)
        under = -0.6 / _PHONE_PANEL
        _add_names(ax, plane, drawn, loc="upper left", bbox_to_anchor=(0, under))

    inches = 0.2 + _PHONE_PANEL + below
    return svg("first-screen-phone", _title(plane), inches, draw, PHONE)


def _title(plane: Plane) -> str:
    return f"Accuracy against cost: {plane.title}"


def _draw_plane(
    ax: Axes, plane: Plane, drawn: Sequence[_Series], with_landmarks: bool
) -> None:
    axis = _accuracy_axis(plane)
    _set_axes(ax, plane, axis)
    if with_landmarks:
        _draw_landmarks(ax, plane.landscape, axis)
    if plane.front is not None:
        _draw_front(ax, plane, axis)
    for one in drawn:
        _draw_series(ax, axis, one, plane.cost.unit)


def _caption(plane: Plane) -> str:
    """Return the caption, with the quality of predicted or fitted numbers."""
    sentences = [_CAPTION]
    if plane.front is not None:
        sentences.append(
            f"Grey: the true front of {plane.front.cells:,} cells of the space."
        )
    if plane.landscape.surrogate or plane.landscape.provenance == "predicted":
        sentences.append("The accuracies are predicted.")
    if plane.fit is not None:
        sentences.append(
            f"The cost is fitted, with a mean absolute error of {plane.fit.mape:.1f} % on held-out cells."
        )
    return " ".join(sentences)


def _series(plane: Plane, colours: Mapping[str, str]) -> list[_Series]:
    """Return the paths and the other selectors, in the order of the table."""
    drawn: list[_Series] = []
    names: set[str] = set()
    uses: Counter[str] = Counter()
    for trade_off in plane.trade_offs:
        path = plane.path_of(trade_off.group)
        colour = colours[trade_off.group.name]
        marker = _MARKERS[uses[colour] % len(_MARKERS)]
        if path is None:
            drawn.append(_Series(trade_off.name, colour, marker, (trade_off,)))
        elif path.name not in names:
            names.add(path.name)
            drawn.append(_series_of_path(plane, path, colour, marker))
        else:
            continue
        uses[colour] += 1
    return drawn


def _series_of_path(
    plane: Plane, path: SettingPath, colour: str, marker: str
) -> _Series:
    points = [plane.of_group(group) for group in path.groups]
    later = [f"{value:g}" for value in path.values[1:]]
    return _Series(
        name=path.name,
        colour=colour,
        marker=marker,
        points=tuple(point for point in points if point is not None),
        values=(f"{path.setting} {path.values[0]:g}", *later),
    )


# --- axes


def _accuracy_axis(plane: Plane) -> AccuracyAxis:
    """Return the axis for all accuracies of a plane."""
    accuracies = _every_accuracy(plane)
    optimum = plane.landscape.optimum
    top = max(*accuracies, optimum or 0.0)
    spread = float(np.median(top - accuracies))
    return AccuracyAxis(top, plane.landscape.noise_std or spread / 5 or 1.0)


def _every_accuracy(plane: Plane) -> Floats:
    return np.concatenate([one.accuracies for one in plane.trade_offs])


def _every_cost(plane: Plane) -> Floats:
    return np.concatenate([one.costs for one in plane.trade_offs])


def _set_axes(ax: Axes, plane: Plane, axis: AccuracyAxis) -> None:
    """Set the ranges, ticks and titles of both axes."""
    _set_costs(ax, plane)
    lowest = float(_every_accuracy(plane).min())
    low = float(axis.place(lowest))
    high = float(axis.place(axis.top))
    pad = 0.04 * (high - low) or 1.0
    ticks = axis.ticks(lowest, _APART * (high - low))
    if not ticks:
        ticks = [round(lowest, 2)]
    ax.set_yticks(axis.place(ticks), [f"{tick:g}" for tick in ticks])
    ax.set_ylim(low - pad, high + pad)
    ax.grid()
    predicted = "predicted " if plane.landscape.surrogate else ""
    ax.set_ylabel(f"{predicted}accuracy in per cent")
    ax.spines["left"].set_visible(True)


def _set_costs(ax: Axes, plane: Plane) -> None:
    """Set the axis of costs; it is logarithmic if costs differ widely."""
    costs = _every_cost(plane)
    low = float(costs.min())
    high = float(costs.max())
    fitted = ", fitted" if plane.fit is not None else ""
    if low > 0 and high / low > _WIDE:
        ax.set_xscale("log")
        ratio = (high / low) ** 0.05
        ax.set_xlim(low / ratio, high * ratio)
        ax.xaxis.set_minor_locator(NullLocator())
        fitted = f"{fitted}, logarithmic"
    else:
        pad = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
        ax.set_xlim(low - pad, high + pad)
        ax.xaxis.set_major_locator(MaxNLocator(8))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    ax.set_xlabel(f"{plane.cost.in_unit}{fitted}")


def _draw_landmarks(ax: Axes, landscape: Landscape, axis: AccuracyAxis) -> None:
    """Draw the best and the median accuracy of the space as dashed lines."""
    if not landscape.quantiles:
        return
    best = "best of the space" if landscape.space_size is None else "best known"
    optimum = landscape.quantiles[-1]
    if landscape.optimum_corrected is not None:
        optimum = landscape.optimum_corrected
        best = f"{best}, corrected for noise:"
    marked = [(optimum, best), (median(landscape), "median")]
    low, _ = ax.get_ylim()
    for accuracy, name in marked:
        place = float(axis.place(accuracy))
        if place < low:
            continue
        ax.axhline(place, color=MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        ax.annotate(
            f"{name} {accuracy:.2f}",
            (1, place),
            (-4, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=MUTED,
        )


# --- points


def _draw_front(ax: Axes, plane: Plane, axis: AccuracyAxis) -> None:
    """Draw the true front as steps; it dominates the area below and to the right."""
    assert plane.front is not None
    costs = np.array([point.cost for point in plane.front.points])
    accuracies = np.array([point.accuracy for point in plane.front.points])
    ends = np.append(costs, plane.front.reference_cost)
    heights = axis.place(np.append(accuracies, accuracies[-1]))
    ax.step(ends, heights, where="post", color=SPACE, linewidth=2, zorder=1)
    ax.scatter(costs, heights[:-1], s=14, color=SPACE, linewidths=0, zorder=1)


def _draw_series(ax: Axes, axis: AccuracyAxis, drawn: _Series, unit: str) -> None:
    """Draw a selector, or the points of a path with a connecting line."""
    colour = drawn.colour
    costs = np.array([point.cost for point in drawn.points])
    accuracies = np.array([point.accuracy for point in drawn.points])
    places = axis.place(accuracies)
    if len(drawn.points) > 1:
        ax.plot(costs, places, color=colour, linewidth=1.2, alpha=0.7, zorder=2)
    for point in drawn.points:
        _draw_runs(ax, axis, point, colour, unit)
    means = ax.scatter(
        costs, places, s=54, color=colour, marker=drawn.marker, linewidths=0, zorder=4
    )
    add_hints(means, [Hint(_describe(point, unit)) for point in drawn.points])
    for cost, at, value in zip(costs, places, drawn.values, strict=False):
        is_right = _share_of_axis(ax, cost) > _RIGHT
        ax.annotate(
            value,
            (cost, at),
            (-6 if is_right else 6, 5),
            textcoords="offset points",
            ha="right" if is_right else "left",
            fontsize=8,
            color=INK,
            zorder=5,
        )


def _share_of_axis(ax: Axes, cost: float) -> float:
    """Return the horizontal position of a cost, from 0 to 1."""
    at, _ = ax.transAxes.inverted().transform(ax.transData.transform((cost, 0.0)))
    return float(at)


def _draw_runs(
    ax: Axes, axis: AccuracyAxis, point: TradeOff, colour: str, unit: str
) -> None:
    """Draw the runs of a selector as dots, and their standard deviation as bars."""
    accuracies = np.array(point.accuracies)
    costs = np.array(point.costs)
    dots = ax.scatter(
        costs,
        axis.place(accuracies),
        s=12,
        color=colour,
        alpha=0.45,
        linewidths=0,
        zorder=3,
    )
    add_hints(dots, _run_hints(point, unit))
    if len(costs) < 2:
        return
    accuracy_spread = accuracies.std(ddof=1)
    cost_spread = costs.std(ddof=1)
    ends = axis.place(
        [point.accuracy - accuracy_spread, point.accuracy + accuracy_spread]
    )
    at = float(axis.place(point.accuracy))
    ax.vlines(point.cost, *ends, color=colour, linewidth=1.2, alpha=0.8, zorder=3)
    ax.hlines(
        at,
        point.cost - cost_spread,
        point.cost + cost_spread,
        color=colour,
        linewidth=1.2,
        alpha=0.8,
        zorder=3,
    )


def _describe(point: TradeOff, unit: str) -> str:
    """Return accuracy and cost of a selector's mean, in words."""
    return f"{point.name}, mean: {point.accuracy:.2f} % at {short(point.cost)} {unit}"


def _run_hints(point: TradeOff, unit: str) -> list[Hint]:
    """Return the hint of each run."""
    runs = zip(point.runs, point.seeds, point.accuracies, point.costs, strict=True)
    hints = []
    for run, seed, accuracy, cost in runs:
        words = f"{point.name}, seed {seed}: {accuracy:.2f} % at {short(cost)} {unit}"
        hints.append(Hint(words, run))
    return hints


def _add_names(ax: Axes, plane: Plane, drawn: Sequence[_Series], **place: Any) -> None:
    """Add the key of colours at a place."""
    names = [one.name for one in drawn]
    colours = [one.colour for one in drawn]
    markers = [one.marker for one in drawn]
    if plane.front is not None:
        names.append("true front")
        colours.append(SPACE)
        markers.append("o")
    add_key(ax, names, colours, markers, **place)
