"""Search spaces as plain data: cells, edges, operations, topology, macro skeleton.

No torch here.

A space is a set of cell types. A cell type is a directed acyclic graph whose first
nodes are inputs; each edge carries one of the operations allowed on it. An
:class:`Architecture` says which, for every edge of every cell type.
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
"""Names of the operations that each edge of a cell allows, in index order."""


@dataclass(frozen=True)
class Cell:
    """One cell type.

    Attributes:
        name: "cell" where a space has one type, else for example "normal".
        inputs: number of input nodes; they are nodes 0 .. inputs - 1.
        nodes: number of nodes, inputs included.
        edges: (source, target) of each edge, in the order of the space's text form.
        operations: for each edge the names of the operations allowed on it, in index
            order.
        output: nodes whose features, concatenated, are the cell's output.
        kept: topology rule: how many incoming edges each node keeps, None for all;
            empty if every node keeps all. An architecture that keeps k drops the
            others, and `none` is then no choice of it, only of a supernet.
        groups: edges of one number share one softmax of the architecture weights; empty
            if each has its own.
        widths: channels of each node as a multiple of the cell's; empty if all are 1.
        preprocessed: whether every input is brought to the cell's channels, height and
            width before it is read.
        normalised_pools: whether pooling is followed by normalisation in the supernet.
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

        They are all, or where edges are dropped all but `none`.
        """
        _, target = self.edges[edge]
        names = self.operations[edge]
        keeps_all = self.kept_inputs(target) is None
        if keeps_all:
            return list(range(len(names)))
        return [choice for choice, name in enumerate(names) if name != NONE]

    @property
    def summing_nodes(self) -> range:
        """Indices of the nodes that are no inputs."""
        return range(self.inputs, self.nodes)

    def count_kept(self, node: int) -> int:
        """Return how many of a node's incoming edges an architecture has."""
        edges = len(self.incoming(node))
        keeps = self.kept_inputs(node)
        return edges if keeps is None else min(keeps, edges)


CELL_BLOCK = "cell"
"""What :class:`Layer` calls a block that is a cell."""


@dataclass(frozen=True)
class Layer:
    """One layer between stem and head: a cell, or a fixed block that changes the stage.

    A cell of k inputs reads the outputs of the k layers before it.

    Attributes:
        block: "cell", or the name of a block of
            :mod:`archselect.nasbench_adapters.networks.blocks`.
        channels: of a node of the cell, or of the block's output.
        stride: how much the layer divides height and width by.
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
        stem_channels: that the stem puts out.
        layers: in order.
        stem, head: names of :mod:`archselect.nasbench_adapters.networks.blocks`.
        auxiliary: index of the layer to whose output a training's auxiliary head is
            attached; None for none.
        norm_momentum: of NAS-Bench-101's normalisation after convolutions, in torch's
            sense: the share of the new batch.
        bias: whether the linear classifier has one.
        initial: how the weights of convolutions are drawn: "uniform" as torch's layers,
            or "normal" with a variance of 2 over the side squared times the outputs.
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
"""Stands for the choice on an edge that is not decided."""
DROPPED = -2
"""Stands for the choice on an edge that its node does not keep."""
NONE = "none"
"""The operation that adds nothing to its target, in every space."""


@dataclass(frozen=True)
class Edge:
    """An edge of a cell type, from a source to a target node.

    Attributes:
        cell: index of the cell type.
        index: of the edge within it.
        operations: names of the operations that it allows, in index order, which is
            that of mixtures and scores.
        candidates: indices of those that an architecture may have: all, or where nodes
            drop inputs all but `none`.
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
        index: of the node within it.
        keeps: how many inputs it keeps.
        inputs: edges into it that are not dropped, in order.
    """

    cell: int
    index: int
    keeps: int
    inputs: tuple[Edge, ...]


class ClosedOperation(NamedTuple):
    """An operation that an open edge no longer has.

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
    """Which edges of a supernet are decided, and what the open ones have lost.

    An immutable value that lives beside the supernet and never in it.

    Attributes:
        choices: `choices[c][e]` is, for edge e of cell type c, an operation's index,
            OPEN or DROPPED.
        closed: operations that were closed one by one. Once an edge is decided or
            dropped, those on it mean nothing.
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
            choice: index of the operation that the edge carries, or DROPPED.
        """
        rows = list(self.choices)
        row = list(rows[cell])
        row[edge] = choice
        rows[cell] = tuple(row)
        return Decisions(tuple(rows), self.closed)

    def live(self, edge: Edge) -> tuple[int, ...]:
        """Return the indices of the operations that an edge still has, in order.

        They are all but the closed ones of an open edge, the one of a decided edge, and
        none of a dropped one.
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
        """Return a copy in which an open edge has lost one of its operations.

        An edge that has one operation left is decided for it.

        Args:
            edge: an open edge.
            choice: index of the operation.

        Raises:
            ValueError: the edge is not open, does not have the operation, or would keep
                none that an architecture may have.
        """
        if self.choices[edge.cell][edge.index] != OPEN:
            raise ValueError(f"{edge} is not open: close operations of open edges")
        live = self.live(edge)
        if choice not in live:
            raise ValueError(f"{edge} has no live operation {choice}: it has {live}")
        kept = [other for other in live if other != choice]
        if set(kept).isdisjoint(edge.candidates):
            raise ValueError(
                f"operation {choice} is the last one of {edge} that an architecture may "
                "have: drop or decide the edge in place of closing it"
            )
        if len(kept) == 1:
            return self.decide(edge.cell, edge.index, kept[0])
        lost = ClosedOperation(edge.cell, edge.index, choice)
        return Decisions(self.choices, self.closed | {lost})

    def architecture(self) -> Architecture:
        """Return the architecture decided on.

        Raises ValueError while an edge is open.
        """
        undecided = sum(row.count(OPEN) for row in self.choices)
        if undecided:
            raise ValueError(f"{undecided} edges are still undecided")
        return Architecture(tuple(_architecture_row(row) for row in self.choices))

    @classmethod
    def of(cls, architecture: Architecture) -> Decisions:
        """Return the decisions that make an architecture.

        It is the inverse of :meth:`architecture`.
        """
        return cls(tuple(_decisions_row(row) for row in architecture.choices))


def _architecture_row(row: Sequence[int]) -> tuple[int | None, ...]:
    return tuple(None if choice == DROPPED else choice for choice in row)


def _decisions_row(row: Sequence[int | None]) -> tuple[int, ...]:
    return tuple(DROPPED if choice is None else choice for choice in row)


class SearchSpace(ABC):
    """A search space.

    Subclasses give the cells, the skeleton, and the field's text form of an
    architecture.

    Attributes:
        name: by which studies call it.
        summary: one line.
        cells: the cell types.
    """

    name: str
    summary: str
    formulation: int = 1
    """Raised when the space, or what is built of it, changes on purpose; part of the
    ids of what is made on it.
    """
    cells: tuple[Cell, ...]
    skeleton_defaults: ClassVar[Mapping[str, object]] = {}
    """Settings of the skeleton by name, with their defaults, where a truth may hold the
    settings of its networks.
    """
    enumerable: bool = True
    """Whether :meth:`enumerate` can list the space; where not, it takes an imported
    table.
    """
    whole_tables: bool = False
    """Whether whole tables come with archselect, so that a study takes one with holes
    for a mistake.
    """
    yardsticks: ClassVar[Mapping[str, str]] = {}
    """Architectures that plain rules give, in text form, by the rule in words. Tables
    of accuracies show them beside what was selected.
    """
    has_supernet: bool = True
    """Whether a supernet of the space can be built, which most selectors need."""
    sub_spaces: tuple[str, ...] = ()
    """Names of sub-spaces that have a supernet, where the space has none."""

    @abstractmethod
    def parse(self, text: str) -> Architecture:
        """Return the architecture a text names.

        Raises UserError, saying where, if it is not one of this space.
        """

    @abstractmethod
    def format(self, architecture: Architecture) -> str:
        """Return the field's text form of an architecture.

        It is the inverse of :meth:`parse`.
        """

    @abstractmethod
    def canonical(self, architecture: Architecture) -> Architecture:
        """Return the representative of all architectures that compute the same."""

    @abstractmethod
    def skeleton(self, **settings: object) -> Skeleton:
        """Return the macro skeleton with these settings.

        Raises UserError for an unknown one.
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
        """Groups of cell types, of each of which a round of a search decides one edge.

        A cell type stands in one group, by its index. Unless a space says otherwise,
        each is a group of its own.
        """
        return tuple((cell,) for cell in range(len(self.cells)))

    def valid(self, architecture: Architecture) -> bool:
        """Return whether an architecture of the cells belongs to the space.

        All do, unless a space excludes some. Those are neither listed nor sampled.

        Args:
            architecture: one operation on every edge that it keeps.
        """
        del architecture
        return True

    def is_optional(self, edge: Edge) -> bool:
        """Return whether an architecture may drop an edge and keep no other for it.

        None is, unless a space says otherwise.
        """
        del edge
        return False

    def full_form(self, architecture: Architecture) -> Architecture:
        """Return an equal architecture that has all that a move can change.

        It is the architecture itself, unless a space has some of unequal size.
        """
        return architecture

    @property
    def _summing_nodes(self) -> list[_SummingNode]:
        """Nodes that are no inputs, cell type by cell type."""
        places = []
        for index, cell in enumerate(self.cells):
            places += [_SummingNode(index, node) for node in cell.summing_nodes]
        return places

    def enumerate(self) -> Iterator[Architecture]:
        """Yield every valid architecture.

        Where every edge is kept they come in lexicographic order of the operation
        indices. Raises UserError for a space that cannot be listed.
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

        Every node's kept inputs and every edge's operation are drawn uniformly, and
        again until the architecture is valid.
        """
        while True:
            architecture = self._draw(rng)
            if self.valid(architecture):
                return architecture

    def _draw(self, rng: np.random.Generator) -> Architecture:
        """Return one architecture, which may be invalid."""
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
        """Return choices of an architecture without edges, to be filled."""
        return [[None] * len(cell.edges) for cell in self.cells]

    def draw_probabilities(self, choices: np.ndarray) -> np.ndarray | None:
        """Return the probability with which :meth:`sample` draws each architecture.

        None where that is not known, as in a space that samples in another way.
        Architectures are not equally likely where the edges that a node can keep have
        unequally many operations. A space that excludes some overrides this method.

        Args:
            choices: architectures × edges of all cell types: operation indices, DROPPED
                for a dropped edge.
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
            decisions: say which edges are decided.
            cell: index of the cell type; None for all.
        """
        edges = chain.from_iterable(self.edges) if cell is None else self.edges[cell]
        choices = decisions.choices
        return [edge for edge in edges if choices[edge.cell][edge.index] == OPEN]

    def edge_in_words(self, edge: Edge) -> str:
        """Return an edge as messages name it, with its cell type if there are more."""
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
        """Return the decisions with every open edge of one operation decided for it."""
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
                f"{self.name} has {self.size:.1e} architectures, too many to list: take a sample of them"
            )
        return {
            architecture: self.canonical(architecture)
            for architecture in self.enumerate()
        }

    @cached_property
    def representatives(self) -> tuple[Architecture, ...]:
        """Canonical representatives, sorted by their choices; dropped edges first."""
        distinct = set(self.classes.values())
        return tuple(sorted(distinct, key=_sorting_key))

    def undecided(self) -> Decisions:
        """Return decisions with every edge open."""
        rows = [(OPEN,) * len(cell.edges) for cell in self.cells]
        return Decisions(tuple(rows))

    def _in_its_place(self) -> str:
        """Return which sub-spaces to search in its place; empty if there are none."""
        if not self.sub_spaces:
            return ""
        *first, last = self.sub_spaces
        names = f"{', '.join(first)} or {last}" if first else last
        return f"; search its sub-space {names}"

    def check_needs(self, selector: str, needs: Collection[str]) -> None:
        """Raise UserError if a selector needs a supernet and the space has none.

        Args:
            selector: its name, for the message.
            needs: what it needs, by name; see `archselect.selectors.base.NEEDS`.
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
        """Operations allowed on each edge that a drawing of :meth:`graph` may show."""
        return tuple(chain.from_iterable(cell.operations for cell in self.cells))

    def graph(self, architecture: Architecture) -> list[dict[str, object]]:
        """Return the cells as plain data for drawing.

        Each has its `name`, its number of `inputs` and `nodes`, its `output` nodes, and
        its kept `edges` as [source, target, operation].
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

        Raises UserError, with the nearest name, if it is not allowed there.
        """
        allowed = self.cells[cell].operations[edge]
        if name not in allowed:
            raise unknown(f"operation of {self.name}", name, allowed)
        return allowed.index(name)


def build_skeleton(
    space: SearchSpace,
    settings: Mapping[str, object],
) -> Skeleton:
    """Return a space's skeleton with these settings.

    Raises UserError for an unknown setting, and where a supernet of it would have more
    than :data:`.limits.MOST_WEIGHTS` weights, so that no machine has the memory.
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
            f"{MOST_WEIGHTS:.0e}: name fewer channels or layers"
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
            name: of the setting.
            allowed: the words.
            title: what messages call the setting.

        Raises UserError, with the nearest word, for another one.
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
        settings: that a study gives.
        defaults: of all settings there are, whole numbers or texts.

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
    """Return the edges (source, target) of a cell whose nodes read all before them.

    Args:
        inputs: number of input nodes, which read nothing.
        nodes: number of nodes, inputs included.

    Returns:
        the edges by target, then by source.
    """
    edges: list[tuple[int, int]] = []
    for target in range(inputs, nodes):
        edges += [(source, target) for source in range(target)]
    return tuple(edges)


class _SummingNode(NamedTuple):
    """A node of a cell type, by their indices."""

    cell: int
    node: int


def _architecture_of_rows(rows: Sequence[Sequence[int | None]]) -> Architecture:
    """Return the architecture of choices by cell type and edge."""
    return Architecture(tuple(tuple(row) for row in rows))


def _sorting_key(architecture: Architecture) -> list[list[int]]:
    """Return choices as numbers that can be compared: -1 for a dropped edge."""
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
    """Return a cell as plain data; see :meth:`SearchSpace.graph`.

    Args:
        cell: the cell type.
        row: the choices on its edges.
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
    """Yield every choice of a node's inputs, each the edges that are kept."""
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
