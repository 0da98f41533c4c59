"""Where the nodes, edges and labels of a drawn cell go.

Pixels; y grows downwards, the line of nodes is y = 0.

Nodes stand in columns along one line; two inputs share the first column. An edge
between neighbours runs along the line; every other edge turns into a lane of its own
above or below, and turns into its target's column at the end. Edges turn only in the
columns and labels stand only in the gaps between them, each at its own lane: so no
label can touch another one, or lie nearer to another edge than to its own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise, product

from archselect.benchmarks.store.records import CellGraph

Point = tuple[float, float]

FIRST, LANE = 38.0, 27.0
"""From the line to the first lane, and from lane to lane."""
CORNER, PORT = 10.0, 9.0
"""Radius of a turn; distance of neighbouring edges at a node."""
NODE = 13.0
"""Radius of a node, and half the width of the narrowest box."""
FONT_SIZE, ADVANCE = 11.0, 0.63
"""Size of a label, and the width of a character as a part of it: no operation's name is
wider in DejaVu Sans.
"""
PAD, OFF = 9.0, 5.0
"""From a label to the columns on both sides, and from an edge to its label."""
RISE = 8.5
"""How far letters reach above the line of writing."""

_CONNECTION = re.compile(r"projection|skip_connect|slot_\d+")
"""What NAS-Bench-101's cells have between their blocks; it is no choice, and not
written.
"""


@dataclass(frozen=True)
class Node:
    """A node and its name, of which `subscript` is set lower.

    A circle has `half_width == half_height`.

    A block has an operation, which is its name.
    """

    x: float
    y: float
    half_width: float
    half_height: float
    name: str
    subscript: str = ""
    operation: str | None = None

    @property
    def round(self) -> bool:
        """Whether it is drawn as a circle."""
        return self.half_width == self.half_height

    def reach(self, dx: float) -> float:
        """From the middle to the upper and lower edge, `dx` to the side."""
        return (
            float((self.half_width**2 - dx**2) ** 0.5)
            if self.round
            else self.half_height
        )


@dataclass(frozen=True)
class Track:
    """An edge: its corners from source to target, its operation, and the middle of that name's line of writing.

    A connection between blocks has no operation.
    """

    corners: tuple[Point, ...]
    operation: str | None
    label: Point


@dataclass(frozen=True)
class Layout:
    """A laid out cell.

    `output` is the concatenation's node, None where the output is one node. Then
    `stubs` are the points at which the concatenated nodes are left, and `bus` is the
    height at which those lines are gathered. The drawing reaches from `top` to `bottom`
    and from 0 to `width`.
    """

    nodes: tuple[Node, ...]
    tracks: tuple[Track, ...]
    output: Node | None
    stubs: tuple[Point, ...]
    bus: float
    width: float
    top: float
    bottom: float


@dataclass(frozen=True)
class _Plan:
    """What is to be laid out: nodes that have yet no place, edges between them, which nodes are put out.

    `stacked` says whether the first two nodes share the first column.
    """

    nodes: list[Node]
    edges: list[tuple[int, int, str | None]]
    output: list[int]
    stacked: bool

    def column(self, node: int) -> int:
        return max(0, node - 1) if self.stacked else node


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """The estimated width of a text."""
    return ADVANCE * size * len(text)


def label_width(graph: CellGraph) -> float:
    """The estimated width of the longest name that stands at an edge."""
    return max(
        [
            0.0,
            *(
                text_width(operation)
                for *_, operation in _plan(graph).edges
                if operation
            ),
        ]
    )


def lay_out(graph: CellGraph, room: float) -> Layout:
    """Lay out a cell.

    Args:
        graph: the cell.
        room: for a label in every gap between columns: at least its
            :func:`label_width`.
    """
    plan = _plan(graph)
    lanes = _lanes(plan)
    at, halves = _columns(plan, room)
    nodes = [
        replace(node, x=at[plan.column(n)], y=_node_height(plan, n))
        for n, node in enumerate(plan.nodes)
    ]
    ports, places = _ports(plan, lanes)
    tracks = []
    for (source, target, operation), lane, (leaves, enters) in zip(
        plan.edges, lanes, ports, strict=True
    ):
        corners = _corners(nodes[source], nodes[target], lane, leaves, enters)
        # The gap nearest to the edge's middle; of two the later one.
        gap = (plan.column(source) + plan.column(target)) // 2
        x, y = (
            (at[gap] + halves[gap] + at[gap + 1] - halves[gap + 1]) / 2,
            _lane_height(lane),
        )
        tracks.append(
            Track(corners, operation, (x, y + (OFF + RISE if y > 0 else -OFF)))
        )
    ends = [node.y + side * node.half_height for node in nodes for side in (1, -1)]
    ends += [
        _lane_height(lane) + (OFF + FONT_SIZE) * (-1 if lane > 0 else 1)
        for lane in lanes
        if lane
    ]
    top, bottom, width = min(ends), max(ends), at[-1] + halves[-1] + 1
    if len(plan.output) == 1:
        return Layout(tuple(nodes), tuple(tracks), None, (), 0.0, width, top, bottom)
    bus = max(bottom + 9, FIRST)
    output = _box("c", "k") if plan.stacked else _box("out")
    output = replace(
        output, x=width + text_width("concat") + 2 * PAD + output.half_width - NODE
    )
    stubs = tuple(
        (nodes[n].x + places[n], nodes[n].y + nodes[n].reach(places[n]))
        for n in sorted(plan.output)
    )
    return Layout(
        tuple(nodes),
        tuple(tracks),
        output,
        stubs,
        bus,
        output.x + output.half_width + 1,
        top,
        bus,
    )


def _plan(graph: CellGraph) -> _Plan:
    """The nodes and edges to lay out: those of the graph, or blocks and the connections between them."""
    blocks = _blocks(graph)
    used = {node for source, target, _ in graph.edges for node in (source, target)}
    used |= {*range(graph.inputs), *graph.output}
    nodes: list[Node] = []
    place: dict[int, int] = {}
    for node in range(graph.nodes):
        if node in used and node not in place:
            place[node] = len(nodes)
            if node in blocks:
                target, operation = blocks[node]
                place[target] = len(nodes)
                nodes.append(replace(_box(operation), operation=operation))
            else:
                nodes.append(_named(graph, node))
    edges = [
        (place[source], place[target], None if blocks else operation)
        for source, target, operation in graph.edges
        if source not in blocks
    ]
    return _Plan(
        nodes, edges, [place[node] for node in graph.output], graph.inputs == 2
    )


def _blocks(graph: CellGraph) -> dict[int, tuple[int, str]]:
    """For cells that have their operations at nodes, as NAS-Bench-101's: each block's (second node, operation).

    A block is an edge that is all its source puts out and all its target takes in.
    Either all nodes between inputs and output are in blocks, and all other edges are
    mere connections, or there are no blocks.
    """
    leave, enter = (
        Counter(edge[0] for edge in graph.edges),
        Counter(edge[1] for edge in graph.edges),
    )
    between = {node for edge in graph.edges for node in edge[:2]} - {
        *range(graph.inputs),
        *graph.output,
    }
    blocks: dict[int, tuple[int, str]] = {}
    for source, target, operation in sorted(graph.edges):
        if leave[source] == 1 == enter[target] and {source, target} <= between:
            blocks[source] = target, operation
            between -= {source, target}
    connections = [
        operation for source, _, operation in graph.edges if source not in blocks
    ]
    connected = "projection" in connections and all(
        map(_CONNECTION.fullmatch, connections)
    )
    return blocks if connected and not between else {}


def _named(graph: CellGraph, node: int) -> Node:
    """A node with its name: the field's names of two inputs, "in" and "out" of a cell with one of each."""
    if graph.inputs == 2 and node < 2:
        return _box("c", f"k−{2 - node}")
    if node < graph.inputs:
        return _box("in" if graph.inputs == 1 else f"in {node}")
    if graph.output == [node]:
        return _box("out")
    return Node(
        0.0, 0.0, NODE, NODE, str(node - graph.inputs if graph.inputs == 2 else node)
    )


def _box(name: str, subscript: str = "") -> Node:
    half = (text_width(name) + text_width(subscript, 0.8 * FONT_SIZE)) / 2 + 5
    return Node(0.0, 0.0, max(NODE, half) + 0.5, 12.0, name, subscript)


def _columns(plan: _Plan, room: float) -> tuple[list[float], list[float]]:
    """The middle of each column, and half its width."""
    halves = [0.0] * (plan.column(len(plan.nodes) - 1) + 1)
    for n, node in enumerate(plan.nodes):
        halves[plan.column(n)] = max(halves[plan.column(n)], node.half_width)
    at = [halves[0] + 1]
    for left, right in pairwise(halves):
        at.append(at[-1] + left + max(room, 2 * CORNER) + 2 * PAD + right)
    return at, halves


def _node_height(plan: _Plan, node: int) -> float:
    """y of a node: two inputs stand in the first lanes."""
    return _lane_height((1, -1)[node]) if plan.stacked and node < 2 else 0.0


def _lane_height(lane: int) -> float:
    """y of a lane: 1, 2, … above the line, -1, -2, … below it, 0 the line."""
    return (
        0.0 if lane == 0 else (-1 if lane > 0 else 1) * (FIRST + LANE * (abs(lane) - 1))
    )


def _lanes(plan: _Plan) -> list[int]:
    """A lane for every edge, such that edges of one lane do not overlap.

    Short edges first: the lowest free lane, and of two sides the one with fewer
    crossings. Of two inputs the upper one's edges stay above the line, the lower one's
    below.
    """
    lanes: dict[int, int] = {}
    spans = [
        (plan.column(source), plan.column(target)) for source, target, _ in plan.edges
    ]

    def free(e: int, lane: int) -> bool:
        apart = (
            spans[e][1] <= spans[o][0] or spans[o][1] <= spans[e][0]
            for o in lanes
            if lanes[o] == lane
        )
        return all(apart)

    def crossings(e: int, lane: int) -> int:
        count = 0
        for o, other in lanes.items():
            if other * lane > 0:
                inner, outer = (
                    (spans[o], spans[e])
                    if abs(other) < abs(lane)
                    else (spans[e], spans[o])
                )
                count += sum(inner[0] < end < inner[1] for end in outer)
        return count

    def badness(e: int, lane: int) -> tuple[int, int]:
        return abs(lane) + crossings(e, lane), -lane

    for e in sorted(
        range(len(spans)), key=lambda e: (spans[e][1] - spans[e][0], spans[e], e)
    ):
        source = plan.edges[e][0]
        stacked = plan.stacked and source < 2
        if spans[e][1] - spans[e][0] == 1 and not stacked and free(e, 0):
            lanes[e] = 0
            continue
        sides = ((1, -1)[source],) if stacked else (1, -1)
        lowest = [
            next(side * k for k in range(1, len(spans) + 1) if free(e, side * k))
            for side in sides
        ]
        lanes[e] = min(lowest, key=partial(badness, e))
    return [lanes[e] for e in range(len(spans))]


def _ports(
    plan: _Plan, lanes: Sequence[int]
) -> tuple[list[list[float]], dict[int, float]]:
    """For each edge how far beside its source's and its target's middle it ends; the same of what is concatenated.

    On a side of a node, from left to right: what enters, what is concatenated, what
    leaves; edges of outer lanes within those of inner ones, so that they do not cross
    at the node.
    """
    ports, stubs = [[0.0, 0.0] for _ in lanes], dict.fromkeys(plan.output, 0.0)
    for n, side in product(range(len(plan.nodes)), (1, -1)):
        own = [
            e
            for e in sorted(range(len(lanes)), key=lambda e: abs(lanes[e]))
            if lanes[e] * side > 0
        ]
        enter = [e for e in own if plan.edges[e][1] == n]
        # Where the node stands in the edge's own lane, the edge leaves it at its end.
        leave = [
            e
            for e in own[::-1]
            if plan.edges[e][0] == n and _lane_height(lanes[e]) != _node_height(plan, n)
        ]
        stub = side < 0 and n in stubs and len(stubs) > 1
        count = len(enter) + stub + len(leave)
        step = min(PORT, 1.7 * plan.nodes[n].half_width / max(1, count - 1))
        places = [step * (place - (count - 1) / 2) for place in range(count)]
        for e, dx in zip(enter, places, strict=False):
            ports[e][1] = dx
        for e, dx in zip(leave, places[len(enter) + stub :], strict=True):
            ports[e][0] = dx
        if stub:
            stubs[n] = places[len(enter)]
    return ports, stubs


def _corners(
    source: Node, target: Node, lane: int, leaves: float, enters: float
) -> tuple[Point, ...]:
    """An edge's corners from the rim of its source to the rim of its target."""
    y, side = _lane_height(lane), -1 if lane > 0 else 1
    start: list[Point] = [
        (source.x + leaves, source.y + side * source.reach(leaves)),
        (source.x + leaves, y),
    ]
    end: list[Point] = [
        (target.x + enters, y),
        (target.x + enters, target.y + side * target.reach(enters)),
    ]
    if y == source.y:
        start = [(source.x + source.half_width, y)]
    if y == target.y:
        end = [(target.x - target.half_width, y)]
    return (*start, *end)
