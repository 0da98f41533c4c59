"""Costs that are looked up in a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archselect.nasbench_adapters.costs.base import Cost
from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.space import Architecture


class TableCost(Cost):
    """A column of a table; near-zero entries count as missing.

    Args:
        table: table of costs.
        column: name of the column.

    Raises:
        UserError: if there is no such column.
    """

    def __init__(self, table: CostTable, column: str) -> None:
        self.space = table.space
        self.name = f"table:{table.name}/{column}"
        self.unit = table.column(column).unit
        self.origin = table.describe(column)
        self._table = table
        self._values = table.values(column)

    def of(self, architecture: Architecture) -> float | None:
        """Return the cost of an architecture, None if the table has none."""
        value = float(self.of_many([architecture])[0])
        return None if np.isnan(value) else value

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the costs of architectures as float64, NaN for a missing one."""
        rows = self._table.rows_of(architectures)
        return np.where(rows >= 0, self._values[rows], np.nan)
