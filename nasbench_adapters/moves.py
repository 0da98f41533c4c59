"""Small changes of an architecture, for searches that go from one to the next.

A move changes one gene and leaves the others as they are. There are two kinds of gene:

- an edge that every architecture has: a move gives it another operation. In
  NAS-Bench-Graph, what a layer reads is such an edge, too.
- the inputs of a node that keeps some of its incoming edges, as in DARTS: a move gives
  a kept edge another operation, or replaces a kept edge by a dropped one, with any of
  its operations. That is a change of one entry of a genotype.

NAS-Bench-101 has a third kind, connections that come and go: see its
:meth:`.NasBench101.full_form`. Moves lead to architectures that are valid, and each can
be taken back by a move. No torch here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.space import Architecture, Edge, SearchSpace


class Option(NamedTuple):
    """What a gene can take up.

    Attributes:
        edge: index of an edge of the gene.
        choice: index of the operation on it; None if the edge is dropped.
    """

    edge: int
    choice: int | None


class Gene(NamedTuple):
    """A place that a move changes.

    Attributes:
        cell: index of the cell type.
        options: what the gene can take up, two or more.
    """

    cell: int
    options: tuple[Option, ...]

    @property
    def edges(self) -> tuple[int, ...]:
        """Indices of the edges that the options are on."""
        return tuple(dict.fromkeys(option.edge for option in self.options))


class Move(NamedTuple):
    """A change of one gene.

    Attributes:
        gene: index of the gene, in the order of :func:`genes`.
        option: index of what the gene takes up.
        architecture: that the move leads to.
    """

    gene: int
    option: int
    architecture: Architecture


@lru_cache(maxsize=16)
def genes(space: SearchSpace) -> tuple[Gene, ...]:
    """Return the genes of a space, in the order of its cell types and nodes.

    What leaves no choice, such as an edge of one operation, is no gene.
    """
    every: list[Gene] = []
    for cell in range(len(space.cells)):
        every += _genes_of_cell(space, cell)
    return tuple(gene for gene in every if len(gene.options) > 1)


def _genes_of_cell(space: SearchSpace, index: int) -> Iterator[Gene]:
    """Yield the genes of a cell type, with those that leave no choice."""
    cell = space.cells[index]
    edges = space.edges[index]
    for node in cell.summing_nodes:
        incoming = [edges[edge] for edge in cell.incoming(node)]
        kept = cell.count_kept(node)
        if kept == len(incoming):
            for edge in incoming:
                yield Gene(index, _options(space, edge))
        elif kept:
            options: tuple[Option, ...] = ()
            for edge in incoming:
                options += _options(space, edge)
            yield Gene(index, options)


def _options(space: SearchSpace, edge: Edge) -> tuple[Option, ...]:
    """Return what an edge can be."""
    options = [Option(edge.index, choice) for choice in edge.candidates]
    if space.is_optional(edge):
        options.insert(0, Option(edge.index, None))
    return tuple(options)


def moves_of_gene(
    space: SearchSpace, architecture: Architecture, gene: int
) -> list[Move]:
    """Return every move that changes one gene, in the order of its options.

    Args:
        space: of the architecture.
        architecture: that is changed, from its :meth:`.SearchSpace.full_form`.
        gene: index of the gene, in the order of :func:`genes`.
    """
    start = space.full_form(architecture)
    changed = genes(space)[gene]
    row = start.choices[changed.cell]
    moves = []
    for index, option in enumerate(changed.options):
        for new_row in _rows_with(row, option, changed):
            rows = list(start.choices)
            rows[changed.cell] = new_row
            neighbour = Architecture(tuple(rows))
            if space.valid(neighbour):
                moves.append(Move(gene, index, neighbour))
    return moves


Row = tuple[int | None, ...]
"""Choices on the edges of a cell type."""


def _rows_with(row: Row, option: Option, gene: Gene) -> Iterator[Row]:
    """Yield the rows in which a gene takes up an option that it does not have."""
    if row[option.edge] == option.choice:
        return
    replaced_edges = [option.edge]
    if row[option.edge] is None and len(gene.edges) > 1:
        replaced_edges = [edge for edge in gene.edges if row[edge] is not None]
    for replaced in replaced_edges:
        new_row = list(row)
        new_row[replaced] = None
        new_row[option.edge] = option.choice
        yield tuple(new_row)


def moves(space: SearchSpace, architecture: Architecture) -> list[Move]:
    """Return every move from an architecture, gene by gene.

    See :func:`moves_of_gene`. No two lead to one architecture, and none to the
    architecture itself.
    """
    every = []
    for gene in range(len(genes(space))):
        every += moves_of_gene(space, architecture, gene)
    return every


def neighbours(space: SearchSpace, architecture: Architecture) -> list[Architecture]:
    """Return every valid architecture that is one move away, in the order of moves."""
    return [move.architecture for move in moves(space, architecture)]


def mutate(
    space: SearchSpace, architecture: Architecture, rng: np.random.Generator
) -> Architecture:
    """Return one of the neighbours, each as likely as the others.

    Where a space has no other architecture, it is the architecture itself.
    """
    near = neighbours(space, architecture)
    if not near:
        return architecture
    return near[int(rng.integers(len(near)))]
