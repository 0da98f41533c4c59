"""The figures, as SVG text: accuracy in the space, rank correlations, time.

Same records, same bytes.

Those of the wiring are in :mod:`.wiring.figures`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from archselect.benchmarks.store.records import Landscape
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    margin,
    row_names,
    slugs,
    svg,
)
from archselect.reports.figures.palette import INK, MUTED, SPACE, series
from archselect.reports.results.metrics import ACCURACY, LEVELS, correlations
from archselect.reports.results.results import Group, Results
from archselect.reports.results.score_correlations import Correlation
from archselect.reports.tables.table import Table
from archselect.reports.tables.time import PHASES
from archselect.reports.tables.words import extent, median, quality, short

ROW = 0.36
LEGEND_COLUMNS = 5
MOST_DOTS = 500
"""Dots of a row that are drawn one by one; more are a picture within the drawing, or
the page would hold them all.
"""


def figures(results: Results, tables: Sequence[Table]) -> list[Figure]:
    """All figures that the records, and the study's tables, have numbers for."""
    names = slugs(
        f"accuracy-{results.title(landscape)}" for landscape in results.landscapes
    )
    found = [
        accuracy_figure(results, landscape, name)
        for landscape, name in zip(results.landscapes, names, strict=True)
        if landscape.architectures
        and any(group.known(landscape) for group in results.groups)
    ]
    if any(
        c
        for s in results.landscapes
        for g in results.groups
        for c in _correlations(s, g).values()
    ):
        found.append(tau_figure(results))
    drawn = [
        differences_figure(table) for table in tables if table.name == "differences"
    ]
    found += [figure for figure in drawn if figure]
    return [*found, time_figure(results)]


def accuracy_figure(results: Results, landscape: Landscape, name: str) -> Figure:
    """Each seed's accuracy as a dot under the distribution of the whole space.

    The axis is logarithmic in the distance to the optimum, so that a long low tail
    leaves room for the few tenths that tell good cells apart; distances below the noise
    between trials are not stretched any further.
    """
    groups = [group for group in results.groups if group.known(landscape)]
    values = {g.name: np.array(g.known(landscape).means) for g in groups}
    assert landscape.optimum is not None
    optimum = landscape.optimum
    unit = landscape.noise_std or (optimum - median(landscape)) / 20 or 1.0
    # A part of a space may hold nothing as good as what was selected.
    top = max(optimum, *map(np.max, values.values()))

    def place_of(accuracy: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return -np.log10(
            np.maximum(top - np.asarray(accuracy, dtype=np.float64), 0) + unit
        )

    best = "optimum" if landscape.space_size is None else "best"

    def draw(canvas: Canvas) -> None:
        left, right = (
            place_of(min(landscape.quantiles[0], *map(np.min, values.values()))),
            place_of(top),
        )
        pad = 0.02 * (right - left) or 1.0
        space, seeds = canvas.subplots(
            2, 1, sharex=True, height_ratios=[1.0, ROW * len(groups)]
        )
        canvas.subplots_adjust(left=margin(values), right=0.86, hspace=0)
        canvas.subplots_adjust(top=from_top(canvas, 0.3), bottom=0.55 / height(canvas))
        share = np.interp(
            bins := np.linspace(left, right, 61),
            place_of(landscape.quantiles),
            np.linspace(0, 1, len(landscape.quantiles)),
        )
        space.bar(
            bins[:-1],
            np.diff(share),
            np.diff(bins),
            align="edge",
            color=SPACE,
            edgecolor="none",
        )
        space.yaxis.set_visible(False)
        space.tick_params(bottom=False)
        for x, text, side in (
            (median(landscape), "median", "right"),
            (optimum, best, "left"),
        ):
            for ax in (space, seeds):
                ax.axvline(place_of(x), color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
            space.annotate(
                f"{text} {x:.2f}",
                (place_of(x), 1),
                (-4 if side == "right" else 4, 4),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha=side,
                color=MUTED,
            )
        for place, group in enumerate(groups):
            own = values[group.name]
            _seeds(seeds, place, place_of(own), place_of(own.mean()), series(place))
            seeds.annotate(
                f"mean {own.mean():.2f}",
                (1, place),
                (6, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="center",
            )
        ticks = _accuracy_ticks(
            place_of, landscape.quantiles[0], top, apart=0.055 * float(right - left)
        )
        seeds.set_xticks(place_of(ticks), [f"{tick:g}" for tick in ticks])
        seeds.set_xlim(left - pad, right + pad)
        seeds.grid(axis="x")
        seeds.set_ylim(len(groups) - 0.4, -0.6)
        seeds.set_yticks(range(len(groups)), row_names(values))
        seeds.set_xlabel(
            f"{'predicted ' * landscape.surrogate}accuracy in per cent, {results.title(landscape)} "
            f"(logarithmic in the distance to the {best})"
        )

    caption = (
        "Each dot is one seed (trial mean of its cell), the bar the mean of the seeds; above, the "
        f"distribution of {'the whole space' if landscape.space_size is None else extent(landscape)}."
        + (
            ""
            if landscape.provenance == "measured" and not landscape.surrogate
            else f" {quality(landscape)}."
        )
    )
    within = (
        "in the whole space"
        if landscape.space_size is None
        else "beside those that the truth holds"
    )
    title = f"Accuracy of the selected cells {within}: {results.title(landscape)}"
    return Figure(name, title, caption, svg(name, title, ROW * len(groups) + 1.9, draw))


def tau_figure(results: Results) -> Figure:
    """Mean tau-b with its interval and every seed's, per landscape and level."""
    shown = [
        s
        for s in results.landscapes
        if s.architectures and any(g.judged(s) for g in results.groups)
    ]
    groups = [group for group in results.groups if group.records]
    found = {(s.id, g.name): _correlations(s, g) for s in shown for g in groups}

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(
            len(shown), len(LEVELS), squeeze=False, sharex=True, sharey=True
        )
        canvas.subplots_adjust(
            left=margin([g.name for g in groups]), right=0.985, wspace=0.1
        )
        canvas.subplots_adjust(
            top=from_top(canvas, 0.5),
            bottom=0.5 / height(canvas),
            hspace=0.62 / len(groups) ** 0.5,
        )
        for row, landscape in enumerate(shown):
            for column, level in enumerate(LEVELS):
                ax = axes[row, column]
                for place, group in enumerate(groups):
                    _tau_row(
                        ax,
                        place,
                        found[landscape.id, group.name].get(level),
                        series(place),
                    )
                ax.axvline(0, color=MUTED, linewidth=0.8)
                ax.set_xlim(-1.05, 1.05)
                ax.set_xticks([-1, -0.5, 0, 0.5, 1], ["−1", "−0.5", "0", "0.5", "1"])
                ax.set_ylim(len(groups) - 0.4, -0.6)
                ax.set_yticks(
                    range(len(groups)), row_names(group.name for group in groups)
                )
                ax.grid(axis="x")
                if row == len(shown) - 1:
                    ax.set_xlabel("Kendall's τ-b")
            axes[row, 0].annotate(
                results.title(landscape),
                (0, 1),
                (0, 20),
                xycoords="axes fraction",
                textcoords="offset points",
                fontweight="bold",
            )
            for column, level in enumerate(LEVELS):
                axes[row, column].set_title(level, fontweight="normal", color=MUTED)

    inches = len(shown) * (ROW * len(groups) + 0.75) + 0.4
    caption = "Bar: mean of the seeds; line: its 95 % interval; dots: seeds. 1 is perfect, 0 chance."
    title = "Rank correlation of scores with the truth"
    return Figure("tau", title, caption, svg("tau", title, inches, draw))


def differences_figure(table: Table) -> Figure | None:
    """The differences in accuracy with their intervals, place by place; None where there is no interval."""
    frame = table.frame
    frame = frame[(frame.metric == ACCURACY.name) & frame.low.notna()]
    if frame.empty:
        return None
    places = [(place, own) for place, own in frame.groupby("place", sort=False)]
    names = [f"{row.selector} − {row.minus}" for row in frame.itertuples()]
    inches = sum(ROW * len(own) + 0.95 for _, own in places)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(
            len(places), 1, squeeze=False, height_ratios=[len(own) for _, own in places]
        )[:, 0]
        canvas.subplots_adjust(left=margin(names), right=0.9, top=from_top(canvas, 0.3))
        canvas.subplots_adjust(
            bottom=0.5 / height(canvas), hspace=0.8 * len(places) / (ROW * len(frame))
        )
        for ax, (place, own) in zip(axes, places, strict=True):
            for at, row in enumerate(own.itertuples()):
                shown = row.verdict in ("better", "worse")
                colour = series(0) if shown else MUTED
                ax.hlines(
                    at, row.low, row.high, color=colour, linewidth=2.5 if shown else 1.6
                )
                ax.scatter(
                    [row.difference], [at], s=34, color=colour, linewidths=0, zorder=3
                )
                ax.annotate(
                    f"{row.difference:+.2f}",
                    (1, at),
                    (6, 0),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    va="center",
                    fontweight="bold" if shown else "normal",
                )
            ax.axvline(0, color=INK, linewidth=0.8)
            ax.set_yticks(
                range(len(own)),
                row_names(f"{row.selector} − {row.minus}" for row in own.itertuples()),
            )
            ax.set_ylim(len(own) - 0.5, -0.5)
            ax.grid(axis="x")
            ax.set_title(place)
        axes[-1].set_xlabel("difference in accuracy, points")

    caption = (
        "Dot: mean difference, paired by supernet seed. Line: its 95 % interval by Student's t, as wide as Holm's "
        "adjustment asks, so that it excludes zero exactly where a difference is significant: bold and coloured."
    )
    title = "Differences in accuracy"
    return Figure(
        "differences", title, caption, svg("differences", title, inches, draw)
    )


def time_figure(results: Results) -> Figure:
    """Left each run's total on a logarithmic axis, right the mean share of each phase."""
    groups = [group for group in results.groups if group.records]
    entered = {phase for group in groups for phase in group.phases}
    phases = [
        *(phase for phase in PHASES if phase in entered),
        *sorted(entered - set(PHASES)),
    ]
    spent = {
        g.name: [np.mean(g.phases.get(phase, 0.0)) for phase in phases] for g in groups
    }

    legend_rows = -(-len(phases) // LEGEND_COLUMNS)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(1, 2, sharey=True, width_ratios=[1.15, 1])
        canvas.subplots_adjust(left=margin(spent), right=0.985, wspace=0.08)
        canvas.subplots_adjust(
            top=from_top(canvas, 0.14 + 0.2 * legend_rows), bottom=0.5 / height(canvas)
        )
        total, share = axes
        for place, group in enumerate(groups):
            runs = np.array(group.seconds)
            _seeds(total, place, runs, runs.mean(), series(place))
            total.annotate(
                f"{short(float(runs.mean()))} s",
                (runs.max(), place),
                (9, 0),
                textcoords="offset points",
                va="center",
            )
            left = 0.0
            for index, part in enumerate(spent[group.name]):
                width = 100 * float(part) / max(float(sum(spent[group.name])), 1e-12)
                share.barh(
                    place,
                    width,
                    left=left,
                    height=0.62,
                    color=series(index + 3),
                    edgecolor="none",
                )
                left += width
        every = [seconds for group in groups for seconds in group.seconds]
        total.set_xscale("log")
        total.set_xlim(
            min(every) / 1.8, max(every) * (max(every) / min(every)) ** 0.3 * 1.8
        )
        total.xaxis.set_major_locator(LogLocator(numticks=8))
        total.xaxis.set_minor_locator(NullLocator())
        total.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        total.set_title("total of a run")
        total.set_xlabel("seconds, logarithmic")
        total.set_ylim(len(groups) - 0.5, -0.5)
        total.set_yticks(range(len(groups)), row_names(spent))
        total.grid(axis="x")
        share.set_xlim(0, 100)
        share.set_xlabel("share of the mean run in per cent")
        add_key(
            share,
            phases,
            [series(place + 3) for place in range(len(phases))],
            loc="lower left",
            bbox_to_anchor=(-0.02, 1.0),
            ncols=-(-len(phases) // legend_rows),
        )

    caption = (
        "Left: each dot is one run, the bar the mean of the seeds. Right: where the mean run's time goes. "
        "Training the supernet is counted in full for each selector that needs it, though all selectors of a "
        "seed share it."
    )
    title = "Search time"
    return Figure(
        "time",
        title,
        caption,
        svg("time", title, ROW * len(groups) + 0.8 + 0.2 * legend_rows, draw),
    )


def _correlations(landscape: Landscape, group: Group) -> dict[str, Correlation | None]:
    return correlations(landscape, group) if group.judged(landscape) else {}


def _accuracy_ticks(
    place_of: Callable[[npt.ArrayLike], npt.NDArray[np.float64]],
    low: float,
    high: float,
    apart: float,
) -> list[float]:
    """Accuracies from low to high, round for their distance to high and `apart` on the axis at least."""
    ticks: list[float] = []
    for step in (50, 20, 10, 5, 2, 1, 0.5, 0.2):
        for count in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1):
            tick = round(count * step, 1)
            if high - tick > 5 * step:  # 61.5 among tens
                continue
            if all(abs(place_of(tick) - place_of(other)) >= apart for other in ticks):
                ticks.append(tick)
    return sorted(ticks)


def _seeds(
    ax: Axes,
    row: int,
    values: npt.NDArray[np.float64],
    mean: npt.ArrayLike,
    colour: str,
) -> None:
    """One row of dots, spread a little so that equal ones are seen, and a bar at the mean."""
    spread = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(1)
    ax.vlines(mean, row - 0.3, row + 0.3, color=colour, linewidth=2.5)
    ax.scatter(
        values,
        row + spread,
        s=26,
        color=colour,
        alpha=0.75,
        linewidths=0,
        zorder=3,
        **_dots(values),
    )


def _tau_row(ax: Axes, row: int, found: Correlation | None, colour: str) -> None:
    if found is None or found.tau.mean is None:
        text = "no scores" if found is None else "undefined"
        ax.annotate(
            text,
            (0, row),
            (5, 0),
            textcoords="offset points",
            va="center",
            color=MUTED,
            fontstyle="italic",
        )
        return
    seeds = np.array([value for value in found.per_seed if value is not None])
    ax.barh(
        row, found.tau.mean, height=0.56, color=colour, alpha=0.45, edgecolor="none"
    )
    if len(seeds) > MOST_DOTS:
        seeds = np.unique(seeds.round(3))  # a dot over another is not seen
    ax.scatter(
        seeds,
        np.full(len(seeds), row + 0.13),
        s=12,
        color=colour,
        linewidths=0,
        zorder=3,
        **_dots(seeds),
    )
    if found.tau.low is not None and found.tau.high is not None:
        ax.hlines(
            row - 0.1, found.tau.low, found.tau.high, color=INK, linewidth=1.4, zorder=4
        )


def _dots(values: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {"rasterized": True} if len(values) > MOST_DOTS else {}
