"""Search spaces as plain data: cells, edges, operations, topology, macro skeleton. No torch here.

A space is a set of cell types. A cell type is a directed acyclic graph whose first nodes are inputs; each edge
carries one of the operations allowed on it. An :class:`Architecture` says which, for every edge of every cell type.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod

import numpy as np

from archselect.nasbench_adapters.errors import UserError, unknown


@dataclass(frozen=True)
class Cell:
    """One cell type.

    Attributes:
        name: "cell" where a space has one type, else for example "normal".
        inputs: number of input nodes; they are nodes 0 .. inputs - 1.
        nodes: number of nodes, inputs included.
        edges: (source, target) of each edge, in the order of the space's text form.
        operations: for each edge the names of the operations allowed on it, in index order.
        output: nodes whose features, concatenated, are the cell's output.
        kept_inputs: topology rule: None keeps every edge, k keeps k incoming edges per node.
    """

    name: str
    inputs: int
    nodes: int
    edges: tuple[tuple[int, int], ...]
    operations: tuple[tuple[str, ...], ...]
    output: tuple[int, ...]
    kept_inputs: int | None = None


@dataclass(frozen=True)
class Layer:
    """One layer between stem and head: a cell, or a fixed block that changes the stage.

    `block` is "cell", or the name of a block of :mod:`archselect.nasbench_adapters.networks.operations`; `cell` is
    the index of the cell type; `stride` is how much the layer divides height and width by.
    """

    block: str
    channels_in: int
    channels_out: int
    stride: int = 1
    cell: int = 0


@dataclass(frozen=True)
class Skeleton:
    """The network around the cells: the layers in order, and the channels the stem puts out."""

    stem_channels: int
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Architecture:
    """One point of a space: `choices[c][e]` is the index of the operation on edge e of cell type c, None if dropped."""

    choices: tuple[tuple[int | None, ...], ...]


OPEN, DROPPED = -1, -2


@dataclass(frozen=True)
class Decisions:
    """Which edges of a supernet are decided: `choices[c][e]` is an operation's index, OPEN or DROPPED.

    An immutable value that lives beside the supernet and never in it.
    """

    choices: tuple[tuple[int, ...], ...]

    def decide(self, cell: int, edge: int, choice: int) -> Decisions:
        """A copy in which the edge carries the operation `choice`, or is DROPPED."""
        rows = [list(row) for row in self.choices]
        rows[cell][edge] = choice
        return Decisions(tuple(tuple(row) for row in rows))

    def open_edges(self) -> list[tuple[int, int]]:
        """(cell, edge) of every undecided edge, in order."""
        return [(c, e) for c, row in enumerate(self.choices) for e, choice in enumerate(row) if choice == OPEN]

    def architecture(self) -> Architecture:
        """The architecture decided on. Raises ValueError while an edge is open."""
        if self.open_edges():
            raise ValueError(f"{len(self.open_edges())} edges are still undecided")
        return Architecture(
            tuple(tuple(None if choice == DROPPED else choice for choice in row) for row in self.choices)
        )


class SearchSpace(ABC):
    """A search space. Subclasses give the cells, the skeleton, and the field's text form of an architecture."""

    name: str
    summary: str
    cells: tuple[Cell, ...]

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """The architecture a text names. Raises UserError, saying where, if it is not one of this space."""

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """The field's text form of an architecture; the inverse of :meth:`parse`."""

    @abstractmethod
    def canonical(self, architecture: Architecture) -> Architecture:
        """The representative of all architectures that compute the same function."""

    @abstractmethod
    def skeleton(self, **settings: object) -> Skeleton:
        """The macro skeleton with these settings. Raises UserError for an unknown one."""

    def __repr__(self) -> str:
        return f"<SearchSpace {self.name}>"

    @property
    def size(self) -> int:
        """How many architectures the space has."""
        return prod(len(operations) for cell in self.cells for operations in cell.operations)

    def enumerate(self) -> Iterator[Architecture]:
        """Every architecture, in lexicographic order of the operation indices."""
        shape = [len(cell.edges) for cell in self.cells]
        allowed = [range(len(operations)) for cell in self.cells for operations in cell.operations]
        for flat in product(*allowed):
            yield Architecture(_split(flat, shape))

    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture, each edge's operation drawn uniformly."""
        return Architecture(
            tuple(tuple(int(rng.integers(len(names))) for names in cell.operations) for cell in self.cells)
        )

    @cached_property
    def classes(self) -> dict[Architecture, Architecture]:
        """The canonical representative of every architecture."""
        return {architecture: self.canonical(architecture) for architecture in self.enumerate()}

    @cached_property
    def representatives(self) -> tuple[Architecture, ...]:
        """The canonical representatives, sorted."""
        return tuple(sorted(set(self.classes.values()), key=lambda a: a.choices))

    def undecided(self) -> Decisions:
        """Decisions with every edge open."""
        return Decisions(tuple((OPEN,) * len(cell.edges) for cell in self.cells))

    def operation(self, cell: int, edge: int, choice: int) -> str:
        """The name of an operation on an edge."""
        return self.cells[cell].operations[edge][choice]

    def graph(self, architecture: Architecture) -> list[dict[str, object]]:
        """The cells as plain data for drawing: per cell type its name, node count and kept edges with operations."""
        return [
            {
                "name": cell.name,
                "inputs": cell.inputs,
                "nodes": cell.nodes,
                "output": list(cell.output),
                "edges": [
                    [source, target, cell.operations[edge][choice]]
                    for edge, ((source, target), choice) in enumerate(zip(cell.edges, choices, strict=True))
                    if choice is not None
                ],
            }
            for cell, choices in zip(self.cells, architecture.choices, strict=True)
        ]

    def operation_index(self, cell: int, edge: int, name: str) -> int:
        """The index of an operation on an edge. Raises UserError, with the nearest name, if it is not allowed there."""
        allowed = self.cells[cell].operations[edge]
        if name not in allowed:
            raise unknown(f"operation of {self.name}", name, allowed)
        return allowed.index(name)


def skeleton_settings(space: str, settings: dict[str, object], defaults: dict[str, object]) -> dict[str, object]:
    """`defaults` updated by `settings`. Raises UserError for a name without a default or a value of another type."""
    for key, value in settings.items():
        if key not in defaults:
            raise unknown(f"skeleton setting of {space}", key, defaults)
        if type(value) is not type(defaults[key]) or (isinstance(value, int) and value < 1):
            wanted = "a whole number of at least 1" if isinstance(defaults[key], int) else "a text"
            raise UserError(f"skeleton setting '{key}' of {space} must be {wanted}, not {value!r}")
    return {**defaults, **settings}


def _split(flat: tuple[int, ...], shape: list[int]) -> tuple[tuple[int, ...], ...]:
    bounds = np.cumsum([0, *shape])
    return tuple(flat[a:b] for a, b in pairwise(bounds))
