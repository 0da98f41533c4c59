"""The layers of NAS-Bench-Graph: nine operations on the features of nodes.

They are those of PyTorch Geometric, with the settings of the benchmark's code: a
Chebyshev polynomial of two terms, one linear map in a GIN layer, the library's defaults
elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from torch import Tensor, nn

from archselect.nasbench_adapters.spaces.nbgraph import OPERATIONS, SKIP

Attention = Literal["learned", "degrees", "constant", "none"]
"""What weighs a neighbour: a function that is learned, the degrees of both nodes, one
constant for all neighbours, or nothing where no neighbour is read.
"""


class OperationFacts(NamedTuple):
    """Facts about an operation that sharing looks at.

    Attributes:
        attention: what weighs a neighbour. AGNN names the kinds; which operation has
            which is read off the operations' formulas.
        weights: the name of every parameter in the library, by its role. Parameters
            with one role do the same in different operations.
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
"""The facts about each operation. `fc` maps the node as others map their neighbours."""


def new_operation(operation: int, inputs: int, outputs: int, heads: int) -> nn.Module:
    """Return the module of an operation, with weights from torch's random state.

    Args:
        operation: place in :data:`.spaces.nbgraph.OPERATIONS`.
        inputs: features that it reads.
        outputs: features that it computes; a skip has as many as it reads.
        heads: of attention, over which `gat` divides its outputs.
    """
    from torch_geometric import nn as library  # optional, and slow to import

    name = OPERATIONS[operation]
    if name == "gat":
        return library.GATConv(inputs, outputs // heads, heads)
    if name == "gcn":
        return library.GCNConv(inputs, outputs, cached=True)  # of one graph alone
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
    """One layer: an operation, behind what prepares the features for it.

    That is normalisation, ReLU and dropout where it reads hidden features, and nothing
    where it reads those of the data set.

    Args:
        operation: place in :data:`.spaces.nbgraph.OPERATIONS`.
        inputs: features that it reads.
        outputs: features that it computes, unless it is a skip.
        reads_hidden: whether it reads hidden features, and not those of the data set.
        dropout: share of the features that training leaves out.
        heads: of attention.
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
        """Return the features of the layer (nodes, outputs).

        Args:
            features: (nodes, inputs).
            edges: int64 (2, edges), from the first row to the second.
        """
        if self.norm is not None:
            features = self.dropout(self.norm(features).relu())
        if self._reads_neighbours:
            return self.operation(features, edges)
        return self.operation(features)

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the parameters of the operation by their role."""
        parameters = dict(self.operation.named_parameters())
        return {role: parameters[name] for role, name in self.facts.weights.items()}
