"""The MobileNet-like space: its text, its skeleton, and parameters and MACs measured on the released code."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import Supernet, build_network, mixture_of
from archselect.nasbench_adapters.networks.activation import ACTIVATIONS
from archselect.nasbench_adapters.networks.mixture import blank_alphas
from archselect.nasbench_adapters.networks.multiply_adds import multiply_add_table
from archselect.nasbench_adapters.networks.network import scoring
from archselect.nasbench_adapters.networks.parameters import parameter_table
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies.nwot import score

SPACE = get_space("mobilenet")
FIRST = (0, 4, 8, 12, 16, 20)
"""The layers that have no identity."""
CPU = torch.device("cpu")


def everywhere(block, identity=False):
    """A text with one block in all layers, or where identities can be only where they cannot."""
    numbers = [
        "-1" if identity and place not in FIRST else str(block) for place in range(21)
    ]
    return " ".join(numbers)


architectures = st.integers(0, 10_000).map(
    lambda seed: SPACE.sample(np.random.default_rng(seed))
)


@given(architectures)
def test_a_text_is_read_back(architecture):
    text = SPACE.format(architecture)
    assert SPACE.parse(text) == architecture
    assert SPACE.parse(text.replace(" ", ", ")) == architecture


def test_the_size_and_the_parts():
    assert SPACE.size == 6**6 * 7**15
    assert SPACE.parts == (tuple(range(21)),)


@pytest.mark.parametrize("place", FIRST)
def test_the_first_layer_of_a_stage_is_no_identity(place):
    numbers = ["0"] * 21
    numbers[place] = "-1"
    with pytest.raises(
        UserError, match=f"layer {place} .* no operation '-1': write one of 0, 1, 2"
    ):
        SPACE.parse(" ".join(numbers))


@pytest.mark.parametrize(("text", "advice"), [("0 0", "found 2"), ("", "found 0")])
def test_a_text_of_another_length_is_refused(text, advice):
    with pytest.raises(UserError, match=f"wanted 21 layers, {advice}"):
        SPACE.parse(text)


@pytest.fixture(scope="module")
def counted():
    """Parameters and multiply-adds of every operation, for large images."""
    skeleton = SPACE.skeleton()
    multiply_adds = multiply_add_table(SPACE, skeleton, (3, 224, 224), 1000)
    return parameter_table(SPACE, skeleton, 3, 1000), multiply_adds


@pytest.mark.parametrize(
    ("text", "parameters", "multiply_adds"),
    [
        (everywhere(0), 5_151_552, 460_908_960),
        (everywhere(1), 7_816_008, 853_406_016),
        (everywhere(2), 5_264_832, 497_562_528),
        (everywhere(5), 8_382_408, 1_036_673_856),
        (everywhere(0, identity=True), 3_304_488, 182_479_200),
    ],
    ids=["3/3", "3/6", "5/3", "7/6", "smallest"],
)
def test_parameters_and_multiply_adds_of_large_images(
    counted, text, parameters, multiply_adds
):
    network = SPACE.parse(text)
    assert [table.of(network) for table in counted] == [parameters, multiply_adds]


def test_small_images_are_halved_twice():
    small = SPACE.skeleton(resolution=32)
    large = SPACE.skeleton()
    assert (small.stem, large.stem) == ("relu6", "relu6_halving")
    halving = [place for place, layer in enumerate(small.layers) if layer.stride == 2]
    # The block behind the stem is layer 0 of the skeleton.
    assert halving == [9, 17]
    assert [layer.channels for layer in small.layers] == [
        layer.channels for layer in large.layers
    ]


@pytest.mark.parametrize("resolution", [64, 0, "32"])
def test_another_resolution_is_refused(resolution):
    with pytest.raises(UserError, match="'resolution' of mobilenet must be"):
        SPACE.skeleton(resolution=resolution)


def test_the_classes_of_a_chain_too_long_to_be_listed():
    text = everywhere(3).split()
    text[1] = "-1"
    moved = SPACE.canonical(SPACE.parse(" ".join(text)))
    text[1], text[3] = "3", "-1"
    assert SPACE.format(moved) == " ".join(text)


def test_convolutions_are_drawn_as_the_released_code_does():
    network = build_network(
        SPACE, SPACE.parse(everywhere(4)), SPACE.skeleton(), 3, 10, seed=0
    )
    deviations = []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d) and module is not network.classifier:
            outputs, _, side, _ = module.weight.shape
            wanted = np.sqrt(2 / (side * side * outputs))
            found = float(module.weight.detach().std())
            deviations.append((found / wanted - 1) * np.sqrt(2 * module.weight.numel()))
    # Each is normal with variance one, nearly.
    assert len(deviations) == 1 + 2 + 21 * 3 + 1
    assert np.abs(deviations).max() < 5
    assert float(network.classifier.weight.detach().abs().max()) <= 1 / np.sqrt(1728)


@pytest.mark.parametrize("name", ["nb-macro", "mobilenet"])
def test_a_sum_and_a_mean_of_operations_have_the_same_patterns(name, images):
    """At its start and in evaluation mode a chain is homogeneous, as long as no ReLU6 is full."""
    space = get_space(name)
    supernet = Supernet(space, space.skeleton(channels=4), 3, 4, seed=0).double()
    alphas = [alpha.double() for alpha in blank_alphas(space, CPU)]
    batch = 1e-20 * images(6, size=16)
    scores = []
    for activation in ("softmax", "ones"):
        mixture = mixture_of(space, alphas, activation=ACTIVATIONS[activation])
        with scoring(supernet, "running"):
            scores.append(
                score(supernet, lambda x, m=mixture: supernet(x, m), batch, None)
            )
    assert scores[0] == pytest.approx(scores[1], rel=1e-12)
