"""The cost of a mixture: a cost of architectures, extended to tables of weights.

A cost that is a sum over edges is linear in the weights: it is exactly the mean cost of
cells that are drawn edge by edge. A perceptron is evaluated at the weights, which does
not give the mean cost; records state the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.costs.base import Cost, NetworkShape, Regressor
from archselect.nasbench_adapters.costs.opening import open_cost
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, SearchSpace

MOST_CELLS = 100_000
"""The largest space whose cells are all used to find the range of a cost."""
RANDOM_CELLS = 1_000
"""Number of random cells that give the range of a cost in a larger space."""


class Limits(NamedTuple):
    """The lowest and highest cost of the cells of a space."""

    low: float
    high: float


class MixtureCost:
    """A cost as a differentiable function of tables of weights.

    Args:
        cost: a sum over edges, or a perceptron.
        space: space of the tables.

    Attributes:
        of: text that names the cost.
        unit: unit of the cost.
        limits: lowest and highest cost of the space's cells, or of 1,000 random cells
            (seed 0) if the space has more than 100,000.

    Raises:
        UserError: the cost can only be looked up, or is the same for all cells.
    """

    def __init__(self, of: str, cost: Cost, space: SearchSpace) -> None:
        self.of = of
        self.unit = cost.unit
        self._cost = cost
        self._rows = cost.rows()
        self._regressor = cost.regressor() if self._rows is None else None
        if self._rows is None and self._regressor is None:
            raise UserError(
                f"cost '{of}' can only be looked up, so it has no gradient: use a fitted one, such as "
                "additive:NAME/COLUMN@100"
            )
        costs = cost.of_many(_cells_of(space))
        self.limits = Limits(float(costs.min()), float(costs.max()))
        if not self.limits.low < self.limits.high:
            raise UserError(
                f"cost '{of}' is the same for all cells of {space.name}, so it cannot be penalised: choose another cost"
            )
        self._on_device: dict[torch.device, list[Tensor]] = {}

    def __call__(self, tables: Sequence[Tensor]) -> Tensor:
        """Return the cost of a mixture, a scalar in the cost's unit.

        Args:
            tables: weights (edges, operations) per cell type.
        """
        constants = self._constants(tables[0].device)
        if self._rows is not None:
            total = torch.tensor(self._rows.base, device=tables[0].device)
            for table, amounts in zip(tables, constants, strict=True):
                total = total + (table * amounts).sum()
            return total
        assert self._regressor is not None
        return _evaluate(self._regressor, constants, tables)

    def of_drawn_cells(
        self,
        probabilities: Sequence[np.ndarray],
        draws: int,
        seed: int,
    ) -> np.ndarray:
        """Return the costs of cells drawn edge by edge, (draws,).

        Args:
            probabilities: (edges, operations) per cell type. An edge whose row has no
                positive entry has no operation.
            draws: number of cells.
            seed: seed of the draws.
        """
        rng = np.random.default_rng(seed)
        one_hot = [_draw_tables(table, draws, rng) for table in probabilities]
        costs = []
        for draw in range(draws):
            tables = [torch.from_numpy(cells[draw]) for cells in one_hot]
            costs.append(float(self(tables)))
        return np.array(costs)

    def _constants(self, device: torch.device) -> list[Tensor]:
        """Return the arrays of the cost on a device; copy them once."""
        if device not in self._on_device:
            if self._rows is not None:
                arrays = list(self._rows.tables)
            else:
                assert self._regressor is not None
                layers = zip(
                    self._regressor.weights, self._regressor.biases, strict=True
                )
                arrays = list(chain.from_iterable(layers))
            self._on_device[device] = [
                torch.from_numpy(array).float().to(device) for array in arrays
            ]
        return self._on_device[device]


def _evaluate(
    regressor: Regressor,
    constants: Sequence[Tensor],
    tables: Sequence[Tensor],
) -> Tensor:
    """Return a perceptron's cost of tables of weights, a scalar.

    Args:
        regressor: regressor that gives the scale of the cost.
        constants: weights and biases, alternating, on the tables' device.
        tables: (edges, operations) per cell type.
    """
    flat = [table.flatten() for table in tables]
    x = torch.cat(flat).float()
    layers = len(constants) // 2
    for layer in range(layers):
        weights, biases = constants[2 * layer : 2 * layer + 2]
        x = x @ weights + biases
        if layer + 1 < layers:
            x = F.relu(x)
    return regressor.offset + regressor.scale * x[0]


def _draw_tables(
    table: np.ndarray,
    draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return one-hot tables (draws, edges, operations), drawn by a table's rows."""
    edges, operations = table.shape
    cells = np.zeros((draws, edges, operations), dtype=np.float32)
    for edge, row in enumerate(table.astype(np.float64)):
        total = row.sum()
        if total > 0:
            chosen = rng.choice(operations, size=draws, p=row / total)
            cells[np.arange(draws), edge, chosen] = 1
    return cells


def _cells_of(space: SearchSpace) -> list[Architecture]:
    """Return all cells of a space, or random cells if there are too many."""
    if space.enumerable and space.size <= MOST_CELLS:
        return list(space.enumerate())
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(RANDOM_CELLS)]


def open_mixture_cost(
    of: str,
    space: SearchSpace,
    network: NetworkShape,
) -> MixtureCost:
    """Return the cost of mixtures that a text names, as in :func:`.open_cost`.

    Raises UserError if the text is no cost, or the cost has no gradient.
    """
    return _open(of, space, network.image_shape, network.classes, _frozen(network))


def _frozen(network: NetworkShape) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(network.skeleton.items()))


@lru_cache(maxsize=32)
def _open(
    of: str,
    space: SearchSpace,
    image_shape: tuple[int, int, int],
    classes: int,
    skeleton: tuple[tuple[str, Any], ...],
) -> MixtureCost:
    """Return the cost of mixtures; cache it, because fitting takes seconds."""
    network = NetworkShape(dict(skeleton), image_shape, classes)
    return MixtureCost(of, open_cost(of, space, network), space)
