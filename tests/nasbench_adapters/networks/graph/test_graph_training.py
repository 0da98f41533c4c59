"""Trainings of graph networks: they learn, repeat, and leave no trace."""

from dataclasses import replace

import pytest
import torch

from archselect.nasbench_adapters.networks.graph.network import GraphNetworkSettings
from archselect.nasbench_adapters.networks.graph.training import (
    GraphOnDevice,
    GraphTrainingSettings,
    count_right_nodes,
    new_graph_network,
    train_graph_network,
)

TEXT = "0,0,1,2|gcn,gat,fc,sage"


def train(nbgraph, graph, seed=0, epochs=3, **settings):
    chosen = GraphNetworkSettings(**({"hidden": 4} | settings))
    network = new_graph_network(nbgraph, nbgraph.parse(TEXT), chosen, graph, seed)
    train_graph_network(network, graph, GraphTrainingSettings(epochs), seed)
    return network


def test_a_training_repeats_and_leaves_the_random_state(nbgraph, graph):
    torch.manual_seed(4)
    before = torch.get_rng_state()
    first = train(nbgraph, graph, dropout=0.5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    again = train(nbgraph, graph, dropout=0.5)
    other = train(nbgraph, graph, seed=1, dropout=0.5)
    for key, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert any(
        not torch.equal(value, other.state_dict()[key])
        for key, value in first.state_dict().items()
    )


def test_a_network_learns_its_training_nodes(nbgraph, graph):
    """Six nodes, whose class is a feature's sign, are learned by heart."""
    network = train(nbgraph, graph, epochs=200)
    assert count_right_nodes(network, graph, "train") == 6


def test_nodes_that_do_not_train_have_no_say(nbgraph, graph, dataset):
    """Else what is reported would have been learned."""
    labels = dataset.labels.copy()
    labels[6:] = 1 - labels[6:]
    other = GraphOnDevice(replace(dataset, labels=labels), torch.device("cpu"))
    first = train(nbgraph, graph).state_dict()
    second = train(nbgraph, other).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    network = train(nbgraph, graph)
    right = count_right_nodes(network, graph, "test")
    assert count_right_nodes(network, other, "test") == 3 - right


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_training_on_a_gpu_is_near_one_on_the_cpu(nbgraph, graph, dataset):
    on_gpu = GraphOnDevice(dataset, torch.device("cuda"))
    first = train(nbgraph, graph).state_dict()
    second = train(nbgraph, on_gpu).state_dict()
    for key, value in first.items():
        torch.testing.assert_close(second[key].cpu(), value, rtol=1e-3, atol=1e-4)
