"""The selected cells as small drawings: nodes in one line, operations as named straight or arched edges."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from archselect.benchmarks.records import Accuracy, CellGraph, Record
from archselect.reports.palette import FONT, INK, MUTED, series
from archselect.reports.results import Group, Results, seed_name

STEP, LANE, RADIUS, MARGIN = 118.0, 34.0, 13.0, 26.0
INPUTS_APART = 64.0
ZERO = "none"


@dataclass(frozen=True)
class Choice:
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


@dataclass(frozen=True)
class Legend:
    """An operation and the colour of its edges; None is the dotted grey of an edge that carries nothing."""

    operation: str
    colour: str
    dotted: bool


def selected_cells(results: Results) -> list[SelectedCell]:
    """One per distinct architecture of a space, in the order of the first run that selected it."""
    chosen: dict[tuple[str, str], list[Choice]] = {}
    for group in results.groups:
        for record in group.records:
            chosen.setdefault((record.inputs.space, record.selected.architecture), []).append(Choice(group, record))
    colours = {entry.operation: entry for entry in legend(results)}
    return [
        SelectedCell(
            name=f"cell-{place:02d}",
            architecture=architecture,
            svg=draw(choices[0].record.selected.graph, colours, architecture),
            choices=tuple(choices),
            accuracies=tuple(choices[0].record.accuracies),
        )
        for place, ((_, architecture), choices) in enumerate(chosen.items(), start=1)
    ]


def legend(results: Results) -> list[Legend]:
    """Every operation of the spaces, in their order."""
    names = dict.fromkeys(
        name for r in results.records for cell in r.selected.operations for edge in cell for name in edge
    )
    coloured = [name for name in names if name != ZERO]
    return [Legend(n, MUTED if n == ZERO else series(coloured.index(n)), n == ZERO) for n in names]


def draw(graphs: list[CellGraph], colours: dict[str, Legend], title: str) -> str:
    """The cells of one architecture, one under the other."""
    parts, top, width = [], 0.0, 0.0
    for graph in graphs:
        body, cell_width, cell_height = _cell(graph, colours, named=len(graphs) > 1)
        parts.append(f'<g transform="translate(0 {top:.1f})">\n{body}\n</g>')
        top += cell_height
        width = max(width, cell_width)
    return (
        f'<svg role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:.1f} {top:.1f}" width="{width:.1f}" height="{top:.1f}" '
        f'font-family="{FONT}, sans-serif" font-size="11" text-anchor="middle">\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _cell(graph: CellGraph, colours: dict[str, Legend], named: bool) -> tuple[str, float, float]:
    """Drawing, width and height. Lanes are positive above the line of nodes, negative below, 0 on it."""
    lanes = _lanes(graph)
    up, down = max([0, *lanes]), -min([0, *lanes])
    inputs_reach = INPUTS_APART * (graph.inputs - 1) / 2
    above = max(up * LANE, inputs_reach) + MARGIN + (16 if named else 0)
    below = max(down * LANE, inputs_reach) + MARGIN
    at = _positions(graph, above)
    bus = len(graph.output) > 1
    right = max(x for x, _ in at) + RADIUS
    lines = [_edge(at, edge, lane, colours) for edge, lane in zip(graph.edges, lanes, strict=True)]
    if bus:
        low = above + below
        stubs = "".join(f"M{at[n][0]:.1f} {at[n][1] + RADIUS:.1f}V{low:.1f}" for n in graph.output)
        end = right + 34
        first = at[min(graph.output)][0]
        lines.insert(
            0,
            f'<path d="{stubs}M{first:.1f} {low:.1f}H{end:.1f}" fill="none" stroke="{MUTED}" opacity="0.6"/>',
        )
        lines.append(f'<text x="{end + 6:.1f}" y="{low + 4:.1f}" fill="{INK}" text-anchor="start">concat</text>')
        right, below = end + 56, below + 14
    lines += [_node(graph, node, *at[node]) for node in range(graph.nodes)]
    if named:
        lines.append(f'<text x="4" y="13" fill="{INK}" text-anchor="start" font-size="12">{escape(graph.name)}</text>')
    return "\n".join(lines), right + 4, above + below


def _positions(graph: CellGraph, line: float) -> list[tuple[float, float]]:
    """Inputs stacked on the left, every other node on the line, in order."""
    reach = INPUTS_APART * (graph.inputs - 1) / 2
    inputs = [(RADIUS + 4, line - reach + INPUTS_APART * i) for i in range(graph.inputs)]
    first = RADIUS + 4 + STEP * (1 if graph.inputs == 1 else 1.4)
    return inputs + [(first + STEP * i, line) for i in range(graph.nodes - graph.inputs)]


def _lanes(graph: CellGraph) -> list[int]:
    """For each edge the lane of its arch, such that no two arches of one side that overlap share a lane.

    Edges between neighbours on the line are straight. With several inputs, the upper ones arch above, the
    lower below.
    """
    place = {node: max(0, node - graph.inputs + 1) for node in range(graph.nodes)}
    lanes: dict[int, int] = {}
    taken: list[tuple[int, int, int]] = []
    order = sorted(range(len(graph.edges)), key=lambda e: (place[graph.edges[e][1]] - place[graph.edges[e][0]], e))
    for e in order:
        source, target, _ = graph.edges[e]
        a, b = place[source], place[target]
        forked = graph.inputs > 1 and source < graph.inputs
        if b - a == 1 and not forked:
            lanes[e] = 0
            continue
        sides = (1, -1) if not forked else (1,) if source < graph.inputs / 2 else (-1,)
        free = [side * k for k in range(1, len(graph.edges) + 1) for side in sides]
        lanes[e] = next(f for f in free if all(f != lane or b <= c or d <= a for c, d, lane in taken))
        taken.append((a, b, lanes[e]))
    return [lanes[e] for e in range(len(graph.edges))]


def _edge(at: list[tuple[float, float]], edge: tuple[int, int, str], lane: int, colours: dict[str, Legend]) -> str:
    source, target, operation = edge
    (x0, y0), (x1, y1) = at[source], at[target]
    line = at[-1][1]
    bend = (8 * (line - lane * LANE) - y0 - y1) / 6 if lane else y0  # so that the middle lies in the lane
    lean = min(0.3 * (x1 - x0), STEP * 0.6)
    sign = (lane > 0) - (lane < 0)
    start, end = (x0 + RADIUS, y0), (x1 - RADIUS, y1)
    if lane and y0 == y1:
        start, end = (
            (x0 + 0.6 * RADIUS, y0 - 0.8 * sign * RADIUS),
            (x1 - 0.6 * RADIUS, y1 - 0.8 * sign * RADIUS),
        )
    points = (*start, x0 + lean, bend, x1 - lean, bend, *end)
    path = "M{:.1f} {:.1f}C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}".format(*points)
    look = colours[operation]
    dots = ' stroke-dasharray="1.5 4" stroke-linecap="round"' if look.dotted else ""
    label = (line - lane * LANE if lane else y0) + (13 if lane < 0 else -5)
    return (
        f'<path d="{path}" fill="none" stroke="{look.colour}" stroke-width="2"{dots}/>\n'
        f'<text x="{(x0 + x1) / 2:.1f}" y="{label:.1f}" fill="{look.colour}">{escape(operation)}</text>'
    )


def _node(graph: CellGraph, node: int, x: float, y: float) -> str:
    name = "in" if graph.inputs == 1 and node == 0 else f"in {node}" if node < graph.inputs else str(node)
    if graph.output == [node]:
        name = "out"
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS:g}" fill="none" stroke="{INK}" stroke-width="1.4"/>'
        f'<text x="{x:.1f}" y="{y + 3.5:.1f}" fill="{INK}" font-size="10">{escape(name)}</text>'
    )
