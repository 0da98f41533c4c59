"""Weight sharing between graph networks: a new one inherits from trained ones.

Zhou et al., "Auto-GNN" (AGNN), Frontiers in Big Data 2022: constrained parameter
sharing. Each layer of a network inherits from the latest trained network whose layer at
the same place may share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.graph.network import GraphNetwork

SharingName = Literal["none", "free", "homogeneous"]


class SharedLayer(NamedTuple):
    """The properties and weights of a layer for sharing.

    Attributes:
        attention: kind of attention, as in :class:`.layers.OperationFacts`.
        nonlinearity: nonlinearity that the layer applies to its input.
        weights: tensors by role.
    """

    attention: str
    nonlinearity: str
    weights: Mapping[str, Tensor]


def may_share(first: SharedLayer, second: SharedLayer) -> bool:
    """Return whether two layers are homogeneous, so that they may share weights.

    They are if their tensors have equal shapes, role by role, and equal attention and
    activation (AGNN, constrained parameter sharing). The aggregation of neighbours may
    differ, for example mean and sum. Batch normalisation and skip connections do not
    belong to a layer here, and are never shared.
    """
    if first.attention != second.attention:
        return False
    if first.nonlinearity != second.nonlinearity:
        return False
    return _shapes(first) == _shapes(second)


def _shapes(layer: SharedLayer) -> dict[str, torch.Size]:
    """Return the shape of every tensor of a layer by role."""
    return {role: tensor.shape for role, tensor in layer.weights.items()}


def shared_layers(network: GraphNetwork) -> dict[str, SharedLayer]:
    """Return the layers of a network that can share, by place, without normalisation.

    Places are `layer 1` to `layer 4`, and the linear layers around these. The tensors
    are not copies.
    """
    layers = {}
    for place, layer in enumerate(network.graph_layers, start=1):
        layers[f"layer {place}"] = SharedLayer(
            layer.facts.attention, layer.activation, layer.weights()
        )
    for name in ("before", "classifier", "after"):
        module: nn.Module = getattr(network, name)
        weights = dict(module.named_parameters())
        activation = "relu" if name == "classifier" else "none"
        layers[name] = SharedLayer("none", activation, weights)
    return {place: layer for place, layer in layers.items() if layer.weights}


class Sharing(Protocol):
    """A rule for sharing, with the weights of the networks trained so far.

    Attributes:
        remembers: whether shared weights depend on earlier trainings.
    """

    remembers: ClassVar[bool]

    def lend(self, network: GraphNetwork) -> int:
        """Overwrite weights of a new network; return the number of new tensors."""

    def keep(self, network: GraphNetwork) -> None:
        """Keep a copy of the weights of a trained network."""


class NoSharing:
    """Rule without sharing: every network starts with its initial weights."""

    remembers: ClassVar[bool] = False

    def lend(self, network: GraphNetwork) -> int:
        """Do not change the network."""
        del network
        return 0

    def keep(self, network: GraphNetwork) -> None:
        """Keep nothing."""
        del network


class FreeSharing:
    """Rule where a tensor inherits from the latest one with its place, role and shape.

    The operation does not matter. Normalisation is shared, too, with its running
    statistics.
    """

    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, torch.Size], Tensor] = {}

    def lend(self, network: GraphNetwork) -> int:
        """Overwrite tensors of a new network; return how many."""
        lent = 0
        for place, role, tensor in _all_tensors(network):
            kept = self._kept.get((place, role, tensor.shape))
            if kept is not None:
                _overwrite(tensor, kept)
                lent += 1
        return lent

    def keep(self, network: GraphNetwork) -> None:
        """Keep a copy of every tensor of a trained network."""
        for place, role, tensor in _all_tensors(network):
            self._kept[place, role, tensor.shape] = tensor.detach().clone()


class HomogeneousSharing:
    """Rule where a whole layer inherits, if :func:`may_share` allows it."""

    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kept: dict[str, list[SharedLayer]] = {}

    def lend(self, network: GraphNetwork) -> int:
        """Overwrite layers of a new network; return the number of tensors."""
        lent = 0
        for place, layer in shared_layers(network).items():
            for kept in self._kept.get(place, []):
                if may_share(kept, layer):
                    for role, tensor in layer.weights.items():
                        _overwrite(tensor, kept.weights[role])
                        lent += 1
        return lent

    def keep(self, network: GraphNetwork) -> None:
        """Keep a copy of the network's layers; later copies come first."""
        for place, layer in shared_layers(network).items():
            copies = {
                role: tensor.detach().clone() for role, tensor in layer.weights.items()
            }
            others = [
                kept for kept in self._kept.get(place, []) if not may_share(kept, layer)
            ]
            self._kept[place] = [*others, layer._replace(weights=copies)]


def new_sharing(name: SharingName) -> Sharing:
    """Return a new sharing rule, given its name."""
    kinds: dict[SharingName, Callable[[], Sharing]] = {
        "none": NoSharing,
        "free": FreeSharing,
        "homogeneous": HomogeneousSharing,
    }
    return kinds[name]()


def _all_tensors(network: GraphNetwork) -> Iterator[tuple[str, str, Tensor]]:
    """Yield place, role and tensor of everything that can be shared."""
    for place, layer in shared_layers(network).items():
        for role, tensor in layer.weights.items():
            yield place, role, tensor
    for number, graph_layer in enumerate(network.graph_layers, start=1):
        if graph_layer.norm is not None:
            for role, tensor in graph_layer.norm.state_dict().items():
                yield f"norm {number}", role, tensor


def _overwrite(tensor: Tensor, kept: Tensor) -> None:
    with torch.no_grad():
        tensor.copy_(kept)
