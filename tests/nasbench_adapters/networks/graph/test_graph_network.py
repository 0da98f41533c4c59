"""Networks of the space: their wiring, their widths, and that classes are one network."""

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.graph import library as library_module
from archselect.nasbench_adapters.networks.graph.network import (
    GraphNetwork,
    GraphNetworkSettings,
)
from archselect.nasbench_adapters.spaces import get_space

FEATURES = 6
CLASSES = 2


def build(nbgraph, text, seed=0, **settings):
    chosen = GraphNetworkSettings(**({"hidden": 4} | settings))
    architecture = nbgraph.parse(text)
    return GraphNetwork(nbgraph, architecture, chosen, FEATURES, CLASSES, seed)


def logits(network, dataset):
    features = torch.from_numpy(dataset.features)
    return network.eval()(features, torch.from_numpy(dataset.edges))


def test_layers_read_what_the_text_says(nbgraph, dataset):
    network = build(nbgraph, "0,1,1,2|gcn,sage,fc,gin")
    features = torch.from_numpy(dataset.features)
    edges = torch.from_numpy(dataset.edges)
    network.eval()
    first = network.layers[0](network.before(features), edges)
    readers = [layer(first, edges) for layer in network.layers[1:3]]
    sources = [network.links.index(source) for source in set(network.links)]
    assert len(sources) == 3
    last = network.layers[3](readers[network.links[3] - 2], edges)
    leaf = readers[1 - (network.links[3] - 2)]
    ordered = [leaf, last] if network.leaves[0] < 4 else [last, leaf]
    wanted = network.classifier(torch.cat(ordered, dim=1).relu())
    torch.testing.assert_close(logits(network, dataset), wanted)


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("after", [0, 1])
def test_every_kind_of_wiring_has_logits(nbgraph, dataset, before, after):
    texts = (
        "0,0,0,0|gat,gcn,gin,cheb",
        "0,1,2,3|skip,skip,arma,graph",
        "0,0,1,2|skip,fc,sage,skip",
        "0,1,1,1|fc,skip,skip,gat",
        "0,0,0,3|skip,skip,skip,gcn",
    )
    for text in texts:
        network = build(nbgraph, text, layers_before=before, layers_after=after)
        found = logits(network, dataset)
        assert found.shape == (dataset.nodes, CLASSES) and found.isfinite().all()
        loss = network.train()(
            torch.from_numpy(dataset.features), torch.from_numpy(dataset.edges)
        ).sum()
        loss.backward()


def test_random_architectures_of_one_class_are_one_network(nbgraph, dataset):
    generator = np.random.default_rng(0)
    for _ in range(10):
        architecture = nbgraph.sample(generator)
        settings = GraphNetworkSettings(hidden=4)
        pair = [
            GraphNetwork(nbgraph, each, settings, FEATURES, CLASSES, 1)
            for each in (architecture, nbgraph.canonical(architecture))
        ]
        first, second = (logits(network, dataset) for network in pair)
        assert torch.equal(first, second)


def test_weights_are_those_of_the_seed_and_the_random_state_stays(nbgraph, dataset):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build(nbgraph, "0,0,1,2|gcn,gat,fc,skip", seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again = build(nbgraph, "0,0,1,2|gcn,gat,fc,skip", seed=1)
    other = build(nbgraph, "0,0,1,2|gcn,gat,fc,skip", seed=2)
    assert torch.equal(logits(first, dataset), logits(again, dataset))
    assert not torch.equal(logits(first, dataset), logits(other, dataset))


def test_another_space_and_heads_that_do_not_divide_are_refused(nbgraph):
    nb201 = get_space("nb201")
    cell = nb201.representatives[0]
    with pytest.raises(UserError, match="nb201 has no graph networks: use space nbg"):
        GraphNetwork(nb201, cell, GraphNetworkSettings(), FEATURES, CLASSES, 0)
    with pytest.raises(UserError, match="3 heads do not divide 4 hidden features"):
        build(nbgraph, "0,0,1,2|gcn,gat,fc,skip", heads=3)


def test_a_missing_library_is_named(nbgraph, monkeypatch):
    monkeypatch.setattr(library_module, "MODULE", "no_such_library")
    with pytest.raises(UserError, match=r"pip install 'archselect\[graph-train\]'"):
        build(nbgraph, "0,0,1,2|gcn,gat,fc,skip")
