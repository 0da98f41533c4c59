"""Moves in every space, against a slow definition: all but one kept edge, with its operation, are the same."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.moves import (
    genes,
    moves,
    moves_of_gene,
    mutate,
    neighbours,
)
from archselect.nasbench_adapters.space import Cell, SearchSpace
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.nasbench_adapters.spaces.nb101 import (
    OPERATIONS,
    VertexGraph,
    graph_of,
    parse_graph,
    prune,
)

CELLS = get_space("nb101")
REGULAR = [name for name in SPACES if name != "nb101"]
SOME_OF_MINIMAL = (
    "minimal:0-2=none+skip_connect,1-2=none+sep_conv_3x3,0-3=none,1-3=none+skip_connect"
)


class Uneven(SearchSpace):
    """Nodes that keep two of three, one of two, all, none; edges of unequal operations; one excluded."""

    name = "uneven"
    summary = "for tests"
    cells = (
        Cell("free", 1, 2, ((0, 1), (0, 1)), (("none", "a"), ("b",)), (1,)),
        Cell(
            "ruled",
            2,
            6,
            ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), (3, 4), (0, 5), (1, 5)),
            (
                *(("none", "a"), ("a", "b", "c")),
                *(("a", "none", "b"), ("c",), ("none", "a")),
                *(("a", "b"), ("a", "none")),
                *(("a",), ("b", "a")),
            ),
            (2, 3, 4, 5),
            kept=(None, None, 1, 2, 5, 0),
        ),
    )

    def valid(self, architecture):
        free, ruled = architecture.choices
        return not (free[0] == 1 and ruled[0] == 1)

    def parse(self, text):
        raise NotImplementedError

    format = canonical = skeleton = parse


UNEVEN = Uneven()
SMALL = [
    UNEVEN,
    *(get_space(name) for name in ("nb201", "nb1shot1-1", SOME_OF_MINIMAL)),
]
LARGE = [get_space(name) for name in REGULAR]
names = {"ids": lambda space: space.name.partition(":")[0]}


def kept(architecture):
    """Its edges, each with its operation."""
    return {
        (cell, edge, choice)
        for cell, row in enumerate(architecture.choices)
        for edge, choice in enumerate(row)
        if choice is not None
    }


def are_near(one, other):
    """Whether two architectures of one space differ by one kept edge or its operation."""
    return len(kept(one) - kept(other)) == 1


def samples(space, count, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


@pytest.mark.parametrize("space", SMALL, **names)
def test_neighbours_are_all_that_differ_in_one_kept_edge(space):
    every = list(space.enumerate())
    for architecture in samples(space, 3):
        near = neighbours(space, architecture)
        assert len(set(near)) == len(near) > 0
        assert set(near) == {other for other in every if are_near(architecture, other)}


def expected_count(space, architecture):
    """The number of neighbours, by a formula, where all are valid."""
    count = 0
    for cell, row in zip(space.cells, architecture.choices, strict=True):
        for node in cell.summing_nodes:
            incoming = cell.incoming(node)
            sizes = {edge: len(cell.candidates(edge)) for edge in incoming}
            held = [edge for edge in incoming if row[edge] is not None]
            dropped = [edge for edge in incoming if row[edge] is None]
            count += sum(sizes[edge] - 1 for edge in held)
            count += len(held) * sum(sizes[edge] for edge in dropped)
    return count


@pytest.mark.parametrize("space", LARGE, **names)
def test_neighbours_are_valid_distinct_and_complete(space):
    for architecture in samples(space, 5):
        near = neighbours(space, architecture)
        assert len(set(near)) == len(near) == expected_count(space, architecture)
        for neighbour in near:
            assert are_near(architecture, neighbour)
            assert space.valid(neighbour)
            assert space.parse(space.format(neighbour)) == neighbour


@pytest.mark.parametrize("space", [UNEVEN, *LARGE], **names)
def test_a_move_can_be_taken_back(space):
    for architecture in samples(space, 3):
        for move in moves(space, architecture):
            back = moves_of_gene(space, move.architecture, move.gene)
            assert [other.architecture for other in back].count(architecture) == 1


@pytest.mark.parametrize("space", [UNEVEN, *LARGE, CELLS], **names)
def test_a_move_changes_its_gene_to_its_option_and_nothing_else(space):
    (architecture,) = samples(space, 1)
    start = space.full_form(architecture)
    for move in moves(space, architecture):
        gene = genes(space)[move.gene]
        edge, choice = gene.options[move.option]
        assert move.architecture.choices[gene.cell][edge] == choice
        assert start.choices[gene.cell][edge] != choice
        changed = {
            (cell, edge)
            for cell, rows in enumerate(
                zip(start.choices, move.architecture.choices, strict=True)
            )
            for edge, (before, after) in enumerate(zip(*rows, strict=True))
            if before != after
        }
        assert changed <= set(product([gene.cell], gene.edges))


@pytest.mark.parametrize("space", [UNEVEN, *LARGE, CELLS], **names)
def test_genes_leave_a_choice_and_share_no_edge(space):
    edges = []
    for gene in genes(space):
        assert len(set(gene.options)) == len(gene.options) > 1
        edges += product([gene.cell], gene.edges)
    assert len(set(edges)) == len(edges)


def test_the_genes_of_the_spaces():
    counts = {name: len(genes(get_space(name))) for name in SPACES}
    darts = {name: 10 for name in ("darts", "darts-none", "s1", "s2", "s3", "s4")}
    confopt = {"darts-no-skip": 10, "single-cell": 9, "single-cell-no-skip": 9}
    confopt |= {"darts-all-skip": 10, "single-cell-all-skip": 9}
    assert counts == {
        **darts,
        **confopt,
        "nb201": 6,
        "nb101": 21 + 5,
        "nb1shot1-1": 4 + 3,
        "nb1shot1-2": 4 + 4,
        "nb1shot1-3": 5 + 5,
        "minimal": 5,
        "wiring": 14,
        "nbgraph": 3 + 4,
        "nb-macro": 8,
        "mobilenet": 21,
    }


@pytest.mark.parametrize("space", SMALL, **names)
def test_every_architecture_is_reached(space):
    every = set(space.enumerate())
    start = min(every, key=lambda architecture: str(architecture.choices))
    reached = {start}
    frontier = [start]
    while frontier:
        near = set(neighbours(space, frontier.pop())) - reached
        reached |= near
        frontier += near
    assert reached == every


@pytest.mark.parametrize("space", [UNEVEN, get_space("nb201"), CELLS], **names)
def test_every_neighbour_is_as_likely(space):
    (architecture,) = samples(space, 1)
    near = neighbours(space, architecture)
    rng = np.random.default_rng(1)
    draws = 50 * len(near)
    counts = Counter(mutate(space, architecture, rng) for _ in range(draws))
    assert set(counts) == set(near)
    # Chi-squared of so many equally likely outcomes has that mean and deviation.
    freedom = len(near) - 1
    squares = sum((count - 50) ** 2 / 50 for count in counts.values())
    assert squares < freedom + 6 * np.sqrt(2 * freedom)


def test_where_there_is_no_other_architecture_nothing_changes():
    fixed = [f"{edge}=skip_connect" for edge in ("0-2", "1-2", "0-3", "1-3", "2-3")]
    space = get_space("minimal:" + ",".join(fixed))
    (only,) = space.enumerate()
    assert genes(space) == () and moves(space, only) == []
    assert mutate(space, only, np.random.default_rng(0)) == only


def is_cell(graph):
    try:
        prune(graph)
    except UserError:
        return False
    return True


def one_change_away(graph):
    """All cells of seven vertices with one connection or one operation changed."""
    for source in range(7):
        for target in range(source + 1, 7):
            matrix = graph.matrix
            matrix[source, target] = 1 - matrix[source, target]
            bits = "".join(str(bit) for bit in matrix.ravel())
            yield VertexGraph(bits, graph.operations)
    for block in range(5):
        for operation in set(range(len(OPERATIONS))) - {graph.operations[block]}:
            operations = list(graph.operations)
            operations[block] = operation
            yield VertexGraph(graph.bits, tuple(operations))


def graph(architecture):
    return graph_of(architecture.choices[0], 5)


@pytest.mark.parametrize("architecture", samples(CELLS, 12), ids=CELLS.format)
def test_neighbours_of_cells_of_the_benchmark(architecture):
    full = CELLS.full_form(architecture)
    assert graph(full).vertices == 7
    assert CELLS.canonical(full) == CELLS.canonical(architecture)
    assert CELLS.full_form(full) == full
    near = neighbours(CELLS, architecture)
    wanted = [other for other in one_change_away(graph(full)) if is_cell(other)]
    assert len(near) == len(wanted)
    assert {CELLS.format(cell) for cell in near} == {str(other) for other in wanted}
    for neighbour in near:
        assert CELLS.valid(neighbour)
        assert CELLS.parse(CELLS.format(neighbour)) == neighbour
        assert full in neighbours(CELLS, neighbour)


def test_a_block_that_a_cell_lacks_comes_with_one_connection():
    lone = CELLS.parse("01/00:")
    grown = {CELLS.canonical(cell) for cell in neighbours(CELLS, lone)}
    assert CELLS.canonical(CELLS.parse("011/001/000:conv3x3-bn-relu")) in grown


def test_what_is_no_cell_of_the_benchmark_is_not_valid():
    no_path = CELLS.architecture(parse_graph("010/000/000:maxpool3x3"))
    assert not CELLS.valid(no_path)
    rows = ["0" * (k + 1) + "1" * (4 - k) for k in range(5)]
    ten_edges = parse_graph("/".join(rows) + ":" + ",".join(OPERATIONS))
    assert not CELLS.valid(CELLS.architecture(ten_edges))
    assert not is_cell(ten_edges) and ten_edges.bits.count("1") == 10


def is_direct(cell):
    """Whether the output reads the input."""
    return bool(graph(cell).matrix[0, 6])


def connections(cell):
    return graph(cell).matrix.sum()


def step_to_lone_connection(cell):
    """A move to a cell of one connection, from input to output.

    It connects them if there is room, and else takes another connection away. There is
    always one to take: of nine, some are not on a given path.
    """
    near = neighbours(CELLS, cell)
    direct = [other for other in near if is_direct(other)]
    if direct and not is_direct(cell):
        return direct[0]
    candidates = direct if is_direct(cell) else near
    return min(candidates, key=connections)


@pytest.mark.parametrize("architecture", samples(CELLS, 12, seed=1), ids=CELLS.format)
def test_every_cell_of_the_benchmark_is_linked_to_the_smallest(architecture):
    """So all are linked with each other, since a move can be taken back."""
    cell = CELLS.full_form(architecture)
    # No cell of seven vertices has more connections, and two steps may add none.
    for _ in range(21 + 2):
        if connections(cell) > 1 or not is_direct(cell):
            cell = step_to_lone_connection(cell)
    assert CELLS.canonical(cell) == CELLS.parse("01/00:")
