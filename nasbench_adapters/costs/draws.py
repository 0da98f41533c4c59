"""Split of a table's cells into cells for a fit and held-out cells.

This file does not import torch.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.errors import UserError


class Draw(NamedTuple):
    """Rows of a table in two parts; no class of equal function is in both.

    Attributes:
        fitted: rows for the fit, int64.
        held_out: held-out rows, int64.
    """

    fitted: np.ndarray
    held_out: np.ndarray


def draw_cells(table: CostTable, column: str, count: int, seed: int) -> Draw:
    """Return the cells of a column for a fit, and the held-out cells.

    The cells for the fit are drawn uniformly from those with a usable cost. All other
    cells are held out, except those with the same function as a drawn cell.

    Args:
        table: table of costs.
        column: name of the column.
        count: number of cells to draw.
        seed: seed of the draw.

    Raises:
        UserError: if no cell would be held out.
    """
    usable = np.flatnonzero(np.isfinite(table.values(column)))
    if count >= len(usable):
        raise UserError(
            f"a fit on {count:,} cells leaves no cells to test it: table '{table.name}' has {len(usable):,} usable "
            f"costs in column {column}; take fewer"
        )
    drawn = np.random.default_rng(seed).permutation(len(usable))
    fitted = np.sort(usable[drawn[:count]])
    others = np.sort(usable[drawn[count:]])
    is_new = ~np.isin(table.classes[others], table.classes[fitted])
    if not is_new.any():
        raise UserError(
            f"a fit on {count:,} cells leaves no cells to test it: every other cell of table '{table.name}' has the "
            "same function as one of them; take fewer"
        )
    return Draw(fitted, others[is_new])
