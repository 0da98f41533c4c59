"""Each operation is its formula, computed here with dense matrices."""

import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.networks.graph.layers import (
    FACTS,
    GraphLayer,
    new_operation,
)
from archselect.nasbench_adapters.spaces.nbgraph import OPERATIONS

INPUTS = 6
OUTPUTS = 4
HEADS = 2


def by_degrees(adjacency):
    """Divide each entry by the roots of both nodes' degrees."""
    roots = adjacency.sum(dim=1).rsqrt()
    return roots[:, None] * adjacency * roots[None]


def attention(x, w, adjacency):
    """Heads side by side; each node also reads itself."""
    hidden = (x @ w["neighbours"].T).reshape(len(x), HEADS, -1)
    source = (hidden * w["source score"]).sum(-1)
    target = (hidden * w["target score"]).sum(-1)
    scores = F.leaky_relu(target[:, None] + source[None], 0.2)
    reads = adjacency + torch.eye(len(x))
    scores = scores.masked_fill(reads[..., None] == 0, -torch.inf)
    weights = scores.softmax(dim=1)
    joined = torch.einsum("tsh,shd->thd", weights, hidden).flatten(1)
    return joined + w["bias"]


def slow(name, x, w, a):
    """The operation of a name: features x (nodes, inputs), weights w, adjacency a."""
    itself = torch.eye(len(x), dtype=x.dtype)
    if name == "gat":
        return attention(x, w, a)
    if name == "gcn":
        return by_degrees(a + itself) @ x @ w["neighbours"].T + w["bias"]
    if name == "gin":
        return (a + itself) @ x @ w["neighbours"].T + w["bias"]
    if name == "cheb":
        scaled = -by_degrees(a)
        return x @ w["node"].T + scaled @ x @ w["neighbours"].T + w["bias"]
    if name == "sage":
        mean = a / a.sum(dim=1, keepdim=True)
        return mean @ x @ w["neighbours"].T + w["bias"] + x @ w["node"].T
    if name == "arma":
        read = by_degrees(a) @ x @ w["neighbours"][0]
        return (read + x @ w["node"][0, 0] + w["bias"][0, 0]).relu()
    if name == "graph":
        return a @ x @ w["neighbours"].T + w["bias"] + x @ w["node"].T
    if name == "fc":
        return x @ w["neighbours"].T + w["bias"]
    return x


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_its_formula(name, dataset, adjacency):
    place = OPERATIONS.index(name)
    layer = GraphLayer(place, INPUTS, OUTPUTS, False, 0.0, HEADS).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    x = torch.from_numpy(dataset.features).double()
    found = layer(x, torch.from_numpy(dataset.edges))
    torch.testing.assert_close(found, slow(name, x, layer.weights(), adjacency))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_parameter_has_a_role(name):
    module = new_operation(OPERATIONS.index(name), INPUTS, OUTPUTS, HEADS)
    names = {each for each, _ in module.named_parameters()}
    if name == "arma":
        names -= {"weight"}  # the library's, of further layers, which are not there
    assert names == set(FACTS[name].weights.values())


def test_a_layer_prepares_hidden_features_only(dataset):
    edges = torch.from_numpy(dataset.edges)
    x = torch.from_numpy(dataset.features).float()
    fc = OPERATIONS.index("fc")
    raw = GraphLayer(fc, INPUTS, OUTPUTS, False, 0.5, HEADS)
    assert raw.norm is None and raw.activation == "none"
    assert torch.equal(raw(x, edges), raw.operation(x))
    hidden = GraphLayer(fc, INPUTS, OUTPUTS, True, 0.5, HEADS).eval()
    prepared = hidden.norm(x).relu()
    assert torch.equal(hidden(x, edges), hidden.operation(prepared))
