"""Partial channels and weights of edges against a slow reference, module by module."""

import pytest
import torch
from torch import nn

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    FusedSupernet,
    Supernet,
    mixture_of,
)
from archselect.nasbench_adapters.networks.activation.partial_softmax import (
    PartialEdgeSoftmax,
    PartialSoftmax,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.step_memory import StepMemoryCounter
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces import get_space

SKELETONS = {
    "nb201": {"channels": 4, "cells": 1},
    "darts-none": {"channels": 8, "layers": 3},
}
CPU = torch.device("cpu")


def world(name, activation):
    """A supernet in double precision, alphas that are far apart, and images."""
    torch.manual_seed(0)
    space = get_space(name)
    skeleton = space.skeleton(**SKELETONS[name])
    supernet = Supernet(
        space, skeleton, 3, 4, 0, channel_divisor=activation.channel_divisor
    )
    generator = torch.Generator().manual_seed(1)
    alphas = activation.new_alphas(space, generator, CPU, 1.0)
    alphas = tuple(alpha.double().requires_grad_() for alpha in alphas)
    return supernet.double().eval(), alphas, torch.randn(4, 3, 8, 8).double()


def softmax(values):
    """The softmax of a list of scalars."""
    powers = [value.exp() for value in values]
    return [power / sum(powers) for power in powers]


def edge_shares(cell, betas):
    """The softmax of betas over the edges into each node, by edge."""
    shares = {}
    for node in range(cell.nodes):
        into = [edge for edge, (_, target) in enumerate(cell.edges) if target == node]
        shares.update(zip(into, softmax([betas[edge] for edge in into]), strict=True))
    return shares


def shuffled(x, groups):
    """The channels dealt out: the first of each group, then the second of each."""
    size = x.shape[1] // groups
    order = [group * size + place for place in range(size) for group in range(groups)]
    return x[:, order]


def slow_cell(module, inputs, alpha, divisor, is_normalised, decided=None):
    """What a cell puts out, from its modules one by one, as the released code does it.

    `decided` has edges that are decided for one operation, or dropped (None).
    """
    decided = decided or {}
    cell = module.cell
    betas = alpha[:, -1]
    shares = edge_shares(cell, betas) if is_normalised else dict.fromkeys(range(99), 1)
    states = module.prepared(inputs)
    pool = nn.MaxPool2d(2, 2)
    for node in range(cell.inputs, cell.nodes):
        total = 0
        for edge, (source, target) in enumerate(cell.edges):
            if target != node or decided.get(edge, 0) is None:
                continue
            x = states[source]
            first = x.shape[1] // divisor
            halves = module.stride == 2 and source < cell.inputs
            passed = pool(x[:, first:]) if halves else x[:, first:]
            mixed = torch.zeros_like(passed[:, :1]).repeat(1, first, 1, 1)
            names = cell.operations[edge]
            weights = softmax([alpha[edge, place] for place in range(len(names))])
            if edge in decided:
                weights = [float(place == decided[edge]) for place in range(len(names))]
            for name, weight in zip(names, weights, strict=True):
                if name not in module.edges[edge]:
                    continue
                operation = module.edges[edge][name]
                searched = x[:, :first]
                if operation.reads_rectified:
                    searched = searched.clamp(min=0)
                mixed = mixed + weight * operation(searched)
            whole = torch.cat([mixed, passed], dim=1)
            total = total + shares[edge] * shuffled(whole, divisor)
        states.append(total)
    return torch.cat([states[node] for node in cell.output], dim=1)


@pytest.mark.parametrize("activation", [PartialSoftmax, PartialEdgeSoftmax])
@pytest.mark.parametrize("divisor", [2, 4])
@pytest.mark.parametrize("name", SKELETONS)
def test_a_cell_is_what_the_formula_says(name, divisor, activation):
    activation = activation(divisor)
    supernet, alphas, images = world(name, activation)
    mixture = mixture_of(supernet.space, alphas, activation=activation)
    cells = []
    for _, module in supernet.cells():
        module.register_forward_hook(
            lambda module, given, out: cells.append((module, given[0], out))
        )
    supernet(images, mixture).sum().backward()
    types = [cell for cell, _ in supernet.cells()]
    for cell, (module, inputs, out) in zip(types, cells, strict=True):
        wanted = slow_cell(
            module, inputs, alphas[cell], divisor, activation.weighs_edges
        )
        torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-12)
    assert all(alpha.grad.isfinite().all() for alpha in alphas)
    if activation.weighs_edges:
        assert all(alpha.grad[:, -1].abs().max() > 0 for alpha in alphas)


def test_searching_all_channels_without_weights_of_edges_is_darts():
    supernet, alphas, images = world("darts-none", PartialSoftmax(1))
    mixture = mixture_of(supernet.space, alphas, activation=PartialSoftmax(1))
    plain = mixture_of(supernet.space, alphas)
    assert torch.equal(supernet(images, mixture), supernet(images, plain))


@pytest.mark.parametrize("divisor", [1, 2])
def test_other_forwards_give_the_same(divisor):
    activation = PartialEdgeSoftmax(divisor)
    supernet, alphas, images = world("nb201", activation)
    mixture = mixture_of(supernet.space, alphas, activation=activation)
    with torch.no_grad():
        wanted = supernet(images, mixture)
        torch.testing.assert_close(FoldedSupernet(supernet)(images, mixture), wanted)
    supernet.train()
    wanted = supernet(images, mixture)
    fused = FusedSupernet(supernet, always=True)
    torch.testing.assert_close(fused(images, mixture), wanted)
    spread = mixture.spread(
        [len(layers) for layers in supernet.layers_by_type().values()]
    )
    torch.testing.assert_close(supernet(images, spread), wanted)


def test_a_dropped_edge_gives_nothing_and_a_decided_one_keeps_its_weight():
    activation = PartialEdgeSoftmax(4)
    supernet, alphas, images = world("darts-none", activation)
    space = supernet.space
    decisions = space.undecided().decide(0, 3, DROPPED).decide(0, 4, 5)
    mixture = mixture_of(space, alphas, decisions, activation)
    whole = mixture_of(space, alphas, activation=activation)
    assert not mixture.table(0)[3].any()
    assert mixture.table(0)[4].tolist().count(0) == 7
    assert mixture.table(0)[4, 5] == whole.edge_weights[0][4]
    cells = []
    for _, module in supernet.cells():
        module.register_forward_hook(
            lambda module, given, out: cells.append((module, given[0], out))
        )
    with torch.no_grad():
        supernet(images, mixture)
        module, inputs, out = cells[0]
        wanted = slow_cell(module, inputs, alphas[0], 4, True, {3: None, 4: 5})
    torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-12)


def test_a_quarter_of_the_channels_takes_less_memory_and_fewer_operations():
    space = get_space("darts-none")
    skeleton = space.skeleton(channels=8, layers=3)
    bytes_of, flops = {}, {}
    for divisor in (1, 4):
        counter = StepMemoryCounter(
            space, skeleton, (3, 8, 8), 4, channel_divisor=divisor, weighs_edges=True
        )
        bytes_of[divisor] = counter.count(space.undecided()).total(64)
        supernet = Supernet(space, skeleton, 3, 4, 0, channel_divisor=divisor)
        cost = ForwardCost(supernet, (3, 8, 8))
        flops[divisor] = sum(operation.flops for operation in cost.operations)
    assert bytes_of[4] < bytes_of[1] / 2
    assert flops[4] < flops[1] / 4


@pytest.mark.parametrize(
    ("name", "settings", "activation", "fix"),
    [
        ("darts", {"channels": 6}, PartialSoftmax(4), "other channels"),
        ("nb-macro", {}, PartialSoftmax(4), "channel_divisor = 1"),
        ("mobilenet", {}, PartialEdgeSoftmax(2), "channel_divisor = 1"),
        ("nb1shot1-1", {}, PartialEdgeSoftmax(1), "edge_normalised = false"),
    ],
)
def test_a_supernet_that_does_not_fit_is_refused(name, settings, activation, fix):
    space = get_space(name)
    with pytest.raises(UserError, match=fix):
        activation.check(space, space.skeleton(**settings))
