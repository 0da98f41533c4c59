"""The DARTS spaces as data: their operations, text form and skeleton, and the sizes of published networks."""

import csv
from math import comb, prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Network, Supernet
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space

NAMES = ("darts", "darts-none", "darts-no-skip", "s1", "s2", "s3", "s4")
EDGES = [
    (0, 2),
    (1, 2),
    (0, 3),
    (1, 3),
    (2, 3),
    (0, 4),
    (1, 4),
    (2, 4),
    (3, 4),
    (0, 5),
    (1, 5),
    (2, 5),
    (3, 5),
    (4, 5),
]
CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
SEVEN = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", *CONVOLUTIONS)
NONE = ("none", "skip_connect", "sep_conv_3x3")

spaces = st.sampled_from(NAMES).map(get_space)
seeds = st.integers(0, 2**32)


def sampled(space, seed):
    return space.sample(np.random.default_rng(seed))


# --- cells


@pytest.mark.parametrize("name", NAMES)
def test_two_cells_of_fourteen_edges_keep_two_inputs_per_node(name):
    space = get_space(name)
    assert [cell.name for cell in space.cells] == ["normal", "reduce"]
    for cell in space.cells:
        assert list(cell.edges) == EDGES
        assert (cell.inputs, cell.nodes, cell.output) == (2, 6, (2, 3, 4, 5))
        assert [cell.kept_inputs(node) for node in range(6)] == [None, None, 2, 2, 2, 2]
        assert len({len(operations) for operations in cell.operations}) == 1


@pytest.mark.parametrize(
    ("name", "operations"),
    [
        ("darts", SEVEN),
        ("darts-none", ("none", *SEVEN)),
        ("s2", ("skip_connect", "sep_conv_3x3")),
        ("s3", NONE),
        ("s4", ("noise", "sep_conv_3x3")),
    ],
)
def test_all_edges_but_those_of_s1_allow_the_same(name, operations):
    assert {names for cell in get_space(name).cells for names in cell.operations} == {
        operations
    }


def test_s1_allows_two_operations_of_its_own_on_every_edge():
    """By edge, as the released code of RobustDARTS and DARTS-PT lists them."""
    skip, conv, dil3, dil5, most, mean = (
        *("skip_connect", "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"),
        *("max_pool_3x3", "avg_pool_3x3"),
    )
    normal, reduce = get_space("s1").cells
    assert dict(zip(EDGES, normal.operations, strict=True)) == {
        **dict.fromkeys([(0, 2), (2, 3), (3, 4), (2, 5)], (skip, dil3)),
        **dict.fromkeys([(1, 2), (0, 3)], (skip, dil5)),
        **dict.fromkeys([(1, 3), (1, 4), (2, 4), (0, 5)], (skip, conv)),
        **dict.fromkeys([(0, 4), (1, 5)], (most, skip)),
        **dict.fromkeys([(3, 5), (4, 5)], (dil3, dil5)),
    }
    assert dict(zip(EDGES, reduce.operations, strict=True)) == {
        **dict.fromkeys([(0, 2), (0, 3), (1, 3), (0, 4), (0, 5), (1, 5)], (most, mean)),
        (1, 2): (most, dil3),
        (1, 4): (most, conv),
        (2, 4): (skip, dil3),
        **dict.fromkeys([(2, 3), (3, 4), (2, 5), (3, 5), (4, 5)], (skip, dil5)),
    }


@pytest.mark.parametrize(
    ("name", "operations"),
    [("darts", 7), ("darts-none", 7), ("s1", 2), ("s3", 2), ("s4", 2)],
)
def test_the_size_counts_pairs_of_inputs_and_their_operations(name, operations):
    """The DARTS paper counts 10^9 cells, and their pairs are the space: its section 3.1."""
    cell = prod(comb(inputs, 2) * operations**2 for inputs in (2, 3, 4, 5))
    assert get_space(name).size == cell**2


# --- text


@given(spaces, seeds)
def test_every_architecture_survives_the_round_trip_through_text(space, seed):
    architecture = sampled(space, seed)
    text = space.format(architecture)
    assert space.parse(text) == architecture == space.canonical(architecture)
    assert text.count("skip_connect") == sum(
        edge[2] == "skip_connect"
        for cell in space.graph(architecture)
        for edge in cell["edges"]
    )


@given(spaces, seeds, st.randoms(use_true_random=False))
def test_the_order_of_a_nodes_inputs_is_free(space, seed, random):
    """As the released code lists them, the stronger first."""
    architecture = sampled(space, seed)
    cells = []
    for cell in space.graph(architecture):
        entries = []
        for node in (2, 3, 4, 5):
            pair = [
                (operation, source)
                for source, target, operation in cell["edges"]
                if target == node
            ]
            random.shuffle(pair)
            entries += pair
        cells.append(entries)
    concat = [2, 3, 4, 5]
    random.shuffle(concat)
    text = f"Genotype(normal={cells[0]}, normal_concat=range(2, 6), reduce={cells[1]}, reduce_concat={concat})"
    assert space.parse(text) == architecture
    assert space.parse(space.format(architecture)) == architecture


CELL = [("skip_connect", source) for source in (0, 1, 0, 1, 0, 1, 3, 4)]
FIRST = f"Genotype(normal={CELL}, normal_concat=range(2, 6), reduce={CELL}, reduce_concat=range(2, 6))"


@pytest.mark.parametrize(
    ("space", "old", "new", "message"),
    [
        (
            "darts",
            "range(2, 6)",
            "range(3, 6)",
            r"normal_concat must be \[2, 3, 4, 5\] in space darts",
        ),
        (
            "darts",
            "reduce_concat=range(2, 6)",
            "reduce_concat=[2, 3, 4]",
            "reduce_concat must be",
        ),
        (
            "darts",
            ", ('skip_connect', 4)]",
            "]",
            "normal has 7 entries; it must have two for each of 4 nodes",
        ),
        (
            "darts",
            "('skip_connect', 4)]",
            "('skip_connect', 5)]",
            "entry 7 of normal reads node 5; .* 0 to 4",
        ),
        (
            "darts",
            "('skip_connect', 1)",
            "('skip_connect', 2)",
            "entry 1 of normal reads node 2; .* 0 to 1",
        ),
        (
            "darts",
            "('skip_connect', 1)",
            "('skip_connect', 0)",
            "entry 1 of normal reads node 0 a second time",
        ),
        (
            "darts",
            "skip_connect",
            "skip_conect",
            "of space darts on edge 0→2 of normal .*did you mean 's",
        ),
        (
            "darts",
            "('skip_connect', 4)]",
            "('noise', 4)]",
            "of space darts on edge 4→5 of normal 'noise'",
        ),
        *[
            (
                name,
                "skip_connect",
                "none",
                f"of space {name} on edge 0→2 of normal 'none'",
            )
            for name in NAMES
        ],
        (
            "s4",
            "",
            "",
            "space s4 on edge 0→2 of normal 'skip_connect'.*known: noise, sep_conv_3x3",
        ),
        (
            "s1",
            "",
            "",
            "space s1 on edge 3→5 of normal 'skip_connect'.*known: dil_conv_3x3, dil_c",
        ),
    ],
)
def test_a_genotype_that_is_none_of_the_space_is_refused_with_the_place(
    space, old, new, message
):
    assert old in FIRST
    with pytest.raises(UserError, match=message) as raised:
        get_space(space).parse(FIRST.replace(old, new, 1))
    assert len(str(raised.value).splitlines()) == 1


@given(spaces, seeds, st.data())
def test_only_an_architecture_of_the_space_has_a_text(space, seed, data):
    """A node without its two inputs, and `none`, have none."""
    architecture = sampled(space, seed)
    rows = [list(row) for row in architecture.choices]
    cell, edge = data.draw(st.integers(0, 1)), data.draw(st.integers(0, 13))
    names = space.cells[cell].operations[edge]
    wrong = [len(names), -1, *([0] if names[0] == "none" else [])]
    rows[cell][edge] = (
        data.draw(st.sampled_from(wrong)) if rows[cell][edge] is not None else 1
    )
    with pytest.raises(ValueError, match="two inputs"):
        space.format(Architecture(tuple(map(tuple, rows))))


# --- skeleton


@pytest.mark.parametrize(
    ("layers", "reductions"),
    [(3, (1, 2)), (4, (1, 2)), (8, (2, 5)), (14, (4, 9)), (20, (6, 13))],
)
def test_two_cells_reduce_at_a_third_and_two_thirds_of_the_depth(layers, reductions):
    skeleton = get_space("darts").skeleton(channels=5, layers=layers)
    assert skeleton.stem_channels == 15
    assert [k for k, layer in enumerate(skeleton.layers) if layer.cell == 1] == list(
        reductions
    )
    width = 5
    for k, layer in enumerate(skeleton.layers):
        width *= 2 if k in reductions else 1
        assert (layer.block, layer.channels, layer.stride) == (
            "cell",
            width,
            2 if k in reductions else 1,
        )
    assert skeleton.auxiliary == reductions[1]
    assert (skeleton.stem, skeleton.head) == ("conv", "pool")


def test_the_imagenet_stem_has_the_cells_channels():
    skeleton = get_space("darts").skeleton(channels=48, layers=14, stem="imagenet")
    assert (skeleton.stem, skeleton.stem_channels) == ("imagenet", 48)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stem": "imagnet"}, "did you mean 'imagenet'"),
        ({"layer": 8}, "did you mean 'layers'"),
        ({"layers": 2}, "needs at least 3 layers, not 2"),
        ({"channels": 0}, "at least 1, not 0"),
    ],
)
def test_a_wrong_setting_of_the_skeleton_is_refused_in_one_line(settings, message):
    with pytest.raises(UserError, match=message) as raised:
        get_space("darts").skeleton(**settings)
    assert len(str(raised.value).splitlines()) == 1


# --- sizes


PUBLISHED = list(
    csv.DictReader(
        (Path(__file__).parents[1] / "data" / "genotypes.csv").read_text().splitlines()
    )
)


def is_printed(text, value):
    """Whether a number may have been printed like this: rounded, as most are, or cut off."""
    digits = len(text.partition(".")[2])
    return text in (
        f"{value:.{digits}f}",
        f"{int(value * 10**digits) / 10**digits:.{digits}f}",
    )


def test_numbers_are_compared_to_the_last_digit_printed():
    assert all(
        is_printed(text, 2.3858)
        for text in ("2", "2.3", "2.4", "2.38", "2.39", "2.385", "2.386")
    )
    assert not any(
        is_printed(text, 2.3858)
        for text in ("1", "3", "2.5", "2.37", "2.40", "2.384", "2.387")
    )


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row["name"])
def test_a_published_network_has_its_published_size(row):
    """Millions of parameters as printed, without the auxiliary head; millions of multiply-adds where they are known."""
    space = get_space(row["space"])
    architecture = space.parse(row["genotype"])
    assert space.parse(space.format(architecture)) == architecture
    skeleton = space.skeleton(
        channels=int(row["channels"]), layers=int(row["layers"]), stem=row["stem"]
    )
    network = Network(space, architecture, skeleton, 3, int(row["classes"]), [0])
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    assert is_printed(row["params_millions"], millions), millions
    if row["multiply_adds_millions"]:
        # Ours are FLOPs, two per multiply-add.
        millions = ForwardCost(network, (3, 32, 32))() / 2e6
        assert is_printed(row["multiply_adds_millions"], millions), millions


def test_the_auxiliary_head_is_the_released_codes():
    """Its size at C=36: two convolutions with BN and a linear map, on the concatenation of four nodes of 4C."""
    space = get_space("darts")
    skeleton = space.skeleton(channels=36, layers=8)

    def count(auxiliary):
        network = Network(
            space, space.parse(FIRST), skeleton, 3, 10, [0], auxiliary=auxiliary
        )
        return sum(p.numel() for p in network.parameters())

    features = 4 * 4 * 36
    assert (
        count(True) - count(False)
        == features * 128 + 2 * 128 + 128 * 768 * 4 + 2 * 768 + 768 * 10 + 10
    )


@pytest.mark.parametrize("name", ["darts", "darts-none"])
def test_the_supernet_has_the_size_that_darts_prints(name):
    """1.930618 M at 16 channels and 8 layers, in the log of its search; `none` has no weights."""
    space = get_space(name)
    supernet = Supernet(space, space.skeleton(), 3, 10, seed=0)
    assert sum(p.numel() for p in supernet.parameters()) == 1_930_618
