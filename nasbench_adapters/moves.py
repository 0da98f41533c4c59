"""Small changes of an architecture (moves), for searches over neighbours.

A move changes one gene of an architecture. There are two kinds of gene:

- an edge that every architecture has: a move gives it another operation. In
  NAS-Bench-Graph, the source of a layer is also such an edge.
- the inputs of a node that keeps some of its incoming edges, as in DARTS: a move gives
  a kept edge another operation, or replaces a kept edge by a dropped one, with any of
  its operations. This changes one entry of a genotype.

NAS-Bench-101 has a third kind: a connection that a move adds or drops
(:meth:`.NasBench101.full_form`). Every move leads to a valid architecture, and another
move reverses it. This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.space import Architecture, Edge, SearchSpace


class Option(NamedTuple):
    """A possible value of a gene.

    Attributes:
        edge: index of an edge of the gene.
        choice: index of the edge's operation; None if the edge is dropped.
    """

    edge: int
    choice: int | None


class Gene(NamedTuple):
    """The part of an architecture that a move changes.

    Attributes:
        cell: index of the cell type.
        options: possible values of the gene, at least two.
    """

    cell: int
    options: tuple[Option, ...]

    @property
    def edges(self) -> tuple[int, ...]:
        """Indices of the edges in the options."""
        return tuple(dict.fromkeys(option.edge for option in self.options))


class Move(NamedTuple):
    """A change of one gene.

    Attributes:
        gene: index of the gene, in the order of :func:`genes`.
        option: index of the gene's new option.
        architecture: the architecture after the move.
    """

    gene: int
    option: int
    architecture: Architecture


@lru_cache(maxsize=16)
def genes(space: SearchSpace) -> tuple[Gene, ...]:
    """Return the genes of a space, in the order of its cell types and nodes.

    An edge with a single operation offers no choice, so it is not a gene.
    """
    every: list[Gene] = []
    for cell in range(len(space.cells)):
        every += _genes_of_cell(space, cell)
    return tuple(gene for gene in every if len(gene.options) > 1)


def _genes_of_cell(space: SearchSpace, index: int) -> Iterator[Gene]:
    """Yield the genes of a cell type, including those with a single option."""
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
    """Return the options of an edge."""
    options = [Option(edge.index, choice) for choice in edge.candidates]
    if space.is_optional(edge):
        options.insert(0, Option(edge.index, None))
    return tuple(options)


def moves_of_gene(
    space: SearchSpace, architecture: Architecture, gene: int
) -> list[Move]:
    """Return every move that changes one gene, in the order of its options.

    Args:
        space: the search space.
        architecture: the architecture to change, in :meth:`.SearchSpace.full_form`.
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
    """Yield the rows in which a gene has a new option."""
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

    The moves lead to different architectures, and none leads to the architecture
    itself. :func:`moves_of_gene` gives those of one gene.
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
    """Return a random neighbour, drawn uniformly.

    If the space has no other architecture, return the architecture itself.
    """
    near = neighbours(space, architecture)
    if not near:
        return architecture
    return near[int(rng.integers(len(near)))]
