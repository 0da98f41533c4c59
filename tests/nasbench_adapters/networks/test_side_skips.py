"""Skips beside the edges: what they add, their weights, and what they cost."""

import pytest
import torch

from archselect.nasbench_adapters.networks import FusedSupernet, Supernet, mixture_of
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.operations import FactorizedReduction
from archselect.nasbench_adapters.networks.side_skips import SideSkips
from archselect.nasbench_adapters.networks.step_memory import StepMemoryCounter
from archselect.nasbench_adapters.spaces import get_space

SKELETONS = {
    "nb201": {"channels": 3, "cells": 1},
    "darts": {"channels": 2, "layers": 3},
    "s3": {"channels": 2, "layers": 4},
    "s4": {"channels": 2, "layers": 3},
    "nb1shot1-1": {"channels": 4, "cells": 1},
}
BETA = 0.3


def world(name, side_skips=True):
    """A supernet in double precision in training mode, a mixture, and images."""
    torch.manual_seed(0)
    space = get_space(name)
    skeleton = space.skeleton(**SKELETONS[name])
    supernet = Supernet(space, skeleton, 3, 4, 0, side_skips=side_skips)
    alphas = [
        torch.randn(len(cell.edges), max(map(len, cell.operations))).double()
        for cell in space.cells
    ]
    images = torch.randn(4, 3, 8, 8).double()
    return supernet.double().train(), mixture_of(space, alphas), images


def with_more_skip(space, mixture, weight):
    """The mixture with a weight added to the skip of every edge."""
    tables = []
    for cell, table in zip(space.cells, mixture.weights, strict=True):
        more = torch.zeros_like(table)
        for edge, names in enumerate(cell.operations):
            more[edge, names.index("skip_connect")] = weight
        tables.append(table + more)
    return type(mixture)(tuple(tables), mixture.support)


def share_reductions(supernet):
    """Give the skips beside the edges the weights of the skips on them."""
    for _, cell in supernet.cells():
        for placed in cell.operations:
            name = str(placed.edge)
            if isinstance(placed.module, FactorizedReduction):
                beside = cell.side_skips.reductions[name]
                beside.load_state_dict(placed.module.state_dict())


@pytest.mark.parametrize("name", ["nb201", "s3", "darts"])
def test_they_are_more_of_the_skip_where_they_have_its_weights(name):
    supernet, mixture, images = world(name)
    share_reductions(supernet)
    more = with_more_skip(supernet.space, mixture, BETA)
    wanted = supernet(images, more)
    found = supernet(images, mixture.beside(BETA))
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(found, supernet(images, mixture))


@pytest.mark.parametrize("name", ["nb201", "s3", "nb1shot1-1"])
def test_a_fused_supernet_has_them_too(name):
    supernet, mixture, images = world(name)
    fused = FusedSupernet(supernet)
    torch.testing.assert_close(
        fused(images, mixture.beside(BETA)), supernet(images, mixture.beside(BETA))
    )


@pytest.mark.parametrize("name", SKELETONS)
def test_other_weights_are_drawn_as_without_them(name):
    plain, mixture, images = world(name, side_skips=False)
    beside, _, _ = world(name)
    weights = beside.state_dict()
    for key, value in plain.state_dict().items():
        assert torch.equal(weights[key], value)
    assert torch.equal(plain(images, mixture), beside(images, mixture))


@pytest.mark.parametrize("name", SKELETONS)
def test_each_edge_between_nodes_of_one_width_has_one(name):
    supernet, mixture, images = world(name)
    halving = 0
    for _, cell in supernet.cells():
        features = [torch.zeros(1, width, 4, 4).double() for width in cell.channels]
        for target in range(cell.cell.inputs, cell.cell.nodes):
            wanted = [
                source
                for source, into in cell.cell.edges
                if into == target and cell.channels[source] == cell.channels[target]
            ]
            assert len(cell.side_skips(target, features)) == len(wanted)
        halving += len(cell.side_skips.reductions)
    assert bool(halving) == (name in ("darts", "s3", "s4"))
    supernet(images, mixture.beside(BETA)).sum().backward()
    for module in supernet.modules():
        if isinstance(module, SideSkips):
            assert all(weight.grad.any() for weight in module.parameters())


def test_their_cost_is_counted_where_they_run():
    supernet, mixture, _ = world("darts")
    shape = (3, 8, 8)
    cost = ForwardCost(supernet, shape)
    plain, _, _ = world("darts", side_skips=False)
    assert cost(mixture) == ForwardCost(plain, shape)(mixture)
    wanted = 0
    for layer, (_, cell) in zip(
        supernet.skeleton.layers, supernet.cells(), strict=True
    ):
        for reduction in cell.side_skips.reductions.values():
            side = 8 if layer is supernet.skeleton.layers[1] else 4
            pixels = (side // 2) ** 2
            width = reduction.norm.num_features
            wanted += 2 * width * width * pixels
    assert wanted
    assert cost(mixture.beside(BETA)) - cost(mixture) == wanted


def test_their_memory_is_counted():
    space = get_space("darts")
    skeleton = space.skeleton(**SKELETONS["darts"])
    undecided = space.undecided()
    plain = StepMemoryCounter(space, skeleton, (3, 8, 8), 4).count(undecided)
    beside = StepMemoryCounter(space, skeleton, (3, 8, 8), 4, side_skips=True)
    more = beside.count(undecided)
    assert more.saved > plain.saved
    assert more.weights > plain.weights


def test_a_mixture_by_layer_is_spread_already():
    supernet, mixture, _ = world("nb201")
    layers = [len(supernet.cells())]
    spread = mixture.spread(layers)
    again = spread.spread(layers)
    assert again.weights[0] is spread.weights[0]
    assert mixture.beside(0.5).tensors[-1] == 0.5
    assert mixture.tensors == mixture.weights
