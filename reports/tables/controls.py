"""Controls: operation scores that need no supernet."""

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
    """Return the controls: a constant order of the operations, and parameter counts.

    The constant order scores an operation on an edge by the mean accuracy of the cells
    that have this operation on one of the *other* edges of the cell type, so that an
    edge never scores itself. An operation that no other edge has gets no score. Leave
    out a control if the landscape lacks its data.
    """
    controls = {
        CONSTANT_ORDER: _constant_scores(landscape),
        PARAMETERS: _parameter_scores(landscape),
    }
    return [as_scorer(name, scores) for name, scores in controls.items() if scores]


def controls_in_words(landscape: Landscape) -> str:
    """Return one sentence with each control's τ-b with both oracles.

    It is empty if there is no control.
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
    return f"Controls that use no supernet: {'; '.join(parts)}."


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
    """Return the operations by mean accuracy over all edges, such as "a > b > c".

    It is empty if there are several cell types, if edges have different operations, or
    if an accuracy is missing.
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
    """Return the numbers of parameters of the operations as scores."""
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
    """Return the mean oracle value of each operation on the cell type's other edges.

    Leave out operations that no other edge has.

    Args:
        names: names of the operations, `names[edge][choice]`.
        oracle: values of the operations, `oracle[edge][choice]`.
        edge: edge to score.
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
