"""Shrinks of a search: each closes a share of the edges' worst operations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from archselect.nasbench_adapters.space import Edge
from archselect.selectors.search import Search


class Candidate(NamedTuple):
    """A live operation of an edge."""

    edge: Edge
    choice: int


Scores = dict[Candidate, float]
"""Scores of live operations; the lowest is closed first."""


def groups_of(search: Search) -> Iterator[tuple[list[Edge], int]]:
    """Yield the groups of edges that shrink together, and how many of each are kept."""
    for index, cell in enumerate(search.space.cells):
        for node in cell.summing_nodes:
            edges = [search.space.edges[index][edge] for edge in cell.incoming(node)]
            if cell.kept_inputs(node) is not None:
                yield edges, cell.count_kept(node)
                continue
            for edge in edges:
                yield [edge], 1


def shrink(
    search: Search, edges: list[Edge], keeps: int, scores: Scores, left: int
) -> None:
    """Close the worst operations of some edges; drop edges with no operation left.

    Args:
        search: the search to change.
        edges: the edges that shrink together.
        keeps: number of edges to keep.
        scores: scores of the live operations.
        left: number of shrinks left, including this one.
    """
    live = sum(len(search.live(edge)) for edge in edges)
    surplus = math.ceil((live - keeps) / left)
    members = [candidate for candidate in scores if candidate.edge in edges]
    for edge, choice in sorted(members, key=scores.__getitem__):
        remaining = search.live(edge)
        if surplus <= 0:
            return
        if choice not in remaining:
            continue
        present = [other for other in edges if search.live(other)]
        others = set(remaining) - {choice}
        if not others.isdisjoint(edge.candidates):
            search.close(edge, choice)
            surplus -= 1
        elif len(present) > keeps:
            search.drop_edge(edge)
            surplus -= len(remaining)
