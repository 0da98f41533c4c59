"""The figure of operation weights over epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.alphas.groups import AlphaGroup, SeedAlphas, alpha_groups
from archselect.reports.drawing.palette import MUTED, series
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    slugs,
    svg,
)
from archselect.reports.results.results import Results
from archselect.reports.results.traced_supernets import differing_settings

ROW = 2.0
"""Height of a row of panels, in inches."""
_KEY = 0.65
"""Height below a row of panels, for epochs and the key, in inches."""
_CAPTION = (
    "Left: ‖a − D‖, the distance between the operation weights and the discrete architecture read from them, summed "
    "over "
    "cell types. Right: number of live operations, which have a weight above zero. Thick lines are means over seeds; "
    "thin "
    "lines are single seeds. Epoch 0 is before training."
)
_ROWS = "activation"
"""The setting with a row of panels per value."""


class _Row(NamedTuple):
    """The groups of one row of panels."""

    title: str
    groups: list[AlphaGroup]


def alphas_figures(results: Results) -> list[Figure]:
    """Return one figure per space and images with traced supernets."""
    by_place: dict[str, list[AlphaGroup]] = {}
    for group in alpha_groups(results):
        by_place.setdefault(group.place, []).append(group)
    names = slugs(f"alphas-{place}" for place in by_place)
    figures = []
    for name, (place, groups) in zip(names, by_place.items(), strict=True):
        figures.append(_figure(name, place, groups))
    return figures


def _figure(name: str, place: str, groups: Sequence[AlphaGroup]) -> Figure:
    rows = _rows(groups)
    inches = len(rows) * (ROW + _KEY) + 0.45

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(len(rows), 2, sharex=True, squeeze=False)
        canvas.subplots_adjust(
            left=0.06,
            right=0.985,
            top=from_top(canvas, 0.35),
            bottom=0.65 / height(canvas),
            hspace=(_KEY + 0.5) / ROW,
            wspace=0.16,
        )
        for panels, row in zip(axes, rows, strict=True):
            _draw_row(panels, row)

    title = f"Operation weights over epochs: {place}"
    return Figure(name, title, _CAPTION, svg(name, title, inches, draw))


def _rows(groups: Sequence[AlphaGroup]) -> list[_Row]:
    by_value: dict[str, list[AlphaGroup]] = {}
    for group in groups:
        value = str(group.setting(_ROWS, "softmax"))
        by_value.setdefault(value, []).append(group)
    return [_Row(value, of_value) for value, of_value in by_value.items()]


def _draw_row(panels: Sequence[Axes], row: _Row) -> None:
    left, right = panels
    _draw_lines(left, row.groups, lambda seed: seed.alphas.distance)
    _draw_lines(right, row.groups, lambda seed: seed.alphas.live.astype(np.float64))
    left.set_title(f"{row.title}: distance ‖a − D‖")
    right.set_title(f"{row.title}: live operations")
    names = _short_names(row.groups)
    colours = [series(place) for place in range(len(row.groups))]
    add_key(
        left,
        names,
        colours,
        loc="upper left",
        bbox_to_anchor=(0, -0.2),
        ncols=4,
    )
    for ax in panels:
        ax.set_xlabel("epoch", loc="right", labelpad=1)
        ax.tick_params(labelbottom=True)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))


def _draw_lines(
    ax: Axes, groups: Sequence[AlphaGroup], values: Callable[[SeedAlphas], Floats]
) -> None:
    """Draw a thick line of means and a thin line per seed for each group."""
    top = 0.0
    for place, group in enumerate(groups):
        lines = np.array([values(seed) for seed in group.seeds])
        epochs = np.arange(lines.shape[1])
        for line in lines:
            ax.plot(epochs, line, color=series(place), linewidth=0.6, alpha=0.4)
        mean = lines.mean(axis=0)
        ax.plot(epochs, mean, color=series(place), linewidth=1.8)
        top = max(top, float(lines.max()))
    ax.set_ylim(0, top * 1.06 or 1)
    ax.grid(axis="y")
    ax.axhline(0, color=MUTED, linewidth=0.8)


def _short_names(groups: Sequence[AlphaGroup]) -> list[str]:
    """Return the values of the settings in which the groups of a row differ."""
    settings = [dict(group.inputs.supernet.settings) for group in groups]
    paths = differing_settings(settings)
    names = []
    for group, own in zip(groups, settings, strict=True):
        values = [str(own[path]) for path in paths if path in own]
        names.append(", ".join(values) or group.optimiser)
    return names
