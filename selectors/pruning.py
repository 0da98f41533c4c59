"""Pruning of nodes by perturbation (DARTS-PT, section 4.2; Zero-Cost-PT does the same).

It starts when all operations are chosen. For a node with too many inputs, it removes
each input in turn, scores the supernet, and drops the input whose removal leaves the
best supernet. It repeats this until the node has as many inputs as it keeps.
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
    """Drop inputs of a node, in one step, until it has as many as it keeps.

    Args:
        search: the search to change.
        node: a node with too many inputs.
        measure: returns the score of the supernet under a mixture, on the scale of the
            search's operations: removing an important edge gives the best score.
        edges_restored: whether a dropped edge is put back into the supernet while the
            next one is scored, as in the released code.
        same_again: whether `measure` returns the same score each time for one mixture;
            then an edge is scored again only after the supernet has changed.
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
