"""Which cells of a table a cost is fitted on, and which it is judged on.

No torch here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.errors import UserError


class Draw(NamedTuple):
    """Rows of a table in two parts, neither with a class that the other has, too.

    Attributes:
        fitted: rows to fit on: int64.
        held_out: rows to judge on: int64.
    """

    fitted: np.ndarray
    held_out: np.ndarray


def draw_cells(table: CostTable, column: str, count: int, seed: int) -> Draw:
    """Return which cells of a column are fitted on, and which are held out.

    The cells are drawn uniformly among those with a usable cost. All others are held
    out but those of the same function as one that was drawn.

    Args:
        table: of the costs.
        column: of the table.
        count: how many cells to draw.
        seed: of the draw.

    Raises:
        UserError: if no cell would be held out.
    """
    usable = np.flatnonzero(np.isfinite(table.values(column)))
    if count >= len(usable):
        raise UserError(
            f"a fit on {count:,} cells leaves none to judge it on: table '{table.name}' has {len(usable):,} usable "
            f"costs in column {column}; take fewer"
        )
    drawn = np.random.default_rng(seed).permutation(len(usable))
    fitted = np.sort(usable[drawn[:count]])
    others = np.sort(usable[drawn[count:]])
    is_new = ~np.isin(table.classes[others], table.classes[fitted])
    if not is_new.any():
        raise UserError(
            f"a fit on {count:,} cells leaves none to judge it on: every other cell of table '{table.name}' is of the "
            "same function as one of them; take fewer"
        )
    return Draw(fitted, others[is_new])
