"""What layers may share, and what networks take over from those before them."""

from itertools import product

import pytest
import torch

from archselect.nasbench_adapters.networks.graph.layers import FACTS, GraphLayer
from archselect.nasbench_adapters.networks.graph.network import (
    GraphNetwork,
    GraphNetworkSettings,
)
from archselect.nasbench_adapters.networks.graph.sharing import (
    FreeSharing,
    HomogeneousSharing,
    NoSharing,
    SharedLayer,
    may_share,
    new_sharing,
    shared_layers,
)
from archselect.nasbench_adapters.spaces.nbgraph import OPERATIONS

ALIKE = {frozenset(("sage", "graph"))}
"""The operations that differ in their aggregation alone: mean and sum."""


def layer(name, inputs=4, outputs=4, reads_hidden=True):
    made = GraphLayer(OPERATIONS.index(name), inputs, outputs, reads_hidden, 0.0, 2)
    return SharedLayer(made.facts.attention, made.activation, made.weights())


def build(nbgraph, text, seed=0, **settings):
    chosen = GraphNetworkSettings(**({"hidden": 4} | settings))
    return GraphNetwork(nbgraph, nbgraph.parse(text), chosen, 6, 2, seed)


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("first", OPERATIONS)
def test_layers_share_with_their_like_alone(first):
    for second in OPERATIONS:
        allowed = first == second or frozenset((first, second)) in ALIKE
        assert may_share(layer(first), layer(second)) == allowed
        assert may_share(layer(second), layer(first)) == allowed


def test_shapes_attention_and_activation_must_all_be_equal():
    weights = {"neighbours": torch.zeros(4, 4)}
    one = SharedLayer("degrees", "relu", weights)
    assert may_share(one, SharedLayer("degrees", "relu", weights))
    assert not may_share(one, SharedLayer("constant", "relu", weights))
    assert not may_share(one, SharedLayer("degrees", "none", weights))
    for other in ({"neighbours": torch.zeros(4, 5)}, {"node": torch.zeros(4, 4)}, {}):
        assert not may_share(one, SharedLayer("degrees", "relu", other))


def test_sharing_is_an_equivalence():
    layers = [layer(name) for name in OPERATIONS]
    layers += [layer(name, reads_hidden=False) for name in OPERATIONS]
    layers += [layer(name, inputs=6) for name in OPERATIONS]
    for first in layers:
        assert may_share(first, first)
    for first, second, third in product(layers[::2], repeat=3):
        if may_share(first, second) and may_share(second, third):
            assert may_share(first, third)


def test_homogeneous_sharing_lends_whole_layers_and_no_normalisation(nbgraph):
    lender = build(nbgraph, "0,1,2,3|gcn,sage,fc,gat", seed=1)
    with torch.no_grad():
        for module in lender.layers:
            module.norm.weight.fill_(3)
            module.norm.running_mean.fill_(2)
    borrower = build(nbgraph, "0,1,2,3|gcn,graph,gat,gat", seed=2)
    own = state(borrower)
    sharing = HomogeneousSharing()
    sharing.keep(lender)
    lent = sharing.lend(borrower)
    taken = shared_layers(borrower)
    given = shared_layers(lender)
    same = ("layer 1", "layer 2", "layer 4", "before", "classifier")
    for place in same:
        for role, tensor in taken[place].weights.items():
            assert torch.equal(tensor, given[place].weights[role])
    assert lent == sum(len(taken[place].weights) for place in same)
    for name, value in borrower.state_dict().items():
        if name.startswith("layers.2.") or ".norm." in name:
            assert torch.equal(value, own[name])


def test_free_sharing_lends_by_role_and_shape_with_normalisation(nbgraph):
    lender = build(nbgraph, "0,1,2,3|gcn,sage,fc,gat", seed=1)
    with torch.no_grad():
        for module in lender.layers:
            module.norm.running_mean.fill_(2)
    borrower = build(nbgraph, "0,1,2,3|fc,gcn,gin,arma", seed=2)
    sharing = FreeSharing()
    sharing.keep(lender)
    sharing.lend(borrower)
    taken = shared_layers(borrower)
    given = shared_layers(lender)
    for place in ("layer 1", "layer 2", "layer 3"):
        for role in ("neighbours", "bias"):
            assert torch.equal(taken[place].weights[role], given[place].weights[role])
    own = shared_layers(build(nbgraph, "0,1,2,3|fc,gcn,gin,arma", seed=2))
    for role, tensor in taken["layer 4"].weights.items():
        assert torch.equal(tensor, own["layer 4"].weights[role])
    assert all((module.norm.running_mean == 2).all() for module in borrower.layers)


@pytest.mark.parametrize("name", ["free", "homogeneous"])
def test_the_latest_lender_counts_and_is_copied(nbgraph, name):
    text = "0,1,2,3|gcn,gcn,gcn,gcn"
    sharing = new_sharing(name)
    assert sharing.remembers
    latest = build(nbgraph, text, seed=2)
    for lender in (build(nbgraph, text, seed=1), latest):
        sharing.keep(lender)
    kept = state(latest)
    with torch.no_grad():
        for parameter in latest.parameters():
            parameter.zero_()
    borrower = build(nbgraph, text, seed=3)
    sharing.lend(borrower)
    for name_of, value in borrower.named_parameters():
        if ".norm." not in name_of:
            assert torch.equal(value, kept[name_of])


def test_no_sharing_leaves_networks_as_they_are(nbgraph):
    sharing = new_sharing("none")
    assert isinstance(sharing, NoSharing) and not sharing.remembers
    network = build(nbgraph, "0,1,2,3|gcn,sage,fc,gat", seed=1)
    sharing.keep(build(nbgraph, "0,1,2,3|gcn,sage,fc,gat", seed=2))
    before = state(network)
    assert sharing.lend(network) == 0
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_skip_has_nothing_to_share(nbgraph):
    assert not FACTS["skip"].weights
    network = build(nbgraph, "0,1,2,3|skip,gcn,gcn,skip")
    skips = [place for place in shared_layers(network) if place.startswith("layer")]
    assert len(skips) == 2
