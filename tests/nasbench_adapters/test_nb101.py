"""NAS-Bench-101 as data: its text form, its hashes, its classes against exhaustive isomorphism, its size."""

import csv
import gzip
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nasbench_pytorch.model import ModelSpec
from nasbench_pytorch.model.graph_util import hash_module, is_isomorphic

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb101 import (
    MOST_EDGES,
    OPERATIONS,
    VertexGraph,
    canonical_graph,
    graph_hash,
    graph_of,
    least_numberings,
    live_vertices,
    parse_graph,
    prune,
    renumber,
)

SPACE = get_space("nb101")

# Hash, adjacency, operations and parameters of cells of the benchmark, from the test
# assets of NASLib (Apache-2.0).
PUBLISHED = [
    (
        "ff92c322c5d9d3d587d9c146a63d0807",
        "0101000001110000010000000001000001000000010000000",
        "31131",
    ),
    (
        "ff92d98b0ef588152b657bd10d624946",
        "0100001001001000010100000100000001000000010000000",
        "mmm31",
    ),
    (
        "ff938ae1151b26752929df2e4d7ebed2",
        "0110000000010100010000000110000000100000010000000",
        "331mm",
    ),
    (
        "ff940d27cbe9ed0a639a68a9c3f87283",
        "0110110000010000010000000100000001000000010000000",
        "m3113",
    ),
    (
        "ff958f8d8f556448ff2a5973f17ff22a",
        "011001000011000100000011000001000000",
        "31mm",
    ),
    (
        "ff96fa4e57aca73061ddf6b04f3a920c",
        "0100001001010100010000000100000001000000010000000",
        "131mm",
    ),
    (
        "ff970589abc8105587a948e614cf5ae3",
        "011000001010000101000011000001000000",
        "3331",
    ),
    (
        "ff97db031fa41552d437b079b2befd80",
        "0100100001000000010000000110000001100000010000000",
        "mm1m3",
    ),
]
SHORT = {"3": "conv3x3-bn-relu", "1": "conv1x1-bn-relu", "m": "maxpool3x3"}
TEXTS = [
    f"{bits}:{','.join(SHORT[letter] for letter in letters)}"
    for _, bits, letters in PUBLISHED
]


@st.composite
def modules(draw, most=7):
    """Cells that the benchmark has, not pruned."""
    count = draw(st.integers(2, most))
    possible = list(combinations(range(count), 2))
    edges = draw(st.sets(st.sampled_from(possible), min_size=1))
    bits = "".join(
        "1" if (u, v) in edges else "0" for u in range(count) for v in range(count)
    )
    kept = live_vertices(bits)
    if not kept or renumber(bits, kept).count("1") > MOST_EDGES:
        # A path through all vertices is a cell in any case.
        bits = "".join(
            "1" if v == u + 1 else "0" for u in range(count) for v in range(count)
        )
    return VertexGraph(
        bits,
        tuple(
            draw(st.lists(st.integers(0, 2), min_size=count - 2, max_size=count - 2))
        ),
    )


@st.composite
def renumberings(draw, module):
    """The same graph with its inner vertices in another order in which edges still lead forward."""
    left, order = list(range(1, module.vertices - 1)), []
    matrix = module.matrix
    while left:
        free = [v for v in left if not any(matrix[u, v] for u in left)]
        order.append(draw(st.sampled_from(free)))
        left.remove(order[-1])
    bits = renumber(module.bits, [0, *order, module.vertices - 1])
    return VertexGraph(bits, tuple(module.operations[v - 1] for v in order))


@pytest.fixture(scope="module")
def cells(shared_file):
    """The rows of the shared table of cells."""
    with gzip.open(shared_file("nb101_cells.csv.gz"), "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- text


@settings(max_examples=50)
@given(modules())
def test_every_cell_survives_the_round_trip_through_text(module):
    architecture = SPACE.architecture(module)
    text = SPACE.format(architecture)
    assert text == str(module)
    assert SPACE.parse(text) == architecture
    assert graph_of(architecture.choices[0], SPACE.blocks) == module
    assert len(set(map(len, text.partition(":")[0].split("/")))) == 1


def test_the_text_says_what_the_edges_carry():
    cell = SPACE.parse("0111/0011/0001/0000:conv1x1-bn-relu,maxpool3x3")
    assert SPACE.graph(cell)[0]["edges"] == [
        [0, 1, "projection"],
        [1, 2, "conv1x1-bn-relu"],
        [0, 3, "projection"],
        [2, 3, "skip_connect"],
        [3, 4, "maxpool3x3"],
        [0, 11, "projection"],
        [2, 11, "slot_0"],
        [4, 11, "slot_1"],
    ]


def test_the_columns_of_the_published_files_are_read_too():
    for text in TEXTS:
        bits, _, operations = text.partition(":")
        same = [
            f" {text} ",
            f"{bits}:input,{operations},output",
            str(parse_graph(text)),
        ]
        assert len({SPACE.parse(each) for each in same}) == 1
    assert (
        str(parse_graph("0100:"))
        == "01/00:"
        == SPACE.format(SPACE.parse("01/00:input,output"))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01/00", "no ':' before the operations"),
        ("012/001/000:maxpool3x3", "is not a square matrix of 0 and 1"),
        ("01/001/000:maxpool3x3", "not a square matrix"),
        (":", "not a square matrix"),
        ("0:", "not a square matrix"),
        ("01000/1000:maxpool3x3", "'01000/1000' must have 3 rows of 3"),
        ("0" * 64 + ":" + ",".join(["maxpool3x3"] * 6), "at most 7 vertices, not 8"),
        (
            "010/101/000:maxpool3x3",
            "row 1 of '010/101/000' has an edge to the same or an earlier vertex",
        ),
        ("010/011/000:maxpool3x3", "row 1 of .* has an edge to the same"),
        ("010/001/000:", "0 operations for the 1 vertices"),
        ("010/001/000:maxpool3x3,maxpool3x3", "2 operations for the 1 vertices"),
        ("010/001/000:maxpool3", "unknown NAS-Bench-101 operation 'maxpool3': known: "),
        ("010/000/000:maxpool3x3", "its output does not depend on its input"),
        ("0111/0011/0001/0000:maxpool3x3,x", "unknown NAS-Bench-101 operation 'x'"),
        (
            "01111/00111/00011/00001/00000:" + ",".join(["maxpool3x3"] * 3),
            "10 edges, more than 9",
        ),
    ],
)
def test_what_is_no_cell_is_a_user_error(text, message):
    with pytest.raises(UserError, match=message):
        SPACE.parse(text)


@given(st.text(alphabet="01/:,x3conv-bmaplinput", max_size=80))
def test_no_text_does_worse_than_a_user_error(text):
    try:
        SPACE.parse(text)
    except UserError as error:
        assert "\n" not in str(error)


def test_loose_ends_do_not_count_as_edges():
    """Ten edges, of which the benchmark prunes three."""
    cell = SPACE.parse(
        "011111/001110/000000/000011/000001/000000:" + ",".join(["maxpool3x3"] * 4)
    )
    assert SPACE.cell_graph(cell).bits.count("1") <= MOST_EDGES


def test_what_no_text_could_say_is_refused():
    row = list(SPACE.parse("010/001/000:maxpool3x3").choices[0])
    row[SPACE.cells[0].edges.index((1, 2))] = None
    with pytest.raises(
        ValueError, match="no connection at a block without an operation"
    ):
        SPACE.format(Architecture((tuple(row),)))
    gap = list(SPACE.parse("0100/0010/0001/0000:maxpool3x3,maxpool3x3").choices[0])
    for place, (source, target) in enumerate(SPACE.cells[0].edges):
        if 1 in (source, target) or 2 in (source, target):
            gap[place] = None
    gap[SPACE.cells[0].edges.index((0, 3))] = 0
    with pytest.raises(ValueError, match="cannot leave out a block"):
        SPACE.format(Architecture((tuple(gap),)))


# --- hashes


@pytest.mark.parametrize(
    ("published", "text"), list(zip(PUBLISHED, TEXTS, strict=True))
)
def test_hashes_are_the_published_ones(published, text):
    assert SPACE.hash(SPACE.parse(text)) == published[0]


def test_hashes_of_all_cells_at_hand(cells):
    """The table's hashes are made with the operations in another order than the benchmark's: 1x1 before 3x3."""
    other = (1, 0, 2)
    for row in cells:
        bits, operations = prune(parse_graph(f"{row['adjacency']}:{row['ops']}"))
        assert (
            graph_hash(VertexGraph(bits, tuple(other[k] for k in operations)))
            == row["hash"]
        )
    assert len(cells) == 3522


@settings(max_examples=50)
@given(modules())
def test_hashes_are_those_of_nasbench_pytorch(module):
    bits, operations = prune(module)
    wanted = hash_module(VertexGraph(bits, operations).matrix, [-1, *operations, -2])
    assert graph_hash(module) == wanted


def test_the_packages_own_hash_still_fails_on_its_own_matrix():
    """The trap: it keeps its matrix as a tensor.

    With a numpy matrix it agrees with ours.
    """
    module = parse_graph(TEXTS[0])
    names = ["input", *(OPERATIONS[k] for k in module.operations), "output"]
    spec = ModelSpec(module.matrix, names)
    with pytest.raises(TypeError):
        spec.hash_spec(list(OPERATIONS))
    spec.matrix = spec.matrix.numpy()
    assert spec.hash_spec(list(OPERATIONS)) == PUBLISHED[0][0]


# --- canonical form


@settings(max_examples=50)
@given(st.data())
def test_the_canonical_form_does_not_depend_on_the_numbering(data):
    module = data.draw(modules())
    other = data.draw(renumberings(module))
    assert canonical_graph(other) == canonical_graph(module)
    assert graph_hash(other) == graph_hash(module)


@settings(max_examples=50)
@given(modules())
def test_the_canonical_form_is_the_pruned_graph_itself(module):
    canonical, own = canonical_graph(module), prune(module)
    assert canonical_graph(canonical) == canonical == prune(canonical)
    assert sorted(canonical.operations) == sorted(own.operations)
    assert graph_hash(canonical) == graph_hash(module)
    architecture = SPACE.canonical(SPACE.architecture(module))
    assert SPACE.canonical(architecture) == architecture
    assert SPACE.cell_graph(architecture) == canonical


@settings(max_examples=50)
@given(modules(5), modules(5))
def test_two_cells_have_one_form_exactly_if_they_are_isomorphic(one, other):
    """Against the package's exhaustive comparison."""
    one, other = prune(one), prune(other)
    same = one.vertices == other.vertices and is_isomorphic(
        (one.matrix, ["in", *one.operations, "out"]),
        (other.matrix, ["in", *other.operations, "out"]),
    )
    assert (canonical_graph(one) == canonical_graph(other)) == same


@given(st.integers(0, 2**32 - 1))
def test_samples_are_pruned_cells_and_seeded(seed):
    cell = SPACE.sample(np.random.default_rng(seed))
    assert SPACE.parse(SPACE.format(cell)) == cell
    assert SPACE.architecture(SPACE.cell_graph(cell)) == cell
    assert SPACE.sample(np.random.default_rng(seed)) == cell


# --- the space


@pytest.mark.slow
def test_the_benchmark_has_423624_cells():
    """Every graph of up to seven vertices and nine edges, and of each the ways to label it, by Burnside's lemma."""
    graphs = set()
    for vertices in range(2, 8):
        possible = list(combinations(range(vertices), 2))
        for edges in range(vertices - 1, min(MOST_EDGES, len(possible)) + 1):
            for chosen in combinations(possible, edges):
                sources, targets = {u for u, _ in chosen}, {v for _, v in chosen}
                if len(sources) == len(targets) == vertices - 1:
                    bits = ["0"] * vertices**2
                    for u, v in chosen:
                        bits[u * vertices + v] = "1"
                    graphs.add("".join(bits))
    total = 0
    while graphs:
        bits = graphs.pop()
        vertices = round(len(bits) ** 0.5)
        edges = [
            (u, v)
            for u in range(vertices)
            for v in range(vertices)
            if bits[u * vertices + v] == "1"
        ]
        fixed, symmetries = 0, 0
        for between in permutations(range(1, vertices - 1)):
            order = (0, *between, vertices - 1)
            place = {v: new for new, v in enumerate(order)}
            if all(place[u] < place[v] for u, v in edges):
                image = renumber(bits, order)
                graphs.discard(image)
                if image == bits:
                    symmetries += 1
                    fixed += len(OPERATIONS) ** _cycles(order[1:-1])
        total += fixed // symmetries
    assert total == SPACE.size


def _cycles(order):
    left, count = set(order), 0
    while left:
        at, count = left.pop(), count + 1
        while (at := order[at - 1]) in left:
            left.remove(at)
    return count


def test_small_cells_counted_one_by_one():
    """Cells of up to four vertices: every labelled graph, by its canonical form and by its hash."""
    forms, hashes = set(), set()
    for vertices in range(2, 5):
        possible = list(combinations(range(vertices), 2))
        for chosen in product([False, True], repeat=len(possible)):
            bits = "".join(
                str(int((u, v) in possible and chosen[possible.index((u, v))]))
                for u in range(vertices)
                for v in range(vertices)
            )
            if not live_vertices(bits):
                continue
            for operations in product(range(3), repeat=vertices - 2):
                forms.add(canonical_graph(VertexGraph(bits, operations)))
                hashes.add(graph_hash(VertexGraph(bits, operations)))
    # 1 of two vertices, 2 graphs of three with 3 labellings, and of four those counted
    # here.
    assert len(forms) == len(hashes)
    assert sum(form.vertices == 2 for form in forms) == 1
    assert sum(form.vertices == 3 for form in forms) == 6


def test_the_space_is_looked_up_and_not_searched():
    assert not SPACE.enumerable
    with pytest.raises(UserError, match="import its file"):
        next(SPACE.enumerate())
    with pytest.raises(UserError, match="search its sub-space"):
        SPACE.check_needs("magnitude", {"supernet"})


def test_numberings_that_give_the_least_matrix_are_its_symmetries():
    bits = parse_graph(
        "01110/00001/00001/00001/00000:" + ",".join(["maxpool3x3"] * 3)
    ).bits
    least, numberings = least_numberings(bits)
    assert least == bits
    assert sorted(numberings) == [(0, *order, 4) for order in permutations((1, 2, 3))]


# --- skeleton


def test_the_skeleton_is_the_benchmarks():
    skeleton = SPACE.skeleton()
    assert skeleton.stem_channels == 128
    assert [layer.channels for layer in skeleton.layers if layer.block == "cell"] == [
        128
    ] * 3 + [256] * 3 + [512] * 3
    assert skeleton.norm_momentum == pytest.approx(0.003)
    assert SPACE.skeleton(momentum="released").norm_momentum == 0.997
    with pytest.raises(UserError, match="did you mean 'released'"):
        SPACE.skeleton(momentum="release")
    with pytest.raises(UserError, match="did you mean 'cells'"):
        SPACE.skeleton(cell=2)
