"""Costs that are fitted on some cells of a table. No torch here.

Two forms, of which a study names one:

* **additive**: what all cells share, and an amount for each operation, the same on
  every edge of a cell type. It is a linear least-squares fit on counts of operations,
  as latencies are additive in these; a term for each edge explains hardly more, and
  needs more cells. `none`, like an edge that is not kept, adds nothing.
* **mlp**: a perceptron of two hidden layers of 64 rectified units on one-hot edges, as
  in latency-aware search (Xu et al., 2020, arXiv 2001.06392, whose sizes are not
  given): Adam with rate 0.001, 300 epochs, squared error of the standardised cost.
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
"""Units of the perceptron's hidden layers."""
RATE = 1e-3
EPOCHS = 300
FEWEST_FOR_PERCEPTRON = 20
"""Cells below which a perceptron is not fitted."""
DIGITS = 6
"""Significant digits to which fitted numbers are rounded, so that they are the same on
another processor.
"""


class FittedCost(Cost):
    """A cost that is fitted when it is first needed.

    Args:
        table: on which it is fitted.
        column: of the table.
        cells: on how many cells it is fitted.
        seed: of the draw of the cells.

    Raises:
        UserError: if these are too few or too many, or the costs cannot be fitted.
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
        """Return the fitted costs of architectures: float64, one each."""
        if not architectures:
            return np.zeros(0)
        choices = np.stack([flatten(architecture) for architecture in architectures])
        return self._predict(choices)

    @property
    def fit(self) -> FitQuality:
        """How well the fit predicts the cells that it has not seen."""
        closeness = self.closeness
        return FitQuality(
            cells=len(self.draw.fitted),
            held_out=len(self.draw.held_out),
            mape=round(closeness.mape, DIGITS),
            rank_correlation=_round_if_any(closeness.rank_correlation),
        )

    @cached_property
    def closeness(self) -> Closeness:
        """Agreement of fitted and measured costs on the cells held out."""
        rows = self.draw.held_out
        predicted = self._predict(self._table.architectures[rows])
        return compare_costs(predicted, self._table.values(self._column)[rows])

    @cached_property
    def draw(self) -> Draw:
        """Cells that it is fitted on, and those that it is judged on."""
        return draw_cells(self._table, self._column, self._cells, self._seed)

    @property
    def _examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of choices that it is fitted on, and the cost of each."""
        rows = self.draw.fitted
        choices = self._table.architectures[rows]
        return choices, self._table.values(self._column)[rows]

    @abstractmethod
    def _predict(self, choices: np.ndarray) -> np.ndarray:
        """Return the fitted costs of rows of choices: float64, one each."""


class AdditiveCost(FittedCost):
    """A least-squares fit on counts of operations; see the module's text."""

    form = "additive"

    def rows(self) -> AdditiveRows:
        """Return the fitted amount of every operation, and what all cells share."""
        return self._rows

    @cached_property
    def _rows(self) -> AdditiveRows:
        choices, costs = self._examples
        counts = count_operations(self.space, choices)
        # The fit goes through the means, so that of equally good ones the smallest
        # amounts are found.
        middle = counts.mean(axis=0)
        amounts, *_ = np.linalg.lstsq(counts - middle, costs - costs.mean(), rcond=None)
        amounts = _round_digits(amounts)
        base = float(_round_digits(np.array([costs.mean() - middle @ amounts]))[0])
        return AdditiveRows(base, _spread_amounts(self.space, amounts))

    def _predict(self, choices: np.ndarray) -> np.ndarray:
        return sum_rows(self.space, self._rows, choices)


class PerceptronCost(FittedCost):
    """A perceptron on one-hot edges; see the module's text."""

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
"""The forms of fits by name."""


def check_cells(form: str, table: CostTable, column: str, cells: int) -> None:
    """Raise UserError unless a form can be fitted on so many cells of a column."""
    fewest = FEWEST_FOR_PERCEPTRON
    if form == AdditiveCost.form:
        fewest = 2 * (len(operation_names(table.space)) + 1)
    if cells < fewest:
        raise UserError(
            f"{form} costs of {table.space.name} are fitted on at least {fewest} cells, not {cells:,}"
        )
    values = table.values(column)
    usable = int(np.isfinite(values).sum())
    if cells >= usable:
        gaps = table.gaps(column).describe()
        reason = f" ({gaps})" if gaps else ""
        raise UserError(
            f"a fit on {cells:,} cells leaves none to judge it on: table '{table.name}' has {usable:,} usable costs in "
            f"column {column}{reason}; take fewer"
        )
    if not np.nanmin(values) > 0:
        raise UserError(
            f"column {column} of table '{table.name}' has costs of zero, of which no error in per cent is known: fit "
            "another column"
        )


def operation_names(space: SearchSpace) -> list[tuple[int, str]]:
    """Return the operations that an additive fit has an amount for.

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
    """Return how often each architecture has each operation.

    Args:
        space: of the architectures.
        choices: int8, architectures × edges of all cell types.

    Returns:
        float64, architectures × operations of :func:`operation_names`.
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
    """Return amounts of operations as tables: edges × operations per cell type."""
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
    """Return architectures as :class:`.base.Regressor` reads them.

    Args:
        space: of the architectures.
        choices: int8, architectures × edges of all cell types.

    Returns:
        float64, architectures × (edges × operations of all cell types).
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
        inputs: float64, architectures × inputs.

    Returns:
        float64, one per architecture.
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
    # Layers this small are slower on several threads, and sums then vary.
    with warnings.catch_warnings(), threadpool_limits(1):
        # The number of epochs is fixed: it need not converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(inputs, targets)


def _round_digits(values: np.ndarray) -> np.ndarray:
    """Return numbers rounded to :data:`DIGITS` significant digits."""
    safe = np.where(values == 0, 1.0, np.abs(values))
    powers = 10.0 ** (DIGITS - 1 - np.floor(np.log10(safe)))
    return np.round(values * powers) / powers


def _round_if_any(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
