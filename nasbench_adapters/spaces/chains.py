"""Chains: networks of layers that choose one operation each.

A layer is a cell type of its own, of one input, one node and one edge. The skeleton
lays the cell types one after another.
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
"""The operation that passes on its input, through a 1x1 convolution where the layer
changes channels or size.
"""


class Stage(NamedTuple):
    """Layers of a chain that have the same channels.

    Attributes:
        channels: of every layer.
        layers: how many there are.
        stride: of the first layer; the others have 1.
    """

    channels: int
    layers: int
    stride: int


def chain_cells(operations: EdgeOperations) -> tuple[Cell, ...]:
    """Return one cell type for each layer.

    Args:
        operations: the names that each layer allows, in index order.
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
    """Return the skeleton's layers of a chain, each with the next cell type."""
    layers: list[Layer] = []
    for stage in stages:
        for place in range(stage.layers):
            stride = 1 if place else stage.stride
            layers.append(Layer("cell", stage.channels, stride, cell=len(layers)))
    return layers


class ChainSpace(SearchSpace):
    """A space of chains: the search decides one layer of all in a round.

    Attributes:
        stage_starts: index of the first layer of each stage.
    """

    stage_starts: tuple[int, ...]

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """See :attr:`SearchSpace.parts`: all layers are one part."""
        return (tuple(range(len(self.cells))),)

    @cached_property
    def layer_operations(self) -> EdgeOperations:
        """Names of the operations that each layer allows, in index order."""
        return tuple(cell.operations[0] for cell in self.cells)

    def canonical(self, architecture: Architecture) -> Architecture:
        """See :meth:`SearchSpace.canonical`.

        An identity behind the first layer of a stage computes nothing, so that only the
        order of the stage's other layers counts: identities move to the stage's end.
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
    """Return the architecture whose layers have these operations, by their indices."""
    return Architecture(tuple((choice,) for choice in choices))


def layer_choices(architecture: Architecture) -> list[int]:
    """Return the index of every layer's operation.

    Raises ValueError unless every layer has one.
    """
    choices = []
    for row in architecture.choices:
        choice = row[0] if len(row) == 1 else None
        if choice is None:
            raise ValueError("a chain has one operation on every layer")
        choices.append(choice)
    return choices


def check_count(title: str, text: str, found: int, wanted: int) -> None:
    """Raise UserError unless a text names as many layers as there are.

    Args:
        title: what messages call the space.
        text: as it was given.
        found, wanted: numbers of layers.
    """
    if found != wanted:
        raise UserError(
            f"{text!r} is no {title} network: wanted {wanted} layers, found {found}"
        )
