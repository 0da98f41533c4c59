"""The space of NAS-Bench-Macro: its text, its classes, and parameters and MACs of the published table."""

import csv
import gzip
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import build_network
from archselect.nasbench_adapters.networks.multiply_adds import multiply_add_table
from archselect.nasbench_adapters.networks.parameters import parameter_table
from archselect.nasbench_adapters.spaces import get_space

SPACE = get_space("nb-macro")
STAGES = ((0, 2), (2, 5), (5, 8))
FIXED_PARAMETERS = 387_882
FIXED_MULTIPLY_ADDS = 7_713_280
MORE_PARAMETERS = (
    *((8_416, 21_952), (27_200, 60_416), (31_168, 76_672)),
    *[(103_552, 219_136)] * 2,
    (119_680, 284_416),
    *[(403_712, 831_488)] * 2,
)
"""What operations 1 and 2 have more than the identity, layer by layer."""
MORE_MULTIPLY_ADDS = (
    *((4_415_488, 10_141_696), (6_733_824, 15_040_512), (4_304_896, 9_527_296)),
    *[(6_512_640, 13_811_712)] * 2,
    (4_249_600, 9_220_096),
    *[(6_402_048, 13_197_312)] * 2,
)

texts = st.text("012", min_size=8, max_size=8)


@pytest.fixture(scope="module")
def published(shared_file):
    with gzip.open(shared_file("nasbench_macro_cifar10.csv.gz"), "rt") as file:
        return list(csv.DictReader(file))


@given(texts)
def test_a_text_is_read_back(text):
    assert SPACE.format(SPACE.parse(f" {text}\n")) == text


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("0123", "wanted 8 layers, found 4"),
        ("00000003", r"layer 7 .* is '3': write 0 \(identity\)"),
        ("0000000²", "write 0"),
    ],
)
def test_a_wrong_text_is_refused(text, advice):
    with pytest.raises(UserError, match=advice):
        SPACE.parse(text)


def test_a_chain_is_decided_as_a_whole():
    assert SPACE.parts == (tuple(range(8)),)
    assert SPACE.size == 3**8 and len(SPACE.representatives) == 3969


@given(texts)
def test_a_class_has_all_orders_of_the_identities_behind_a_stages_first_layer(text):
    """The slow way: of all orders that leave the other operations in theirs, the last one with the identities."""
    wanted = ""
    for first, end in STAGES:
        behind = text[first + 1 : end]
        equal = {
            "".join(order)
            for order in permutations(behind)
            if "".join(order).replace("0", "") == behind.replace("0", "")
        }
        wanted += text[first] + max(equal)
    assert SPACE.format(SPACE.canonical(SPACE.parse(text))) == wanted


def test_networks_of_one_class_compute_the_same():
    """With the weights of equal operations exchanged."""
    skeleton = SPACE.skeleton(channels=2)
    images = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    moved, last = (
        build_network(SPACE, SPACE.parse(text), skeleton, 3, 4, seed=0).eval()
        for text in ("21201102", "21210120")
    )
    with torch.no_grad():
        assert torch.allclose(moved(images), last(images), atol=1e-6)
        other = build_network(SPACE, SPACE.parse("12201102"), skeleton, 3, 4, 0).eval()
        assert not torch.allclose(moved(images), other(images), atol=1e-3)


def test_parameters_and_multiply_adds_are_the_published_ones_operation_by_operation():
    skeleton = SPACE.skeleton()
    parameters = parameter_table(SPACE, skeleton, 3, 10)
    multiply_adds = multiply_add_table(SPACE, skeleton, (3, 32, 32), 10)
    blank = SPACE.parse("00000000")
    assert parameters.of(blank) == FIXED_PARAMETERS
    assert multiply_adds.of(blank) == FIXED_MULTIPLY_ADDS
    for layer in range(8):
        for choice in (1, 2):
            changed = SPACE.parse("0" * layer + str(choice) + "0" * (7 - layer))
            more = MORE_PARAMETERS[layer][choice - 1]
            assert parameters.of(changed) - FIXED_PARAMETERS == more
            more = MORE_MULTIPLY_ADDS[layer][choice - 1]
            assert multiply_adds.of(changed) - FIXED_MULTIPLY_ADDS == more


def test_the_published_table_agrees_on_classes_parameters_and_multiply_adds(published):
    skeleton = SPACE.skeleton()
    parameters = parameter_table(SPACE, skeleton, 3, 10)
    multiply_adds = multiply_add_table(SPACE, skeleton, (3, 32, 32), 10)
    assert len(published) == SPACE.size
    for row in published:
        network = SPACE.parse(row["arch"])
        assert SPACE.format(SPACE.canonical(network)) == row["canonical"]
        assert parameters.of(network) == int(row["params"])
        assert multiply_adds.of(network) == int(row["macs"])


def test_the_networks_have_no_choice_between_them_but_the_layers():
    skeleton = SPACE.skeleton()
    channels = [layer.channels for layer in skeleton.layers]
    assert channels == [64, 64, 128, 128, 128, 256, 256, 256, 1280]
    assert [layer.stride for layer in skeleton.layers] == [2, 1, 2, 1, 1, 2, 1, 1, 1]


def test_all_networks_are_drawn_equally_often():
    rng = np.random.default_rng(0)
    drawn = np.array([SPACE.sample(rng).choices for _ in range(3000)])[:, :, 0]
    for layer in range(8):
        counts = np.bincount(drawn[:, layer], minlength=3)
        # Five standard deviations of a count that is binomial.
        assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(3000 * 2 / 9))
