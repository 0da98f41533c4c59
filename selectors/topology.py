"""Completes nodes that have fewer inputs than the space keeps per node."""

from __future__ import annotations

from archselect.nasbench_adapters.space import (
    DROPPED,
    NONE,
    Decisions,
    Edge,
    SearchSpace,
)


def fill_nodes(
    space: SearchSpace,
    decisions: Decisions,
) -> Decisions:
    """Return decisions in which every node that drops inputs has enough of them.

    Only S3 can have edges decided for `none` there, and so nodes with too few live
    inputs. As in the released code's `genotype()`, such a node gets more inputs, in the
    order of its edges, each with the edge's first operation other than `none`.
    """
    for index, cell in enumerate(space.cells):
        edges = space.edges[index]
        for node in cell.summing_nodes:
            keeps = cell.kept_inputs(node)
            if keeps is not None:
                inputs = [edges[edge] for edge in cell.incoming(node)]
                decisions = _fill_node(decisions, inputs, keeps)
    return decisions


def _fill_node(
    decisions: Decisions,
    inputs: list[Edge],
    keeps: int,
) -> Decisions:
    """Return decisions in which one node has as many live inputs as it keeps."""
    idle = [edge for edge in inputs if not _is_live(decisions, edge)]
    live = len(inputs) - len(idle)
    missing = min(keeps, len(inputs)) - live
    if not missing:
        return decisions
    for place, edge in enumerate(idle):
        choice = edge.candidates[0] if place < missing else DROPPED
        decisions = decisions.decide(edge.cell, edge.index, choice)
    return decisions


def _is_live(decisions: Decisions, edge: Edge) -> bool:
    """Return whether an edge is not dropped and not decided for `none`.

    An open edge counts as live.
    """
    choice = decisions.choices[edge.cell][edge.index]
    return choice != DROPPED and edge.operations[choice] != NONE
