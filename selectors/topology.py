"""Topology: which incoming edges a node keeps, where the space keeps a number of them.

By strength (DARTS, section 2.4): those whose operation weighs most. By perturbation (DARTS-PT, section 4.2, and
Zero-Cost-PT alike): after all operations are chosen, every edge of a node that has too many is removed in turn, and the
one whose removal leaves the best supernet is dropped, until as many are left as the space's topology rule keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from archselect.nasbench_adapters.space import DROPPED, NONE, Architecture, Decisions, Edge, SearchSpace
from archselect.selectors.base import Log


def keep_strongest(
    space: SearchSpace, log: Log, decisions: Decisions, strength: Mapping[Edge, float], step: int
) -> Architecture:
    """The architecture of decisions, with the strongest edges of every node where the space keeps a number of inputs.

    Args:
        decisions: on every edge that has a choice.
        strength: by (cell, edge), the higher the stronger; ties go to the lower index.
        step: at which the other edges are dropped, not before the last score.
    """
    decisions = space.settled(decisions)
    for (cell, node), edges in space.crowded(decisions).items():
        ranked = sorted(edges, key=lambda edge: -strength[cell, edge])
        for edge in ranked[space.cells[cell].kept_inputs(node) :]:
            log.decide(0, step, cell, edge, DROPPED)
            decisions = decisions.decide(cell, edge, DROPPED)
    return complete(space, decisions).architecture()


def thin(
    space: SearchSpace,
    log: Log,
    decisions: Decisions,
    cell: int,
    node: int,
    score: Callable[[Decisions], float],
    *,
    round: int,
    step: int,
    edges_restored: bool,
) -> Decisions:
    """The decisions with the node's surplus edges dropped.

    Args:
        score: of the supernet under decisions, on the scale of the log's operations (best without an edge that
            matters).
        edges_restored: whether an edge dropped here is back in the supernet while the next one is judged, as in the
            released code.
    """
    kept = space.cells[cell].kept_inputs(node)
    assert kept is not None
    edges, judged = list(space.crowded(decisions)[cell, node]), decisions
    while len(edges) > kept:
        worst = log.edges(round, step, cell, node, {edge: score(judged.decide(cell, edge, DROPPED)) for edge in edges})
        log.decide(round, step, cell, worst, DROPPED)
        edges.remove(worst)
        decisions = decisions.decide(cell, worst, DROPPED)
        judged = judged if edges_restored else decisions
    return decisions


def thin_each(
    space: SearchSpace,
    log: Log,
    decisions: Decisions,
    pick: Callable[[list[int]], int],
    score: Callable[[Decisions], float],
    *,
    round: int,
    steps: Iterator[int],
    edges_restored: bool,
) -> Decisions:
    """One node of every cell type thinned out, each at a step of its own; `pick` chooses among the crowded nodes."""
    crowded = space.crowded(decisions)
    for c in range(len(space.cells)):
        if nodes := [node for cell, node in crowded if cell == c]:
            node = pick(nodes)
            decisions = thin(
                space, log, decisions, c, node, score, round=round, step=next(steps), edges_restored=edges_restored
            )
    return decisions


def complete(space: SearchSpace, decisions: Decisions) -> Decisions:
    """The decisions without `none` on edges of nodes that keep a number of inputs (which only S3 could have).

    As in the released code's `genotype()`, a node left with fewer live inputs than it keeps is filled up from its
    lowest edge on, each with the edge's first operation other than `none`.
    """
    for c, cell in enumerate(space.cells):
        for node in range(cell.inputs, cell.nodes):
            kept, edges = cell.kept_inputs(node), cell.incoming(node)
            row = decisions.choices[c]
            live = [e for e in edges if row[e] != DROPPED and cell.operations[e][row[e]] != NONE]
            if kept is None or len(live) == min(kept, len(edges)):
                continue
            filled = [edge for edge in edges if edge not in live][: kept - len(live)]
            for edge in edges:
                if edge not in live:
                    decisions = decisions.decide(c, edge, cell.candidates(edge)[0] if edge in filled else DROPPED)
    return decisions
