"""What operations are worth, and how well scores agree with that, edge by edge."""

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
    """One operation on one edge, by indices."""

    cell: int
    edge: int
    choice: int


Oracle = Mapping[EdgeOperation, float]
"""What each operation is worth."""

Edge = tuple[int, int]
"""An edge, by the indices of its cell type and of itself."""


def oracles_of(landscape: Landscape) -> dict[str, Oracle]:
    """Return the oracles of a landscape, by the names in :data:`ORACLES`."""
    return {
        BEST_ACCURACY: _by_operation(landscape.oracle_best),
        MEAN_ACCURACY: _by_operation(landscape.oracle_mean),
    }


def _by_operation(oracle: list[list[list[float]]]) -> Oracle:
    """Return `oracle[cell][edge][choice]` by operation."""
    values = {}
    for cell, edges in enumerate(oracle):
        for edge, operations in enumerate(edges):
            for choice, value in enumerate(operations):
                values[EdgeOperation(cell, edge, choice)] = value
    return values


def oracle_in(scorers: Sequence[ScorerFacts], name: str) -> Oracle:
    """Return a scorer of a file as an oracle, signed so that higher is better.

    Raises UserError, with the nearest name, if there is none of that name.
    """
    for scorer in scorers:
        if scorer.name == name:
            sign = 1 if scorer.scale.better == "higher" else -1
            return {operation_of(score): sign * score.value for score in scorer.scores}
    raise unknown("scorer of the file", name, [scorer.name for scorer in scorers])


def operation_of(score: OperationScore) -> EdgeOperation:
    """Return the operation that a score is of."""
    return EdgeOperation(score.cell, score.edge, score.choice)


def as_scorer(name: str, scores: list[OperationScore]) -> ScorerFacts:
    """Return scores of which higher ones are better as a scorer."""
    scale = Scale(name=name, better="higher")
    return ScorerFacts(name=name, scale=scale, scores=scores)


def as_score(operation: EdgeOperation, value: float) -> OperationScore:
    """Return a value of an operation as a score that no step of a run made."""
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
    """Return both coefficients of the scores with the oracle, by edge.

    Raises KeyError, with the operation, where the oracle has no value.
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
    """A rank correlation: how a frame names it, and how a reader knows it."""

    name: Literal["tau", "rho"]
    label: str

    def column(self, oracle: str) -> str:
        """Return the column of a frame that has it with an oracle."""
        return f"{self.name}_vs_{oracle}"

    def edge_column(self, oracle: str, edge: Edge) -> str:
        """Return the column of a frame that has it with an oracle on one edge."""
        cell, place = edge
        return f"{self.column(oracle)}:{cell}.{place}"

    def header(self, oracle: str) -> str:
        """Return the header of the shown column that has it with an oracle."""
        return f"{self.label} {oracle} ↑"

    def value(self, coefficient: Coefficient) -> float | None:
        """Return it out of both coefficients."""
        return coefficient.tau if self.name == "tau" else coefficient.rho

    def mean(self, coefficients: Mapping[Edge, Coefficient]) -> float | None:
        """Return its mean over the edges where it is defined; None if there is none."""
        values = [self.value(coefficient) for coefficient in coefficients.values()]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None


TAU = RankCorrelation("tau", "τ-b")
RHO = RankCorrelation("rho", "ρ")
MEASURES = (TAU, RHO)


def coefficient_in_words(value: float | None) -> str:
    """Return a coefficient to three digits."""
    return NONE if value is None else f"{value:.3f}"
