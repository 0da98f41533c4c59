"""Weights that a graph network takes over from networks trained before it.

Zhou et al., "Auto-GNN" (AGNN), Frontiers in Big Data 2022: constrained parameter
sharing. A network inherits layer by layer, from the latest earlier one whose layer at
the same place is allowed to lend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.graph.network import GraphNetwork

SharingName = Literal["none", "free", "homogeneous"]


class SharedLayer(NamedTuple):
    """What sharing looks at, and what is shared, of a layer.

    Attributes:
        attention: what weighs a neighbour; see :class:`.layers.OperationFacts`.
        nonlinearity: that the layer applies to what it reads.
        weights: the tensors by their role.
    """

    attention: str
    nonlinearity: str
    weights: Mapping[str, Tensor]


def may_share(first: SharedLayer, second: SharedLayer) -> bool:
    """Return whether two layers are homogeneous, so that one may lend to the other.

    That is where their tensors have equal shapes, role by role, and attention and
    activation are equal (AGNN, constrained parameter sharing). What aggregates the
    neighbours may differ: a mean and a sum may share. Batch normalisation and skip
    connections are no part of a layer here, and never share.
    """
    if first.attention != second.attention:
        return False
    if first.nonlinearity != second.nonlinearity:
        return False
    return _shapes(first) == _shapes(second)


def _shapes(layer: SharedLayer) -> dict[str, torch.Size]:
    """Return the shape of every tensor of a layer, by its role."""
    return {role: tensor.shape for role, tensor in layer.weights.items()}


def shared_layers(network: GraphNetwork) -> dict[str, SharedLayer]:
    """Return what could be shared of a network by its place, without normalisation.

    Places are `layer 1` to `layer 4`, and the linear layers around these. The tensors
    are the network's own.
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
    """A rule of sharing, with the weights of the networks trained so far.

    Attributes:
        remembers: whether what it lends depends on what was trained before.
    """

    remembers: ClassVar[bool]

    def lend(self, network: GraphNetwork) -> int:
        """Overwrite weights of a new network; return how many tensors it took over."""

    def keep(self, network: GraphNetwork) -> None:
        """Keep a copy of the weights of a trained network."""


class NoSharing:
    """Every network begins with its own initial weights."""

    remembers: ClassVar[bool] = False

    def lend(self, network: GraphNetwork) -> int:
        """Leave the network as it is."""
        del network
        return 0

    def keep(self, network: GraphNetwork) -> None:
        """Keep nothing."""
        del network


class FreeSharing:
    """Every tensor is taken over from the latest one of its place, role and shape.

    The operation makes no difference, and normalisation is shared, too: with its
    running statistics.
    """

    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, torch.Size], Tensor] = {}

    def lend(self, network: GraphNetwork) -> int:
        """See :class:`Sharing`."""
        lent = 0
        for place, role, tensor in _all_tensors(network):
            kept = self._kept.get((place, role, tensor.shape))
            if kept is not None:
                _overwrite(tensor, kept)
                lent += 1
        return lent

    def keep(self, network: GraphNetwork) -> None:
        """See :class:`Sharing`."""
        for place, role, tensor in _all_tensors(network):
            self._kept[place, role, tensor.shape] = tensor.detach().clone()


class HomogeneousSharing:
    """A layer is taken over as a whole, where :func:`may_share` allows it."""

    remembers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._kept: dict[str, list[SharedLayer]] = {}

    def lend(self, network: GraphNetwork) -> int:
        """See :class:`Sharing`."""
        lent = 0
        for place, layer in shared_layers(network).items():
            for kept in self._kept.get(place, []):
                if may_share(kept, layer):
                    for role, tensor in layer.weights.items():
                        _overwrite(tensor, kept.weights[role])
                        lent += 1
        return lent

    def keep(self, network: GraphNetwork) -> None:
        """See :class:`Sharing`. Of layers that may share, the latest is kept."""
        for place, layer in shared_layers(network).items():
            copies = {
                role: tensor.detach().clone() for role, tensor in layer.weights.items()
            }
            others = [
                kept for kept in self._kept.get(place, []) if not may_share(kept, layer)
            ]
            self._kept[place] = [*others, layer._replace(weights=copies)]


def new_sharing(name: SharingName) -> Sharing:
    """Return a rule of sharing by its name, with nothing kept yet."""
    kinds: dict[SharingName, Callable[[], Sharing]] = {
        "none": NoSharing,
        "free": FreeSharing,
        "homogeneous": HomogeneousSharing,
    }
    return kinds[name]()


def _all_tensors(network: GraphNetwork) -> Iterator[tuple[str, str, Tensor]]:
    """Yield place, role and tensor of all that can be shared, with normalisation."""
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
