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
"""Raised when what graph networks compute, or how they are trained, changes on purpose.
"""


@dataclass(frozen=True)
class GraphNetworkSettings:
    """The settings around the four layers, which the benchmark tuned per data set.

    Attributes:
        hidden: features of a layer.
        layers_before: linear layers between the features and the four layers, 0 or 1.
        layers_after: linear layers behind the one that joins them, 0 or 1.
        heads: of `gat`, which divide `hidden`. The benchmark's list of operations says
            2; copies of its networks that others published have 4.
        dropout: share of features that training leaves out.
    """

    hidden: int = 64
    layers_before: int = 1
    layers_after: int = 0
    heads: int = 2
    dropout: float = 0.0


def check_graph_space(space: SearchSpace) -> None:
    """Raise UserError unless the architectures of a space are graph networks."""
    if not isinstance(space, NasBenchGraph):
        raise UserError(f"space {space.name} has no graph networks: take space nbgraph")


class GraphNetwork(nn.Module):
    """A network that classifies the nodes of a graph.

    The features are dropped out and, with `layers_before`, mapped to `hidden` ones.
    Each of the four layers reads them or a layer before it. The layers that no other
    reads are joined, rectified and mapped to the classes, by way of `hidden` features
    with `layers_after`. It is the network of the representative of the architecture's
    class.

    Args:
        space: `nbgraph`.
        architecture: of it.
        settings: around the layers.
        features: of a node.
        classes: number of logits.
        seed: of the initial weights, which are the library's; the global random state
            is left alone.

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
        # The library's layers draw weights when they are made; the caller's random
        # state must not move.
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
        """Make the layers, each for the width of what it reads."""
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
            # A skip of the data set's features passes on just these.
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
        """The layers that no other reads, from 1."""
        places = range(1, 1 + len(self.links))
        return [place for place in places if place not in self.links]

    def forward(self, features: Tensor, edges: Tensor) -> Tensor:
        """Return the logits (nodes, classes).

        Args:
            features: float32 (nodes, features).
            edges: int64 (2, edges), from the first row to the second.
        """
        results = [self.before(self.dropout(features))]
        for source, layer in zip(self.links, self.layers, strict=True):
            results.append(layer(results[source], edges))
        joined = torch.cat([results[place] for place in self.leaves], dim=1)
        logits: Tensor = self.after(self.classifier(joined.relu()))
        return logits
