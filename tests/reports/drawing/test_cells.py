"""Drawn cells, read back from their SVG: the graph can be told from the picture, and every label from its edge."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from archselect.benchmarks.store.records import CellGraph
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.reports.drawing.cells import draw, legend_of
from archselect.reports.drawing.layout import FONT_SIZE, text_width
from archselect.reports.drawing.palette import MUTED, SERIES

SVG = "{http://www.w3.org/2000/svg}"
SIZES = ("cx", "cy", "r", "x", "y", "width", "height")
TWO_INPUTS = ("darts", "s1", "s2", "s3", "s4")


@cache
def measured(text: str) -> tuple[float, float, float]:
    """Width of a text in DejaVu Sans at the labels' size, and how far it reaches above and below its line."""
    ink = TextPath(
        (0, 0), text, size=FONT_SIZE, prop=FontProperties(family="DejaVu Sans")
    ).get_extents()
    return ink.x1, ink.y1, -ink.y0


@dataclass
class Label:
    """A label as drawn: its operation and its box (left, top, right, bottom)."""

    operation: str
    box: np.ndarray

    @property
    def middle(self) -> np.ndarray:
        return (self.box[:2] + self.box[2:]) / 2


@dataclass
class Cell:
    """What stands in a cell's group: nodes by name as boxes, labels, and per label its edge's points and colour."""

    nodes: dict[str, np.ndarray]
    labels: list[Label]
    edges: list[np.ndarray]
    tips: list[np.ndarray]
    colours: list[str]
    dotted: list[bool]


def label(element: ElementTree.Element) -> Label:
    width, above, below = measured(element.text)
    x, y = float(element.get("x")), float(element.get("y"))
    return Label(
        element.text, np.array([x - width / 2, y - above, x + width / 2, y + below])
    )


def points(path: str) -> np.ndarray:
    """Points along a path of M, L and Q, no more than a pixel apart."""
    found: list[np.ndarray] = []
    for command, numbers in re.findall(r"([MLQ])([-\d. ]+)", path):
        values = np.array(numbers.split(), dtype=float).reshape(-1, 2)
        if command != "M":
            start, t = (
                found[-1][-1:],
                np.linspace(0, 1, 2 + int(np.abs(values[-1] - found[-1][-1]).sum()))[
                    :, None
                ],
            )
            control = values[:1] if command == "Q" else (start + values) / 2
            values = (
                (1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * values[-1:]
            )
        found.append(values)
    return np.concatenate(found)


def read(svg: str) -> list[Cell]:
    """The cells of a drawing.

    An edge is drawn as its line, its arrowhead and its label, one after the other.
    """
    cells = []
    for group in ElementTree.fromstring(svg).findall(f"{SVG}g"):
        cell = Cell({}, [], [], [], [], [])
        parts = list(group)
        for part, after, then in zip(
            parts, [*parts[1:], None], [*parts[2:], None, None], strict=True
        ):
            if part.tag == f"{SVG}path" and part.get("stroke-width") == "2":
                cell.edges.append(points(part.get("d")))
                cell.tips.append(points(after.get("d"))[0])
                cell.labels.append(label(then))
                cell.colours.append(part.get("stroke"))
                cell.dotted.append(part.get("stroke-dasharray") is not None)
            elif part.tag in (f"{SVG}circle", f"{SVG}rect"):
                get = {key: float(value) for key, value in part.items() if key in SIZES}
                box = (
                    [
                        get["cx"] - get["r"],
                        get["cy"] - get["r"],
                        get["cx"] + get["r"],
                        get["cy"] + get["r"],
                    ]
                    if "r" in get
                    else [
                        get["x"],
                        get["y"],
                        get["x"] + get["width"],
                        get["y"] + get["height"],
                    ]
                )
                cell.nodes["".join(after.itertext())] = np.array(box)
        cells.append(cell)
    return cells


def drawing(graphs: list[CellGraph], operations: list[str], **settings: bool) -> str:
    """The drawing of cells whose edges all allow these operations."""
    return draw(
        graphs,
        {entry.operation: entry for entry in legend_of([operations])},
        "a <cell>",
        **settings,
    )


def operations_of(name: str) -> list[str]:
    """The operations of a space's edges."""
    return [
        name
        for cell in get_space(name).cells
        for edge in cell.operations
        for name in edge
    ]


def drawn(space_name: str, seed: int) -> tuple[list[CellGraph], list[Cell]]:
    space = get_space(space_name)
    graphs = [
        CellGraph.model_validate(cell)
        for cell in space.graph(space.sample(np.random.default_rng(seed)))
    ]
    return graphs, read(drawing(graphs, operations_of(space_name)))


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a[:2] < b[2:]).all() and (b[:2] < a[2:]).all())


def apart(point: np.ndarray, line: np.ndarray) -> float:
    return float(np.hypot(*(line - point).T).min())


def check_labels(cell: Cell) -> None:
    """No two labels overlap, none lies on an edge or a node, and each is nearest to its own edge."""
    for a, b in combinations(cell.labels, 2):
        assert not overlap(a.box, b.box), (a, b)
    for place, own in enumerate(cell.labels):
        for node in cell.nodes.values():
            assert not overlap(own.box, node)
        distances = [apart(own.middle, edge) for edge in cell.edges]
        assert distances[place] < 0.75 * min(
            [*distances[:place], *distances[place + 1 :]], default=np.inf
        )
        for edge in cell.edges:
            assert (
                not ((own.box[:2] - 1 < edge) & (edge < own.box[2:] + 1))
                .all(axis=1)
                .any()
            )


def rim(point: np.ndarray, box: np.ndarray) -> float:
    """How far a point is from the rim of a node, a circle where its box is a square."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    if half[0] == half[1]:
        return abs(float(np.hypot(*(point - middle))) - half[0])
    return float(np.abs(np.abs(point - middle) / half).max() - 1) * half.min()


def check_graph(graph: CellGraph, cell: Cell, names: list[str]) -> None:
    """Every edge, with its operation, can be read off the picture; nodes without an edge are not drawn."""
    seen = []
    for edge, tip, own in zip(cell.edges, cell.tips, cell.labels, strict=True):
        ends = [
            [
                n
                for n, name in enumerate(names)
                if name in cell.nodes and abs(rim(end, cell.nodes[name])) < 0.3
            ]
            for end in (edge[0], tip)
        ]
        assert [len(end) for end in ends] == [1, 1]
        seen.append((*ends[0], *ends[1], own.operation))
    assert sorted(seen) == sorted(graph.edges)


@pytest.mark.parametrize("space", TWO_INPUTS)
def test_random_cells_of_two_inputs_can_be_read(space):
    for seed in range(40):
        graphs, cells = drawn(space, seed)
        for graph, cell in zip(graphs, cells, strict=True):
            check_labels(cell)
            check_graph(graph, cell, ["ck−2", "ck−1", "0", "1", "2", "3"])


def test_random_cells_of_one_input_can_be_read():
    for seed in range(50):
        (graph,), (cell,) = drawn("nb201", seed)
        check_labels(cell)
        check_graph(graph, cell, ["in", "1", "2", "out"])
        assert cell.dotted == [own.operation == "none" for own in cell.labels]


@st.composite
def graphs(draw_from):
    """Cells of one to three inputs and up to seven nodes, any of whose possible edges are there."""
    inputs = draw_from(st.integers(1, 3))
    nodes = inputs + draw_from(st.integers(1, 7 - inputs))
    possible = [(i, j) for j in range(inputs, nodes) for i in range(j)]
    kept = draw_from(st.lists(st.sampled_from(possible), unique=True, min_size=1))
    names = st.sampled_from(["none", "max_pool_3x3", "conv3x3-bn-relu", "noise"])
    output = draw_from(st.sampled_from([[nodes - 1], list(range(inputs, nodes))]))
    edges = [(i, j, draw_from(names)) for i, j in kept]
    return CellGraph(name="any", inputs=inputs, nodes=nodes, output=output, edges=edges)


@given(graphs())
def test_any_cell_can_be_read(graph):
    svg = drawing([graph], [*(operation for *_, operation in graph.edges), "none"])
    (cell,) = read(svg)
    check_labels(cell)
    first = (
        ["in"]
        if graph.inputs == 1
        else ["ck−2", "ck−1"]
        if graph.inputs == 2
        else ["in 0", "in 1", "in 2"]
    )
    rest = [
        str(node - (graph.inputs if graph.inputs == 2 else 0))
        for node in range(graph.inputs, graph.nodes)
    ]
    if len(graph.output) == 1:
        rest[-1] = "out"
    check_graph(graph, cell, [*first, *rest])
    width, height = map(
        float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    )
    shift = float(re.search(r"translate\(0 ([-\d.]+)\)", svg)[1])
    everything = np.concatenate(
        [*cell.edges, *(own.box.reshape(2, 2) for own in cell.labels)]
    ) + np.array([0, shift])
    assert (everything >= 0).all() and (everything <= [width, height]).all()


def test_every_node_that_is_concatenated_leads_into_the_output():
    space = get_space("darts")
    graphs = [
        CellGraph.model_validate(g)
        for g in space.graph(space.sample(np.random.default_rng(0)))
    ]
    svg = drawing(graphs, operations_of("darts"))
    cell = read(svg)[0]
    assert set(cell.nodes) == {"ck−2", "ck−1", "0", "1", "2", "3", "ck"}
    group = ElementTree.fromstring(svg).find(f"{SVG}g")
    gathered = next(
        path for path in group.findall(f"{SVG}path") if path.get("stroke") == MUTED
    )
    lines = [points("M" + part) for part in gathered.get("d").split("M")[1:]]
    bus = max(line[:, 1].max() for line in lines)
    for name, line in zip("0123", lines, strict=True):
        assert abs(rim(line[0], cell.nodes[name])) < 0.3
        assert line[:, 1].max() == pytest.approx(bus)
    assert lines[0][-1, 0] == pytest.approx(cell.nodes["ck"][[0, 2]].mean(), abs=0.1)


BLOCKS = CellGraph(
    name="cell",
    inputs=1,
    nodes=8,
    output=[7],
    edges=[
        (0, 1, "projection"),
        (1, 2, "conv3x3-bn-relu"),
        (2, 3, "skip_connect"),
        (3, 4, "maxpool3x3"),
        (0, 5, "projection"),
        (2, 5, "skip_connect"),
        (5, 6, "conv1x1-bn-relu"),
        (0, 7, "projection"),
        (4, 7, "slot_1"),
    ],
)


def test_blocks_are_drawn_as_nodes_and_connections_without_a_name():
    """As NAS-Bench-101's cells are: here of three blocks, of which nothing reads the last."""
    svg = drawing([BLOCKS], ["conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu"])
    words = [
        "".join(text.itertext())
        for text in ElementTree.fromstring(svg).iter(f"{SVG}text")
    ]
    assert sorted(words) == sorted(
        ["in", "conv3x3-bn-relu", "maxpool3x3", "conv1x1-bn-relu", "out"]
    )
    paths = [
        p
        for p in ElementTree.fromstring(svg).iter(f"{SVG}path")
        if p.get("fill") == "none"
    ]
    assert len(paths) == 6 and {path.get("stroke") for path in paths} == {MUTED}


def test_a_chain_of_operations_is_not_taken_for_blocks():
    chain = BLOCKS.model_copy(update={"edges": [(0, 1, "a"), (1, 2, "b"), (2, 7, "c")]})
    (cell,) = read(drawing([chain], ["a", "b", "c"]))
    assert Counter(own.operation for own in cell.labels) == Counter("abc")


def test_the_key_names_what_is_drawn_in_the_colours_it_is_drawn_in():
    operations = list(get_space("darts-none").cells[0].operations[0])
    edges = [
        (0, 2, "none"),
        (1, 2, "sep_conv_3x3"),
        (0, 3, "sep_conv_3x3"),
        (2, 3, "dil_conv_5x5"),
    ]
    graph = CellGraph(name="normal", inputs=2, nodes=4, output=[2, 3], edges=edges)
    svg = drawing([graph], operations, keyed=True)
    _, key_group = ElementTree.fromstring(svg).findall(f"{SVG}g")
    (cell, _) = read(svg)
    words = [text.text for text in key_group.findall(f"{SVG}text")]
    colours = [path.get("stroke") for path in key_group.findall(f"{SVG}path")]
    assert words == ["none", "sep_conv_3x3", "dil_conv_5x5"]
    assert {
        (own.operation, c) for own, c in zip(cell.labels, cell.colours, strict=True)
    } == set(zip(words, colours, strict=True))
    assert (
        len(ElementTree.fromstring(drawing([graph], operations)).findall(f"{SVG}g"))
        == 1
    )


def test_each_operation_of_a_space_has_a_colour_of_its_own():
    for name in SPACES:
        entries = legend_of(get_space(name).drawn_operations)
        assert {entry.operation for entry in entries} <= set(operations_of(name))
        assert len({entry.colour for entry in entries}) == len(entries)
    entries = legend_of([["none", *map(str, range(8)), "noise"]])
    assert [entry.dotted for entry in entries] == [True, *[False] * 9]
    assert {entry.colour for entry in entries} == {MUTED, *SERIES}


def test_what_is_no_choice_is_grey_and_not_in_the_key():
    graph = CellGraph(
        name="cell", inputs=1, nodes=3, output=[2], edges=[(0, 1, "a"), (1, 2, "fixed")]
    )
    colours = {entry.operation: entry for entry in legend_of([["a", "b"], ["fixed"]])}
    assert set(colours) == {"a", "b"}
    svg = draw([graph], colours, "", keyed=True)
    (cell, _) = read(svg)
    assert dict(
        zip([own.operation for own in cell.labels], cell.colours, strict=True)
    ) == {
        "a": SERIES[0],
        "fixed": MUTED,
    }
    assert [
        text.text
        for text in ElementTree.fromstring(svg)
        .findall(f"{SVG}g")[1]
        .findall(f"{SVG}text")
    ] == ["a"]


def test_no_name_of_an_operation_is_wider_than_the_room_it_gets():
    for name in SPACES:
        for operation in set(operations_of(name)):
            assert measured(operation)[0] <= text_width(operation)


def test_names_are_escaped():
    graph = CellGraph(
        name="<b>", inputs=1, nodes=2, output=[1], edges=[(0, 1, "a<b>&c")]
    )
    svg = drawing([graph, graph], ["a<b>&c", "d"], keyed=True)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "a <cell>"
    assert Counter(text.text for text in root.iter(f"{SVG}text"))["a<b>&c"] == 3
