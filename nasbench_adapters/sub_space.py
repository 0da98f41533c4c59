"""The architectures that are still possible under some decisions."""

from __future__ import annotations

from itertools import chain

import numpy as np

from archselect.nasbench_adapters.space import (
    DROPPED,
    Architecture,
    Decisions,
    Edge,
    SearchSpace,
)


def live_candidates(decisions: Decisions, edge: Edge) -> list[int]:
    """Return the live operations of an edge that an architecture may have, in order."""
    return [choice for choice in decisions.live(edge) if choice in edge.candidates]


def sample_within(
    space: SearchSpace,
    decisions: Decisions,
    rng: np.random.Generator,
) -> Architecture:
    """Draw one architecture of live operations.

    Draw every node's kept inputs, among the edges that are not dropped, and every
    edge's operation uniformly; repeat until the architecture is valid.

    Raises ValueError if a node has fewer edges than it keeps.
    """
    while True:
        architecture = _draw(space, decisions, rng)
        if space.valid(architecture):
            return architecture


def _draw(
    space: SearchSpace,
    decisions: Decisions,
    rng: np.random.Generator,
) -> Architecture:
    """Return one architecture of live operations, which may be invalid."""
    drawn = Decisions(tuple((DROPPED,) * len(cell.edges) for cell in space.cells))
    for index, cell in enumerate(space.cells):
        for node in cell.summing_nodes:
            incoming = [space.edges[index][edge] for edge in cell.incoming(node)]
            present = [edge for edge in incoming if live_candidates(decisions, edge)]
            keeps = cell.count_kept(node)
            if keeps > len(present):
                raise ValueError(
                    f"node {node} of {cell.name} keeps {keeps} inputs but has only "
                    f"{len(present)}: open one of its edges"
                )
            kept = rng.choice(len(present), keeps, replace=False)
            for place in sorted(kept.tolist()):
                edge = present[place]
                candidates = live_candidates(decisions, edge)
                choice = candidates[int(rng.integers(len(candidates)))]
                drawn = drawn.decide(index, edge.index, choice)
    return drawn.architecture()


def rows_within(
    space: SearchSpace,
    decisions: Decisions,
    rows: np.ndarray,
) -> np.ndarray:
    """Return which architectures have live operations only.

    Args:
        space: the search space.
        decisions: which operations are live.
        rows: architectures in the form of :mod:`.truth.choices`, (architectures, edges)
            of int8.

    Returns:
        one bool per architecture, (architectures,).
    """
    inside = np.ones(len(rows), dtype=bool)
    for column, edge in enumerate(chain.from_iterable(space.edges)):
        allowed = [*live_candidates(decisions, edge), DROPPED]
        inside &= np.isin(rows[:, column], allowed)
    return inside
