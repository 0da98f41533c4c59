"""Drawings of the selected cells.

Nodes are on one line; each edge has a lane and the name of its operation.
:mod:`..layout` computes the positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archselect.benchmarks.store.records import Accuracy, CellGraph, Record
from archselect.reports.drawing.colours import operation_colours
from archselect.reports.drawing.layout import (
    CORNER,
    FONT_SIZE,
    OFF,
    SUBSCRIPT,
    CellLayout,
    DrawnNode,
    Point,
    Track,
    label_width,
    lay_out,
    text_width,
)
from archselect.reports.drawing.palette import FONT, INK, MUTED
from archselect.reports.escaping import html
from archselect.reports.results.results import Group, Results, seed_name

MARGIN = 8.0
"""Space above and below a cell, in pixels."""
HEAD = 16.0
"""Height for a cell's name, in pixels."""
ARROW = 8.0
"""Length and width of an arrowhead, in pixels."""
ZERO = "none"

MOST_CELLS = 200
"""Most cells to draw; those selected by most runs come first."""
MOST_NAMES = 40
"""Most runs to list below a cell."""

_KEY_LINE = 20
"""Length of the line before a name in a key, in pixels."""
_KEY_NAME = 26
"""Distance from the start of that line to the name, in pixels."""
_KEY_ROW = 17
"""Height of a row of a key, in pixels."""


class SelectingRun(NamedTuple):
    """A run that selected a cell."""

    group: Group
    record: Record

    @property
    def name(self) -> str:
        """Selector and seeds, as text."""
        return f"{self.group.name} {seed_name(self.record.inputs)}"


@dataclass(frozen=True)
class SelectedCell:
    """A distinct architecture, its drawing, and the runs that selected it.

    Attributes:
        name: name of the file, without ending.
        space: name of its space.
        architecture: architecture as text.
        svg: one drawing of all cell types.
        choices: runs that selected it, in the study's order.
        accuracies: its accuracy in each truth.
    """

    name: str
    space: str
    architecture: str
    svg: str
    choices: tuple[SelectingRun, ...]
    accuracies: tuple[Accuracy, ...]

    @property
    def who(self) -> str:
        """The first runs, and the number of further runs, as text."""
        names = [choice.name for choice in self.choices[:MOST_NAMES]]
        more = len(self.choices) - MOST_NAMES
        if more > 0:
            names.append(f"{more:,} more")
        return ", ".join(names)


@dataclass(frozen=True)
class LegendEntry:
    """An operation and the colour of its edges.

    Edges with `none`, which pass nothing on, are dotted and grey.
    """

    operation: str
    colour: str
    dotted: bool


CONNECTION = LegendEntry("", MUTED, False)
"""The look of edges without a choice of operation."""


@dataclass(frozen=True)
class SelectedCells:
    """Distinct architectures, in the order of the first run that selected each.

    Attributes:
        drawn: architectures with drawings.
        left_out: number of further architectures.
    """

    drawn: tuple[SelectedCell, ...]
    left_out: int


def selected_cells(results: Results) -> SelectedCells:
    """Return every distinct selected architecture once.

    If there are too many, draw those selected by most runs.
    """
    runs_of_cell: dict[tuple[str, str], list[SelectingRun]] = {}
    for group in results.groups:
        for record in group.records:
            cell = (record.inputs.space, record.selected.architecture)
            runs = runs_of_cell.setdefault(cell, [])
            runs.append(SelectingRun(group, record))
    by_runs = sorted(runs_of_cell.items(), key=lambda item: -len(item[1]))
    kept = {cell for cell, _ in by_runs[:MOST_CELLS]}
    looks = {entry.operation: entry for entry in legend(results)}
    cells: list[SelectedCell] = []
    for cell, runs in runs_of_cell.items():
        if cell not in kept:
            continue
        space, architecture = cell
        first = runs[0].record
        cells.append(
            SelectedCell(
                name=f"cell-{len(cells) + 1:02d}",
                space=space,
                architecture=architecture,
                svg=draw(first.selected.graph, looks, architecture),
                choices=tuple(runs),
                accuracies=tuple(first.accuracies),
            )
        )
    return SelectedCells(tuple(cells), left_out=len(runs_of_cell) - len(cells))


def legend(results: Results) -> list[LegendEntry]:
    """Return every operation that selectors can choose, in the order of the spaces."""
    # All runs on one space allow the same operations.
    operations_of_space = {
        group.inputs.space: group.records[-1].selected.operations
        for group in results.groups
        if group.records
    }
    edges: list[Sequence[str]] = []
    for cells in operations_of_space.values():
        for cell in cells:
            edges += cell
    return legend_of(edges)


def legend_of(edges: Iterable[Sequence[str]]) -> list[LegendEntry]:
    """Return each operation with its colour, in the given order.

    `none` is dotted and uses no colour.

    Args:
        edges: operations allowed on each edge; edges with one operation are skipped,
            because there is no choice.
    """
    names: dict[str, None] = {}
    for operations in edges:
        if len(operations) > 1:
            names |= dict.fromkeys(operations)
    colours = operation_colours(name for name in names if name != ZERO)
    entries = []
    for name in names:
        is_zero = name == ZERO
        colour = MUTED if is_zero else colours[name]
        entries.append(LegendEntry(name, colour, dotted=is_zero))
    return entries


def draw(
    graphs: list[CellGraph],
    colours: Mapping[str, LegendEntry],
    title: str,
    keyed: bool = False,
    room: float = 0.0,
) -> str:
    """Return one SVG with the cells of an architecture, one below the other.

    Args:
        graphs: cells.
        colours: colour and line of each operation; other edges are grey.
        title: title for screen readers.
        keyed: whether to add a key of the operations in use.
        room: least width for labels, from :func:`label_width`. Drawings with the same
            width have their nodes at the same places.
    """
    room = max(room, *(label_width(graph) for graph in graphs))
    layouts = [lay_out(graph, room) for graph in graphs]
    head = HEAD if len(graphs) > 1 else 0.0
    parts = []
    top = 0.0
    width = 0.0
    for graph, layout in zip(graphs, layouts, strict=True):
        line = top + head + MARGIN - layout.top
        cell = _draw_cell(graph.name, layout, colours, head)
        parts.append(_move_down(cell, line))
        top = line + layout.bottom + MARGIN
        width = max(width, layout.width)
    if keyed:
        used = _used_operations(layouts)
        entries = [entry for name, entry in colours.items() if name in used]
        key, height = _draw_key(entries, width)
        parts.append(_move_down(key, top))
        top += height
    return (
        f'<svg role="img" aria-label="{html(title)}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:.1f} {top:.1f}" width="{width:.1f}" height="{top:.1f}" '
        f'font-family="{FONT}, sans-serif" font-size="{FONT_SIZE:g}" text-anchor="middle">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _move_down(drawing: str, by: float) -> str:
    return f'<g transform="translate(0 {by:.1f})">\n{drawing}\n</g>'


def _used_operations(layouts: Iterable[CellLayout]) -> set[str | None]:
    """Return the operations on edges and in nodes."""
    used: set[str | None] = set()
    for layout in layouts:
        used |= {track.operation for track in layout.tracks}
        used |= {node.operation for node in layout.nodes}
    return used


def _draw_cell(
    name: str, layout: CellLayout, colours: Mapping[str, LegendEntry], head: float
) -> str:
    """Return the SVG of a cell, with its line of nodes at y = 0.

    Args:
        name: name of the cell.
        layout: layout of the cell.
        colours: colour and line of each operation.
        head: height above the cell for its name, in pixels.
    """
    parts = []
    if layout.output is not None:
        parts.append(_draw_concatenation(layout, layout.output))
    edges = [
        (track, colours.get(track.operation or "", CONNECTION))
        for track in layout.tracks
    ]
    # Later lines cover earlier ones, so edges with `none` come first.
    dotted_first = sorted(edges, key=lambda edge: not edge[1].dotted)
    parts += [_draw_edge(track, look) for track, look in dotted_first]
    parts += [_draw_node(node, _node_colour(node, colours)) for node in layout.nodes]
    if layout.output is not None:
        parts.append(_draw_node(layout.output, _node_colour(layout.output, colours)))
    if head:
        y = layout.top - head + FONT_SIZE - 4
        look = 'text-anchor="start" font-weight="bold"'
        parts.append(_text(1, y, name, INK, look))
    return "\n".join(parts)


def _node_colour(node: DrawnNode, colours: Mapping[str, LegendEntry]) -> str:
    if node.operation is None:
        return INK
    return colours.get(node.operation, CONNECTION).colour


def _draw_concatenation(layout: CellLayout, output: DrawnNode) -> str:
    """Return the lines from the output nodes to the concatenation below the cell."""
    bus = layout.bus
    end = (output.x, bus)
    tip = (output.x, output.y + output.half_height)
    first, *others = layout.stubs
    path = _path((first, (first[0], bus), end, _before(tip, end)))
    for stub in others:
        path += _path((stub, (stub[0], bus), (stub[0] + CORNER, bus)))
    text = _text(output.x - CORNER - 4, bus - OFF, "concat", MUTED, 'text-anchor="end"')
    arrow = _arrow(tip, end, MUTED)
    return f'<path d="{path}" fill="none" stroke="{MUTED}"/>\n{arrow}\n{text}'


def _draw_edge(track: Track, look: LegendEntry) -> str:
    """Return an edge's line, its arrowhead and its label."""
    tip = track.corners[-1]
    behind = track.corners[-2]
    line = _path((*track.corners[:-1], _before(tip, behind)))
    width = 2 if track.operation else 1.4
    label = _text(*track.label, track.operation, INK) if track.operation else ""
    return (
        f'<path d="{line}" fill="none" stroke="{look.colour}" stroke-width="{width}"{_dots(look)}/>'
        f"{_arrow(tip, behind, look.colour)}{label}"
    )


def _dots(look: LegendEntry) -> str:
    return ' stroke-dasharray="1.5 4" stroke-linecap="round"' if look.dotted else ""


def _path(corners: Sequence[Point]) -> str:
    """Return a line through the corners, with rounded turns."""
    parts = [f"M{_point(corners[0])}"]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        # The first and the last segment have one turn; all others have two.
        room_before = _distance(before, corner)
        if before != corners[0]:
            room_before /= 2
        room_after = _distance(corner, after)
        if after != corners[-1]:
            room_after /= 2
        radius = min(CORNER, room_before, room_after)
        turn_start = _towards(corner, before, radius)
        turn_end = _towards(corner, after, radius)
        parts.append(f"L{_point(turn_start)}Q{_point(corner)} {_point(turn_end)}")
    parts.append(f"L{_point(corners[-1])}")
    return "".join(parts)


def _point(point: Point) -> str:
    x, y = point
    return f"{x:.1f} {y:.1f}"


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, distance: float) -> Point:
    """Return the point at a distance from a towards b, on a straight line."""
    part = distance / (_distance(a, b) or 1)
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part


def _before(tip: Point, behind: Point) -> Point:
    """Return the point where the line ends and the arrowhead begins."""
    return _towards(tip, behind, ARROW - 1)


def _arrow(tip: Point, behind: Point, colour: str) -> str:
    """Return an arrowhead.

    It is a path, not an SVG marker: markers need ids, and a page has many drawings.
    """
    x, y = _towards(tip, behind, ARROW)
    left = (x - ARROW / 2, y)
    right = (x + ARROW / 2, y)
    level = tip[1] == behind[1]
    if level:
        left = (x, y - ARROW / 2)
        right = (x, y + ARROW / 2)
    shape = f"M{_point(tip)}L{_point(left)}L{_point(right)}Z"
    return f'<path d="{shape}" fill="{colour}"/>'


def _draw_node(node: DrawnNode, colour: str) -> str:
    """Return the outline and the name of a node."""
    line_width = 2 if node.operation else 1.4
    baseline = node.y + (2 if node.subscript else 4)
    return (
        f'{_outline(node)} fill="none" stroke="{colour}" stroke-width="{line_width}"/>'
        f'<text x="{node.x:.1f}" y="{baseline:.1f}" fill="{INK}">{_node_text(node)}</text>'
    )


def _outline(node: DrawnNode) -> str:
    """Return the start of the element of a circle or a box."""
    if node.round:
        return f'<circle cx="{node.x:.1f}" cy="{node.y:.1f}" r="{node.half_width:g}"'
    left = node.x - node.half_width
    top = node.y - node.half_height
    width = 2 * node.half_width
    height = 2 * node.half_height
    return f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:g}" height="{height:g}" rx="5"'


def _node_text(node: DrawnNode) -> str:
    name = html(node.name)
    if not node.subscript:
        return name
    size = SUBSCRIPT * FONT_SIZE
    subscript = html(node.subscript)
    return (
        f'<tspan>{name}</tspan><tspan dy="3" font-size="{size:g}">{subscript}</tspan>'
    )


def _draw_key(entries: Sequence[LegendEntry], width: float) -> tuple[str, float]:
    """Return a key of operations in columns, and its height."""
    widths = [text_width(entry.operation) for entry in entries]
    column_width = _KEY_NAME + max([0.0, *widths]) + 6
    columns = max(1, int(width // column_width))
    parts = []
    for place, entry in enumerate(entries):
        row, column = divmod(place, columns)
        x = column_width * column
        y = 12.0 + _KEY_ROW * row
        line = f"M{_point((x + 1, y - 4))}L{_point((x + _KEY_LINE, y - 4))}"
        parts.append(
            f'<path d="{line}" stroke="{entry.colour}" stroke-width="3"{_dots(entry)}/>'
        )
        parts.append(
            _text(x + _KEY_NAME, y, entry.operation, INK, 'text-anchor="start"')
        )
    rows = -(-len(entries) // columns)
    return "\n".join(parts), 6.0 + _KEY_ROW * rows


def _text(x: float, y: float, text: str, colour: str, attributes: str = "") -> str:
    more = f" {attributes}" if attributes else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{more}>{html(text)}</text>'
