"""The figures of a group of traced supernets: edges, losses, costs and the way to skip connections, over epochs.

Lines are medians over seeds, bands their quartiles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from archselect.benchmarks.store.traces import COUNT, FIRST, LAST, RIGHT, WRONG
from archselect.reports.figures.canvas import (
    Canvas,
    Figure,
    add_key,
    from_top,
    height,
    slug,
    slugs,
    svg,
)
from archselect.reports.figures.palette import INK, MUTED, series
from archselect.reports.results.wiring_quantities import (
    NONE,
    CellWiring,
    Floats,
    loss_and_entropy,
)
from archselect.reports.wiring.groups import WiringGroup

SKIP = "skip_connect"
PARTS = {
    "all": "all training images (weights and alphas learn on them)",
    "valid": "search images (alphas learn on them)",
    "train": "training images (weights learn on them)",
}
BANDS = (
    "Lines are medians over seeds, bands reach from the first to the third quartile."
)
ROW = 1.75
"""Height of a row of panels, in inches."""


class Line(NamedTuple):
    """One line of a panel: (seeds, points) values, NaN where there is none."""

    label: str
    values: Floats
    colour: str
    dashed: bool = False


def wiring_figures(group: WiringGroup) -> list[Figure]:
    """Those of a group.

    Where alphas never move there are no edges to be followed, and without epochs only
    costs.
    """
    types = range(len(group.info.cells))
    costs = [costs_figure(group, c) for c in types]
    if not group.seeds[0].wiring.trace.epochs:
        return costs
    found = [edges_figure(group, c) for c in types] if group.learns else []
    found += [losses_figure(group), *costs]
    with_skip = [
        c
        for c in types
        if any(SKIP in names for names in group.info.cells[c].operations)
    ]
    return [*found, *([skip_figure(group, with_skip)] if with_skip else [])]


def figure_name(group: WiringGroup, *parts: str) -> str:
    """The name of a figure of the group; the table's comes first."""
    return "-".join(["wiring", group.file, *map(slug, parts)])


def edges_figure(group: WiringGroup, c: int) -> Figure:
    """Of cell type c: q of every edge; how many edges there are; depth and width."""
    cells = _cells(group, c)
    first = cells[0]
    q = np.array([cell.q for cell in cells])
    order = [*np.flatnonzero(first.inputs), *np.flatnonzero(~first.inputs)]
    colours = {int(edge): series(place) for place, edge in enumerate(order)}

    def of_edges(from_inputs: bool) -> list[Line]:
        return [
            Line(first.names[e], q[..., e], colours[e])
            for e in colours
            if first.inputs[e] == from_inputs
        ]

    counts = [
        Line("expected", np.array([cell.expected_edges for cell in cells]), series(0)),
        Line(
            "argmax",
            np.array([cell.edges for cell in cells], dtype=np.float64),
            series(1),
            dashed=True,
        ),
    ]
    reach = [Line("width", np.array([cell.width for cell in cells]), series(2))]
    if first.depth is not None:
        reach.append(
            Line(
                "depth",
                np.array([cell.depth for cell in cells]),
                series(5),
                dashed=True,
            )
        )
    panels = [
        ("q of edges from inputs", of_edges(True), 1.0),
        ("q of edges between nodes", of_edges(False), 1.0),
        ("number of edges", counts, float(len(first.cell.edges))),
        ("expected depth and width", reach, None),
    ]

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(2, 2, sharex=True)
        _place(canvas, 2, left=0.045, right=0.92, wspace=0.26)
        for ax, (title, lines, top) in zip(axes.flat, panels, strict=True):
            ax.set_title(title)
            ax.set_ylim(
                0,
                1.03 * (top or max(1.0, *(float(line.values.max()) for line in lines))),
            )
            _lines(ax, lines, start=0)
            if not lines:
                ax.annotate(
                    "none in this cell",
                    (0.5, 0.5),
                    xycoords="axes fraction",
                    ha="center",
                    color=MUTED,
                )
        _epochs(axes[-1])

    depth = (
        "Expected depth: the longest path from an input, in edges, each edge being there by itself with probability q"
        if first.depth is not None
        else "The expected depth of a cell with so many edges is not given"
    )
    caption = (
        f"q = 1 − p(none): how probable an edge is. Edges are named source→target, k−2 and k−1 being the inputs. "
        f"Expected number of edges: Σ q; argmax: those of which none is not the likeliest operation. {depth}; "
        f"width: Σ q over edges from inputs. {BANDS}"
    )
    return _figure(group, c, "edges", "edges", caption, 2, draw)


def losses_figure(group: WiringGroup) -> Figure:
    """L, H and L - H by part of the images, of those classified right and wrong."""
    # Where nothing is learned from a part, its images never went forward.
    counts = np.sum(
        [seen.wiring.trace.losses[..., COUNT] for seen in group.seeds], axis=(0, 1, 3)
    )
    parts = [
        part for part, count in zip(group.info.parts, counts, strict=True) if count
    ]

    def of(part: str, images: int | slice) -> tuple[Floats, Floats]:
        pairs = [
            loss_and_entropy(seen.wiring.trace, part, images) for seen in group.seeds
        ]
        return np.array([loss for loss, _ in pairs]), np.array(
            [entropy for _, entropy in pairs]
        )

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(len(parts), 3, sharex=True, squeeze=False)
        _place(
            canvas,
            len(parts),
            left=0.05,
            right=0.94,
            wspace=0.32,
            hspace=0.75,
            more=0.2,
        )
        for row, part in zip(axes, parts, strict=True):
            found = {
                "right": of(part, RIGHT),
                "wrong": of(part, WRONG),
                "all": of(part, slice(None)),
            }
            for ax, name in zip(row, ("right", "wrong"), strict=False):
                loss, entropy = found[name]
                pair = [
                    Line("L", loss, series(0)),
                    Line("H", entropy, series(1), dashed=True),
                ]
                _lines(ax, pair, start=1, from_zero=True)
                ax.set_title(
                    f"L and H, classified {name}", fontweight="normal", color=MUTED
                )
            looks = {"right": series(2), "wrong": series(5), "all": INK}
            gaps = [
                Line(name, loss - entropy, looks[name])
                for name, (loss, entropy) in found.items()
            ]
            row[2].axhline(0, color=MUTED, linewidth=0.8)
            _lines(row[2], gaps, start=1)
            row[2].set_title("L − H", fontweight="normal", color=MUTED)
            row[0].annotate(
                PARTS.get(part, part), (0, 1), (0, 20), xycoords="axes fraction", textcoords="offset points",
                fontweight="bold",
            )  # fmt: skip
        _epochs(axes[-1])

    caption = (
        "L: cross-entropy; H: entropy of the prediction; nats, mean over the images of an epoch as they went forward "
        "in training. The edges of the last cell together cost L − H and none costs 0: where it is positive, p(none) "
        f"tends to grow; where it is negative, to fall. {BANDS}"
    )
    title = f"{group.name}: losses and entropies"
    name = figure_name(group, "losses")
    inches = len(parts) * (ROW + 0.25) + 0.55
    return Figure(name, title, caption, svg(name, title, inches, draw))


def costs_figure(group: WiringGroup, c: int) -> Figure:
    """Of cell type c: what every operation on every edge costs under random paths, before training and after it."""
    cells = _cells(group, c)
    first = cells[0]
    edges = [
        *np.flatnonzero(first.inputs).tolist(),
        *np.flatnonzero(~first.inputs).tolist(),
    ]
    split = int(first.inputs.sum())
    # As in the drawings of cells.
    names = [
        name
        for name in dict.fromkeys(n for own in first.cell.operations for n in own)
        if name != NONE
    ]
    means = _mean(np.array([cell.seen.probe_means for cell in cells], dtype=np.float64))
    stds = np.sqrt(
        _mean(np.array([cell.seen.probe_variances for cell in cells], dtype=np.float64))
    )
    width = 0.84 / max(1, len(names))
    places = {edge: place + (place >= split) * 0.5 for place, edge in enumerate(edges)}

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(2, 1, sharex=True)
        _place(canvas, 2, left=0.075, right=0.985, hspace=0.4, more=0.3)
        for ax, probe, title in zip(
            axes, (FIRST, LAST), ("before training", "after training"), strict=True
        ):
            ax.set_title(title)
            for n, name in enumerate(names):
                with_it = [
                    e for e, own in enumerate(first.cell.operations) if name in own
                ]
                own = [(e, first.cell.operations[e].index(name)) for e in with_it]
                known = [(e, k) for e, k in own if np.isfinite(means[probe, e, k])]
                at = (
                    np.array([places[e] for e, _ in known])
                    + (n - (len(names) - 1) / 2) * width
                )
                mean = np.array([means[probe, e, k] for e, k in known])
                std = np.array([stds[probe, e, k] for e, k in known])
                ax.bar(at, mean, width, color=series(n), edgecolor="none")
                ax.vlines(at, mean - std, mean + std, color=INK, linewidth=0.7)
            ax.axhline(0, color=INK, linewidth=0.8)
            if 0 < split < len(edges):
                ax.axvline(
                    split - 0.25, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3))
                )
            ax.grid(axis="y")
            ax.set_ylabel("cost")
        axes[1].set_xticks(
            [places[edge] for edge in edges], [first.names[edge] for edge in edges]
        )
        axes[1].set_xlim(-0.5, places[edges[-1]] + 0.5)
        axes[1].set_xlabel(
            "edge; left of the dashed line from inputs, right of it between nodes"
        )
        add_key(
            axes[0],
            names,
            [series(place) for place in range(len(names))],
            loc="lower left",
            bbox_to_anchor=(-0.06, 1.14),
            ncols=min(len(names), 7),
        )

    caption = (
        "Cost of an operation on an edge under paths sampled uniformly: the loss' derivative by its entry of the "
        "mixture, summed over the layers; what is positive does harm, none costs 0. Bars: mean over draws, then over "
        "seeds; whiskers: standard deviation between the draws of a seed. The scales of the panels differ."
    )
    return _figure(group, c, "costs", "costs of operations", caption, 2, draw, more=0.3)


def skip_figure(group: WiringGroup, types: Sequence[int]) -> Figure:
    """Whether skip connections win by cost before they win by probability, per cell type."""

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(len(types), 2, sharex=True, squeeze=False)
        _place(canvas, len(types), left=0.075, right=0.91, wspace=0.36, hspace=0.55)
        for row, c in zip(axes, types, strict=True):
            probability, cost = zip(
                *(_skip_and_others(cell) for cell in _cells(group, c)), strict=True
            )
            of = f", {group.info.cells[c].name} cell" if len(types) > 1 else ""
            for ax, pairs, title, start in zip(
                row, (probability, cost), ("probability", "cost"), (0, 1), strict=True
            ):
                skip, others = (np.array(own) for own in zip(*pairs, strict=True))
                pair = [
                    Line("skip", skip, series(1)),
                    Line("others", others, series(0), dashed=True),
                ]
                _lines(ax, pair, start, from_zero=ax is row[0])
                ax.set_title(f"{title}{of}")
            row[1].axhline(0, color=MUTED, linewidth=0.8)
        _epochs(axes[-1])

    caption = (
        f"Left: probability of {SKIP}, mean over edges, and the mean of the operations other than it and none. Right: "
        "their mean cost in the batches of an epoch (of those in which they went forward). Skip connections that cost "
        f"less gain probability. {BANDS}"
    )
    name, title = (
        figure_name(group, "skip"),
        f"{group.name}: skip connections, by probability and by cost",
    )
    return Figure(
        name, title, caption, svg(name, title, len(types) * (ROW + 0.2) + 0.5, draw)
    )


def _skip_and_others(
    cell: CellWiring,
) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Means over edges: probability (T + 1,), then cost (T,), each of skip connections and of all but it and none."""
    names = cell.cell.operations
    skip = np.zeros(cell.probabilities.shape[1:], dtype=bool)
    others = np.zeros_like(skip)
    for edge, own in enumerate(names):
        for k, name in enumerate(own):
            skip[edge, k], others[edge, k] = name == SKIP, name not in (SKIP, NONE)
    costs = np.asarray(cell.seen.cost_means, dtype=np.float64)
    p = cell.probabilities
    return (
        (_mean(p[:, skip].T), _mean(p[:, others].T)),
        (_mean(costs[:, skip].T), _mean(costs[:, others].T)),
    )


def _cells(group: WiringGroup, c: int) -> list[CellWiring]:
    return [seen.wiring.cells[c] for seen in group.seeds]


def _figure(
    group: WiringGroup, c: int, key: str, words: str, caption: str, rows: int, draw: Callable[[Canvas], None],
    more: float = 0.0,
) -> Figure:  # fmt: skip
    """The figure of cell type c, which is named where there are several."""
    cells = group.info.cells
    several = len(cells) > 1
    name = figure_name(
        group, key, *([slugs(cell.name for cell in cells)[c]] if several else [])
    )
    title = f"{group.name}: {words}" + (
        f" of the {cells[c].name} cell" if several else ""
    )
    return Figure(
        name, title, caption, svg(name, title, rows * (ROW + 0.2) + 0.45 + more, draw)
    )


def _place(
    canvas: Canvas,
    rows: int,
    left: float,
    right: float,
    wspace: float = 0.2,
    hspace: float = 0.32,
    more: float = 0.0,
) -> None:
    """Margins: room for titles above, of which `more` for a key, and for the epochs below."""
    above = 0.3 + more
    canvas.subplots_adjust(
        left=left, right=right, wspace=wspace, hspace=hspace if rows > 1 else 0
    )
    canvas.subplots_adjust(top=from_top(canvas, above), bottom=0.48 / height(canvas))


def _lines(
    ax: Axes, lines: Sequence[Line], start: int, from_zero: bool = False
) -> None:
    """Medians with bands, named at their ends; the first point is epoch `start`."""
    ends = []
    for line in lines:
        epochs = np.arange(start, start + line.values.shape[1])
        low, middle, high = _quartiles(line.values)
        ax.fill_between(epochs, low, high, color=line.colour, alpha=0.16, linewidth=0)
        ax.plot(
            epochs,
            middle,
            color=line.colour,
            linewidth=1.5,
            linestyle=(0, (4, 1.5)) if line.dashed else "-",
        )
        known = middle[np.isfinite(middle)]
        if len(known):
            ends.append((float(known[-1]), line))
    ax.grid(axis="y")
    ax.margins(x=0)
    if from_zero:
        ax.set_ylim(bottom=0)
    _name_ends(ax, ends)


def _name_ends(ax: Axes, ends: Sequence[tuple[float, Line]]) -> None:
    """Names right of the panel, each at the height of its line's end, or as near as others leave room."""
    bottom, top = ax.get_ylim()
    box = ax.get_position()
    inches = box.height * float(ax.figure.get_figheight())  # type: ignore[union-attr]
    apart = 0.135 / inches
    ordered = sorted(ends, key=lambda end: end[0])
    wanted = [(value - bottom) / (top - bottom) for value, _ in ordered]
    heights = list(wanted)
    for _ in range(60):  # neighbours push each other apart
        for i in range(len(heights) - 1):
            lack = apart - (heights[i + 1] - heights[i])
            if lack > 1e-6:
                heights[i] -= lack / 2
                heights[i + 1] += lack / 2
        under = max(
            0.0, -min(heights, default=0.0)
        )  # the panel's title below stays free
        heights = [at + under * (place == 0) for place, at in enumerate(heights)]
    for at, (_, line) in zip(heights, ordered, strict=True):
        ax.annotate(
            line.label, (1, at), (5, 0), xycoords="axes fraction", textcoords="offset points", va="center",
            color=line.colour, fontsize=8.5,
        )  # fmt: skip


def _epochs(row: Sequence[Axes]) -> None:
    for ax in row:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _quartiles(values: Floats) -> npt.NDArray[np.float64]:
    """(3, points) of (seeds, points), without those that are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # no number at all has no quartiles
        return np.asarray(np.nanquantile(values, (0.25, 0.5, 0.75), axis=0))


def _mean(values: Floats) -> Floats:
    """Over the first axis, without those that are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=0))
