"""Positions of the nodes, edges and labels in the drawing of a cell.

The unit is pixels. y grows downwards; the line of nodes is at y = 0.

Nodes are in columns along one line; two inputs share the first column. An edge between
neighbours follows the line. Every other edge turns into a separate lane above or below
the line, and at the end into the column of its target. Edges turn only in columns, and
labels are only in the gaps between columns, each at the lane of its edge. So no label
touches another label or is closer to another edge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

from archselect.benchmarks.store.records import CellGraph

Point = tuple[float, float]

FIRST = 38.0
"""Distance from the line of nodes to the first lane."""
LANE = 27.0
"""Distance between lanes."""
CORNER = 10.0
"""Radius of a turn."""
PORT = 9.0
"""Distance between neighbouring edges at a node."""
NODE = 13.0
"""Radius of a node, and half the width of the narrowest box."""
FONT_SIZE = 11.0
"""Size of a label."""
ADVANCE = 0.63
"""Width of a letter as a fraction of the font size.

Names of operations in DejaVu Sans are at most this wide, except short names with many
wide letters.
"""
WIDE_LETTERS = "mwMW"
WIDE_ADVANCE = 0.99
NARROW_ADVANCE = 0.58
"""Widths of these letters and of all others in short texts, per font size."""
SUBSCRIPT = 0.8
"""Size of a subscript as a fraction of the font size."""
PAD = 9.0
"""Distance from a label to the columns on both sides."""
OFF = 5.0
"""Distance from an edge to its label."""
RISE = 8.5
"""Height of letters above the baseline."""

ABOVE = 1
BELOW = -1
"""Sides of the line of nodes; lanes above it have positive numbers."""

_CONNECTION = re.compile(r"projection|skip_connect|slot_\d+")
"""Edges between the blocks of NAS-Bench-101's cells, which get no label."""


@dataclass(frozen=True)
class DrawnNode:
    """A node and its name.

    A block, as in NAS-Bench-101, has an operation, whose name is the node's name.

    Attributes:
        x, y: centre.
        half_width, half_height: half the size; equal for a circle.
        name: text in the node.
        subscript: subscript after the name.
        operation: operation of a block; None for other nodes.
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
        """Whether the node is a circle."""
        return self.half_width == self.half_height

    def reach(self, dx: float) -> float:
        """Return the height of the outline above the centre, at `dx` to the side."""
        if self.round:
            return float((self.half_width**2 - dx**2) ** 0.5)
        return self.half_height


@dataclass(frozen=True)
class Track:
    """The drawn line of an edge.

    Attributes:
        corners: corners from source to target.
        operation: name of the operation; None for a connection between blocks.
        label: centre of the label's baseline.
    """

    corners: tuple[Point, ...]
    operation: str | None
    label: Point


@dataclass(frozen=True)
class CellLayout:
    """The layout of a cell.

    Attributes:
        nodes: nodes without the concatenation.
        tracks: lines of the edges.
        output: node of the concatenation; None if the output is one node.
        stubs: points where lines to the concatenation start.
        bus: y of the line that collects them.
        width: width of the drawing.
        top, bottom: smallest and largest y of the drawing.
    """

    nodes: tuple[DrawnNode, ...]
    tracks: tuple[Track, ...]
    output: DrawnNode | None
    stubs: tuple[Point, ...]
    bus: float
    width: float
    top: float
    bottom: float


class _PlannedEdge(NamedTuple):
    """An edge between indices of nodes; without an operation it is a connection."""

    source: int
    target: int
    operation: str | None


@dataclass(frozen=True)
class _CellPlan:
    """The nodes and edges to lay out.

    Attributes:
        nodes: nodes in order, still without positions.
        edges: edges between them.
        output: indices of the output nodes.
        stacked: whether the first two nodes share the first column.
    """

    nodes: list[DrawnNode]
    edges: list[_PlannedEdge]
    output: list[int]
    stacked: bool

    def column(self, node: int) -> int:
        """Return the column of a node."""
        return max(0, node - 1) if self.stacked else node

    def columns_of_edge(self, edge: int) -> tuple[int, int]:
        """Return the columns of an edge's source and target."""
        planned = self.edges[edge]
        return self.column(planned.source), self.column(planned.target)

    def leaves_stacked_input(self, edge: int) -> bool:
        """Return whether an edge's source is one of two inputs in the first column."""
        return self.stacked and self.edges[edge].source < 2


@dataclass(frozen=True)
class _Columns:
    """The centre of each column, and half its width."""

    middles: list[float]
    half_widths: list[float]

    def middle_of_gap(self, gap: int) -> float:
        """Return the middle between a column and the next one."""
        left = self.middles[gap] + self.half_widths[gap]
        both = left + self.middles[gap + 1] - self.half_widths[gap + 1]
        return both / 2


@dataclass
class _Ports:
    """The horizontal offset from a node's centre at which each line meets it.

    Attributes:
        leave, enter: offset of each edge, at its source and at its target.
        stubs: offset of the line to the concatenation, by node.
    """

    leave: list[float]
    enter: list[float]
    stubs: dict[int, float]


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Return the estimated width of a text, in pixels.

    It depends on the number of letters, and is larger if many letters are wide.
    """
    wide = sum(text.count(letter) for letter in WIDE_LETTERS)
    narrow = len(text) - wide
    by_letter = WIDE_ADVANCE * wide + NARROW_ADVANCE * narrow
    return size * max(ADVANCE * len(text), by_letter)


def label_width(graph: CellGraph) -> float:
    """Return the estimated width of the longest label of an edge, in pixels."""
    edges = _plan_cell(graph).edges
    widths = [text_width(edge.operation) for edge in edges if edge.operation]
    return max([0.0, *widths])


def lay_out(graph: CellGraph, room: float) -> CellLayout:
    """Return the layout of a cell.

    Args:
        graph: cell.
        room: width for a label in every gap between columns, at least the
            :func:`label_width` of the cell.
    """
    plan = _plan_cell(graph)
    lanes = _assign_lanes(plan)
    columns = _place_columns(plan, room)
    ports = _place_ports(plan, lanes)
    nodes = [
        replace(
            node,
            x=columns.middles[plan.column(place)],
            y=_node_height(plan, place),
        )
        for place, node in enumerate(plan.nodes)
    ]
    tracks = [
        _lay_out_edge(plan, nodes, columns, lanes[edge], ports, edge)
        for edge in range(len(plan.edges))
    ]
    without_output = CellLayout(
        nodes=tuple(nodes),
        tracks=tuple(tracks),
        output=None,
        stubs=(),
        bus=0.0,
        width=columns.middles[-1] + columns.half_widths[-1] + 1,
        top=min(_ends(nodes, lanes)),
        bottom=max(_ends(nodes, lanes)),
    )
    if len(plan.output) == 1:
        return without_output
    return _add_concatenation(plan, without_output, ports)


def _lay_out_edge(
    plan: _CellPlan,
    nodes: Sequence[DrawnNode],
    columns: _Columns,
    lane: int,
    ports: _Ports,
    edge: int,
) -> Track:
    """Return the corners of an edge and the position of its label."""
    planned = plan.edges[edge]
    corners = _corners(
        nodes[planned.source],
        nodes[planned.target],
        lane,
        ports.leave[edge],
        ports.enter[edge],
    )
    # The gap closest to the middle of the edge; if there are two, the later one.
    gap = sum(plan.columns_of_edge(edge)) // 2
    y = _lane_height(lane)
    below_line = y > 0
    label_y = y + (OFF + RISE if below_line else -OFF)
    return Track(corners, planned.operation, (columns.middle_of_gap(gap), label_y))


def _ends(nodes: Sequence[DrawnNode], lanes: Sequence[int]) -> list[float]:
    """Return the y at which nodes and labels end."""
    ends = []
    for node in nodes:
        ends.append(node.y + node.half_height)
        ends.append(node.y - node.half_height)
    for lane in lanes:
        if lane:
            outwards = -1 if lane > 0 else 1
            ends.append(_lane_height(lane) + (OFF + FONT_SIZE) * outwards)
    return ends


def _add_concatenation(
    plan: _CellPlan, layout: CellLayout, ports: _Ports
) -> CellLayout:
    """Return a layout with the concatenation and the lines to it."""
    bus = max(layout.bottom + 9, FIRST)
    box = _box("c", "k") if plan.stacked else _box("out")
    left_end = layout.width + text_width("concat") + 2 * PAD
    output = replace(box, x=left_end + box.half_width - NODE)
    stubs = []
    for place in sorted(plan.output):
        node = layout.nodes[place]
        dx = ports.stubs[place]
        stubs.append((node.x + dx, node.y + node.reach(dx)))
    return replace(
        layout,
        output=output,
        stubs=tuple(stubs),
        bus=bus,
        width=output.x + output.half_width + 1,
        bottom=bus,
    )


def _plan_cell(graph: CellGraph) -> _CellPlan:
    """Return the nodes and edges to lay out.

    They are those of the graph, or blocks with the connections between them.
    """
    blocks = _find_blocks(graph)
    used = {*range(graph.inputs), *graph.output}
    for source, target, _ in graph.edges:
        used |= {source, target}
    nodes: list[DrawnNode] = []
    place: dict[int, int] = {}
    for node in range(graph.nodes):
        if node not in used or node in place:
            continue
        place[node] = len(nodes)
        if node in blocks:
            block = blocks[node]
            place[block.second_node] = len(nodes)
            nodes.append(replace(_box(block.operation), operation=block.operation))
        else:
            nodes.append(_name_node(graph, node))
    edges = [
        _PlannedEdge(place[source], place[target], None if blocks else operation)
        for source, target, operation in graph.edges
        if source not in blocks
    ]
    return _CellPlan(
        nodes=nodes,
        edges=edges,
        output=[place[node] for node in graph.output],
        stacked=graph.inputs == 2,
    )


class _Block(NamedTuple):
    """An operation at a node: an edge of the graph, drawn as a node."""

    second_node: int
    operation: str


def _find_blocks(graph: CellGraph) -> dict[int, _Block]:
    """Return the blocks of a cell with operations at nodes, by first node.

    NAS-Bench-101 has such cells. A block is an edge that is the only one to leave its
    source and the only one to enter its target. There are blocks only if every node
    between inputs and output is in a block, and all other edges are connections.
    """
    leaving = Counter(source for source, _, _ in graph.edges)
    entering = Counter(target for _, target, _ in graph.edges)
    inner = {*leaving, *entering} - {*range(graph.inputs), *graph.output}
    blocks: dict[int, _Block] = {}
    for source, target, operation in sorted(graph.edges):
        single = leaving[source] == 1 and entering[target] == 1
        if single and {source, target} <= inner:
            blocks[source] = _Block(target, operation)
            inner -= {source, target}
    connections = [
        operation for source, _, operation in graph.edges if source not in blocks
    ]
    all_connect = all(_CONNECTION.fullmatch(operation) for operation in connections)
    has_blocks = "projection" in connections and all_connect and not inner
    return blocks if has_blocks else {}


def _name_node(graph: CellGraph, node: int) -> DrawnNode:
    """Return a node with its name.

    Two inputs are called c(k−2) and c(k−1), as in the literature; a cell with one input
    and one output has "in" and "out".
    """
    if graph.inputs == 2 and node < 2:
        return _box("c", f"k−{2 - node}")
    if node < graph.inputs:
        return _box("in" if graph.inputs == 1 else f"in {node}")
    if graph.output == [node]:
        return _box("out")
    number = node - graph.inputs if graph.inputs == 2 else node
    return DrawnNode(0.0, 0.0, NODE, NODE, str(number))


def _box(name: str, subscript: str = "") -> DrawnNode:
    width = text_width(name) + text_width(subscript, SUBSCRIPT * FONT_SIZE)
    half_width = max(NODE, width / 2 + 5) + 0.5
    return DrawnNode(0.0, 0.0, half_width, 12.0, name, subscript)


def _place_columns(plan: _CellPlan, room: float) -> _Columns:
    """Return the positions of the columns, with space for a label between them."""
    count = plan.column(len(plan.nodes) - 1) + 1
    half_widths = [0.0] * count
    for place, node in enumerate(plan.nodes):
        column = plan.column(place)
        half_widths[column] = max(half_widths[column], node.half_width)
    middles = [half_widths[0] + 1]
    for left, right in pairwise(half_widths):
        middles.append(middles[-1] + left + max(room, 2 * CORNER) + 2 * PAD + right)
    return _Columns(middles, half_widths)


def _node_height(plan: _CellPlan, node: int) -> float:
    """Return the y of a node; two inputs are at the first lanes."""
    if plan.stacked and node < 2:
        return _lane_height(_side_of_input(node))
    return 0.0


def _side_of_input(node: int) -> int:
    """Return the side of the first or the second of two inputs."""
    return ABOVE if node == 0 else BELOW


def _lane_height(lane: int) -> float:
    """Return the y of a lane: positive lanes are above the line, 0 is the line."""
    if lane == 0:
        return 0.0
    direction = -1 if lane > 0 else 1
    return direction * (FIRST + LANE * (abs(lane) - 1))


def _assign_lanes(plan: _CellPlan) -> list[int]:
    """Return a lane for every edge, so that edges of one lane do not overlap.

    Short edges come first. An edge takes the free lane closest to the line, on the side
    with fewer crossings. Edges of the upper of two inputs stay above the line; those of
    the lower input stay below.
    """
    lanes = _Lanes([plan.columns_of_edge(edge) for edge in range(len(plan.edges))])
    for edge in lanes.short_edges_first():
        stacked = plan.leaves_stacked_input(edge)
        if lanes.length(edge) == 1 and not stacked and lanes.is_free(edge, 0):
            lanes.taken[edge] = 0
            continue
        sides = [ABOVE, BELOW]
        if stacked:
            sides = [_side_of_input(plan.edges[edge].source)]
        lowest = [lanes.lowest_free(edge, side) for side in sides]
        costs = [lanes.cost(edge, lane) for lane in lowest]
        lanes.taken[edge] = lowest[costs.index(min(costs))]
    return [lanes.taken[edge] for edge in range(len(plan.edges))]


class _Lanes:
    """The lanes of edges.

    Attributes:
        columns: first and last column of each edge.
        taken: lane of each edge that already has one.
    """

    def __init__(self, columns: Sequence[tuple[int, int]]) -> None:
        self.columns = columns
        self.taken: dict[int, int] = {}

    def length(self, edge: int) -> int:
        """Return the number of columns that an edge spans."""
        first, last = self.columns[edge]
        return last - first

    def short_edges_first(self) -> list[int]:
        """Return the edges by length, then from left to right."""
        edges = range(len(self.columns))
        return sorted(
            edges, key=lambda edge: (self.length(edge), self.columns[edge], edge)
        )

    def is_free(self, edge: int, lane: int) -> bool:
        """Return whether no other edge of the lane overlaps the edge."""
        first, last = self.columns[edge]
        for other, other_lane in self.taken.items():
            if other_lane != lane:
                continue
            other_first, other_last = self.columns[other]
            apart = last <= other_first or other_last <= first
            if not apart:
                return False
        return True

    def lowest_free(self, edge: int, side: int) -> int:
        """Return the free lane closest to the line, on one side."""
        number = 1
        while not self.is_free(edge, side * number):
            number += 1
        return side * number

    def cost(self, edge: int, lane: int) -> tuple[int, int]:
        """Return the cost of a lane: distance plus crossings, then its side."""
        return abs(lane) + self._crossings(edge, lane), -lane

    def _crossings(self, edge: int, lane: int) -> int:
        """Return the number of ends of outer edges within inner ones, on one side."""
        count = 0
        for other, other_lane in self.taken.items():
            if other_lane * lane <= 0:
                continue
            inner = self.columns[edge]
            outer = self.columns[other]
            if abs(other_lane) < abs(lane):
                inner, outer = outer, inner
            count += sum(inner[0] < end < inner[1] for end in outer)
        return count


def _place_ports(plan: _CellPlan, lanes: Sequence[int]) -> _Ports:
    """Return the offsets at which edges and stubs meet nodes.

    On a side of a node, from left to right: entering edges, the line to the
    concatenation, leaving edges. Edges of outer lanes are inside those of inner lanes,
    so that they do not cross at the node.
    """
    ports = _Ports(
        leave=[0.0] * len(lanes),
        enter=[0.0] * len(lanes),
        stubs=dict.fromkeys(plan.output, 0.0),
    )
    for node in range(len(plan.nodes)):
        _place_ports_of_side(plan, lanes, ports, node, ABOVE)
        _place_ports_of_side(plan, lanes, ports, node, BELOW)
    return ports


def _place_ports_of_side(
    plan: _CellPlan, lanes: Sequence[int], ports: _Ports, node: int, side: int
) -> None:
    """Set the offsets of the lines on one side of a node."""
    inner_first = sorted(range(len(lanes)), key=lambda edge: abs(lanes[edge]))
    of_side = [edge for edge in inner_first if lanes[edge] * side > 0]
    entering = [edge for edge in of_side if plan.edges[edge].target == node]
    # If the node is in the edge's lane, the edge leaves it at its right end.
    height = _node_height(plan, node)
    leaving = [
        edge
        for edge in reversed(of_side)
        if plan.edges[edge].source == node and _lane_height(lanes[edge]) != height
    ]
    concatenated = len(ports.stubs) > 1 and node in ports.stubs
    has_stub = side == BELOW and concatenated
    count = len(entering) + has_stub + len(leaving)
    widest_step = 1.7 * plan.nodes[node].half_width / max(1, count - 1)
    step = min(PORT, widest_step)
    places = [step * (place - (count - 1) / 2) for place in range(count)]
    first_leaving = len(entering) + has_stub
    for edge, dx in zip(entering, places, strict=False):
        ports.enter[edge] = dx
    for edge, dx in zip(leaving, places[first_leaving:], strict=True):
        ports.leave[edge] = dx
    if has_stub:
        ports.stubs[node] = places[len(entering)]


def _corners(
    source: DrawnNode, target: DrawnNode, lane: int, leave: float, enter: float
) -> tuple[Point, ...]:
    """Return the corners of an edge from the outline of its source to its target."""
    y = _lane_height(lane)
    direction = -1 if lane > 0 else 1
    start_x = source.x + leave
    end_x = target.x + enter
    start: list[Point] = [
        (start_x, source.y + direction * source.reach(leave)),
        (start_x, y),
    ]
    end: list[Point] = [
        (end_x, y),
        (end_x, target.y + direction * target.reach(enter)),
    ]
    if y == source.y:
        start = [(source.x + source.half_width, y)]
    if y == target.y:
        end = [(target.x - target.half_width, y)]
    return (*start, *end)
