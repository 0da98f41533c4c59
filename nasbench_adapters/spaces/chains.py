"""Chains: networks in which each layer has one operation to choose.

Each layer is a separate cell type with one input, one node and one edge. The skeleton
puts the cell types one after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    Architecture,
    Cell,
    EdgeOperations,
    Layer,
    SearchSpace,
)

IDENTITY = "identity"
"""The operation that returns its input. In a layer that changes channels or size it is
a 1x1 convolution.
"""


class Stage(NamedTuple):
    """Layers of a chain that have the same channels.

    Attributes:
        channels: channels of every layer.
        layers: number of layers.
        stride: stride of the first layer; the other layers have stride 1.
    """

    channels: int
    layers: int
    stride: int


def chain_cells(operations: EdgeOperations) -> tuple[Cell, ...]:
    """Return one cell type for each layer.

    Args:
        operations: for each layer, the names of its operations, in index order.
    """
    cells = []
    for place, names in enumerate(operations):
        cell = Cell(
            name=f"layer{place}",
            inputs=1,
            nodes=2,
            edges=((0, 1),),
            operations=(names,),
            output=(1,),
        )
        cells.append(cell)
    return tuple(cells)


def first_layers(stages: Sequence[Stage]) -> tuple[int, ...]:
    """Return the index of the first layer of each stage."""
    places = []
    place = 0
    for stage in stages:
        places.append(place)
        place += stage.layers
    return tuple(places)


def chain_layers(stages: Sequence[Stage]) -> list[Layer]:
    """Return the skeleton's layers of a chain; each has a separate cell type."""
    layers: list[Layer] = []
    for stage in stages:
        for place in range(stage.layers):
            stride = 1 if place else stage.stride
            layers.append(Layer("cell", stage.channels, stride, cell=len(layers)))
    return layers


class ChainSpace(SearchSpace):
    """A space of chains; a round of a search decides one layer.

    Attributes:
        stage_starts: index of the first layer of each stage.
    """

    stage_starts: tuple[int, ...]

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """One group with all layers, so that a round decides one of them."""
        return (tuple(range(len(self.cells))),)

    @cached_property
    def layer_operations(self) -> EdgeOperations:
        """Names of the operations that each layer allows, in index order."""
        return tuple(cell.operations[0] for cell in self.cells)

    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the architecture with the identities of each stage at the stage's end.

        After the first layer of a stage, an identity computes nothing. So only the
        order of the stage's other layers matters.
        """
        choices = layer_choices(architecture)
        identities = []
        for names, choice in zip(self.layer_operations, choices, strict=True):
            identities.append(names[choice] == IDENTITY)
        starts = [*self.stage_starts, len(choices)]
        moved: list[int] = []
        for first, end in pairwise(starts):
            places = range(first + 1, end)
            moved.append(choices[first])
            moved += [choices[place] for place in places if not identities[place]]
            moved += [choices[place] for place in places if identities[place]]
        return chain_of(moved)


def chain_of(choices: Sequence[int]) -> Architecture:
    """Return the architecture whose layers have the operations with these indices."""
    return Architecture(tuple((choice,) for choice in choices))


def layer_choices(architecture: Architecture) -> list[int]:
    """Return the index of every layer's operation.

    Raises ValueError unless every layer has one.
    """
    choices = []
    for row in architecture.choices:
        choice = row[0] if len(row) == 1 else None
        if choice is None:
            raise ValueError("a layer of a chain cannot be dropped")
        choices.append(choice)
    return choices


def check_count(title: str, text: str, found: int, wanted: int) -> None:
    """Raise UserError if a text has the wrong number of layers.

    Args:
        title: name of the space in messages.
        text: the text, for the message.
        found, wanted: numbers of layers.
    """
    if found != wanted:
        raise UserError(
            f"{text!r} is not a {title} network: wanted {wanted} layers, found {found}"
        )
