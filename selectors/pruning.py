"""Pruning of nodes by perturbation (DARTS-PT, section 4.2; Zero-Cost-PT does the same).

After all operations are chosen, every input of a node that has too many is removed in
turn, and the one whose removal leaves the best supernet is dropped, until as many are
left as the node keeps.
"""

from __future__ import annotations

from collections.abc import Callable

from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.space import DROPPED, Edge, OverfullNode
from archselect.selectors.search import Search


def prune_node(
    search: Search,
    node: OverfullNode,
    measure: Callable[[Mixture], float],
    *,
    edges_restored: bool,
    same_again: bool = False,
) -> None:
    """Drop inputs of a node until it has as many as it keeps, all at one step.

    Args:
        search: in which the inputs are decided.
        node: with too many inputs.
        measure: returns the score of the supernet under a mixture, on the scale of the
            search's operations (best without an edge that matters).
        edges_restored: whether an edge dropped here is back in the supernet while the
            next one is judged, as in the released code.
        same_again: whether the measure of one mixture is the same each time, so that an
            edge is measured again only if the supernet has changed.
    """
    judged = search.decisions
    scores: dict[Edge, float] = {}
    with search.step():
        for _ in range(len(node.inputs) - node.keeps):
            inputs = search.inputs(node)
            for edge in inputs:
                if edge not in scores or not same_again:
                    without_edge = judged.decide(edge.cell, edge.index, DROPPED)
                    scores[edge] = measure(search.mixture_of(without_edge))
            search.drop(node, {edge: scores[edge] for edge in inputs})
            if not edges_restored:
                judged = search.decisions
                scores.clear()
