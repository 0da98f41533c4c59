"""Figures of a group of traced supernets over epochs.

They show edges, losses, costs of operations, and skip connections. Lines are medians
over seeds; bands are quartiles.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from archselect.benchmarks.store.traces import COUNT, FIRST, LAST, RIGHT, WRONG
from archselect.nasbench_adapters.rank_correlations import Floats
from archselect.reports.drawing.colours import operation_colours
from archselect.reports.drawing.palette import INK, MUTED, series
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
from archselect.reports.results.wiring_quantities import (
    NONE,
    CellWiring,
    loss_and_entropy,
)
from archselect.reports.wiring.groups import WiringGroup

SKIP = "skip_connect"
PARTS = {
    "all": "all training images (used for weights and alphas)",
    "valid": "search images (used for alphas)",
    "train": "training images (used for weights)",
}
BANDS = (
    "Lines are medians over seeds; bands reach from the first to the third quartile."
)
ROW = 1.75
"""Height of a row of panels, in inches."""
_NAME_HEIGHT = 0.135
"""Distance between the names of neighbouring lines, in inches."""
_PUSHES = 60
"""Number of rounds in which names that are too close push each other apart."""


class Line(NamedTuple):
    """A line of a panel; `values` has shape (seeds, points), NaN for missing values."""

    label: str
    values: Floats
    colour: str
    dashed: bool = False


def wiring_figures(group: WiringGroup) -> list[Figure]:
    """Return the figures of a group.

    If the alphas never change, there is no figure of edges. Without epochs there are
    only figures of costs.
    """
    cell_types = range(len(group.info.cells))
    costs = [costs_figure(group, cell_type) for cell_type in cell_types]
    if not group.supernets[0].wiring.trace.epochs:
        return costs
    drawn = []
    if group.learns:
        drawn += [edges_figure(group, cell_type) for cell_type in cell_types]
    drawn.append(losses_figure(group))
    drawn += costs
    with_skip = [cell_type for cell_type in cell_types if _has_skip(group, cell_type)]
    if with_skip:
        drawn.append(skip_figure(group, with_skip))
    return drawn


def _has_skip(group: WiringGroup, cell_type: int) -> bool:
    operations = group.info.cells[cell_type].operations
    return any(SKIP in names for names in operations)


def figure_name(group: WiringGroup, *parts: str) -> str:
    """Return the name of a figure of the group; it begins with "wiring"."""
    return "-".join(["wiring", group.file, *map(slug, parts)])


class _Panel(NamedTuple):
    """A panel of lines; if `top` is None, the lines determine the axis."""

    title: str
    lines: list[Line]
    top: float | None


def edges_figure(group: WiringGroup, cell_type: int) -> Figure:
    """Return the figure of a cell type's q, number of edges, depth and width."""
    cells = _cells(group, cell_type)
    first = cells[0]
    panels = [*_q_panels(cells), _count_panel(cells), _reach_panel(cells)]

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(2, 2, sharex=True)
        _set_margins(canvas, 2, left=0.045, right=0.92, wspace=0.26)
        for ax, panel in zip(axes.flat, panels, strict=True):
            _draw_panel(ax, panel)
        _name_epochs(axes[-1])

    depth = "Expected depth: not computed for a cell with this many edges"
    if first.depth is not None:
        depth = (
            "Expected depth: expected length of the longest path from an input, in edges, if each edge exists "
            "independently with probability q"
        )
    caption = (
        f"q = 1 − p(none): probability of an edge. Edges are named source→target; k−2 and k−1 are the inputs. "
        f"Expected number of edges: Σ q; argmax: number of edges whose most likely operation is not none. {depth}. "
        f"Expected width: Σ q over edges from inputs. {BANDS}"
    )
    return _cell_figure(group, cell_type, "edges", "edges", caption, draw)


def _q_panels(cells: Sequence[CellWiring]) -> list[_Panel]:
    """Return the two panels of q: edges from inputs, and edges between nodes."""
    first = cells[0]
    q = np.array([cell.q for cell in cells])
    from_inputs = []
    between_nodes = []
    for place, edge in enumerate(_inputs_first(first)):
        line = Line(first.names[edge], q[..., edge], series(place))
        if first.inputs[edge]:
            from_inputs.append(line)
        else:
            between_nodes.append(line)
    return [
        _Panel("q of edges from inputs", from_inputs, 1.0),
        _Panel("q of edges between nodes", between_nodes, 1.0),
    ]


def _inputs_first(cell: CellWiring) -> list[int]:
    """Return the indices of edges from inputs, then of edges between nodes."""
    from_inputs = np.flatnonzero(cell.inputs)
    between_nodes = np.flatnonzero(~cell.inputs)
    return [*from_inputs.tolist(), *between_nodes.tolist()]


def _count_panel(cells: Sequence[CellWiring]) -> _Panel:
    """Return the panel of the number of edges: expected, and in the argmax genotype."""
    expected = np.array([cell.expected_edges for cell in cells])
    argmax = np.array([cell.edges for cell in cells], dtype=np.float64)
    lines = [
        Line("expected", expected, series(0)),
        Line("argmax", argmax, series(1), dashed=True),
    ]
    return _Panel("number of edges", lines, float(len(cells[0].cell.edges)))


def _reach_panel(cells: Sequence[CellWiring]) -> _Panel:
    """Return the panel of the expected width and, if known, the expected depth."""
    lines = [Line("width", np.array([cell.width for cell in cells]), series(2))]
    if cells[0].depth is not None:
        depth = np.array([cell.depth for cell in cells])
        lines.append(Line("depth", depth, series(5), dashed=True))
    return _Panel("expected depth and width", lines, None)


def _draw_panel(ax: Axes, panel: _Panel) -> None:
    ax.set_title(panel.title)
    highest = [float(line.values.max()) for line in panel.lines]
    top = panel.top or max(1.0, *highest)
    ax.set_ylim(0, 1.03 * top)
    _draw_lines(ax, panel.lines, start=0)
    if not panel.lines:
        ax.annotate(
            "none in this cell",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
            color=MUTED,
        )


class _Losses(NamedTuple):
    """Mean cross-entropy and mean entropy of predictions, both of shape (seeds, T)."""

    loss: Floats
    entropy: Floats


def losses_figure(group: WiringGroup) -> Figure:
    """Return the figure of L, H and L - H by part of the images, right and wrong."""
    parts = _parts_with_images(group)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(len(parts), 3, sharex=True, squeeze=False)
        _set_margins(
            canvas,
            len(parts),
            left=0.05,
            right=0.94,
            wspace=0.32,
            hspace=0.75,
            key=0.2,
        )
        for row, part in zip(axes, parts, strict=True):
            _draw_losses(row, group, part)
        _name_epochs(axes[-1])

    caption = (
        "L: cross-entropy; H: entropy of the prediction. Both are in nats, averaged over the forward passes of an "
        "epoch "
        "of training. The edges of the last cell together cost L − H, and none costs 0: if L − H is positive, p(none) "
        f"tends to grow; if it is negative, p(none) tends to fall. {BANDS}"
    )
    title = f"{group.name}: losses and entropies"
    name = figure_name(group, "losses")
    inches = len(parts) * (ROW + 0.25) + 0.55
    return Figure(name, title, caption, svg(name, title, inches, draw))


def _parts_with_images(group: WiringGroup) -> list[str]:
    """Return the parts of the images that were used in training.

    A part from which nothing is learned is left out.
    """
    losses = [supernet.wiring.trace.losses for supernet in group.supernets]
    counts = np.sum([of_seed[..., COUNT] for of_seed in losses], axis=(0, 1, 3))
    return [part for part, count in zip(group.info.parts, counts, strict=True) if count]


def _losses(group: WiringGroup, part: str, images: int | slice) -> _Losses:
    pairs = [
        loss_and_entropy(supernet.wiring.trace, part, images)
        for supernet in group.supernets
    ]
    return _Losses(
        loss=np.array([loss for loss, _ in pairs]),
        entropy=np.array([entropy for _, entropy in pairs]),
    )


def _draw_losses(row: Sequence[Axes], group: WiringGroup, part: str) -> None:
    """Draw the panels of one part of the images: right, wrong, and L - H."""
    right = _losses(group, part, RIGHT)
    wrong = _losses(group, part, WRONG)
    every = _losses(group, part, slice(None))
    _draw_loss_and_entropy(row[0], right, "L and H, classified right")
    _draw_loss_and_entropy(row[1], wrong, "L and H, classified wrong")
    gaps = [
        Line("right", right.loss - right.entropy, series(2)),
        Line("wrong", wrong.loss - wrong.entropy, series(5)),
        Line("all", every.loss - every.entropy, INK),
    ]
    row[2].axhline(0, color=MUTED, linewidth=0.8)
    _draw_lines(row[2], gaps, start=1)
    row[2].set_title("L − H", fontweight="normal", color=MUTED)
    row[0].annotate(
        PARTS.get(part, part),
        (0, 1),
        (0, 20),
        xycoords="axes fraction",
        textcoords="offset points",
        fontweight="bold",
    )


def _draw_loss_and_entropy(ax: Axes, losses: _Losses, title: str) -> None:
    lines = [
        Line("L", losses.loss, series(0)),
        Line("H", losses.entropy, series(1), dashed=True),
    ]
    _draw_lines(ax, lines, start=1, from_zero=True)
    ax.set_title(title, fontweight="normal", color=MUTED)


@dataclass(frozen=True)
class _CostBars:
    """The bars of a figure of costs.

    Attributes:
        operations: operations of each edge.
        names: operations with bars; `none` has no cost and no bars.
        places: position of each edge on the axis.
        means, deviations: means and standard deviations over seeds, shape (probes, E,
            K).
    """

    operations: Sequence[Sequence[str]]
    names: list[str]
    places: dict[int, float]
    means: Floats
    deviations: Floats

    @property
    def colours(self) -> dict[str, str]:
        """The colour of each operation."""
        return operation_colours(self.names)

    @property
    def width(self) -> float:
        """Width of a bar; the bars of an edge fill most of its space."""
        return 0.84 / max(1, len(self.names))

    def draw(self, ax: Axes, probe: int, number: int) -> None:
        """Draw the bars of one operation on all edges that allow it."""
        name = self.names[number]
        places = []
        means = []
        deviations = []
        for edge, operations in enumerate(self.operations):
            if name not in operations:
                continue
            column = operations.index(name)
            mean = self.means[probe, edge, column]
            if np.isfinite(mean):
                places.append(self.places[edge])
                means.append(mean)
                deviations.append(self.deviations[probe, edge, column])
        offset = (number - (len(self.names) - 1) / 2) * self.width
        at = np.array(places) + offset
        mean = np.array(means)
        deviation = np.array(deviations)
        colour = self.colours[name]
        ax.bar(at, mean, self.width, color=colour, edgecolor="none")
        ax.vlines(at, mean - deviation, mean + deviation, color=INK, linewidth=0.7)


def costs_figure(group: WiringGroup, cell_type: int) -> Figure:
    """Return the figure of operation costs under random paths, by edge of a cell type.

    One panel is before training, the other after training.
    """
    cells = _cells(group, cell_type)
    first = cells[0]
    edges = _inputs_first(first)
    from_inputs = int(first.inputs.sum())
    bars = _cost_bars(cells, edges, from_inputs)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(2, 1, sharex=True)
        _set_margins(canvas, 2, left=0.075, right=0.985, hspace=0.4, key=0.3)
        probes = ((FIRST, "before training"), (LAST, "after training"))
        for ax, (probe, title) in zip(axes, probes, strict=True):
            ax.set_title(title)
            for number in range(len(bars.names)):
                bars.draw(ax, probe, number)
            ax.axhline(0, color=INK, linewidth=0.8)
            if 0 < from_inputs < len(edges):
                between = from_inputs - 0.25
                ax.axvline(between, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
            ax.grid(axis="y")
            ax.set_ylabel("cost")
        _name_edges(axes[1], first, edges, bars.places)
        add_key(
            axes[0],
            bars.names,
            [bars.colours[name] for name in bars.names],
            loc="lower left",
            bbox_to_anchor=(-0.06, 1.14),
            ncols=min(len(bars.names), 7),
        )

    caption = (
        "Cost of an operation on an edge under uniformly sampled paths: derivative of the loss with respect to its "
        "weight "
        "in the mixture, summed over layers. A positive cost means that the operation increases the loss; none costs "
        "0. "
        "Bars: mean over draws, then over seeds. Whiskers: standard deviation between the draws of a seed. The "
        "panels have "
        "different scales."
    )
    words = "costs of operations"
    return _cell_figure(group, cell_type, "costs", words, caption, draw, key=0.3)


def _cost_bars(
    cells: Sequence[CellWiring], edges: Sequence[int], from_inputs: int
) -> _CostBars:
    """Return the bars over all seeds, with a gap after the edges from inputs."""
    operations = cells[0].cell.operations
    # Colours follow the same order as in the drawings of cells.
    names: dict[str, None] = {}
    for of_edge in operations:
        names |= dict.fromkeys(of_edge)
    names.pop(NONE, None)
    means = [cell.trace.probe_means for cell in cells]
    variances = [cell.trace.probe_variances for cell in cells]
    return _CostBars(
        operations=operations,
        names=list(names),
        places={
            edge: place + (place >= from_inputs) * 0.5
            for place, edge in enumerate(edges)
        },
        means=_mean(np.array(means, dtype=np.float64)),
        deviations=np.sqrt(_mean(np.array(variances, dtype=np.float64))),
    )


def _name_edges(
    ax: Axes, cell: CellWiring, edges: Sequence[int], places: dict[int, float]
) -> None:
    """Label the edges below the bars."""
    at = [places[edge] for edge in edges]
    ax.set_xticks(at, [cell.names[edge] for edge in edges])
    ax.set_xlim(-0.5, at[-1] + 0.5)
    ax.set_xlabel("edge (left of the dashed line: from inputs; right: between nodes)")


def skip_figure(group: WiringGroup, cell_types: Sequence[int]) -> Figure:
    """Return the figure of the probability and the cost of skip connections."""
    rows = len(cell_types)

    def draw(canvas: Canvas) -> None:
        axes = canvas.subplots(rows, 2, sharex=True, squeeze=False)
        _set_margins(canvas, rows, left=0.075, right=0.91, wspace=0.36, hspace=0.55)
        for (left, right), cell_type in zip(axes, cell_types, strict=True):
            cells = _cells(group, cell_type)
            of_cell = ""
            if rows > 1:
                of_cell = f", {group.info.cells[cell_type].name} cell"
            probabilities = [_average_skip(cell, cell.probabilities) for cell in cells]
            _draw_lines(left, _skip_lines(probabilities), start=0, from_zero=True)
            left.set_title(f"probability{of_cell}")
            costs = [_average_skip(cell, _costs(cell)) for cell in cells]
            _draw_lines(right, _skip_lines(costs), start=1)
            right.set_title(f"cost{of_cell}")
            right.axhline(0, color=MUTED, linewidth=0.8)
        _name_epochs(axes[-1])

    caption = (
        f"Left: probability of {SKIP}, and mean probability of the other operations except none; both averaged over "
        f"edges. "
        "Right: their mean cost in those batches of an epoch that used them. Skip connections that cost less gain "
        f"probability. {BANDS}"
    )
    name = figure_name(group, "skip")
    title = f"{group.name}: skip connections, by probability and by cost"
    inches = rows * (ROW + 0.2) + 0.5
    return Figure(name, title, caption, svg(name, title, inches, draw))


class _SkipAndOthers(NamedTuple):
    """Means over edges, (points,): of skip connections, and of others except none."""

    skip: Floats
    others: Floats


def _average_skip(cell: CellWiring, values: Floats) -> _SkipAndOthers:
    """Return the means over edges of values of shape (points, E, K)."""
    skip = np.zeros(cell.probabilities.shape[1:], dtype=bool)
    others = np.zeros_like(skip)
    for edge, operations in enumerate(cell.cell.operations):
        for column, name in enumerate(operations):
            skip[edge, column] = name == SKIP
            others[edge, column] = name not in (SKIP, NONE)
    return _SkipAndOthers(_mean(values[:, skip].T), _mean(values[:, others].T))


def _costs(cell: CellWiring) -> Floats:
    """Return the mean cost of each operation by epoch, shape (T, E, K)."""
    return np.asarray(cell.trace.cost_means, dtype=np.float64)


def _skip_lines(of_seeds: Sequence[_SkipAndOthers]) -> list[Line]:
    skip = np.array([of_seed.skip for of_seed in of_seeds])
    others = np.array([of_seed.others for of_seed in of_seeds])
    return [
        Line("skip", skip, operation_colours([SKIP])[SKIP]),
        Line("others", others, MUTED, dashed=True),
    ]


def _cells(group: WiringGroup, cell_type: int) -> list[CellWiring]:
    return [supernet.wiring.cells[cell_type] for supernet in group.supernets]


def _cell_figure(
    group: WiringGroup,
    cell_type: int,
    part: str,
    words: str,
    caption: str,
    draw: Callable[[Canvas], None],
    key: float = 0.0,
) -> Figure:
    """Return a figure of a cell type, with two rows of panels.

    The title names the cell type if there are several.

    Args:
        group: group of supernets.
        cell_type: index of the cell type.
        part: part of the figure's name.
        words: part of the title that describes the content.
        caption: text below the figure.
        draw: function that draws the figure.
        key: height for a key of colours, in inches.
    """
    cells = group.info.cells
    name = figure_name(group, part)
    title = f"{group.name}: {words}"
    if len(cells) > 1:
        files = slugs(cell.name for cell in cells)
        name = figure_name(group, part, files[cell_type])
        title = f"{title} of the {cells[cell_type].name} cell"
    inches = 2 * (ROW + 0.2) + 0.45 + key
    return Figure(name, title, caption, svg(name, title, inches, draw))


def _set_margins(
    canvas: Canvas,
    rows: int,
    left: float,
    right: float,
    wspace: float = 0.2,
    hspace: float = 0.32,
    key: float = 0.0,
) -> None:
    """Set the margins: room for titles and a key above, and for epochs below."""
    canvas.subplots_adjust(
        left=left, right=right, wspace=wspace, hspace=hspace if rows > 1 else 0
    )
    canvas.subplots_adjust(
        top=from_top(canvas, 0.3 + key), bottom=0.48 / height(canvas)
    )


class _End(NamedTuple):
    """The last value of a line."""

    value: float
    line: Line


def _draw_lines(
    ax: Axes, lines: Sequence[Line], start: int, from_zero: bool = False
) -> None:
    """Draw medians with bands from epoch `start` on, and name them at their ends."""
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
            ends.append(_End(float(known[-1]), line))
    ax.grid(axis="y")
    ax.margins(x=0)
    if from_zero:
        ax.set_ylim(bottom=0)
    _name_ends(ax, ends)


def _name_ends(ax: Axes, ends: Sequence[_End]) -> None:
    """Write the names of the lines to the right of the panel.

    Each name is at the height of its line's end, or close to it if names would overlap.
    """
    bottom, top = ax.get_ylim()
    box = ax.get_position()
    inches = box.height * float(ax.figure.get_figheight())  # type: ignore[union-attr]
    ordered = sorted(ends, key=lambda end: end.value)
    wanted = [(end.value - bottom) / (top - bottom) for end in ordered]
    heights = _push_apart(wanted, apart=_NAME_HEIGHT / inches)
    for at, end in zip(heights, ordered, strict=True):
        ax.annotate(
            end.line.label,
            (1, at),
            (5, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            va="center",
            color=end.line.colour,
            fontsize=8.5,
        )


def _push_apart(wanted: Sequence[float], apart: float) -> list[float]:
    """Return heights close to the wanted ones, at least about `apart` apart."""
    heights = list(wanted)
    for _ in range(_PUSHES):
        for place in range(len(heights) - 1):
            missing = apart - (heights[place + 1] - heights[place])
            if missing > 1e-6:
                heights[place] -= missing / 2
                heights[place + 1] += missing / 2
        # Names must not cover the title of the panel below.
        if heights:
            heights[0] += max(0.0, -min(heights))
    return heights


def _name_epochs(row: Sequence[Axes]) -> None:
    for ax in row:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _quartiles(values: Floats) -> Floats:
    """Return the quartiles (3, points) of values (seeds, points), ignoring NaN."""
    with warnings.catch_warnings():
        # A point with only NaN has no quartiles.
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanquantile(values, (0.25, 0.5, 0.75), axis=0))


def _mean(values: Floats) -> Floats:
    """Return the mean over the first axis, ignoring NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=0))
