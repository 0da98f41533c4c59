"""Oracle values of operations, and their rank correlation with scores by edge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from archselect.benchmarks.store.records import (
    Landscape,
    OperationScore,
    Scale,
    ScorerFacts,
)
from archselect.nasbench_adapters.errors import unknown
from archselect.reports.statistics.correlations import Coefficient, coefficient
from archselect.reports.statistics.intervals import Better
from archselect.reports.tables.table import NONE

BEST_ACCURACY = "best-acc"
"""The best accuracy of the cells with an operation on an edge."""
MEAN_ACCURACY = "avg-acc"
"""The mean accuracy of the cells with an operation on an edge."""
ORACLES = (BEST_ACCURACY, MEAN_ACCURACY)
"""The oracles of a landscape."""


class EdgeOperation(NamedTuple):
    """An operation on an edge, by the indices of cell type, edge and operation."""

    cell: int
    edge: int
    choice: int


Oracle = Mapping[EdgeOperation, float]
"""The value of each operation; higher is better."""

Edge = tuple[int, int]
"""An edge: the index of its cell type, and its own index."""


def oracles_of(landscape: Landscape) -> dict[str, Oracle]:
    """Return the oracles of a landscape, by the names in :data:`ORACLES`."""
    return {
        BEST_ACCURACY: _by_operation(landscape.oracle_best),
        MEAN_ACCURACY: _by_operation(landscape.oracle_mean),
    }


def _by_operation(oracle: list[list[list[float]]]) -> Oracle:
    """Return the values of `oracle[cell][edge][choice]` by operation."""
    values = {}
    for cell, edges in enumerate(oracle):
        for edge, operations in enumerate(edges):
            for choice, value in enumerate(operations):
                values[EdgeOperation(cell, edge, choice)] = value
    return values


def oracle_in(scorers: Sequence[ScorerFacts], name: str) -> Oracle:
    """Return a scorer of a file as an oracle, signed so that higher is better.

    Raises UserError, with the most similar name, if there is no such scorer.
    """
    for scorer in scorers:
        if scorer.name == name:
            sign = 1 if scorer.scale.better == "higher" else -1
            return {operation_of(score): sign * score.value for score in scorer.scores}
    raise unknown("scorer of the file", name, [scorer.name for scorer in scorers])


def operation_of(score: OperationScore) -> EdgeOperation:
    """Return the operation of a score."""
    return EdgeOperation(score.cell, score.edge, score.choice)


def as_scorer(name: str, scores: list[OperationScore]) -> ScorerFacts:
    """Return scores, with higher ones better, as a scorer."""
    scale = Scale(name=name, better="higher")
    return ScorerFacts(name=name, scale=scale, scores=scores)


def as_score(operation: EdgeOperation, value: float) -> OperationScore:
    """Return the value of an operation as a score of round 0 and step 0."""
    return OperationScore(
        round=0,
        step=0,
        cell=operation.cell,
        edge=operation.edge,
        choice=operation.choice,
        value=value,
    )


def edge_coefficients(
    scores: Sequence[OperationScore], better: Better, oracle: Oracle
) -> dict[Edge, Coefficient]:
    """Return both correlation coefficients between scores and oracle, by edge.

    Raises KeyError, with the operation, if the oracle has no value for it.
    """
    by_edge: dict[Edge, list[OperationScore]] = defaultdict(list)
    for score in scores:
        by_edge[score.cell, score.edge].append(score)
    coefficients = {}
    for edge, of_edge in sorted(by_edge.items()):
        values = [score.value for score in of_edge]
        worth = [oracle[operation_of(score)] for score in of_edge]
        coefficients[edge] = coefficient(values, worth, better, 2, "operations scored")
    return coefficients


@dataclass(frozen=True)
class RankCorrelation:
    """A rank correlation: its name in frames, and its label for readers."""

    name: Literal["tau", "rho"]
    label: str

    def column(self, oracle: str) -> str:
        """Return the frame's column for this measure and an oracle."""
        return f"{self.name}_vs_{oracle}"

    def edge_column(self, oracle: str, edge: Edge) -> str:
        """Return the frame's column for this measure and an oracle on one edge."""
        cell, place = edge
        return f"{self.column(oracle)}:{cell}.{place}"

    def header(self, oracle: str) -> str:
        """Return the header for this measure and an oracle."""
        return f"{self.label} {oracle} ↑"

    def value(self, coefficient: Coefficient) -> float | None:
        """Return this measure's value of the two coefficients."""
        return coefficient.tau if self.name == "tau" else coefficient.rho

    def mean(self, coefficients: Mapping[Edge, Coefficient]) -> float | None:
        """Return the mean over edges with a defined value; None if there is none."""
        values = [self.value(coefficient) for coefficient in coefficients.values()]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


TAU = RankCorrelation("tau", "τ-b")
RHO = RankCorrelation("rho", "ρ")
MEASURES = (TAU, RHO)


def coefficient_in_words(value: float | None) -> str:
    """Return a coefficient with three decimals."""
    return NONE if value is None else f"{value:.3f}"
