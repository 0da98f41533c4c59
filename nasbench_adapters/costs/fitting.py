"""Costs that are fitted on some cells of a table.

A study chooses one of two forms:

* **additive**: a constant plus an amount for each operation, which is the same on every
  edge of a cell type. It is a linear least-squares fit on counts of operations, because
  latencies are almost additive in these. A term for each edge would explain hardly
  more, and needs more cells. `none` adds nothing, like an edge that is not kept.
* **mlp**: a perceptron with two hidden layers of 64 rectified units on one-hot edges,
  as in latency-aware search (Xu et al., 2020, arXiv 2001.06392, which does not give the
  sizes). It is trained by Adam with learning rate 0.001, for 300 epochs, on the squared
  error of the standardised cost.

This file does not import torch.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from archselect.nasbench_adapters.costs.additive import sum_rows
from archselect.nasbench_adapters.costs.base import (
    AdditiveRows,
    Cost,
    FitQuality,
    Regressor,
)
from archselect.nasbench_adapters.costs.draws import Draw, draw_cells
from archselect.nasbench_adapters.costs.quality import Closeness, compare_costs
from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import NONE, Architecture, SearchSpace
from archselect.nasbench_adapters.truth.choices import flatten, split_by_cell

FIT_SEED = 0
"""Seed of the draw of the cells, and of a perceptron's weights."""
HIDDEN = (64, 64)
"""Numbers of units of the perceptron's hidden layers."""
RATE = 1e-3
EPOCHS = 300
FEWEST_FOR_PERCEPTRON = 20
"""Smallest number of cells for a perceptron."""
DIGITS = 6
"""Number of significant digits of fitted numbers.

Rounding makes them equal on all processors.
"""


class FittedCost(Cost):
    """A cost that is fitted when it is first needed.

    Args:
        table: table to fit on.
        column: name of the column.
        cells: number of cells for the fit.
        seed: seed of the draw of the cells.

    Raises:
        UserError: if there are too few or too many cells, or the costs cannot be
            fitted.
    """

    form: ClassVar[str]

    def __init__(
        self, table: CostTable, column: str, cells: int, seed: int = FIT_SEED
    ) -> None:
        self.space = table.space
        self._table = table
        self._column = column
        self._cells = cells
        self._seed = seed
        self.name = f"{self.form}:{table.name}/{column}@{cells}"
        self.unit = table.column(column).unit
        self.origin = f"{self.form} fit on {cells:,} cells of {table.describe(column)}"
        check_cells(self.form, table, column, cells)

    def of(self, architecture: Architecture) -> float | None:
        """Return the fitted cost of an architecture; never None."""
        return float(self.of_many([architecture])[0])

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the fitted cost of each architecture, float64."""
        if not architectures:
            return np.zeros(0)
        choices = np.stack([flatten(architecture) for architecture in architectures])
        return self._predict(choices)

    @property
    def fit(self) -> FitQuality:
        """Quality of the fit on held-out cells."""
        closeness = self.closeness
        return FitQuality(
            cells=len(self.draw.fitted),
            held_out=len(self.draw.held_out),
            mape=round(closeness.mape, DIGITS),
            rank_correlation=_round_if_any(closeness.rank_correlation),
        )

    @cached_property
    def closeness(self) -> Closeness:
        """Agreement of fitted and measured costs on held-out cells."""
        rows = self.draw.held_out
        predicted = self._predict(self._table.architectures[rows])
        return compare_costs(predicted, self._table.values(self._column)[rows])

    @cached_property
    def draw(self) -> Draw:
        """Cells for the fit, and held-out cells."""
        return draw_cells(self._table, self._column, self._cells, self._seed)

    @property
    def _examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of choices for the fit, and the cost of each."""
        rows = self.draw.fitted
        choices = self._table.architectures[rows]
        return choices, self._table.values(self._column)[rows]

    @abstractmethod
    def _predict(self, choices: np.ndarray) -> np.ndarray:
        """Return the fitted cost of each row of choices, float64."""


class AdditiveCost(FittedCost):
    """A least-squares fit on counts of operations (form "additive")."""

    form = "additive"

    def rows(self) -> AdditiveRows:
        """Return the fitted amount of every operation, and the constant."""
        return self._rows

    @cached_property
    def _rows(self) -> AdditiveRows:
        choices, costs = self._examples
        counts = count_operations(self.space, choices)
        # Subtract the means, so that least squares finds the smallest amounts among
        # equally good solutions.
        middle = counts.mean(axis=0)
        amounts, *_ = np.linalg.lstsq(counts - middle, costs - costs.mean(), rcond=None)
        amounts = _round_digits(amounts)
        base = float(_round_digits(np.array([costs.mean() - middle @ amounts]))[0])
        return AdditiveRows(base, _spread_amounts(self.space, amounts))

    def _predict(self, choices: np.ndarray) -> np.ndarray:
        return sum_rows(self.space, self._rows, choices)


class PerceptronCost(FittedCost):
    """A perceptron on one-hot edges (form "mlp")."""

    form = "mlp"

    def regressor(self) -> Regressor:
        """Return the layers of the perceptron, and the scale of its costs."""
        return self._regressor

    @cached_property
    def _regressor(self) -> Regressor:
        choices, costs = self._examples
        mean = float(costs.mean())
        sd = float(costs.std()) or 1.0
        network = _train_perceptron(
            one_hot(self.space, choices), (costs - mean) / sd, self._seed
        )
        return Regressor(
            weights=tuple(map(_round_digits, network.coefs_)),
            biases=tuple(map(_round_digits, network.intercepts_)),
            offset=mean,
            scale=sd,
        )

    def _predict(self, choices: np.ndarray) -> np.ndarray:
        return evaluate_regressor(self._regressor, one_hot(self.space, choices))


FITS: dict[str, type[FittedCost]] = {
    kind.form: kind for kind in (AdditiveCost, PerceptronCost)
}
"""Forms of fits by name."""


def check_cells(form: str, table: CostTable, column: str, cells: int) -> None:
    """Raise UserError unless a form can be fitted on `cells` cells of a column."""
    fewest = FEWEST_FOR_PERCEPTRON
    if form == AdditiveCost.form:
        fewest = 2 * (len(operation_names(table.space)) + 1)
    if cells < fewest:
        raise UserError(
            f"{form} costs of {table.space.name} need at least {fewest} cells, not {cells:,}"
        )
    values = table.values(column)
    usable = int(np.isfinite(values).sum())
    if cells >= usable:
        gaps = table.gaps(column).describe()
        reason = f" ({gaps})" if gaps else ""
        raise UserError(
            f"a fit on {cells:,} cells leaves no cells to test it: table '{table.name}' has {usable:,} usable costs in "
            f"column {column}{reason}; take fewer"
        )
    if not np.nanmin(values) > 0:
        raise UserError(
            f"column {column} of table '{table.name}' has costs of zero, which have no error in per cent: fit "
            "another column"
        )


def operation_names(space: SearchSpace) -> list[tuple[int, str]]:
    """Return the operations for which an additive fit has an amount.

    Each is (index of the cell type, name). `none` adds nothing and is left out.
    """
    names: dict[tuple[int, str], None] = {}
    for edges in space.edges:
        for edge in edges:
            for name in edge.operations:
                if name != NONE:
                    names[edge.cell, name] = None
    return list(names)


def count_operations(space: SearchSpace, choices: np.ndarray) -> np.ndarray:
    """Return the number of times that each architecture has each operation.

    Args:
        space: the search space.
        choices: the architectures, (architectures, edges of all cell types) of int8.

    Returns:
        counts, (architectures, operations of :func:`operation_names`) of float64.
    """
    places = {name: index for index, name in enumerate(operation_names(space))}
    counts = np.zeros((len(choices), len(places)))
    for edges, chosen in zip(space.edges, split_by_cell(space, choices), strict=True):
        for edge in edges:
            for choice, name in enumerate(edge.operations):
                place = places.get((edge.cell, name))
                if place is not None:
                    counts[:, place] += chosen[:, edge.index] == choice
    return counts


def _spread_amounts(space: SearchSpace, amounts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the amounts of operations as tables, (edges, operations) per cell type."""
    by_name = dict(zip(operation_names(space), amounts, strict=True))
    tables = []
    for edges in space.edges:
        columns = max((len(edge.operations) for edge in edges), default=0)
        table = np.zeros((len(edges), columns))
        for edge in edges:
            for choice, name in enumerate(edge.operations):
                table[edge.index, choice] = by_name.get((edge.cell, name), 0.0)
        tables.append(table)
    return tuple(tables)


def one_hot(space: SearchSpace, choices: np.ndarray) -> np.ndarray:
    """Return architectures as inputs of :class:`.base.Regressor`.

    Args:
        space: the search space.
        choices: the architectures, (architectures, edges of all cell types) of int8.

    Returns:
        inputs, (architectures, edges × operations of all cell types) of float64.
    """
    blocks = []
    for edges, chosen in zip(space.edges, split_by_cell(space, choices), strict=True):
        columns = max((len(edge.operations) for edge in edges), default=0)
        is_chosen = chosen[:, :, None] == np.arange(columns)
        blocks.append(is_chosen.reshape(len(choices), -1))
    return np.concatenate(blocks, axis=1).astype(np.float64)


def evaluate_regressor(regressor: Regressor, inputs: np.ndarray) -> np.ndarray:
    """Return the costs that a perceptron computes.

    Args:
        regressor: the perceptron.
        inputs: inputs of the architectures, (architectures, inputs) of float64.

    Returns:
        one cost per architecture, float64.
    """
    values = inputs
    last = len(regressor.weights) - 1
    layers = zip(regressor.weights, regressor.biases, strict=True)
    for index, (weights, biases) in enumerate(layers):
        values = values @ weights + biases
        if index < last:
            values = np.maximum(values, 0)
    return regressor.offset + regressor.scale * values[:, 0]


def _train_perceptron(inputs: np.ndarray, targets: np.ndarray, seed: int) -> Any:
    """Return scikit-learn's perceptron, trained for :data:`EPOCHS` epochs."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from threadpoolctl import threadpool_limits

    network = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        alpha=0.0,
        learning_rate_init=RATE,
        max_iter=EPOCHS,
        tol=0.0,
        n_iter_no_change=EPOCHS,
        random_state=seed,
    )
    # With several threads, such small layers are slower, and sums can vary.
    with warnings.catch_warnings(), threadpool_limits(1):
        # The number of epochs is fixed, so a warning about convergence has no use.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(inputs, targets)


def _round_digits(values: np.ndarray) -> np.ndarray:
    """Return numbers rounded to :data:`DIGITS` significant digits."""
    safe = np.where(values == 0, 1.0, np.abs(values))
    powers = 10.0 ** (DIGITS - 1 - np.floor(np.log10(safe)))
    return np.round(values * powers) / powers


def _round_if_any(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
