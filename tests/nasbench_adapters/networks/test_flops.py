"""The cost of a forward against torch's own counter, which watches the operators that really run."""

from functools import cache
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from archselect.nasbench_adapters.networks import Network, Supernet, mixture_of, one_hot
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.operations import AveragePool
from archselect.nasbench_adapters.space import DROPPED, OPEN, Architecture, Decisions
from archselect.nasbench_adapters.spaces import get_space

SPACE = get_space("nb201")
SHAPE = (3, 8, 8)
ZEROS = (torch.zeros(6, 5),)


@pytest.fixture(scope="module", params=["residual", "pool"])
def supernet(request):
    skeleton = SPACE.skeleton(channels=4, cells=2, reduction=request.param)
    return Supernet(SPACE, skeleton, 3, 7, seed=0).eval()


def counted(model, *inputs):
    """FLOPs by torch: two per multiply-add of convolutions and matrix products, all images together."""
    counter = FlopCounterMode(display=False)
    # Pooling is not counted; on the CPU it is a convolution.
    with (
        patch.object(AveragePool, "forward", nn.AvgPool2d.forward),
        counter,
        torch.no_grad(),
    ):
        model(*inputs)
    return counter.get_total_flops()


@settings(max_examples=30)
@given(
    st.lists(st.integers(-1, 4), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=6),
    st.integers(1, 3),
)
def test_the_cost_of_a_mixture_is_what_torch_counts(supernet, choices, masked, batch):
    mixture = mixture_of(
        SPACE, ZEROS, Decisions((tuple(OPEN if k < 0 else k for k in choices),))
    )
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    cost = ForwardCost(supernet, SHAPE)
    wanted = counted(supernet, torch.zeros(batch, *SHAPE), mixture)
    assert batch * cost(mixture) == wanted
    # A second look is answered from memory.
    assert batch * cost(mixture) == wanted


@settings(max_examples=20)
@given(st.sampled_from(list(SPACE.enumerate())), st.integers(1, 3))
def test_the_cost_of_a_network_is_what_torch_counts(cell, replicas):
    network = Network(
        SPACE, cell, SPACE.skeleton(channels=4, cells=1), 3, 7, range(replicas)
    ).eval()
    cost = ForwardCost(network, SHAPE)
    assert cost() == counted(network, torch.zeros(1, 3 * replicas, 8, 8))


# --- DARTS: strides, two cell types, preprocessing, grouped convolutions

DARTS = ("darts", "darts-none", "s1", "s3", "s4")
SMALL = {"channels": 2, "layers": 4}


@pytest.fixture(scope="module")
def darts_costs():
    """`darts_costs(space)`: a supernet of it and its cost, one each."""

    def build(space):
        model = Supernet(space, space.skeleton(**SMALL), 3, 7, seed=0).eval()
        return model, ForwardCost(model, SHAPE)

    return cache(build)


@settings(max_examples=8)
@given(st.data(), st.sampled_from(DARTS).map(get_space), st.integers(1, 3))
def test_the_cost_of_a_mixture_on_darts_is_what_torch_counts(
    darts_costs, data, space, batch
):
    supernet, cost = darts_costs(space)
    choices = tuple(
        tuple(
            data.draw(st.sampled_from([OPEN, DROPPED, *range(len(names))]))
            for names in cell.operations
        )
        for cell in space.cells
    )
    columns = len(space.cells[0].operations[0])
    mixture = mixture_of(space, (torch.zeros(14, columns),) * 2, Decisions(choices))
    places = st.tuples(
        st.integers(0, 1), st.integers(0, 13), st.integers(0, columns - 1)
    )
    for place in data.draw(st.lists(places, max_size=6)):
        mixture = mixture.without(*place)
    assert batch * cost(mixture) == counted(
        supernet, torch.zeros(batch, *SHAPE), mixture
    )


@settings(max_examples=10)
@given(
    st.sampled_from(DARTS).map(get_space),
    st.integers(0, 1000),
    st.integers(1, 3),
    st.booleans(),
)
def test_the_cost_of_a_darts_network_is_what_torch_counts(
    darts_costs, space, seed, replicas, imagenet
):
    cell = space.sample(np.random.default_rng(seed))
    stem, size = ("imagenet", 64) if imagenet else ("cifar", 8)
    skeleton = space.skeleton(**SMALL, stem=stem)
    network = Network(space, cell, skeleton, 3, 7, range(replicas)).eval()
    cost = ForwardCost(network, (3, size, size))
    assert cost() == counted(network, torch.zeros(1, 3 * replicas, size, size))
    if not imagenet:
        _, mixed = darts_costs(space)
        assert replicas * mixed(one_hot(space, cell, torch.device("cpu"))) == cost()


def test_an_auxiliary_head_costs_a_forward_nothing():
    """It is read in training only, and no part of the network that is judged."""
    space = get_space("s2")
    cell, skeleton = space.sample(np.random.default_rng(0)), space.skeleton(**SMALL)
    costs = [
        ForwardCost(
            Network(space, cell, skeleton, 3, 7, [0], auxiliary=auxiliary).train(),
            (3, 32, 32),
        )()
        for auxiliary in (False, True)
    ]
    assert costs[0] == costs[1]


# --- published sizes, and what is left behind


def test_networks_of_published_size_cost_what_is_published(shared_file):
    """What a convolution on an edge adds.

    The benchmark's "FLOPs" are multiply-adds, half of ours.
    """
    with np.load(shared_file("nb201_reference.npz")) as arrays:
        published = dict(
            zip(arrays["arch"].tolist(), arrays["flops_m_cifar10"], strict=True)
        )
    empty = Architecture(((0,) * 6,))
    skeleton = SPACE.skeleton()
    base = ForwardCost(Network(SPACE, empty, skeleton, 3, 10, [0]), (3, 32, 32))()
    for choice in (2, 3):
        cell = Architecture(((choice, 0, 0, 0, 0, 0),))
        ours = (
            ForwardCost(Network(SPACE, cell, skeleton, 3, 10, [0]), (3, 32, 32))()
            - base
        ) / 2e6
        theirs = published[SPACE.format(cell)] - published[SPACE.format(empty)]
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_measuring_leaves_the_model_as_it_was(supernet):
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet.train()
    ForwardCost(supernet, SHAPE)
    assert all(module.training for module in supernet.modules())
    assert all(
        torch.equal(value, before[name])
        for name, value in supernet.state_dict().items()
    )
    assert not any(module._forward_hooks for module in supernet.modules())
    supernet.eval()


def test_a_one_hot_supernet_costs_as_much_as_the_network(supernet):
    cell = SPACE.parse(
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    )
    network = Network(SPACE, cell, supernet.skeleton, 3, 7, [0])
    mixture = one_hot(SPACE, cell, torch.device("cpu"))
    assert ForwardCost(supernet, SHAPE)(mixture) == ForwardCost(network, SHAPE)()
