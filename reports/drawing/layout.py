"""Where the nodes, edges and labels of a drawn cell go.

Pixels; y grows downwards, the line of nodes is y = 0.

Nodes stand in columns along one line; two inputs share the first column. An edge
between neighbours runs along the line; every other edge turns into its own lane above
or below, and turns into its target's column at the end. Edges turn only in the columns
and labels stand only in the gaps between them, each at its own lane. So no label can
touch another one, or lie nearer to another edge than to its own.
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
"""From the line of nodes to the first lane."""
LANE = 27.0
"""From lane to lane."""
CORNER = 10.0
"""Radius of a turn."""
PORT = 9.0
"""Distance of neighbouring edges at a node."""
NODE = 13.0
"""Radius of a node, and half the width of the narrowest box."""
FONT_SIZE = 11.0
"""Size of a label."""
ADVANCE = 0.63
"""Width of a character as a part of the font's size.

No operation's name is wider in DejaVu Sans, but for short ones of wide letters.
"""
WIDE_LETTERS = "mwMW"
WIDE_ADVANCE = 0.99
NARROW_ADVANCE = 0.58
"""Widths of those letters and of all others in short texts, per font size."""
SUBSCRIPT = 0.8
"""Size of a subscript as a part of the font's size."""
PAD = 9.0
"""From a label to the columns on both sides."""
OFF = 5.0
"""From an edge to its label."""
RISE = 8.5
"""How far letters reach above the line of writing."""

ABOVE = 1
BELOW = -1
"""Sides of the line of nodes; lanes above it have positive numbers."""

_CONNECTION = re.compile(r"projection|skip_connect|slot_\d+")
"""What NAS-Bench-101's cells have between their blocks; no choice, and not written."""


@dataclass(frozen=True)
class DrawnNode:
    """A node and its name.

    A block, as in NAS-Bench-101, has an operation, which is its name.

    Attributes:
        x, y: its middle.
        half_width, half_height: equal for a circle.
        name: what stands in it.
        subscript: what stands lower behind the name.
        operation: of a block.
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
        """Return the distance from the middle to the upper edge, `dx` to the side."""
        if self.round:
            return float((self.half_width**2 - dx**2) ** 0.5)
        return self.half_height


@dataclass(frozen=True)
class Track:
    """An edge.

    Attributes:
        corners: from source to target.
        operation: its name; None of a connection between blocks.
        label: the middle of the name's line of writing.
    """

    corners: tuple[Point, ...]
    operation: str | None
    label: Point


@dataclass(frozen=True)
class CellLayout:
    """A laid out cell.

    Attributes:
        nodes: all but the concatenation.
        tracks: the edges.
        output: the concatenation's node; None where the output is one node.
        stubs: the points at which the concatenated nodes are left.
        bus: the height at which those lines are gathered.
        width: the drawing reaches from 0 to it.
        top, bottom: between which heights the drawing lies.
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
    """An edge between places of nodes; without an operation it is a connection."""

    source: int
    target: int
    operation: str | None


@dataclass(frozen=True)
class _CellPlan:
    """What is to be laid out.

    Attributes:
        nodes: in order; they have no position yet.
        edges: between them.
        output: the nodes that are put out.
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
    """The columns: the middle of each, and half its width."""

    middles: list[float]
    half_widths: list[float]

    def middle_of_gap(self, gap: int) -> float:
        """Return the middle between a column and the next one."""
        left = self.middles[gap] + self.half_widths[gap]
        both = left + self.middles[gap + 1] - self.half_widths[gap + 1]
        return both / 2


@dataclass
class _Ports:
    """How far beside a node's middle each line meets it.

    Attributes:
        leave, enter: of each edge, at its source and at its target.
        stubs: of each node that is concatenated.
    """

    leave: list[float]
    enter: list[float]
    stubs: dict[int, float]


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """Return the estimated width of a text.

    It is that of as many letters of a usual text, or more where many of them are wide.
    """
    wide = sum(text.count(letter) for letter in WIDE_LETTERS)
    narrow = len(text) - wide
    by_letter = WIDE_ADVANCE * wide + NARROW_ADVANCE * narrow
    return size * max(ADVANCE * len(text), by_letter)


def label_width(graph: CellGraph) -> float:
    """Return the estimated width of the longest name that stands at an edge."""
    edges = _plan_cell(graph).edges
    widths = [text_width(edge.operation) for edge in edges if edge.operation]
    return max([0.0, *widths])


def lay_out(graph: CellGraph, room: float) -> CellLayout:
    """Return where everything of a cell goes.

    Args:
        graph: the cell.
        room: for a label in every gap between columns: at least its
            :func:`label_width`.
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
    """Return an edge's corners, and where its label stands."""
    planned = plan.edges[edge]
    corners = _corners(
        nodes[planned.source],
        nodes[planned.target],
        lane,
        ports.leave[edge],
        ports.enter[edge],
    )
    # The gap nearest to the edge's middle; of two the later one.
    gap = sum(plan.columns_of_edge(edge)) // 2
    y = _lane_height(lane)
    below_line = y > 0
    label_y = y + (OFF + RISE if below_line else -OFF)
    return Track(corners, planned.operation, (columns.middle_of_gap(gap), label_y))


def _ends(nodes: Sequence[DrawnNode], lanes: Sequence[int]) -> list[float]:
    """Return the heights at which nodes and labels end."""
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
    """Return a layout with the concatenation's node and the lines that lead to it."""
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

    They are those of the graph, or blocks and the connections between them.
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
    """An operation at a node: an edge of the graph that is drawn as a node."""

    second_node: int
    operation: str


def _find_blocks(graph: CellGraph) -> dict[int, _Block]:
    """Return the blocks of cells that have their operations at nodes, by first node.

    NAS-Bench-101's cells do. A block is an edge that is all its source puts out and all
    its target takes in. Either all nodes between inputs and output are in blocks, and
    all other edges are mere connections, or there are no blocks.
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

    Two inputs have the field's names; a cell with one input and one output has "in" and
    "out".
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
    """Return where the columns are; between two of them is room for a label."""
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
    """Return y of a node: two inputs stand in the first lanes."""
    if plan.stacked and node < 2:
        return _lane_height(_side_of_input(node))
    return 0.0


def _side_of_input(node: int) -> int:
    """Return on which side the first and the second of two inputs stand."""
    return ABOVE if node == 0 else BELOW


def _lane_height(lane: int) -> float:
    """Return y of a lane: 1, 2, … above the line, -1, -2, … below it, 0 the line."""
    if lane == 0:
        return 0.0
    direction = -1 if lane > 0 else 1
    return direction * (FIRST + LANE * (abs(lane) - 1))


def _assign_lanes(plan: _CellPlan) -> list[int]:
    """Return a lane for every edge, such that edges of one lane do not overlap.

    Short edges come first. An edge takes the lowest free lane, and of two sides the one
    with fewer crossings. Of two inputs the upper one's edges stay above the line, the
    lower one's below.
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
    """The lanes that edges have taken.

    Attributes:
        columns: the first and the last column of each edge.
        taken: the lane of each edge that has one.
    """

    def __init__(self, columns: Sequence[tuple[int, int]]) -> None:
        self.columns = columns
        self.taken: dict[int, int] = {}

    def length(self, edge: int) -> int:
        """Return over how many columns an edge reaches."""
        first, last = self.columns[edge]
        return last - first

    def short_edges_first(self) -> list[int]:
        """Return the edges by length, then from left to right."""
        edges = range(len(self.columns))
        return sorted(
            edges, key=lambda edge: (self.length(edge), self.columns[edge], edge)
        )

    def is_free(self, edge: int, lane: int) -> bool:
        """Return whether no edge of this lane overlaps the edge."""
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
        """Return the free lane nearest to the line, on one side."""
        number = 1
        while not self.is_free(edge, side * number):
            number += 1
        return side * number

    def cost(self, edge: int, lane: int) -> tuple[int, int]:
        """Return how bad a lane is for an edge: far, with crossings, and below."""
        return abs(lane) + self._crossings(edge, lane), -lane

    def _crossings(self, edge: int, lane: int) -> int:
        """Return how many ends of outer edges lie within inner ones, on one side."""
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
    """Return how far beside the middles of nodes edges and stubs meet them.

    On a side of a node stand, from left to right: what enters, what is concatenated,
    what leaves. Edges of outer lanes lie within those of inner ones, so that they do
    not cross at the node.
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
    """Write how far beside one node's middle lines meet it on one side."""
    inner_first = sorted(range(len(lanes)), key=lambda edge: abs(lanes[edge]))
    of_side = [edge for edge in inner_first if lanes[edge] * side > 0]
    entering = [edge for edge in of_side if plan.edges[edge].target == node]
    # Where the node stands in the edge's lane, the edge leaves it at its end.
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
    """Return an edge's corners from the rim of its source to the rim of its target."""
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
