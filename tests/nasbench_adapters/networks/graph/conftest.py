"""A small graph, and a skip of all tests here where PyTorch Geometric is missing."""

import numpy as np
import pytest
import torch

from archselect.nasbench_adapters.graphs import make_graph
from archselect.nasbench_adapters.spaces import get_space

NODES = 12


@pytest.fixture(scope="session", autouse=True)
def library():
    return pytest.importorskip("torch_geometric")


@pytest.fixture(scope="session")
def nbgraph():
    return get_space("nbgraph")


@pytest.fixture(scope="session")
def dataset():
    """Twelve nodes in a ring with three chords; the class is the sign of a feature."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(NODES, 6))
    ring = np.stack([np.arange(NODES), (np.arange(NODES) + 1) % NODES])
    chords = np.array([[0, 2, 5], [6, 7, 9]])
    return make_graph(
        "ring",
        features,
        np.concatenate([ring, chords], axis=1),
        (features[:, 0] > 0).astype(np.int64),
        np.arange(6),
        np.arange(6, 9),
        np.arange(9, NODES),
        classes=2,
        origin="made up",
    )


@pytest.fixture(scope="session")
def adjacency(dataset):
    """Dense float64 (nodes, nodes): 1 where a node reads another one."""
    matrix = np.zeros((NODES, NODES))
    source, target = dataset.edges
    matrix[target, source] = 1
    return torch.from_numpy(matrix)


@pytest.fixture
def graph(dataset):
    from archselect.nasbench_adapters.networks.graph.training import GraphOnDevice

    return GraphOnDevice(dataset, torch.device("cpu"))
