"""The layers of NAS-Bench-Graph: nine operations on the features of nodes.

They come from PyTorch Geometric, with the settings of the benchmark's code: a Chebyshev
polynomial with two terms, one linear map in a GIN layer, and otherwise the library's
defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor, nn

from archselect.nasbench_adapters.spaces.nbgraph import OPERATIONS, SKIP

Attention = Literal["learned", "degrees", "constant", "none"]
"""Source of a neighbour's weight: a learned function, the degrees of both nodes, one
constant for all neighbours, or none if no neighbour is read.
"""


class OperationFacts(NamedTuple):
    """Facts about an operation that decide about sharing.

    Attributes:
        attention: source of a neighbour's weight. AGNN defines the kinds; the kind of
            each operation follows from its formula.
        weights: name of every parameter in the library, by role. Parameters with one
            role have the same function in different operations.
    """

    attention: Attention
    weights: Mapping[str, str]


FACTS = {
    "gat": OperationFacts(
        "learned",
        {
            "neighbours": "lin.weight",
            "source score": "att_src",
            "target score": "att_dst",
            "bias": "bias",
        },
    ),
    "gcn": OperationFacts("degrees", {"neighbours": "lin.weight", "bias": "bias"}),
    "gin": OperationFacts("constant", {"neighbours": "nn.weight", "bias": "nn.bias"}),
    "cheb": OperationFacts(
        "degrees",
        {"node": "lins.0.weight", "neighbours": "lins.1.weight", "bias": "bias"},
    ),
    "sage": OperationFacts(
        "constant",
        {"neighbours": "lin_l.weight", "node": "lin_r.weight", "bias": "lin_l.bias"},
    ),
    "arma": OperationFacts(
        "degrees",
        {"neighbours": "init_weight", "node": "root_weight", "bias": "bias"},
    ),
    "graph": OperationFacts(
        "constant",
        {
            "neighbours": "lin_rel.weight",
            "node": "lin_root.weight",
            "bias": "lin_rel.bias",
        },
    ),
    "fc": OperationFacts("none", {"neighbours": "weight", "bias": "bias"}),
    "skip": OperationFacts("none", {}),
}
"""Facts about each operation. `fc` maps a node like others map their neighbours."""


def new_operation(operation: int, inputs: int, outputs: int, heads: int) -> nn.Module:
    """Return the module of an operation, with weights from torch's random state.

    Args:
        operation: index in :data:`.spaces.nbgraph.OPERATIONS`.
        inputs: number of input features.
        outputs: number of output features; a skip has as many as its input.
        heads: number of attention heads, over which `gat` divides its outputs.
    """
    from torch_geometric import nn as library  # optional, and slow to import

    name = OPERATIONS[operation]
    if name == "gat":
        return library.GATConv(inputs, outputs // heads, heads)
    if name == "gcn":
        return library.GCNConv(inputs, outputs, cached=True)  # there is only one graph
    if name == "gin":
        return library.GINConv(nn.Linear(inputs, outputs))
    if name == "cheb":
        return library.ChebConv(inputs, outputs, K=2)
    if name == "sage":
        return library.SAGEConv(inputs, outputs)
    if name == "arma":
        return library.ARMAConv(inputs, outputs)
    if name == "graph":
        return library.GraphConv(inputs, outputs)
    if name == "fc":
        return nn.Linear(inputs, outputs)
    return nn.Identity()


class GraphLayer(nn.Module):
    """One layer: an operation, and the preparation of its input.

    The preparation is normalisation, ReLU and dropout for hidden features, and nothing
    for the data set's features.

    Args:
        operation: index in :data:`.spaces.nbgraph.OPERATIONS`.
        inputs: number of input features.
        outputs: number of output features, unless it is a skip.
        reads_hidden: whether the input are hidden features, not the data set's.
        dropout: share of the features that training drops.
        heads: number of attention heads.
    """

    def __init__(
        self,
        operation: int,
        inputs: int,
        outputs: int,
        reads_hidden: bool,
        dropout: float,
        heads: int,
    ) -> None:
        super().__init__()
        self.facts = FACTS[OPERATIONS[operation]]
        self.activation = "relu" if reads_hidden else "none"
        self.outputs = inputs if operation == SKIP else outputs
        self._reads_neighbours = self.facts.attention != "none"
        self.norm = nn.BatchNorm1d(inputs) if reads_hidden else None
        self.dropout = nn.Dropout(dropout)
        self.operation = new_operation(operation, inputs, outputs, heads)

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """Return the features of the layer, (nodes, outputs).

        Args:
            features: input features, (nodes, inputs).
            edges: edges from the first row to the second, int64 (2, edges).
        """
        if self.norm is not None:
            features = self.dropout(self.norm(features).relu())
        if self._reads_neighbours:
            return self.operation(features, edges)
        return self.operation(features)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the parameters of the operation by role."""
        parameters = dict(self.operation.named_parameters())
        return {role: parameters[name] for role, name in self.facts.weights.items()}
