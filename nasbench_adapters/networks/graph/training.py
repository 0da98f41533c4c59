"""Training of graph networks: all training nodes at once, for a number of epochs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.graphs import GraphDataset
from archselect.nasbench_adapters.networks.graph.network import (
    GraphNetwork,
    GraphNetworkSettings,
)
from archselect.nasbench_adapters.seeds import stream_seed
from archselect.nasbench_adapters.space import Architecture, SearchSpace


@dataclass(frozen=True)
class GraphTrainingSettings:
    """Settings of the training: Adam, cross-entropy, one step per epoch.

    The learning rate is constant. The accuracy is that of the network after the last
    epoch, not the best over the epochs.
    """

    epochs: int
    learning_rate: float = 0.01
    weight_decay: float = 5e-4


class GraphOnDevice:
    """A graph as tensors on a device.

    Attributes:
        dataset: the graph as arrays.
        features: features of the nodes, float32 (nodes, features).
        edges: edges, int64 (2, edges).
        labels: class of each node, int64 (nodes,).
    """

    def __init__(self, dataset: GraphDataset, device: torch.device) -> None:
        self.dataset = dataset
        self.device = device
        self.features = torch.from_numpy(dataset.features).to(device)
        self.edges = torch.from_numpy(dataset.edges).to(device)
        self.labels = torch.from_numpy(dataset.labels).to(device)
        self._parts: dict[str, Tensor] = {}
        for split in ("train", "valid", "test"):
            self._parts[split] = torch.from_numpy(dataset.part(split)).to(device)

    def part(self, split: str) -> Tensor:
        """Return the numbers of the nodes in `train`, `valid` or `test`."""
        return self._parts[split]


def new_graph_network(
    space: SearchSpace,
    architecture: Architecture,
    settings: GraphNetworkSettings,
    graph: GraphOnDevice,
    seed: int,
) -> GraphNetwork:
    """Return a network of an architecture for a graph, on the graph's device.

    Args:
        space: the space `nbgraph`.
        architecture: an architecture of the space.
        settings: settings around the layers.
        graph: the graph that the network reads.
        seed: seed of the initial weights.
    """
    dataset = graph.dataset
    network = GraphNetwork(
        space,
        architecture,
        settings,
        dataset.features.shape[1],
        dataset.classes,
        stream_seed("graph weights", seed),
    )
    return network.to(graph.device)


def train_graph_network(
    network: GraphNetwork,
    graph: GraphOnDevice,
    settings: GraphTrainingSettings,
    seed: int,
) -> None:
    """Train a network in place, starting from its current weights.

    Args:
        network: the network to train.
        graph: the graph with the training nodes.
        settings: settings of the training.
        seed: seed of dropout; the global random state does not change.
    """
    optimizer = torch.optim.Adam(
        network.parameters(),
        settings.learning_rate,
        weight_decay=settings.weight_decay,
    )
    nodes = graph.part("train")
    labels = graph.labels[nodes]
    devices = [graph.device] if graph.device.type == "cuda" else []
    network.train()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(stream_seed("graph dropout", seed))
        for _ in range(settings.epochs):
            logits = network(graph.features, graph.edges)
            loss = F.cross_entropy(logits[nodes], labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def count_right_nodes(network: GraphNetwork, graph: GraphOnDevice, split: str) -> int:
    """Return the number of nodes of a part that a network classifies correctly."""
    nodes = graph.part(split)
    network.eval()
    with torch.no_grad():
        logits = network(graph.features, graph.edges)[nodes]
    return int((logits.argmax(dim=1) == graph.labels[nodes]).sum())
