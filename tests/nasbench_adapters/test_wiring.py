"""The spaces of wiring evolution: their cells, text form, restrictions by name, and what their networks compute."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Network, Supernet, mixture_of, one_hot
from archselect.nasbench_adapters.space import NONE, OPEN, Architecture
from archselect.nasbench_adapters.spaces import (
    SPACES,
    get_space,
    registry,
    unrestricted_name,
)
from archselect.nasbench_adapters.spaces.restrictions import RestrictableSpace
from archselect.nasbench_adapters.truth.table import TruthTable

CPU = torch.device("cpu")
MINIMAL = [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
WIRING = [
    *MINIMAL,
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
EIGHT = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", *CONVOLUTIONS)
FIRST = "|sep_conv_3x3~0|none~1|+|skip_connect~0|none~1|max_pool_3x3~2|"
EVERY = ",".join(f"{source}-{target}=none+sep_conv_3x3" for source, target in MINIMAL)
NAMES = (
    "minimal",
    "wiring",
    "minimal:2-3=none",
    "wiring:0-2=skip_connect,1-3=none+dil_conv_5x5,4-5=none",
)

spaces = st.sampled_from(NAMES).map(get_space)
seeds = st.integers(0, 2**32)


def sampled(space, seed):
    return space.sample(np.random.default_rng(seed))


# --- cells


@pytest.mark.parametrize(("name", "edges"), [("minimal", MINIMAL), ("wiring", WIRING)])
def test_all_edges_allow_none_and_darts_seven_and_are_kept(name, edges):
    space = get_space(name)
    (cell,) = space.cells
    nodes = {node for edge in edges for node in edge}
    assert (cell.name, cell.inputs, cell.nodes, list(cell.edges)) == (
        "cell",
        2,
        len(nodes),
        edges,
    )
    assert set(cell.operations) == {EIGHT} and list(cell.output) == sorted(
        nodes - {0, 1}
    )
    assert not any(cell.kept) and [
        cell.candidates(edge) for edge in range(len(edges))
    ] == [[*range(8)]] * len(edges)
    assert cell.preprocessed and cell.normalised_pools
    assert space.size == 8 ** len(edges)


def test_a_small_space_is_listed():
    space = get_space(
        "minimal:0-2=none+skip_connect,1-2=none,0-3=max_pool_3x3,1-3=none+sep_conv_3x3+dil_conv_3x3"
    )
    words = [
        ("none", "skip_connect"),
        ("none",),
        ("max_pool_3x3",),
        ("none", "sep_conv_3x3", "dil_conv_3x3"),
        EIGHT,
    ]
    wanted = ["|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*row) for row in product(*words)]
    assert [space.format(architecture) for architecture in space.enumerate()] == wanted
    assert space.size == len(wanted) == 48


def test_a_large_space_is_not_listed():
    assert not get_space("wiring").enumerable and get_space("minimal").enumerable
    with pytest.raises(
        UserError,
        match="wiring is too large to be listed: draw a sample, or restrict its edges",
    ):
        next(get_space("wiring").enumerate())


# --- text


@given(spaces, seeds)
def test_every_architecture_survives_the_round_trip_through_text(space, seed):
    architecture = sampled(space, seed)
    text = space.format(architecture)
    assert space.parse(f" {text}\n") == architecture
    # A restricted space's text is one of the whole space, and names the same graph.
    of_whole = get_space(unrestricted_name(space.name))
    assert of_whole.graph(of_whole.parse(text)) == space.graph(architecture)


def test_a_text_says_which_operation_reads_which_node():
    (graph,) = get_space("minimal").graph(get_space("minimal").parse(FIRST))
    operations = ["sep_conv_3x3", "none", "skip_connect", "none", "max_pool_3x3"]
    assert graph["edges"] == [
        [*edge, name] for edge, name in zip(MINIMAL, operations, strict=True)
    ]


pieces = [
    "|",
    "+",
    "~",
    "0",
    "1",
    "2",
    "none",
    "sep_conv_3x3",
    "no\nne",
    "\u2028",
    "٠",
    "",
    " ",
    "x",
]


@given(spaces, seeds, st.data())
def test_one_edit_of_a_cell_is_read_or_refused(space, seed, data):
    text = space.format(sampled(space, seed))
    at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 3))
    text = (
        text[:at]
        + data.draw(st.sampled_from(pieces) | st.text(max_size=3))
        + text[at + cut :]
    )
    try:
        cell = space.parse(text)
    except UserError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert space.format(cell) == text.strip()


FORM = r"; form: \|op~0\|op~1\|\+\|op~0\|op~1\|op~2\|"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "minimal",
            "",
            "malformed minimal cell '': wanted 2 nodes joined by '\\+', found 1" + FORM,
        ),
        ("minimal", FIRST + "+|none~0|", "found 3" + FORM),
        ("minimal", FIRST.removesuffix("|"), "node 3 is .* not within '\\|'" + FORM),
        (
            "minimal",
            FIRST.replace("|none~1|+", "|+"),
            "node 2 has 1 inputs, not 2" + FORM,
        ),
        (
            "minimal",
            FIRST.replace("~2", "~1"),
            "input 2 of node 3 is 'max_pool_3x3~1', not 'operation~2'" + FORM,
        ),
        (
            "minimal",
            FIRST.replace("skip_connect", "skip_conect"),
            "minimal operation 'skip_conect': did you mean 's",
        ),
        (
            "minimal",
            FIRST.replace("max_pool_3x3", "noise"),
            "unknown minimal operation 'noise'",
        ),
        (
            "minimal:2-3=none",
            FIRST,
            "unknown minimal:2-3=none operation on edge 2→3 'max_pool_3x3': known: none",
        ),
        ("wiring", FIRST, "wanted 4 nodes joined by '\\+', found 2"),
    ],
)
def test_a_malformed_cell_is_refused_with_the_place(name, text, message):
    with pytest.raises(UserError, match=message) as raised:
        get_space(name).parse(text)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "choices",
    [(0,) * 4, (0,) * 6, (0, 0, 0, 0, None), (0, 0, 0, 0, -1), (0, 0, 0, 0, 1)],
)
def test_only_a_decided_cell_of_the_space_has_a_text(choices):
    with pytest.raises(
        ValueError, match="minimal:2-3=none needs an operation on all 5 edges"
    ):
        get_space("minimal:2-3=none").format(Architecture((choices,)))


# --- restrictions


def test_an_edge_keeps_the_operations_that_the_name_leaves_it():
    space = get_space("minimal:0-2=none+sep_conv_3x3,2-3=none")
    assert space.name == "minimal:0-2=none+sep_conv_3x3,2-3=none"
    assert space.cells[0].operations == (
        ("none", "sep_conv_3x3"),
        EIGHT,
        EIGHT,
        EIGHT,
        ("none",),
    )
    assert (
        get_space("minimal").cells[0].operations == (EIGHT,) * 5
        and get_space("minimal").name == "minimal"
    )
    assert space.operation_index(0, 0, "sep_conv_3x3") == 1
    assert space.undecided().choices == ((OPEN,) * 5,)
    assert space.decide_forced_edges(space.undecided()).choices == ((OPEN,) * 4 + (0,),)
    assert [edge.index for edge in space.open_choices(space.undecided(), 0)] == [
        0,
        1,
        2,
        3,
    ]


@given(st.sampled_from(["minimal", "wiring"]), st.data())
def test_every_restriction_has_one_name(name, data):
    """Written in any order and with blanks it is refused, and the message has the name."""
    edges = get_space(name).cells[0].edges
    chosen = data.draw(st.lists(st.sampled_from(edges), unique=True, min_size=1))
    some = st.lists(st.sampled_from(EIGHT), unique=True, min_size=1)
    drawn = [(edge, data.draw(some)) for edge in chosen]
    blank = data.draw(st.sampled_from(["", "", " "]))

    def written(parts):
        return ",".join(
            f"{source}-{target}={blank}{'+'.join(names)}"
            for (source, target), names in parts
        )

    text = f"{name}:{written(drawn)}"
    sorted_parts = [
        (edge, [n for n in EIGHT if n in dict(drawn)[edge]])
        for edge in edges
        if edge in chosen
    ]
    blank, parts = (
        "",
        [(edge, names) for edge, names in sorted_parts if len(names) < len(EIGHT)],
    )
    own = f"{name}:{written(parts)}" if parts else name
    if text == own:
        assert get_space(text).name == own
    else:
        with pytest.raises(UserError) as raised:
            get_space(text)
        assert str(raised.value) == f"space '{text}' has a standard name: write '{own}'"
    assert get_space(own).cells[0].operations == tuple(
        tuple(dict(parts).get(edge, EIGHT)) for edge in edges
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "minimal:",
            "space minimal:: '' restricts no edge; .* such as minimal:2-3=none",
        ),
        ("minimal:2-3", "'2-3' restricts no edge"),
        ("minimal:2-3=", "'2-3=' restricts no edge"),
        ("minimal:2-3=none,", "'' restricts no edge"),
        (
            "minimal:2->3=none",
            "unknown edge of space minimal '2->3': known: 0-2, 0-3, 1-2, 1-3, 2-3",
        ),
        ("minimal:2-4=none", "known: 0-2, 0-3, 1-2, 1-3, 2-3"),
        (
            "minimal:2-3=non",
            "unknown operation of space minimal on edge 2-3 'non': did you mean 'none'\\?",
        ),
        ("minimal:2-3=none+", "unknown operation of space minimal on edge 2-3 ''"),
        ("minimal:2-3=none+none", "edge 2-3 has none twice; write it once"),
        (
            "minimal:2-3=none,2-3=none",
            "edge 2-3 occurs twice; write it once, with its operations joined by '\\+'",
        ),
        ("minmal:2-3=none", "unknown space 'minmal': did you mean 'minimal'\\?"),
        *[
            (
                f"{name}:2-3=none",
                rf"space {name} cannot be restricted \(':2-3=none'\): only minimal, wiring can",
            )
            for name, kind in SPACES.items()
            if not issubclass(kind, RestrictableSpace)
        ],
    ],
)
def test_what_is_no_restriction_is_refused_in_one_line(name, message):
    with pytest.raises(UserError, match=message) as raised:
        get_space(name)
    assert len(str(raised.value).splitlines()) == 1


def test_the_registry_knows_restricted_spaces():
    assert "minimal:2-3=none" in registry and "minmal:2-3=none" not in registry
    assert (
        registry.get("minimal:2-3=none") is SPACES["minimal"]
        and registry.source("minimal:2-3=none") is None
    )


def test_a_table_of_a_restricted_space_is_read_again(tmp_path):
    space = get_space(f"minimal:{EVERY}")
    choices = np.array(
        [architecture.choices[0] for architecture in space.representatives]
    )
    accuracies = {
        ("digits", "test", 1): (["0"], np.arange(len(choices), dtype=float)[:, None])
    }
    table = TruthTable.build(
        name="own",
        space=space.name,
        choices=choices,
        columns=accuracies,
        origin="",
        licence="",
        canonical_only=True,
    )
    table.save(tmp_path / "own.npz")
    found = TruthTable.open(tmp_path / "own.npz").within(space)
    assert (
        found.space is space
        and len(found) == len(choices)
        and len(found.population[0]) == space.size
    )
    with pytest.raises(
        UserError, match=r"is of space minimal:.*, which does not cover minimal$"
    ):
        found.within(get_space("minimal"))


# --- what is computed


@given(spaces, seeds)
def test_a_representative_represents_itself_and_differs_behind_zeros_only(space, seed):
    architecture = sampled(space, seed)
    representative = space.canonical(architecture)
    assert (
        space.parse(space.format(representative))
        == representative
        == space.canonical(representative)
    )
    (cell,) = space.cells
    zero = {
        node
        for node in cell.output
        if all(
            cell.operations[e][representative.choices[0][e]] == NONE
            for e in cell.incoming(node)
        )
    }
    for edge, (source, _) in enumerate(cell.edges):
        before, after = architecture.choices[0][edge], representative.choices[0][edge]
        assert before == after or (source in zero and after == 0)


def test_what_leaves_a_node_of_zeros_leaves_zeros_behind_it():
    wiring = get_space("wiring")
    row = dict.fromkeys(WIRING, 0) | {
        (2, 3): 4,
        (2, 4): 1,
        (3, 4): 3,
        (0, 5): 5,
        (4, 5): 6,
    }
    kept = dict.fromkeys(WIRING, 0) | {(0, 5): 5}
    assert wiring.canonical(Architecture((tuple(row.values()),))) == Architecture(
        (tuple(kept.values()),)
    )
    # An edge that cannot have `none` has its first operation, and is zero for what
    # comes behind it all the same.
    space = get_space("wiring:2-3=skip_connect+sep_conv_3x3")
    row |= {(2, 3): 1}
    assert space.canonical(Architecture((tuple(row.values()),))) == Architecture(
        (tuple(kept.values()),)
    )


def small_supernet(space, stirred):
    return stirred(Supernet(space, space.skeleton(channels=2, layers=2), 3, 4, seed=0))


def test_the_classes_are_those_of_equal_outputs(images, stirred):
    """Of all 32 wirings of one operation, under the batch's statistics; under running ones zeros are no zeros."""
    space = get_space(f"minimal:{EVERY}")
    supernet, x = small_supernet(space, stirred), images(6)
    supernet.train()

    def outputs(architecture):
        return supernet(x, one_hot(space, architecture, CPU))

    with torch.no_grad():
        found = {
            architecture: outputs(architecture) for architecture in space.enumerate()
        }
        for a, b in product(found, repeat=2):
            assert torch.allclose(found[a], found[b], atol=1e-12) == (
                space.classes[a] == space.classes[b]
            )
        supernet.eval()
        silent = space.parse("|none~0|none~1|+|sep_conv_3x3~0|none~1|sep_conv_3x3~2|")
        assert not torch.allclose(outputs(silent), outputs(space.canonical(silent)))


@settings(max_examples=10)
@given(
    st.sampled_from(
        ["wiring", "wiring:2-3=skip_connect+sep_conv_3x3,2-4=max_pool_3x3"]
    ),
    seeds,
)
def test_a_representative_computes_the_same(images, stirred, name, seed):
    space, rng = get_space(name), np.random.default_rng(seed)
    (cell,) = space.cells
    # Half of all edges are `none` where they can be, that nodes are zero.
    row = tuple(
        0 if rng.random() < 0.5 else int(rng.integers(len(names)))
        for names in cell.operations
    )
    row = (0, 0, *row[2:])
    supernet = small_supernet(space, stirred).train()
    with torch.no_grad():
        before, after = (
            supernet(images(6), one_hot(space, own, CPU))
            for own in (Architecture((row,)), space.canonical(Architecture((row,))))
        )
    torch.testing.assert_close(before, after, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["minimal", "wiring"])
def test_without_an_edge_the_logits_are_zero(images, stirred, name):
    """Nothing reaches the classifier, and it has no bias."""
    space = get_space(name)
    nothing = Architecture(((0,) * len(space.cells[0].edges),))
    for training in (True, False):
        supernet = small_supernet(space, stirred).train(training)
        assert (supernet(images(3), one_hot(space, nothing, CPU)) == 0).all()
        network = stirred(Network(space, nothing, supernet.skeleton, 3, 4, [0])).train(
            training
        )
        assert (network(images(3)) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_mixture_of_a_restricted_edge_is_over_what_it_keeps(images, stirred, name):
    space = get_space(name)
    (cell,) = space.cells
    alpha = torch.randn(
        len(cell.edges),
        8,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(0),
    )
    mixture = mixture_of(space, [alpha])
    for row, names, own in zip(mixture.weights[0], cell.operations, alpha, strict=True):
        torch.testing.assert_close(
            row[: len(names)], torch.softmax(own[: len(names)], 0)
        )
        assert (row[len(names) :] == 0).all()
    supernet = small_supernet(space, stirred).train()
    logits = supernet(images(5), mixture)
    assert logits.shape == (5, 4) and logits.isfinite().all() and (logits != 0).all()
    built = [[name for name in names if name != NONE] for names in cell.operations]
    assert [list(edge) for edge in supernet.layers[0].edges] == built


# --- skeleton


@pytest.mark.parametrize("name", NAMES)
def test_all_cells_have_one_width_and_the_images_size(name):
    space = get_space(name)
    skeleton = space.skeleton(channels=5, layers=3)
    assert (
        skeleton.stem,
        skeleton.stem_channels,
        skeleton.head,
        skeleton.auxiliary,
    ) == ("conv", 15, "pool", None)
    assert [
        (layer.block, layer.channels, layer.stride) for layer in skeleton.layers
    ] == [("cell", 5, 1)] * 3
    assert [layer.channels for layer in space.skeleton().layers] == [16] * 8
    assert len(space.skeleton(layers=1).layers) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"layers": 0},
            "'layers' of minimal must be a whole number of at least 1, not 0",
        ),
        ({"cells": 5}, "unknown skeleton setting of minimal 'cells'"),
        ({"stem": "imagenet"}, "unknown skeleton setting of minimal 'stem'"),
    ],
)
def test_a_wrong_setting_of_the_skeleton_is_refused_in_one_line(settings, message):
    with pytest.raises(UserError, match=message) as raised:
        get_space("minimal").skeleton(**settings)
    assert len(str(raised.value).splitlines()) == 1


def test_the_classifier_has_no_bias():
    """As in the released code; with one it would have a number more per class."""
    space = get_space("minimal")
    skeleton = space.skeleton(channels=2, layers=2)
    networks = [
        Network(space, space.parse(FIRST), own, 3, 10, [0])
        for own in (skeleton, replace(skeleton, bias=True))
    ]
    assert networks[0].classifier.bias is None
    sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert sizes[1] - sizes[0] == 10
    assert Supernet(space, skeleton, 3, 10, 0).classifier.bias is None
    assert get_space("darts").skeleton().bias and get_space("nb201").skeleton().bias


def test_the_supernet_has_the_size_that_its_parts_add_up_to():
    """By hand, at 16 channels and 8 layers: per edge 4 convolutions' kernels; normalisation has no weights."""
    width, stem, layers, classes = 16, 48, 8, 10
    separable = sum(2 * (width * k * k + width * width) for k in (3, 5))
    dilated = sum(width * k * k + width * width for k in (3, 5))
    for name, nodes in (("minimal", 2), ("wiring", 4)):
        space = get_space(name)
        supernet = Supernet(space, space.skeleton(), 3, classes, seed=0)
        out = nodes * width
        inputs = [stem, stem, *[out] * layers]
        preprocess = sum((inputs[k] + inputs[k + 1]) * width for k in range(layers))
        edges = layers * len(space.cells[0].edges) * (separable + dilated)
        total = 3 * 9 * stem + 2 * stem + preprocess + edges + out * classes
        assert sum(p.numel() for p in supernet.parameters()) == total
