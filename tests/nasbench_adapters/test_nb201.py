"""NAS-Bench-201 as data: its text form, its classes, its skeleton and its parameter counts."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Network, Supernet, one_hot
from archselect.nasbench_adapters.space import Architecture, Layer
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb201 import EDGES, OPERATIONS

SPACE = get_space("nb201")
CELLS = tuple(SPACE.enumerate())
FIRST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"

cells = st.sampled_from(CELLS)


@pytest.fixture(scope="module")
def reference(shared_file):
    with np.load(shared_file("nb201_reference.npz")) as arrays:
        return dict(arrays)


# --- text


def test_the_space_has_15625_cells():
    assert len(set(CELLS)) == len(CELLS) == SPACE.size == 15_625


def test_every_cell_survives_the_round_trip_through_text():
    texts = [SPACE.format(cell) for cell in CELLS]
    assert [SPACE.parse(text) for text in texts] == list(CELLS)
    assert len(set(texts)) == 15_625


def test_the_text_names_source_and_operation_of_every_edge():
    cell = SPACE.parse(FIRST)
    assert cell == Architecture(((3, 3, 4, 1, 3, 1),))
    assert [OPERATIONS[k] for k in cell.choices[0]] == [
        "nor_conv_3x3",
        "nor_conv_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "nor_conv_3x3",
        "skip_connect",
    ]
    assert EDGES == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))


def test_every_text_of_the_published_files_is_read(reference):
    texts = [str(text) for text in reference["arch"]]
    assert [SPACE.format(SPACE.parse(text)) for text in texts] == texts
    assert set(map(SPACE.parse, texts)) == set(CELLS)


@given(
    cells, st.sampled_from(["", " ", "\n", "\t "]), st.sampled_from(["", " ", "\r\n"])
)
def test_blanks_around_a_cell_are_allowed(cell, before, after):
    assert SPACE.parse(before + SPACE.format(cell) + after) == cell


def parse_or_refuse(text):
    """What is accepted is exactly the text form; what is refused is refused in one line, by UserError alone."""
    try:
        cell = SPACE.parse(text)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
        return None
    assert SPACE.format(cell) == text.strip()
    return cell


@given(st.text())
def test_any_text_is_read_or_refused(text):
    parse_or_refuse(text)


pieces = [
    "|",
    "+",
    "~",
    "0",
    "1",
    "2",
    "none",
    "nor_conv_3x3",
    "no\nne",
    "\u2028",
    "٠",
    "",
    " ",
    "x",
]


@given(st.lists(st.sampled_from(pieces), max_size=30))
def test_any_heap_of_pieces_is_read_or_refused(parts):
    parse_or_refuse("".join(parts))


@given(cells, st.data())
def test_one_edit_of_a_cell_is_read_or_refused(cell, data):
    text = SPACE.format(cell)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    new = data.draw(st.sampled_from(pieces) | st.text(max_size=3))
    parse_or_refuse(text[:at] + new + text[at + cut :])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "wanted 3 nodes joined by '\\+', found 1"),
        (FIRST + "+|none~0|", "found 4"),
        (FIRST.removesuffix("|"), "node 3 is .* not within '\\|'"),
        (FIRST.replace("|avg_pool_3x3~1", ""), "node 2 has 1 inputs, not 2"),
        (
            FIRST.replace("avg_pool_3x3~1", "avg_pool_3x3~0"),
            "input 1 of node 2 .* not 'operation~1'",
        ),
        (FIRST.replace("~0", ""), "input 0 of node 1 is 'nor_conv_3x3'"),
        (
            FIRST.replace("avg_pool_3x3", "avg_pool_3"),
            "unknown NAS-Bench-201 operation 'avg_pool_3': known: ",
        ),
        (FIRST.replace("avg_pool_3x3", "no\nne"), "did you mean 'none'"),
    ],
)
def test_a_malformed_cell_is_refused_with_the_place(text, message):
    with pytest.raises(UserError, match=message) as raised:
        SPACE.parse(text)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "choices", [(0,) * 5, (0,) * 7, (0, 0, 0, 0, 0, None), (0, 0, 0, 0, 0, -1)]
)
def test_only_a_decided_cell_has_a_text(choices):
    with pytest.raises(ValueError, match="six edges"):
        SPACE.format(Architecture((choices,)))


# --- classes


def test_canonical_gives_the_benchmarks_classes(reference):
    """Equality of partitions: two cells share a representative where, and only where, they share an id."""
    numbered = zip(reference["arch"], reference["canonical_id"], strict=True)
    ids = {SPACE.parse(str(text)): int(number) for text, number in numbered}
    pairs = {(ids[cell], SPACE.canonical(cell)) for cell in CELLS}
    assert (
        len(pairs) == len({i for i, _ in pairs}) == len({r for _, r in pairs}) == 6_466
    )
    assert len(SPACE.representatives) == 6_466


def test_a_representative_is_the_least_of_its_class_and_represents_itself():
    members = defaultdict(list)
    for cell, representative in SPACE.classes.items():
        members[representative].append(cell)
    for representative, its in members.items():
        assert representative == min(its, key=lambda cell: cell.choices)
        assert SPACE.canonical(representative) == representative


PRIME = 2_147_483_647


def fingerprints(points):
    """Per cell its values at these points, with a generic function per operation, exactly, modulo a prime.

    Like convolution (bias-free, at initial statistics), pooling and their like, each
    function keeps zero.
    """
    rng = np.random.default_rng(1)
    x = [int(v) for v in rng.integers(1, PRIME, points)]
    a, b = ([int(v) for v in rng.integers(1, PRIME, 3)] for _ in range(2))

    def apply(name, value):
        if name == "none":
            return 0
        if name == "skip_connect":
            return value
        k = ("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3").index(name)
        return (a[k] * value * value + b[k] * value) * value % PRIME

    def evaluate(cell, value):
        nodes = [value, 0, 0, 0]
        for (source, target), choice in zip(EDGES, cell.choices[0], strict=True):
            nodes[target] = (
                nodes[target] + apply(OPERATIONS[choice], nodes[source])
            ) % PRIME
        return nodes[3]

    return {cell: tuple(evaluate(cell, value) for value in x) for cell in CELLS}


def test_cells_of_one_class_compute_one_function():
    values = fingerprints(points=2)
    assert all(
        values[cell] == values[representative]
        for cell, representative in SPACE.classes.items()
    )
    # The docstring's count of functions that are distinct by exact reckoning.
    assert len(set(values.values())) == 4_930


@pytest.fixture(scope="module")
def shared_weights():
    """A supernet in which an operation has the same weights on every edge of a cell, in float64."""
    model = (
        Supernet(SPACE, SPACE.skeleton(channels=3, cells=1), 3, 4, seed=0)
        .double()
        .eval()
    )
    for layer in model.layers:
        if hasattr(layer, "edges"):
            for edge in layer.edges:
                for name, module in edge.items():
                    module.load_state_dict(layer.edges[0][name].state_dict())
    return model


crowded = defaultdict(list)
for _cell in CELLS:
    crowded[SPACE.canonical(_cell)].append(_cell)
crowded = [members for members in crowded.values() if len(members) > 1]


@settings(max_examples=40)
@given(st.data())
def test_cells_of_one_class_are_one_network(shared_weights, images, data):
    members = data.draw(st.sampled_from(crowded))
    first, second = data.draw(st.permutations(members))[:2]
    x = images(2)
    with torch.no_grad():
        logits = [
            shared_weights(x, one_hot(SPACE, cell, torch.device("cpu")))
            for cell in (first, second)
        ]
    torch.testing.assert_close(*logits, rtol=1e-9, atol=1e-9)


def test_different_classes_of_different_function_are_different_networks(
    shared_weights, images
):
    """So the test above can fail: sampled cells with different fingerprints have different logits."""
    values = fingerprints(points=1)
    rng = np.random.default_rng(0)
    logits, seen = [], set()
    with torch.no_grad():
        for cell in (SPACE.sample(rng) for _ in range(60)):
            if values[cell] not in seen:
                seen.add(values[cell])
                logits.append(
                    shared_weights(images(1), one_hot(SPACE, cell, torch.device("cpu")))
                )
    distances = torch.cdist(torch.cat(logits), torch.cat(logits)).fill_diagonal_(1)
    assert len(seen) > 50
    assert distances.min() > 1e-9


# --- skeleton and parameters


def test_the_skeleton_is_three_stages_with_a_reduction_between():
    skeleton = SPACE.skeleton()
    assert skeleton.stem_channels == 16
    assert skeleton.layers == (
        *[Layer("cell", 16)] * 5,
        Layer("residual_reduction", 32, stride=2),
        *[Layer("cell", 32)] * 5,
        Layer("residual_reduction", 64, stride=2),
        *[Layer("cell", 64)] * 5,
    )
    assert (skeleton.stem, skeleton.head, skeleton.auxiliary) == (
        "conv",
        "rectified",
        None,
    )
    small = SPACE.skeleton(channels=3, cells=1, reduction="pool")
    assert [layer.block for layer in small.layers] == ["cell", "pool_reduction"] * 2 + [
        "cell"
    ]


@pytest.mark.parametrize(
    "settings", [{"reduction": "pol"}, {"cell": 5}, {"channels": 0}, {"cells": "5"}]
)
def test_a_wrong_setting_of_the_skeleton_is_refused_in_one_line(settings):
    with pytest.raises(UserError) as raised:
        SPACE.skeleton(**settings)
    assert len(str(raised.value).splitlines()) == 1


def parameters(cell, classes=10):
    model = Network(SPACE, cell, SPACE.skeleton(), 3, classes, [0])
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def parts():
    """(parameters of the cell without operations, what an operation on an edge adds), by building networks."""
    empty = parameters(Architecture(((0,) * 6,)))
    adds = [
        [
            parameters(Architecture((tuple(k if e == edge else 0 for e in range(6)),)))
            - empty
            for k in range(5)
        ]
        for edge in range(6)
    ]
    return empty, np.array(adds)


@settings(max_examples=40)
@given(cells)
def test_operations_add_their_parameters_independently(parts, cell):
    empty, adds = parts
    assert parameters(cell) == empty + sum(
        adds[e, k] for e, k in enumerate(cell.choices[0])
    )


def test_parameters_of_all_cells_are_the_published_ones(parts, reference):
    """All 15,625 from the 31 networks of `parts`; that they add up is tested above, on networks as built."""
    empty, adds = parts
    published = {
        SPACE.parse(str(text)): params
        for text, params in zip(
            reference["arch"], reference["params_m_cifar10"], strict=True
        )
    }
    for cell in CELLS:
        choices = cell.choices[0]
        millions = (empty + adds[range(6), choices].sum()) / 1e6
        assert millions == pytest.approx(published[cell], abs=5e-7)
        formula = 0.073306 + 0.028 * choices.count(2) + 0.24304 * choices.count(3)
        assert millions == pytest.approx(formula, abs=5e-7)
