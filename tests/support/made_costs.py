"""Made-up tables of costs of NAS-Bench-201."""

import numpy as np

from archselect.nasbench_adapters.costs.table import CostTable
from archselect.nasbench_adapters.costs.table_header import CostColumn

ADDED = np.array([0.0, 0.5, 2.0, 5.0, 1.0])
"""What each operation of nb201 adds to the made-up cost on any edge."""
BASE = 3.0


def whole_choices():
    """Every cell of nb201: int8, 15,625 × 6."""
    return np.indices((5,) * 6).reshape(6, -1).T.astype(np.int8)


def made_up(values, choices=None, names=("a",), unit="ms"):
    """A table with a column of costs for each name, of all cells if none are given."""
    choices = whole_choices() if choices is None else choices
    columns = {}
    for name, numbers in zip(names, values, strict=True):
        columns[CostColumn(name, unit, "d")] = numbers
    return CostTable.build(
        name="made-up",
        space="nb201",
        choices=choices,
        columns=columns,
        origin="made up by the tests",
        licence="MIT",
    )
