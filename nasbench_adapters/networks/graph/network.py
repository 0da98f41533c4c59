"""The network of one architecture of NAS-Bench-Graph.

Qin et al., NeurIPS 2022, section 3, and their code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.graph.layers import GraphLayer
from archselect.nasbench_adapters.networks.graph.library import check_installed
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces.nbgraph import (
    NasBenchGraph,
    links_of,
    operations_of,
)

FORMULATION = 1
"""Number to raise when you change graph networks or their training on purpose."""


@dataclass(frozen=True)
class GraphNetworkSettings:
    """Settings around the four layers, which the benchmark tuned per data set.

    Attributes:
        hidden: number of features of a layer.
        layers_before: number of linear layers between the features and the four layers,
            0 or 1.
        layers_after: number of linear layers after the layer that joins them, 0 or 1.
        heads: number of heads of `gat`, a divisor of `hidden`. The benchmark's list of
            operations has 2; copies of its networks that others published have 4.
        dropout: share of features that training drops.
    """

    hidden: int = 64
    layers_before: int = 1
    layers_after: int = 0
    heads: int = 2
    dropout: float = 0.0


def check_graph_space(space: SearchSpace) -> None:
    """Raise UserError unless the architectures of a space are graph networks."""
    if not isinstance(space, NasBenchGraph):
        raise UserError(f"space {space.name} has no graph networks: use space nbgraph")


class GraphNetwork(nn.Module):
    """A network that classifies the nodes of a graph.

    The features pass dropout and, with `layers_before`, a linear layer to `hidden`
    features. Each of the four layers reads these or an earlier layer. The layers that
    no other layer reads are concatenated, rectified and mapped to the classes; with
    `layers_after`, first to `hidden` features. The network is that of the
    representative of the architecture's class.

    Args:
        space: the space `nbgraph`.
        architecture: an architecture of the space.
        settings: settings around the layers.
        features: number of features of a node.
        classes: number of classes.
        seed: seed of the initial weights, which the library draws; the global random
            state does not change.

    Raises UserError if the library is missing, or heads do not divide hidden features.
    """

    def __init__(
        self,
        space: SearchSpace,
        architecture: Architecture,
        settings: GraphNetworkSettings,
        features: int,
        classes: int,
        seed: int,
    ) -> None:
        super().__init__()
        check_installed()
        check_graph_space(space)
        if settings.hidden % settings.heads:
            raise UserError(
                f"{settings.heads} heads do not divide {settings.hidden} hidden features: choose others"
            )
        architecture = space.canonical(architecture)
        self.links = links_of(architecture)
        self.dropout = nn.Dropout(settings.dropout)
        # The library's layers draw weights when they are created; the caller's random
        # state must not change.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._build(operations_of(architecture), settings, features, classes)

    def _build(
        self,
        operations: tuple[int, ...],
        settings: GraphNetworkSettings,
        features: int,
        classes: int,
    ) -> None:
        """Create the layers, each for the width of its input."""
        hidden = settings.hidden
        self.before: nn.Module = nn.Identity()
        width = features
        if settings.layers_before:
            self.before = nn.Linear(features, hidden)
            width = hidden
        widths = [width]
        is_hidden = [bool(settings.layers_before)]
        self.layers = nn.ModuleList()
        for source, operation in zip(self.links, operations, strict=True):
            layer = GraphLayer(
                operation,
                widths[source],
                hidden,
                is_hidden[source],
                settings.dropout,
                settings.heads,
            )
            self.layers.append(layer)
            widths.append(layer.outputs)
            # A skip returns its input, which can be the data set's features.
            is_hidden.append(is_hidden[source] or bool(layer.facts.weights))
        joined = sum(widths[place] for place in self.leaves)
        self.classifier = nn.Linear(
            joined, hidden if settings.layers_after else classes
        )
        self.after: nn.Module = nn.Identity()
        if settings.layers_after:
            self.after = nn.Linear(hidden, classes)

    @property
    def graph_layers(self) -> list[GraphLayer]:
        """The four layers, in order."""
        return [layer for layer in self.layers if isinstance(layer, GraphLayer)]

    @property
    def leaves(self) -> list[int]:
        """Numbers, from 1, of the layers that no other layer reads."""
        places = range(1, 1 + len(self.links))
        return [place for place in places if place not in self.links]

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """Return the logits (nodes, classes).

        Args:
            features: features of the nodes, float32 (nodes, features).
            edges: edges from the first row to the second, int64 (2, edges).
        """
        results = [self.before(self.dropout(features))]
        for source, layer in zip(self.links, self.layers, strict=True):
            results.append(layer(results[source], edges))
        joined = torch.cat([results[place] for place in self.leaves], dim=1)
        logits: Tensor = self.after(self.classifier(joined.relu()))
        return logits
