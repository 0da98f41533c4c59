"""Search spaces as plain data: cells, edges, operations, topology, macro skeleton.

A space is a set of cell types. A cell type is a directed acyclic graph whose first
nodes are inputs; each edge has one of the operations allowed on it. An
:class:`Architecture` names the operation on every edge of every cell type. This file
does not import torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations, product
from math import prod
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.limits import (
    MOST_CHANNELS,
    MOST_LAYERS,
    MOST_LISTED,
    MOST_WEIGHTS,
)

EdgeOperations = tuple[tuple[str, ...], ...]
"""For each edge of a cell, the names of the operations it allows, in index order."""


@dataclass(frozen=True)
class Cell:
    """One cell type.

    Attributes:
        name: "cell" if the space has one cell type, else for example "normal".
        inputs: number of input nodes, which are nodes 0 .. inputs - 1.
        nodes: number of nodes, including inputs.
        edges: (source, target) of each edge, in the order of the space's text form.
        operations: for each edge, the names of its operations, in index order.
        output: nodes whose concatenated features are the cell's output.
        kept: topology rule: number of incoming edges that each node keeps, None for
            all; empty if every node keeps all. An architecture drops the other edges.
            On edges that can be dropped, only a supernet has `none`.
        groups: number of each edge's group; edges of one group share a softmax of the
            alphas. Empty if each edge has a separate softmax.
        widths: channels of each node as a multiple of the cell's; empty if all are 1.
        preprocessed: whether every input is first converted to the cell's channels,
            height and width.
        normalised_pools: whether normalisation follows pooling in the supernet.
        skips_beside: whether every edge adds a skip to what its operations give, in
            supernets and in networks (:class:`.SideSkips`).
    """

    name: str
    inputs: int
    nodes: int
    edges: tuple[tuple[int, int], ...]
    operations: EdgeOperations
    output: tuple[int, ...]
    kept: tuple[int | None, ...] = ()
    groups: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    preprocessed: bool = False
    normalised_pools: bool = False
    skips_beside: bool = False

    def incoming(self, node: int) -> list[int]:
        """Return the indices of the edges into a node, in order."""
        incoming = []
        for edge, (_, target) in enumerate(self.edges):
            if target == node:
                incoming.append(edge)
        return incoming

    def kept_inputs(self, node: int) -> int | None:
        """Return how many incoming edges a node keeps; None for all."""
        return self.kept[node] if self.kept else None

    def width(self, node: int) -> int:
        """Return the channels of a node as a multiple of the cell's."""
        return self.widths[node] if self.widths else 1

    def candidates(self, edge: int) -> list[int]:
        """Return the operations that an architecture may have on an edge.

        They are all operations, without `none` if the edge can be dropped.
        """
        _, target = self.edges[edge]
        names = self.operations[edge]
        keeps_all = self.kept_inputs(target) is None
        if keeps_all:
            return list(range(len(names)))
        return [choice for choice, name in enumerate(names) if name != NONE]

    @property
    def summing_nodes(self) -> range:
        """Indices of all nodes except inputs."""
        return range(self.inputs, self.nodes)

    def count_kept(self, node: int) -> int:
        """Return the number of incoming edges that a node has in an architecture."""
        edges = len(self.incoming(node))
        keeps = self.kept_inputs(node)
        return edges if keeps is None else min(keeps, edges)


CELL_BLOCK = "cell"
"""Value of :attr:`Layer.block` for a cell."""


@dataclass(frozen=True)
class Layer:
    """One layer between stem and head: a cell, or a fixed block between two stages.

    A cell with k inputs reads the outputs of the k layers before it.

    Attributes:
        block: "cell", or the name of a block in
            :mod:`archselect.nasbench_adapters.networks.blocks`.
        channels: channels of a node of the cell, or of the block's output.
        stride: factor by which the layer reduces height and width.
        cell: index of the cell type.
    """

    block: str
    channels: int
    stride: int = 1
    cell: int = 0

    @property
    def is_cell(self) -> bool:
        """Whether the layer is a cell."""
        return self.block == CELL_BLOCK


@dataclass(frozen=True)
class Skeleton:
    """The network around the cells.

    Attributes:
        stem_channels: output channels of the stem.
        layers: layers in order.
        stem, head: names of blocks in
            :mod:`archselect.nasbench_adapters.networks.blocks`.
        auxiliary: index of the layer whose output an auxiliary head reads in training;
            None for no such head.
        norm_momentum: momentum of NAS-Bench-101's normalisation after convolutions, as
            torch defines it: the weight of the new batch.
        bias: whether the linear classifier has a bias.
        initial: initial weights of convolutions: "uniform" as in torch's layers, or
            "normal" with variance 2 / (kernel side² × output channels).
    """

    stem_channels: int
    layers: tuple[Layer, ...]
    stem: str = "conv"
    head: str = "pool"
    auxiliary: int | None = None
    norm_momentum: float = 0.1
    bias: bool = True
    initial: str = "uniform"


@dataclass(frozen=True)
class Architecture:
    """One point of a space.

    Attributes:
        choices: `choices[c][e]` is the index of the operation on edge e of cell type c,
            None if the edge is dropped.
    """

    choices: tuple[tuple[int | None, ...], ...]


OPEN = -1
"""Value of the choice on an edge that is not decided."""
DROPPED = -2
"""Value of the choice on an edge that its node does not keep."""
NONE = "none"
"""Name, in every space, of the operation that adds nothing to its target."""


@dataclass(frozen=True)
class Edge:
    """An edge of a cell type, from a source to a target node.

    Attributes:
        cell: index of the cell type.
        index: index of the edge in the cell type.
        operations: names of the operations that the edge allows, in index order, which
            is also the order of mixtures and scores.
        candidates: indices of the operations that an architecture may have: all, but
            without `none` where nodes drop inputs.
    """

    cell: int
    index: int
    source: int
    target: int
    operations: tuple[str, ...]
    candidates: tuple[int, ...]

    @property
    def choices(self) -> range:
        """Indices of the operations."""
        return range(len(self.operations))

    def __str__(self) -> str:
        return f"edge {self.source}→{self.target} of cell type {self.cell}"


@dataclass(frozen=True)
class OverfullNode:
    """A node that has more inputs than it keeps.

    Attributes:
        cell: index of the cell type.
        index: index of the node in the cell type.
        keeps: number of inputs that the node keeps.
        inputs: edges into the node that are not dropped, in order.
    """

    cell: int
    index: int
    keeps: int
    inputs: tuple[Edge, ...]


class ClosedOperation(NamedTuple):
    """An operation that was closed on an open edge.

    Attributes:
        cell: index of the cell type.
        edge: index of the edge.
        choice: index of the operation.
    """

    cell: int
    edge: int
    choice: int


@dataclass(frozen=True)
class Decisions:
    """Which edges of a supernet are decided, and which operations are closed.

    It is an immutable value beside the supernet; the supernet does not store it.

    Attributes:
        choices: `choices[c][e]` is the index of the operation on edge e of cell type c,
            or OPEN or DROPPED.
        closed: operations that were closed one by one. Those of a decided or dropped
            edge have no meaning.
    """

    choices: tuple[tuple[int, ...], ...]
    closed: frozenset[ClosedOperation] = frozenset()

    def decide(
        self,
        cell: int,
        edge: int,
        choice: int,
    ) -> Decisions:
        """Return a copy with one more edge decided.

        Args:
            cell: index of the cell type.
            edge: index of the edge.
            choice: index of the edge's operation, or DROPPED.
        """
        rows = list(self.choices)
        row = list(rows[cell])
        row[edge] = choice
        rows[cell] = tuple(row)
        return Decisions(tuple(rows), self.closed)

    def live(self, edge: Edge) -> tuple[int, ...]:
        """Return the indices of an edge's live operations, in order.

        An open edge has all operations that are not closed, a decided edge has one, and
        a dropped edge has none.
        """
        choice = self.choices[edge.cell][edge.index]
        if choice == DROPPED:
            return ()
        if choice != OPEN:
            return (choice,)
        live = []
        for other in edge.choices:
            if ClosedOperation(edge.cell, edge.index, other) not in self.closed:
                live.append(other)
        return tuple(live)

    def close(self, edge: Edge, choice: int) -> Decisions:
        """Return a copy in which one operation of an open edge is closed.

        If one operation is left, the edge is decided for it.

        Args:
            edge: an open edge.
            choice: index of the operation.

        Raises:
            ValueError: the edge is not open, the operation is not live, or no operation
                would be left that an architecture may have.
        """
        if self.choices[edge.cell][edge.index] != OPEN:
            raise ValueError(f"{edge} is not open: close operations on open edges only")
        live = self.live(edge)
        if choice not in live:
            raise ValueError(f"{edge} has no live operation {choice}: it has {live}")
        kept = [other for other in live if other != choice]
        if set(kept).isdisjoint(edge.candidates):
            raise ValueError(
                f"operation {choice} is the last one that an architecture may have on "
                f"{edge}: drop or decide the edge instead of closing it"
            )
        if len(kept) == 1:
            return self.decide(edge.cell, edge.index, kept[0])
        lost = ClosedOperation(edge.cell, edge.index, choice)
        return Decisions(self.choices, self.closed | {lost})

    def architecture(self) -> Architecture:
        """Return the architecture that the decisions give.

        Raises ValueError if an edge is open.
        """
        undecided = sum(row.count(OPEN) for row in self.choices)
        if undecided:
            raise ValueError(f"{undecided} edges are still open: decide or drop them")
        return Architecture(tuple(_architecture_row(row) for row in self.choices))

    @classmethod
    def of(cls, architecture: Architecture) -> Decisions:
        """Return the decisions that give an architecture.

        It is the inverse of :meth:`architecture`.
        """
        return cls(tuple(_decisions_row(row) for row in architecture.choices))


def _architecture_row(row: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(None if choice == DROPPED else choice for choice in row)


def _decisions_row(row: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(DROPPED if choice is None else choice for choice in row)


class SearchSpace(ABC):
    """A search space.

    Subclasses give the cells, the skeleton, and the usual text form of an architecture.

    Attributes:
        name: name of the space in studies.
        summary: description in one line.
        cells: the cell types.
    """

    name: str
    summary: str
    formulation: int = 1
    """Number to raise when you change the space or its networks on purpose; part of the
    ids of runs and supernets.
    """
    cells: tuple[Cell, ...]
    skeleton_defaults: ClassVar[Mapping[str, object]] = {}
    """Default of each skeleton setting, for spaces whose ground truths can store the
    settings of their networks.
    """
    enumerable: bool = True
    """Whether :meth:`enumerate` can list the space; if not, an imported table can."""
    whole_tables: bool = False
    """Whether archselect has complete tables of the space; a study then refuses a table
    with gaps.
    """
    yardsticks: ClassVar[Mapping[str, str]] = {}
    """Architectures that simple rules give, in text form; the keys describe the rules.
    Tables of accuracies show them beside the selected architectures.
    """
    has_supernet: bool = True
    """Whether the space has a supernet, which most selectors need."""
    sub_spaces: tuple[str, ...] = ()
    """Names of sub-spaces with a supernet, if the space has none."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """Return the architecture that a text describes.

        Raises UserError, which shows the place, if it is not one of this space.
        """

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """Return the usual text form of an architecture.

        It is the inverse of :meth:`parse`.
        """

    @abstractmethod
    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of all architectures with the same function."""

    @abstractmethod
    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton with some settings.

        Raises UserError for an unknown setting.
        """

    def __repr__(self) -> str:
        return f"<SearchSpace {self.name}>"

    @property
    def size(self) -> int:
        """Number of architectures of the space."""
        counts = []
        for place in self._summing_nodes:
            cell = self.cells[place.cell]
            counts.append(_count_choices(cell, place.node))
        return prod(counts)

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """Groups of cell types; a round of a search decides one edge of each group.

        A group holds indices of cell types, and every cell type is in one group. By
        default each cell type is a separate group.
        """
        return tuple((cell,) for cell in range(len(self.cells)))

    def valid(self, architecture: Architecture) -> bool:
        """Return whether an architecture of the cells belongs to the space.

        By default all do. Excluded architectures are neither listed nor sampled.

        Args:
            architecture: an architecture with an operation on every edge it keeps.
        """
        del architecture
        return True

    def is_optional(self, edge: Edge) -> bool:
        """Return whether an architecture may drop an edge without keeping another one.

        By default this is false for all edges.
        """
        del edge
        return False

    def full_form(self, architecture: Architecture) -> Architecture:
        """Return an equal architecture in which a move can change everything.

        By default it is the architecture itself; spaces with architectures of different
        sizes override it.
        """
        return architecture

    @property
    def _summing_nodes(self) -> list[_SummingNode]:
        """All nodes except inputs, cell type by cell type."""
        places = []
        for index, cell in enumerate(self.cells):
            places += [_SummingNode(index, node) for node in cell.summing_nodes]
        return places

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every valid architecture.

        If every edge is kept, they are in lexicographic order of operation indices.
        Raises UserError for a space that cannot be listed.
        """
        places = self._summing_nodes
        choices_by_node = []
        for place in places:
            cell = self.cells[place.cell]
            choices_by_node.append(list(_node_choices(cell, place.node)))
        for combination in product(*choices_by_node):
            rows = self._blank_rows()
            for place, chosen in zip(places, combination, strict=True):
                row = rows[place.cell]
                for edge, choice in chosen:
                    row[edge] = choice
            architecture = _architecture_of_rows(rows)
            if self.valid(architecture):
                yield architecture

    def sample(self, rng: np.random.Generator) -> Architecture:
        """Draw one architecture.

        Draw every node's kept inputs and every edge's operation uniformly; repeat until
        the architecture is valid.
        """
        while True:
            architecture = self._draw(rng)
            if self.valid(architecture):
                return architecture

    def _draw(self, rng: np.random.Generator) -> Architecture:
        """Return a random architecture, which may be invalid."""
        rows = self._blank_rows()
        for place in self._summing_nodes:
            cell = self.cells[place.cell]
            edges = cell.incoming(place.node)
            keeps = cell.kept_inputs(place.node)
            if keeps is not None and keeps < len(edges):
                kept = rng.choice(edges, keeps, replace=False)
                edges = sorted(kept.tolist())
            for edge in edges:
                candidates = cell.candidates(edge)
                drawn = int(rng.integers(len(candidates)))
                rows[place.cell][edge] = candidates[drawn]
        return _architecture_of_rows(rows)

    def _blank_rows(self) -> list[list[int | None]]:
        """Return the choices of an architecture in which all edges are dropped."""
        return [[None] * len(cell.edges) for cell in self.cells]

    def draw_probabilities(self, choices: np.ndarray) -> np.ndarray | None:
        """Return the probability that :meth:`sample` draws each architecture.

        It is None if unknown, as in a space with a different :meth:`sample`.
        Architectures are not equally likely if the edges that a node can keep have
        different numbers of operations. A space that excludes architectures overrides
        this method.

        Args:
            choices: operation indices, (architectures, edges of all cell types),
                DROPPED for a dropped edge.
        """
        if type(self).sample is not SearchSpace.sample:
            return None
        probabilities = np.ones(len(choices))
        column = 0
        for cell in self.cells:
            for node in cell.summing_nodes:
                kept_sets = sum(1 for _ in _kept_sets(cell, node))
                probabilities /= kept_sets
            for edge in range(len(cell.edges)):
                kept = choices[:, column] != DROPPED
                probabilities[kept] /= len(cell.candidates(edge))
                column += 1
        return probabilities

    @cached_property
    def edges(self) -> tuple[tuple[Edge, ...], ...]:
        """Edges of every cell type, in order."""
        by_cell = []
        for index, cell in enumerate(self.cells):
            by_cell.append(_edges_of(cell, index))
        return tuple(by_cell)

    def open_edges(
        self,
        decisions: Decisions,
        cell: int | None = None,
    ) -> list[Edge]:
        """Return the undecided edges in order, of one cell type or of all.

        Args:
            decisions: which edges are decided.
            cell: index of the cell type; None for all.
        """
        edges = chain.from_iterable(self.edges) if cell is None else self.edges[cell]
        choices = decisions.choices
        return [edge for edge in edges if choices[edge.cell][edge.index] == OPEN]

    def edge_in_words(self, edge: Edge) -> str:
        """Return the name of an edge in messages, such as "edge 0→2"."""
        words = f"edge {edge.source}→{edge.target}"
        if len(self.cells) == 1:
            return words
        return f"{words} of cell type {self.cells[edge.cell].name}"

    def open_choices(
        self,
        decisions: Decisions,
        cell: int,
    ) -> list[Edge]:
        """Return the undecided edges of a cell type that have several operations."""
        undecided = self.open_edges(decisions, cell)
        return [edge for edge in undecided if len(edge.operations) > 1]

    def decide_forced_edges(self, decisions: Decisions) -> Decisions:
        """Return decisions in which every edge with a single operation is decided."""
        for edge in self.open_edges(decisions):
            if len(edge.operations) == 1:
                decisions = decisions.decide(edge.cell, edge.index, 0)
        return decisions

    def overfull_nodes(self, decisions: Decisions) -> list[OverfullNode]:
        """Return the nodes that have more inputs than they keep, in order."""
        nodes = []
        for place in self._summing_nodes:
            cell = self.cells[place.cell]
            keeps = cell.kept_inputs(place.node)
            if keeps is None:
                continue
            row = decisions.choices[place.cell]
            edges = self.edges[place.cell]
            incoming = cell.incoming(place.node)
            inputs = [edges[index] for index in incoming if row[index] != DROPPED]
            if len(inputs) > keeps:
                nodes.append(OverfullNode(place.cell, place.node, keeps, tuple(inputs)))
        return nodes

    @cached_property
    def classes(self) -> dict[Architecture, Architecture]:
        """Canonical representative of every architecture.

        Raises UserError for a space too large to be listed.
        """
        if self.size > MOST_LISTED:
            raise UserError(
                f"{self.name} has {self.size:.1e} architectures, too many to list: take a sample instead"
            )
        return {
            architecture: self.canonical(architecture)
            for architecture in self.enumerate()
        }

    @cached_property
    def representatives(self) -> tuple[Architecture, ...]:
        """Representatives of all classes, sorted by choices; dropped edges first."""
        distinct = set(self.classes.values())
        return tuple(sorted(distinct, key=_sorting_key))

    def undecided(self) -> Decisions:
        """Return decisions with every edge open."""
        rows = [(OPEN,) * len(cell.edges) for cell in self.cells]
        return Decisions(tuple(rows))

    def _in_its_place(self) -> str:
        """Return advice to search a sub-space instead; empty if there is none."""
        if not self.sub_spaces:
            return ""
        *first, last = self.sub_spaces
        names = f"{', '.join(first)} or {last}" if first else last
        return f"; search its sub-space {names}"

    def check_needs(self, selector: str, needs: Collection[str]) -> None:
        """Raise UserError if a selector needs a supernet and the space has none.

        Args:
            selector: name of the selector, for the message.
            needs: its needs, from `archselect.selectors.base.NEEDS`.
        """
        if "supernet" in needs and not self.has_supernet:
            raise UserError(
                f"space {self.name} has no supernet: selector {selector} needs one{self._in_its_place()}"
            )

    def operation(
        self,
        cell: int,
        edge: int,
        choice: int,
    ) -> str:
        """Return the name of an operation on an edge."""
        return self.cells[cell].operations[edge][choice]

    @property
    def drawn_operations(self) -> EdgeOperations:
        """Operations allowed on each edge that a drawing of :meth:`graph` can show."""
        return tuple(chain.from_iterable(cell.operations for cell in self.cells))

    def graph(self, architecture: Architecture) -> list[dict[str, object]]:
        """Return the cells as plain data for drawing.

        Each cell is a dictionary of its `name`, the numbers of `inputs` and `nodes`,
        the `output` nodes, and the kept `edges` as [source, target, operation].
        """
        cells = []
        for cell, row in zip(self.cells, architecture.choices, strict=True):
            cells.append(_drawable_cell(cell, row))
        return cells

    def operation_index(
        self,
        cell: int,
        edge: int,
        name: str,
    ) -> int:
        """Return the index of an operation on an edge.

        Raises UserError, which suggests the nearest name, if it is not allowed there.
        """
        allowed = self.cells[cell].operations[edge]
        if name not in allowed:
            raise unknown(f"operation of {self.name}", name, allowed)
        return allowed.index(name)


def build_skeleton(
    space: SearchSpace,
    settings: Mapping[str, object],
) -> Skeleton:
    """Return a space's skeleton with some settings.

    Raises UserError for an unknown setting, or if a supernet could have more than
    :data:`.limits.MOST_WEIGHTS` weights, which fit into no memory.
    """
    skeleton = space.skeleton(**settings)
    weights = 0
    for layer in skeleton.layers:
        if layer.is_cell:
            cell = space.cells[layer.cell]
            operations = sum(map(len, cell.operations))
            weights += 9 * layer.channels**2 * operations
    if weights > MOST_WEIGHTS:
        raise UserError(
            f"a supernet of {space.name} with {_format_settings(settings)} could have {weights:.1e} weights, more than "
            f"{MOST_WEIGHTS:.0e}: set fewer channels or layers"
        )
    return skeleton


def _format_settings(settings: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items())


class SkeletonSettings(dict[str, object]):
    """Settings of a skeleton by name, checked by :func:`skeleton_settings`."""

    def number(self, name: str) -> int:
        """Return a setting that is a whole number."""
        value = self[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """Return a setting that is a text."""
        value = self[name]
        assert isinstance(value, str)
        return value

    def word(
        self,
        name: str,
        allowed: Collection[str],
        title: str,
    ) -> str:
        """Return a setting that is one of some words.

        Args:
            name: name of the setting.
            allowed: the allowed words.
            title: name of the setting in messages.

        Raises UserError, which suggests the nearest word, for any other word.
        """
        value = self.text(name)
        if value not in allowed:
            raise unknown(title, value, allowed)
        return value


def skeleton_settings(
    space: str,
    settings: Mapping[str, object],
    defaults: Mapping[str, object],
) -> SkeletonSettings:
    """Return `defaults` updated by `settings`.

    Args:
        space: name of the space, for messages.
        settings: settings of a study.
        defaults: defaults of all settings, whole numbers or texts.

    Raises UserError for a name without a default, a value of another type, or a number
    below 1.
    """
    for key, value in settings.items():
        if key not in defaults:
            raise unknown(f"skeleton setting of {space}", key, defaults)
        _require_setting(space, key, value, defaults[key])
    return SkeletonSettings({**defaults, **settings})


def _require_setting(
    space: str,
    key: str,
    value: object,
    default: object,
) -> None:
    """Raise UserError for a value that a skeleton setting cannot have."""
    most = MOST_CHANNELS if key == "channels" else MOST_LAYERS
    if isinstance(value, int) and value > most:
        raise UserError(
            f"skeleton setting '{key}' of {space} must be at most {most:,}, not {value:,}"
        )
    is_too_small = isinstance(value, int) and value < 1
    if type(value) is type(default) and not is_too_small:
        return
    wanted = "a whole number of at least 1" if isinstance(default, int) else "a text"
    raise UserError(
        f"skeleton setting '{key}' of {space} must be {wanted}, not {value!r}"
    )


def complete_edges(
    inputs: int,
    nodes: int,
) -> tuple[tuple[int, int], ...]:
    """Return the edges (source, target) of a cell whose nodes read all earlier nodes.

    Args:
        inputs: number of input nodes, which read nothing.
        nodes: number of nodes, including inputs.

    Returns:
        the edges by target, then by source.
    """
    edges: list[tuple[int, int]] = []
    for target in range(inputs, nodes):
        edges += [(source, target) for source in range(target)]
    return tuple(edges)


class _SummingNode(NamedTuple):
    """A node of a cell type, both as indices."""

    cell: int
    node: int


def _architecture_of_rows(rows: Sequence[Sequence[int | None]]) -> Architecture:
    """Return the architecture of choices by cell type and edge."""
    return Architecture(tuple(tuple(row) for row in rows))


def _sorting_key(architecture: Architecture) -> list[list[int]]:
    """Return choices as numbers to sort by, with -1 for a dropped edge."""
    rows = []
    for row in architecture.choices:
        rows.append([-1 if choice is None else choice for choice in row])
    return rows


def _edges_of(
    cell: Cell,
    cell_index: int,
) -> tuple[Edge, ...]:
    """Return the edges of a cell type, in order."""
    edges = []
    for index, (source, target) in enumerate(cell.edges):
        edge = Edge(
            cell=cell_index,
            index=index,
            source=source,
            target=target,
            operations=cell.operations[index],
            candidates=tuple(cell.candidates(index)),
        )
        edges.append(edge)
    return tuple(edges)


def _drawable_cell(
    cell: Cell,
    row: Sequence[int | None],
) -> dict[str, object]:
    """Return a cell as plain data, in the form of :meth:`SearchSpace.graph`.

    Args:
        cell: the cell type.
        row: choices on the cell's edges.
    """
    edges = []
    parts = zip(cell.edges, cell.operations, row, strict=True)
    for (source, target), names, choice in parts:
        if choice is not None:
            edges.append([source, target, names[choice]])
    return {
        "name": cell.name,
        "inputs": cell.inputs,
        "nodes": cell.nodes,
        "output": list(cell.output),
        "edges": edges,
    }


def _kept_sets(
    cell: Cell,
    node: int,
) -> Iterator[tuple[int, ...]]:
    """Return every set of incoming edges that a node may keep."""
    edges = cell.incoming(node)
    return combinations(edges, cell.count_kept(node))


class _ChosenEdge(NamedTuple):
    """An edge that an architecture has.

    Attributes:
        edge: index of the edge.
        choice: index of its operation.
    """

    edge: int
    choice: int


def _node_choices(
    cell: Cell,
    node: int,
) -> Iterator[list[_ChosenEdge]]:
    """Yield every choice of a node's inputs and operations, as a list of kept edges."""
    for kept in _kept_sets(cell, node):
        for operations in product(*map(cell.candidates, kept)):
            yield list(map(_ChosenEdge, kept, operations))


def _count_choices(cell: Cell, node: int) -> int:
    """Return the number of choices of a node's inputs and their operations."""
    total = 0
    for kept in _kept_sets(cell, node):
        counts = [len(cell.candidates(edge)) for edge in kept]
        total += prod(counts)
    return total
