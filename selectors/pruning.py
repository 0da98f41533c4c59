"""Nodes thinned out by perturbation (DARTS-PT, section 4.2, and Zero-Cost-PT alike).

After all operations are chosen, every input of a node that has too many is removed in
turn, and the one whose removal leaves the best supernet is dropped, until as many are
left as the node keeps.
"""

from __future__ import annotations

from collections.abc import Callable

from archselect.nasbench_adapters.space import DROPPED, Decisions, OverfullNode
from archselect.selectors.search import Search


def prune_node(
    search: Search,
    node: OverfullNode,
    score: Callable[[Decisions], float],
    *,
    edges_restored: bool,
) -> None:
    """Drop inputs of a node until it has as many as it keeps, all at one step.

    Args:
        search: in which the inputs are decided.
        node: with too many inputs.
        score: of the supernet under decisions, on the scale of the search's operations
            (best without an edge that matters).
        edges_restored: whether an edge dropped here is back in the supernet while the
            next one is judged, as in the released code.
    """
    judged = search.decisions
    with search.step():
        for _ in range(len(node.inputs) - node.keeps):
            removed = {
                edge: judged.decide(edge.cell, edge.index, DROPPED)
                for edge in search.inputs(node)
            }
            search.drop(
                node, {edge: score(decisions) for edge, decisions in removed.items()}
            )
            if not edges_restored:
                judged = search.decisions
