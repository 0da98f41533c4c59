"""The skips beside every edge of confopt's all-skip spaces, against slow references."""

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    FusedSupernet,
    Network,
    Supernet,
    mixture_of,
)
from archselect.nasbench_adapters.networks.activation.partial_softmax import (
    PartialEdgeSoftmax,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.multiply_adds import count_multiply_adds
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces import get_space

SKELETONS = {
    "darts-all-skip": {"channels": 2, "layers": 3},
    "single-cell-all-skip": {"channels": 2},
}


def factorised_reduction(module, x):
    """1x1 convolutions of the even and of the odd pixels, side by side, normalised."""
    x = x.clamp(min=0)
    even, odd = x[:, :, 0::2, 0::2], x[:, :, 1::2, 1::2]
    return module.norm(torch.cat([module.conv_a(even), module.conv_b(odd)], 1))


def slow_cell(module, inputs, weight_of):
    """What a cell puts out: on every edge its skip and the weighed sum of its operations.

    `weight_of(edge, choice)` is None where an edge is not there.
    """
    cell = module.cell
    states = module.prepared(inputs)
    for node in range(cell.inputs, cell.nodes):
        total = 0
        for edge, (source, target) in enumerate(cell.edges):
            if target != node or weight_of(edge, 0) is None:
                continue
            x = states[source]
            if str(edge) in module.edge_skips.reductions:
                reduction = module.edge_skips.reductions[str(edge)]
                total = total + factorised_reduction(reduction, x)
            else:
                total = total + x
            for choice, name in enumerate(cell.operations[edge]):
                if name in module.edges[edge]:
                    operation = module.edges[edge][name]
                    given = x.clamp(min=0) if operation.reads_rectified else x
                    total = total + weight_of(edge, choice) * operation(given)
        states.append(total)
    return torch.cat([states[node] for node in cell.output], dim=1)


def watched(model):
    """A list that gets (module, inputs, output) of every cell of a forward."""
    cells = []
    for _, module in model.cells():
        module.register_forward_hook(
            lambda module, given, out: cells.append((module, given[0], out))
        )
    return cells


def images():
    torch.manual_seed(0)
    return torch.randn(3, 3, 8, 8).double()


@pytest.mark.parametrize("name", SKELETONS)
def test_a_supernet_adds_the_skip_of_every_edge_that_carries_something(name):
    space = get_space(name)
    supernet = Supernet(space, space.skeleton(**SKELETONS[name]), 3, 4, 0)
    supernet = supernet.double().eval()
    generator = torch.Generator().manual_seed(1)
    alphas = []
    for cell in space.cells:
        shape = (len(cell.edges), len(cell.operations[0]))
        alphas.append(torch.randn(shape, generator=generator).double())
    decisions = space.undecided().decide(0, 4, DROPPED).decide(0, 5, 3)
    mixture = mixture_of(space, alphas, decisions)
    cells = watched(supernet)
    with torch.no_grad():
        supernet(images(), mixture)
        types = [cell for cell, _ in supernet.cells()]
        for cell, (module, inputs, out) in zip(types, cells, strict=True):
            table = mixture.weights[cell]

            def weight_of(edge, choice, cell=cell, table=table):
                is_dropped = (cell, edge) == (0, 4)
                return None if is_dropped else float(table[edge, choice])

            wanted = slow_cell(module, inputs, weight_of)
            torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-12)
        plain = supernet(images(), mixture)
        torch.testing.assert_close(FoldedSupernet(supernet)(images(), mixture), plain)
        supernet.train()
        fused = FusedSupernet(supernet, always=True)(images(), mixture)
        torch.testing.assert_close(fused, supernet(images(), mixture))


@pytest.mark.parametrize("name", SKELETONS)
def test_a_network_adds_the_skip_of_every_edge_it_has(name):
    space = get_space(name)
    architecture = space.sample(np.random.default_rng(1))
    skeleton = space.skeleton(**SKELETONS[name])
    network = Network(space, architecture, skeleton, 3, 4, [0]).double().eval()
    cells = watched(network)
    with torch.no_grad():
        network(images())
        types = [cell for cell, _ in network.cells()]
        for cell, (module, inputs, out) in zip(types, cells, strict=True):
            row = architecture.choices[cell]
            wanted = slow_cell(
                module,
                inputs,
                lambda edge, _, row=row: None if row[edge] is None else 1,
            )
            torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-12)
    norms = [
        reduction.norm
        for _, module in network.cells()
        for reduction in module.edge_skips.reductions.values()
    ]
    assert norms and all(norm.affine for norm in norms)


def test_a_path_that_is_dropped_takes_the_skip_with_it():
    space = get_space("darts-all-skip")
    architecture = space.sample(np.random.default_rng(4))
    skeleton = space.skeleton(channels=4, layers=3)
    network = Network(space, architecture, skeleton, 3, 4, [0]).double().eval()
    assert network.droppable == 3 * 8
    paths = torch.ones(network.droppable, 3).double()
    whole = network.training_logits(images(), paths).main
    torch.testing.assert_close(whole, network(images()))
    # Every edge of the last cell: its output is zero, the logits are the bias.
    paths[-8:] = 0
    last = network.training_logits(images(), paths).main
    torch.testing.assert_close(last, network.classifier.bias.expand_as(last))


def test_replicas_have_the_skips_of_the_networks_alone():
    space = get_space("single-cell-all-skip")
    architecture = space.sample(np.random.default_rng(2))
    skeleton = space.skeleton(channels=4)
    both = Network(space, architecture, skeleton, 3, 4, [5, 6]).eval()
    x = images().float()
    together = both(x.repeat(1, 2, 1, 1))
    for replica, seed in enumerate((5, 6)):
        alone = Network(space, architecture, skeleton, 3, 4, [seed]).eval()
        torch.testing.assert_close(together[:, replica], alone(x))


@pytest.mark.parametrize("name", SKELETONS)
def test_multiply_adds_are_those_of_the_networks(name):
    space = get_space(name)
    skeleton = space.skeleton(**SKELETONS[name])
    rng = np.random.default_rng(3)
    architectures = [space.sample(rng) for _ in range(3)]
    counted = count_multiply_adds(space, architectures, skeleton, (3, 8, 8), 4)
    supernet = ForwardCost(Supernet(space, skeleton, 3, 4, 0), (3, 8, 8))
    for architecture, count in zip(architectures, counted, strict=True):
        network = Network(space, architecture, skeleton, 3, 4, [0])
        flops = ForwardCost(network, (3, 8, 8))()
        assert flops == 2 * count
        alphas = [torch.zeros(len(c.edges), len(c.operations[0])) for c in space.cells]
        decided = space.undecided()
        for cell, row in enumerate(architecture.choices):
            for edge, choice in enumerate(row):
                decided = decided.decide(
                    cell, edge, DROPPED if choice is None else choice
                )
        assert supernet(mixture_of(space, alphas, decided)) == flops


def test_partial_channels_have_a_skip_of_the_searched_part():
    """As confopt's code has it: beside the operations, before the bypass."""
    space = get_space("darts-all-skip")
    activation = PartialEdgeSoftmax(2)
    supernet = Supernet(
        space, space.skeleton(channels=4, layers=3), 3, 4, 0, channel_divisor=2
    ).double()
    generator = torch.Generator().manual_seed(1)
    alphas = activation.new_alphas(space, generator, torch.device("cpu"), 1.0)
    mixture = mixture_of(space, [a.double() for a in alphas], activation=activation)
    assert supernet(images(), mixture).isfinite().all()
    for _, module in supernet.cells():
        for reduction in module.edge_skips.reductions.values():
            assert reduction.norm.num_features == module.channels[0] // 2
