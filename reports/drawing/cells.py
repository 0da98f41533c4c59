"""The selected cells as small drawings: nodes in one line, operations as named edges with a lane each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archselect.benchmarks.store.records import Accuracy, CellGraph, Record
from archselect.reports.drawing.layout import (
    CORNER,
    FONT_SIZE,
    OFF,
    Layout,
    Node,
    Point,
    Track,
    label_width,
    lay_out,
    text_width,
)
from archselect.reports.escaping import html
from archselect.reports.figures.palette import FONT, INK, MUTED, series
from archselect.reports.results.results import Group, Results, seed_name

MARGIN, HEAD, ARROW = 8.0, 16.0, 8.0
"""Above and below a cell; room for its name; length and width of an arrowhead."""
ZERO = "none"


class Choice(NamedTuple):
    """A run that selected the cell."""

    group: Group
    record: Record

    @property
    def name(self) -> str:
        """Selector and seeds."""
        return f"{self.group.name} {seed_name(self.record.inputs)}"


@dataclass(frozen=True)
class SelectedCell:
    """One distinct architecture, its drawing (one SVG for all cell types), and the runs that chose it."""

    name: str
    architecture: str
    svg: str
    choices: tuple[Choice, ...]
    accuracies: tuple[Accuracy, ...]

    @property
    def who(self) -> str:
        """The runs, and how many there are beyond the first."""
        more = len(self.choices) - MOST_NAMES
        return ", ".join(
            [choice.name for choice in self.choices[:MOST_NAMES]]
            + [f"{more:,} more"] * (more > 0)
        )


@dataclass(frozen=True)
class Legend:
    """An operation and the colour of its edges; None is the dotted grey of an edge that carries nothing."""

    operation: str
    colour: str
    dotted: bool


MOST_CELLS = 200
"""Cells that are drawn, those that most runs selected."""
MOST_NAMES = 40
"""Runs that are named beside a cell."""
CONNECTION = Legend("", MUTED, False)
"""The look of what is no choice of an operation."""


@dataclass(frozen=True)
class SelectedCells:
    """Distinct architectures in the order of the first run that selected each, and how many more there are."""

    drawn: tuple[SelectedCell, ...]
    left_out: int


def selected_cells(results: Results) -> SelectedCells:
    """Every distinct architecture of a space once; where they are many, those that most runs selected."""
    chosen: dict[tuple[str, str], list[Choice]] = {}
    for group in results.groups:
        for record in group.records:
            chosen.setdefault(
                (record.inputs.space, record.selected.architecture), []
            ).append(Choice(group, record))
    kept = set(sorted(chosen, key=lambda cell: -len(chosen[cell]))[:MOST_CELLS])
    colours = {entry.operation: entry for entry in legend(results)}
    cells = [
        SelectedCell(
            name=f"cell-{place:02d}",
            architecture=cell[1],
            svg=draw(chosen[cell][0].record.selected.graph, colours, cell[1]),
            choices=tuple(chosen[cell]),
            accuracies=tuple(chosen[cell][0].record.accuracies),
        )
        for place, cell in enumerate((cell for cell in chosen if cell in kept), start=1)
    ]
    return SelectedCells(tuple(cells), len(chosen) - len(cells))


def legend(results: Results) -> list[Legend]:
    """Every operation that the spaces let a selector choose, in their order."""
    # Runs on one space allow the same.
    every = {
        g.inputs.space: g.records[-1].selected.operations
        for g in results.groups
        if g.records
    }
    return legend_of(
        edge for operations in every.values() for cell in operations for edge in cell
    )


def legend_of(edges: Iterable[Sequence[str]]) -> list[Legend]:
    """Each operation with its colour, in the order given; `none` is dotted and takes no colour.

    Args:
        edges: the operations allowed on each edge; one that is allowed alone is no
            choice, and is not listed for it.
    """
    names = list(
        dict.fromkeys(name for edge in edges if len(edge) > 1 for name in edge)
    )
    coloured = [name for name in names if name != ZERO]
    return [
        Legend(n, MUTED if n == ZERO else series(coloured.index(n)), n == ZERO)
        for n in names
    ]


def draw(
    graphs: list[CellGraph],
    colours: dict[str, Legend],
    title: str,
    keyed: bool = False,
    room: float = 0.0,
) -> str:
    """The cells of one architecture as one SVG, one under the other.

    Args:
        graphs: the cells.
        colours: how each operation is drawn; others, and connections, are grey.
        title: what a screen reader says.
        keyed: whether a key of the operations that occur stands below.
        room: for labels, at least; see :func:`label_width`. Drawings of one room have
            their nodes at the same places.
    """
    room = max(room, *map(label_width, graphs))
    parts, top, width = [], 0.0, 0.0
    used: set[str | None] = set()
    for graph in graphs:
        layout = lay_out(graph, room)
        head = HEAD if len(graphs) > 1 else 0.0
        line = top + head + MARGIN - layout.top
        parts.append(
            f'<g transform="translate(0 {line:.1f})">\n{_cell(graph.name, layout, colours, head)}\n</g>'
        )
        top = line + layout.bottom + MARGIN
        width = max(width, layout.width)
        used |= {track.operation for track in layout.tracks} | {
            node.operation for node in layout.nodes
        }
    if keyed:
        key, height = _key(
            [entry for name, entry in colours.items() if name in used], width
        )
        parts.append(f'<g transform="translate(0 {top:.1f})">\n{key}\n</g>')
        top += height
    return (
        f'<svg role="img" aria-label="{html(title)}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:.1f} {top:.1f}" width="{width:.1f}" height="{top:.1f}" '
        f'font-family="{FONT}, sans-serif" font-size="{FONT_SIZE:g}" text-anchor="middle">\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _cell(name: str, layout: Layout, colours: dict[str, Legend], head: float) -> str:
    """The cell around its line of nodes; `head` is the room above it for its name."""
    lines = [] if layout.output is None else [_concatenation(layout, layout.output)]
    looks = [
        (track, colours.get(track.operation or "", CONNECTION))
        for track in layout.tracks
    ]
    # Later lines lie over earlier ones: `none` carries nothing and comes first.
    lines += [
        _edge(track, look)
        for track, look in sorted(looks, key=lambda found: not found[1].dotted)
    ]
    for node in (*layout.nodes, *([layout.output] if layout.output else [])):
        lines.append(
            _node(
                node,
                INK
                if node.operation is None
                else colours.get(node.operation, CONNECTION).colour,
            )
        )
    if head:
        lines.append(
            _text(
                1,
                layout.top - head + FONT_SIZE - 4,
                name,
                INK,
                'text-anchor="start" font-weight="bold"',
            )
        )
    return "\n".join(lines)


def _concatenation(layout: Layout, output: Node) -> str:
    """The output nodes gathered below the cell and led into its output."""
    end, tip = (output.x, layout.bus), (output.x, output.y + output.half_height)
    first, *others = layout.stubs
    paths = [_path((first, (first[0], layout.bus), end, _before(tip, end)))]
    paths += [
        _path((stub, (stub[0], layout.bus), (stub[0] + CORNER, layout.bus)))
        for stub in others
    ]
    words = _text(
        output.x - CORNER - 4, layout.bus - OFF, "concat", MUTED, 'text-anchor="end"'
    )
    return f'<path d="{"".join(paths)}" fill="none" stroke="{MUTED}"/>\n{_arrow(tip, end, MUTED)}\n{words}'


def _edge(track: Track, look: Legend) -> str:
    tip, behind = track.corners[-1], track.corners[-2]
    line = _path((*track.corners[:-1], _before(tip, behind)))
    width = 2 if track.operation else 1.4
    label = _text(*track.label, track.operation, INK) if track.operation else ""
    return (
        f'<path d="{line}" fill="none" stroke="{look.colour}" stroke-width="{width}"{_dots(look)}/>'
        f"{_arrow(tip, behind, look.colour)}{label}"
    )


def _dots(look: Legend) -> str:
    return ' stroke-dasharray="1.5 4" stroke-linecap="round"' if look.dotted else ""


def _path(corners: Sequence[Point]) -> str:
    """A line through the corners, each turn rounded."""
    parts = ["M{:.1f} {:.1f}".format(*corners[0])]
    for before, corner, after in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(
            CORNER,
            _distance(before, corner) / 2
            if before != corners[0]
            else _distance(before, corner),
        )
        radius = min(
            radius,
            _distance(corner, after) / 2
            if after != corners[-1]
            else _distance(corner, after),
        )
        turn = (
            *_towards(corner, before, radius),
            *corner,
            *_towards(corner, after, radius),
        )
        parts.append("L{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}".format(*turn))
    return "".join(parts) + "L{:.1f} {:.1f}".format(*corners[-1])


def _distance(a: Point, b: Point) -> float:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _towards(a: Point, b: Point, distance: float) -> Point:
    """The point so far from a in the direction of b; lines are level or upright."""
    part = distance / (_distance(a, b) or 1)
    return a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part


def _before(tip: Point, behind: Point) -> Point:
    """Where the line ends and the arrowhead begins."""
    return _towards(tip, behind, ARROW - 1)


def _arrow(tip: Point, behind: Point, colour: str) -> str:
    """An arrowhead. No marker: those have ids, and a page holds many drawings."""
    x, y = _towards(tip, behind, ARROW)
    (dx, dy) = (0, ARROW / 2) if tip[1] == behind[1] else (ARROW / 2, 0)
    shape = "M{:.1f} {:.1f}L{:.1f} {:.1f}L{:.1f} {:.1f}Z".format(
        *tip, x - dx, y - dy, x + dx, y + dy
    )
    return f'<path d="{shape}" fill="{colour}"/>'


def _node(node: Node, colour: str) -> str:
    if node.round:
        shape = f'<circle cx="{node.x:.1f}" cy="{node.y:.1f}" r="{node.half_width:g}"'
    else:
        place = (
            f'x="{node.x - node.half_width:.1f}" y="{node.y - node.half_height:.1f}"'
        )
        shape = f'<rect {place} width="{2 * node.half_width:g}" height="{2 * node.half_height:g}" rx="5"'
    name = html(node.name)
    if node.subscript:
        name = f'<tspan>{name}</tspan><tspan dy="3" font-size="{0.8 * FONT_SIZE:g}">{html(node.subscript)}</tspan>'
    return (
        f'{shape} fill="none" stroke="{colour}" stroke-width="{2 if node.operation else 1.4}"/>'
        f'<text x="{node.x:.1f}" y="{node.y + (2 if node.subscript else 4):.1f}" fill="{INK}">{name}</text>'
    )


def _key(entries: Sequence[Legend], width: float) -> tuple[str, float]:
    """A key of operations, in columns, and its height."""
    room = 26 + max([0.0, *(text_width(entry.operation) for entry in entries)]) + 6
    columns = max(1, int(width // room))
    parts = []
    for place, entry in enumerate(entries):
        x, y = room * (place % columns), 12.0 + 17 * (place // columns)
        line = f"M{x + 1:.1f} {y - 4:.1f}L{x + 20:.1f} {y - 4:.1f}"
        parts.append(
            f'<path d="{line}" stroke="{entry.colour}" stroke-width="3"{_dots(entry)}/>'
        )
        parts.append(_text(x + 26, y, entry.operation, INK, 'text-anchor="start"'))
    return "\n".join(parts), 6.0 + 17 * -(-len(entries) // columns)


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}"{" " + more if more else ""}>{html(text)}</text>'
