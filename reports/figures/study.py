"""Figures of a study: accuracies, rank correlations, differences and time.

The same records always give the same bytes. :mod:`.wiring.figures` has the figures of
the wiring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from archselect.benchmarks.store.records import Landscape
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.drawing.colours import selector_colours
from archselect.reports.drawing.palette import INK, MUTED, SPACE, phase
from archselect.reports.figures.accuracy_axis import AccuracyAxis
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    margin,
    row_names,
    svg,
)
from archselect.reports.figures.hints import Hint, add_hints
from archselect.reports.results.metrics import ACCURACY, LEVELS, correlations
from archselect.reports.results.results import Group, Results, seed_name
from archselect.reports.results.score_correlations import Correlation
from archselect.reports.tables.table import Table
from archselect.reports.tables.time import PHASES
from archselect.reports.tables.words import extent, median, quality, short

ROW = 0.36
"""Height of a row, in inches."""
LEGEND_COLUMNS = 5
BINS = 60
"""Number of bars in the distribution of a space."""
DASHED = (0, (4, 3))
MOST_DOTS = 500
"""Most dots of a row that are vector graphics.

More dots become a bitmap within the drawing, to keep the page small.
"""


def accuracy_figure(results: Results, landscape: Landscape, name: str) -> Figure:
    """Return the figure of the seeds' accuracies below the distribution of the space.

    The axis is an :class:`.AccuracyAxis`.
    """
    groups = [group for group in results.groups if group.known(landscape)]
    values = {group.name: np.array(group.known(landscape).means) for group in groups}
    colours = selector_colours(results)
    assert landscape.optimum is not None
    optimum = landscape.optimum
    # If the truth covers only a part of the space, a selected cell can be better.
    top = max(optimum, *map(np.max, values.values()))
    unit = landscape.noise_std or (optimum - median(landscape)) / 20 or 1.0
    axis = AccuracyAxis(top, unit)
    hints = {group.name: _accuracy_hints(group, landscape) for group in groups}
    whole_space = landscape.space_size is None
    best = "optimum" if whole_space else "best"

    def draw(canvas: Canvas) -> None:
        lowest = min(landscape.quantiles[0], *map(np.min, values.values()))
        left = axis.place(lowest)
        right = axis.place(top)
        pad = 0.02 * (right - left) or 1.0
        heights = [1.0, ROW * len(groups)]
        space, seeds = canvas.subplots(2, 1, sharex=True, height_ratios=heights)
        canvas.subplots_adjust(left=margin(values), right=0.86, hspace=0)
        canvas.subplots_adjust(top=from_top(canvas, 0.3), bottom=0.55 / height(canvas))
        _draw_distribution(space, landscape, axis, np.linspace(left, right, BINS + 1))
        middle = median(landscape)
        _mark_accuracy(
            space, seeds, axis.place(middle), f"median {middle:.2f}", "right"
        )
        _mark_accuracy(
            space, seeds, axis.place(optimum), f"{best} {optimum:.2f}", "left"
        )
        _draw_accuracies(seeds, axis, values, colours, hints)
        apart = 0.055 * float(right - left)
        ticks = axis.ticks(landscape.quantiles[0], apart)
        seeds.set_xticks(axis.place(ticks), [f"{tick:g}" for tick in ticks])
        seeds.set_xlim(left - pad, right + pad)
        seeds.grid(axis="x")
        seeds.set_ylim(len(groups) - 0.4, -0.6)
        seeds.set_yticks(range(len(groups)), row_names(values))
        predicted = "predicted " if landscape.surrogate else ""
        seeds.set_xlabel(
            f"{predicted}accuracy in per cent, {results.title(landscape)} "
            f"(logarithmic in the distance to the {best})"
        )

    within = "in the whole space"
    if not whole_space:
        within = "and of the part that the truth covers"
    title = f"Accuracy of the selected cells {within}: {results.title(landscape)}"
    drawing = svg(name, title, ROW * len(groups) + 1.9, draw)
    return Figure(name, title, _accuracy_caption(landscape), drawing)


def _accuracy_hints(group: Group, landscape: Landscape) -> list[Hint]:
    """Return the hint of each run of a selector."""
    known = group.known(landscape)
    hints = []
    for record, mean in zip(known.records, known.means, strict=True):
        name = f"{group.name} {seed_name(record.inputs)}"
        hints.append(Hint(f"{name}: {mean:.2f} %", record.id))
    return hints


def _accuracy_caption(landscape: Landscape) -> str:
    cells = extent(landscape)
    if landscape.space_size is None:
        cells = "the whole space"
    caption = (
        "Dot: one seed (mean over the trials of its cell). Bar: mean over seeds. Top: distribution of "
        f"{cells}."
    )
    if landscape.provenance == "measured" and not landscape.surrogate:
        return caption
    return f"{caption} {quality(landscape)}."


def _draw_distribution(
    ax: Axes, landscape: Landscape, axis: AccuracyAxis, bins: Floats
) -> None:
    """Draw the share of a space's architectures in each bin."""
    places = axis.place(landscape.quantiles)
    shares = np.linspace(0, 1, len(landscape.quantiles))
    share_below = np.interp(bins, places, shares)
    ax.bar(
        bins[:-1],
        np.diff(share_below),
        np.diff(bins),
        align="edge",
        color=SPACE,
        edgecolor="none",
    )
    ax.yaxis.set_visible(False)
    ax.tick_params(bottom=False)


def _mark_accuracy(
    space: Axes, seeds: Axes, place: Floats, text: str, side: Literal["left", "right"]
) -> None:
    """Draw a dashed line through both panels, with a text on one side."""
    for ax in (space, seeds):
        ax.axvline(float(place), color=MUTED, linewidth=1, linestyle=DASHED)
    space.annotate(
        text,
        (place, 1),
        (-4 if side == "right" else 4, 4),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha=side,
        color=MUTED,
    )


def _draw_accuracies(
    ax: Axes,
    axis: AccuracyAxis,
    values: Mapping[str, Floats],
    colours: Mapping[str, str],
    hints: Mapping[str, Sequence[Hint]],
) -> None:
    """Draw a row of dots per group, with its mean at the right."""
    for row, (name, accuracies) in enumerate(values.items()):
        mean = accuracies.mean()
        places = axis.place(accuracies)
        dots = _draw_seeds(ax, row, places, axis.place(mean), colours[name])
        add_hints(dots, hints[name])
        ax.annotate(
            f"mean {mean:.2f}",
            (1, row),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
        )


def tau_figure(results: Results) -> Figure:
    """Return the figure of tau-b per landscape and level: means, intervals, seeds."""
    landscapes = _correlated_landscapes(results)
    groups = [group for group in results.groups if group.records]
    names = [group.name for group in groups]
    colours = selector_colours(results)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(
            len(landscapes), len(LEVELS), squeeze=False, sharex=True, sharey=True
        )
        canvas.subplots_adjust(left=margin(names), right=0.985, wspace=0.1)
        canvas.subplots_adjust(
            top=from_top(canvas, 0.5),
            bottom=0.5 / height(canvas),
            hspace=0.62 / len(groups) ** 0.5,
        )
        for row, landscape in enumerate(landscapes):
            every = [_correlations(landscape, group) for group in groups]
            for ax, level in zip(axes[row], LEVELS, strict=True):
                of_level = [by_level.get(level) for by_level in every]
                _draw_taus(ax, names, of_level, colours)
                if row == len(landscapes) - 1:
                    ax.set_xlabel("Kendall's τ-b")
            axes[row, 0].annotate(
                results.title(landscape),
                (0, 1),
                (0, 20),
                xycoords="axes fraction",
                textcoords="offset points",
                fontweight="bold",
            )
            for ax, level in zip(axes[row], LEVELS, strict=True):
                ax.set_title(level, fontweight="normal", color=MUTED)

    inches = len(landscapes) * (ROW * len(groups) + 0.75) + 0.4
    caption = "Bar: mean over seeds. Line: its 95 % interval. Dots: seeds. 1 is perfect, 0 is chance."
    title = "Rank correlation of scores with the truth"
    return Figure("tau", title, caption, svg("tau", title, inches, draw))


def _correlated_landscapes(results: Results) -> list[Landscape]:
    """Return the landscapes with architectures that have judged a run."""
    landscapes = []
    for landscape in results.landscapes:
        has_runs = any(group.judged(landscape) for group in results.groups)
        if landscape.architectures and has_runs:
            landscapes.append(landscape)
    return landscapes


def _draw_taus(
    ax: Axes,
    names: Sequence[str],
    of_groups: Sequence[Correlation | None],
    colours: Mapping[str, str],
) -> None:
    """Draw a panel: the correlations of all groups at one level."""
    for row, correlation in enumerate(of_groups):
        _draw_tau(ax, row, correlation, colours[names[row]])
    ax.axvline(0, color=MUTED, linewidth=0.8)
    ax.set_xlim(-1.05, 1.05)
    ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.set_yticks(range(len(names)), row_names(names))
    ax.grid(axis="x")


def differences_figure(table: Table) -> Figure | None:
    """Return the figure of differences in accuracy with their intervals, by place.

    Return None if there is no interval.
    """
    frame = table.frame
    frame = frame[(frame.metric == ACCURACY.name) & frame.low.notna()]
    if frame.empty:
        return None
    places = [
        (place, list(rows.itertuples()))
        for place, rows in frame.groupby("place", sort=False)
    ]
    names = [_difference_name(row) for row in frame.itertuples()]

    def draw(canvas: Canvas) -> None:
        heights = [len(rows) for _, rows in places]
        axes = canvas.subplots(len(places), 1, squeeze=False, height_ratios=heights)
        canvas.subplots_adjust(left=margin(names), right=0.9, top=from_top(canvas, 0.3))
        canvas.subplots_adjust(
            bottom=0.5 / height(canvas), hspace=0.8 * len(places) / (ROW * len(frame))
        )
        for ax, (place, rows) in zip(axes[:, 0], places, strict=True):
            for at, row in enumerate(rows):
                _draw_difference(ax, at, row)
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.set_yticks(
                range(len(rows)), row_names(_difference_name(row) for row in rows)
            )
            ax.set_ylim(len(rows) - 0.5, -0.5)
            ax.grid(axis="x")
            ax.set_title(place)
        axes[-1, 0].set_xlabel("difference in accuracy, points")

    caption = (
        "Dot: mean difference, paired by supernet seed. Line: its 95 % interval by Student's t, Holm-adjusted. A "
        "difference is significant if and only if its interval excludes zero; it is then bold and dark."
    )
    title = "Differences in accuracy"
    inches = sum(ROW * len(rows) + 0.95 for _, rows in places)
    drawing = svg("differences", title, inches, draw)
    return Figure("differences", title, caption, drawing)


def _difference_name(row: Any) -> str:
    return f"{row.selector} − {row.minus}"


def _draw_difference(ax: Axes, at: int, row: Any) -> None:
    """Draw a row of the table of differences: interval, mean and number."""
    significant = row.verdict in ("better", "worse")
    colour = INK if significant else MUTED
    line_width = 2.5 if significant else 1.6
    ax.hlines(at, row.low, row.high, color=colour, linewidth=line_width)
    ax.scatter([row.difference], [at], s=34, color=colour, linewidths=0, zorder=3)
    ax.annotate(
        f"{row.difference:+.2f}",
        (1, at),
        (6, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontweight="bold" if significant else "normal",
    )


def time_figure(results: Results) -> Figure:
    """Return the figure of search time: totals of runs, and mean shares of phases."""
    groups = [group for group in results.groups if group.records]
    names = [group.name for group in groups]
    phases = _phases(groups)
    colours = selector_colours(results)
    key_rows = -(-len(phases) // LEGEND_COLUMNS)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
        canvas.subplots_adjust(left=margin(names), right=0.985, wspace=0.08)
        top = from_top(canvas, 0.14 + 0.2 * key_rows)
        canvas.subplots_adjust(top=top, bottom=0.5 / height(canvas))
        total, share = axes
        for row, group in enumerate(groups):
            _draw_total(total, row, group, colours[group.name])
            _draw_shares(share, row, group, phases)
        _set_seconds_axis(total, groups)
        total.set_ylim(len(groups) - 0.5, -0.5)
        total.set_yticks(range(len(groups)), row_names(names))
        total.grid(axis="x")
        share.set_xlim(0, 100)
        share.set_xlabel("share of the mean run in per cent")
        add_key(
            share,
            phases,
            [phase(place) for place in range(len(phases))],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=-(-len(phases) // key_rows),
        )

    caption = (
        "Left: total time; a dot is one run, the bar is the mean over seeds. Right: share of each phase in the mean "
        "run. "
        "The training of the supernet counts in full for each selector that needs it, although all selectors of a "
        "seed share it."
    )
    title = "Search time"
    inches = ROW * len(groups) + 0.8 + 0.2 * key_rows
    return Figure("time", title, caption, svg("time", title, inches, draw))


def _phases(groups: Sequence[Group]) -> list[str]:
    """Return the phases of the runs: built-in ones first, then those of users' code."""
    entered: set[str] = set()
    for group in groups:
        entered |= group.phases.keys()
    known = [phase for phase in PHASES if phase in entered]
    return [*known, *sorted(entered - set(PHASES))]


def _draw_total(ax: Axes, row: int, group: Group, colour: str) -> None:
    """Draw the total of each run of a group, with their mean as text."""
    seconds = np.array(group.seconds)
    mean = seconds.mean()
    dots = _draw_seeds(ax, row, seconds, mean, colour)
    hints = []
    for record, of_run in zip(group.records, group.seconds, strict=True):
        name = f"{group.name} {seed_name(record.inputs)}"
        hints.append(Hint(f"{name}: {short(of_run)} s", record.id))
    add_hints(dots, hints)
    ax.annotate(
        f"{short(float(mean))} s",
        (seconds.max(), row),
        (9, 0),
        textcoords="offset points",
        va="center",
    )


def _draw_shares(ax: Axes, row: int, group: Group, phases: Sequence[str]) -> None:
    """Draw the share of each phase in the mean run of a group."""
    means = [np.mean(group.phases.get(phase, 0.0)) for phase in phases]
    total = max(float(sum(means)), 1e-12)
    left = 0.0
    for place, mean in enumerate(means):
        width = 100 * float(mean) / total
        ax.barh(
            row,
            width,
            left=left,
            height=0.62,
            color=phase(place),
            edgecolor=MUTED,
            linewidth=0.5,
        )
        left += width


def _set_seconds_axis(ax: Axes, groups: Sequence[Group]) -> None:
    """Make the axis of totals logarithmic, with space for the texts at the right."""
    every: list[float] = []
    for group in groups:
        every += group.seconds
    shortest = min(every)
    longest = max(every)
    ax.set_xscale("log")
    ax.set_xlim(shortest / 1.8, longest * (longest / shortest) ** 0.3 * 1.8)
    ax.xaxis.set_major_locator(LogLocator(numticks=8))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_title("total of a run")
    ax.set_xlabel("seconds, logarithmic")


def _correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    return correlations(landscape, group) if group.judged(landscape) else {}


def _draw_seeds(
    ax: Axes, row: int, values: Floats, mean: npt.ArrayLike, colour: str
) -> PathCollection:
    """Draw a row of dots and a bar at the mean; return the dots.

    Dots are shifted vertically, so that equal values stay visible.
    """
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    ax.vlines(mean, row - 0.3, row + 0.3, color=colour, linewidth=2.5)
    return ax.scatter(
        values,
        row + spread,
        s=26,
        color=colour,
        alpha=0.75,
        linewidths=0,
        zorder=3,
        **_as_picture(values),
    )


def _draw_tau(ax: Axes, row: int, correlation: Correlation | None, colour: str) -> None:
    """Draw a row: mean tau-b, interval and seeds, or why there is none."""
    mean = None if correlation is None else correlation.tau.mean
    if correlation is None or mean is None:
        ax.annotate(
            "no scores" if correlation is None else "undefined",
            (0, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            color=MUTED,
            fontstyle="italic",
        )
        return
    tau = correlation.tau
    seeds = np.array([value for value in correlation.per_seed if value is not None])
    ax.barh(row, mean, height=0.56, color=colour, alpha=0.45, edgecolor="none")
    if len(seeds) > MOST_DOTS:
        seeds = np.unique(seeds.round(3))  # overlapping dots are not visible
    ax.scatter(
        seeds,
        np.full(len(seeds), row + 0.13),
        s=12,
        color=colour,
        linewidths=0,
        zorder=3,
        **_as_picture(seeds),
    )
    if tau.low is not None and tau.high is not None:
        ax.hlines(row - 0.1, tau.low, tau.high, color=INK, linewidth=1.4, zorder=4)


def _as_picture(values: Floats) -> dict[str, Any]:
    """Return the setting that draws many dots as a bitmap."""
    return {"rasterized": True} if len(values) > MOST_DOTS else {}
