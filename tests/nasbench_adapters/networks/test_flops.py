"""The cost of a forward against torch's own counter, which watches the operators that really run."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from archselect.nasbench_adapters.networks import Network, Supernet, mixture_of, one_hot
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.space import OPEN, Architecture, Decisions
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
    with counter, torch.no_grad():
        model(*inputs)
    return counter.get_total_flops()


@settings(max_examples=30)
@given(
    st.lists(st.integers(-1, 4), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=6),
    st.integers(1, 3),
)
def test_the_cost_of_a_mixture_is_what_torch_counts(supernet, choices, masked, batch):
    mixture = mixture_of(SPACE, ZEROS, Decisions((tuple(OPEN if k < 0 else k for k in choices),)))
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
    network = Network(SPACE, cell, SPACE.skeleton(channels=4, cells=1), 3, 7, range(replicas)).eval()
    cost = ForwardCost(network, SHAPE)
    assert cost() == counted(network, torch.zeros(1, 3 * replicas, 8, 8))


def test_networks_of_published_size_cost_what_is_published(shared_file):
    """What a convolution on an edge adds. The benchmark's "FLOPs" are multiply-adds, half of ours."""
    with np.load(shared_file("nb201_reference.npz")) as arrays:
        published = dict(zip(arrays["arch"].tolist(), arrays["flops_m_cifar10"], strict=True))
    empty = Architecture(((0,) * 6,))
    skeleton = SPACE.skeleton()
    base = ForwardCost(Network(SPACE, empty, skeleton, 3, 10, [0]), (3, 32, 32))()
    for choice in (2, 3):
        cell = Architecture(((choice, 0, 0, 0, 0, 0),))
        ours = (ForwardCost(Network(SPACE, cell, skeleton, 3, 10, [0]), (3, 32, 32))() - base) / 2e6
        theirs = published[SPACE.format(cell)] - published[SPACE.format(empty)]
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_measuring_leaves_the_model_as_it_was(supernet):
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    supernet.train()
    ForwardCost(supernet, SHAPE)
    assert all(module.training for module in supernet.modules())
    assert all(torch.equal(value, before[name]) for name, value in supernet.state_dict().items())
    assert not any(module._forward_hooks for module in supernet.modules())
    supernet.eval()


def test_a_one_hot_supernet_costs_as_much_as_the_network(supernet):
    cell = SPACE.parse("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|avg_pool_3x3~1|nor_conv_3x3~2|")
    network = Network(SPACE, cell, supernet.skeleton, 3, 7, [0])
    mixture = one_hot(SPACE, cell, torch.device("cpu"))
    assert ForwardCost(supernet, SHAPE)(mixture) == ForwardCost(network, SHAPE)()
