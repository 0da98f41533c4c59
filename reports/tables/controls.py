"""Controls: scores of operations that need no supernet."""

from __future__ import annotations

import numpy as np

from archselect.benchmarks.store.records import (
    Landscape,
    OperationScore,
    ScorerFacts,
)
from archselect.reports.tables.oracles import (
    ORACLES,
    TAU,
    EdgeOperation,
    as_score,
    as_scorer,
    coefficient_in_words,
    edge_coefficients,
    oracles_of,
)

CONSTANT_ORDER = "constant order"
PARAMETERS = "parameters"


def controls_of(landscape: Landscape) -> list[ScorerFacts]:
    """Return the controls: one constant order of the operations, and their parameters.

    The constant order scores an operation on an edge with the mean over the *other*
    edges of its cell type of the mean accuracy of the cells that have it there, so that
    no edge has a part in its own order. An operation that no other edge has is not
    scored. A landscape without the facts that a control needs has no such control.
    """
    controls = {
        CONSTANT_ORDER: _constant_scores(landscape),
        PARAMETERS: _parameter_scores(landscape),
    }
    return [as_scorer(name, scores) for name, scores in controls.items() if scores]


def controls_in_words(landscape: Landscape) -> str:
    """Return one sentence with the τ-b of each control with both oracles.

    Empty where there is no control.
    """
    parts = []
    for control in controls_of(landscape):
        name = control.name
        order = order_in_words(landscape)
        if name == CONSTANT_ORDER and order:
            name = f"{name} ({order})"
        parts.append(f"{name}, τ-b {_taus_in_words(control, landscape)}")
    if not parts:
        return ""
    return f"Controls that look at no supernet: {'; '.join(parts)}."


def _taus_in_words(control: ScorerFacts, landscape: Landscape) -> str:
    """Return a control's mean τ-b with each oracle, such as "0.700 with best-acc"."""
    oracles = oracles_of(landscape)
    parts = []
    for name in ORACLES:
        coefficients = edge_coefficients(
            control.scores, control.scale.better, oracles[name]
        )
        tau = coefficient_in_words(TAU.mean(coefficients))
        parts.append(f"{tau} with {name}")
    return " and ".join(parts)


def order_in_words(landscape: Landscape) -> str:
    """Return the operations by their mean accuracy over all edges, such as "a > b > c".

    Empty where there are several cell types, where edges have different operations, and
    where an accuracy is missing.
    """
    if len(landscape.operations) != 1:
        return ""
    (edges,) = landscape.operations
    if not edges or any(names != edges[0] for names in edges):
        return ""
    means = np.mean(landscape.oracle_mean[0], axis=0)
    if np.isnan(means).any():
        return ""
    best_first = np.argsort(-means, kind="stable")
    return " > ".join(edges[0][choice] for choice in best_first)


def _constant_scores(landscape: Landscape) -> list[OperationScore]:
    """Return the scores of the constant order."""
    scores = []
    for cell, names in enumerate(landscape.operations):
        oracle = landscape.oracle_mean[cell]
        for edge in range(len(names)):
            for choice, mean in _means_on_other_edges(names, oracle, edge).items():
                scores.append(as_score(EdgeOperation(cell, edge, choice), mean))
    return scores


def _parameter_scores(landscape: Landscape) -> list[OperationScore]:
    """Return the operations' numbers of parameters as scores."""
    scores = []
    for cell, edges in enumerate(landscape.operation_parameters):
        for edge, operations in enumerate(edges):
            for choice, parameters in enumerate(operations):
                operation = EdgeOperation(cell, edge, choice)
                scores.append(as_score(operation, float(parameters)))
    return scores


def _means_on_other_edges(
    names: list[list[str]], oracle: list[list[float]], edge: int
) -> dict[int, float]:
    """Return, by choice, an operation's mean oracle on the cell type's other edges.

    Operations that no other edge has are left out.

    Args:
        names: the operations' names, `names[edge][choice]`.
        oracle: what they are worth, `oracle[edge][choice]`.
        edge: the edge to score.
    """
    others = [other for other in range(len(names)) if other != edge]
    means = {}
    for choice, name in enumerate(names[edge]):
        elsewhere = [
            oracle[other][names[other].index(name)]
            for other in others
            if name in names[other]
        ]
        known = [value for value in elsewhere if not np.isnan(value)]
        if known:
            means[choice] = float(np.mean(known))
    return means
