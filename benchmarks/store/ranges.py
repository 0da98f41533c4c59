"""Which numbers are possible in a file of facts. No torch here.

A file of the right shape may still say what no run can have measured, because it was
damaged or edited. A message names the field by its place in the file. The checks of
cells are in :mod:`.cell_checks`, those of many rows at once in :mod:`.row_checks`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from math import isfinite

import numpy as np

FINITE = sys.float_info.max
"""The largest finite number. Scores of networks may be of any size."""
LARGEST = 1e30
"""No number that is measured is larger; sums of larger ones overflow."""
MOST_COUNTED = 10**30
"""No count is larger; as a float, no larger one is exact."""
PER_CENT = 100.0
COEFFICIENT = 1 + 1e-9
"""The largest rank correlation, which rounding may bring above one."""
QUANTILES = 201
"""Of a landscape's accuracies: at 0, 0.5, …, 100 %."""
ROUNDING = 1e-6
"""In points, by how much numbers in order may be out of it."""
MOST_NODES = 1_000
"""No cell has more; they are drawn."""
MOST_STEPS = 2**31 - 2
"""The largest number of a round or a step; one more is still an integer of 32 bits."""


class Impossible(ValueError):
    """A value that no run can have measured."""


def check_number(
    name: str,
    value: float | None,
    lowest: float = 0.0,
    highest: float = LARGEST,
) -> None:
    """Raise Impossible for a number that is not finite or not in the range.

    None, for a number that is not known, is possible.
    """
    if value is None or lowest <= value <= highest:
        return
    allowed = f"not between {lowest:g} and {highest:g}"
    if isinstance(value, int) and abs(value) > LARGEST:
        raise Impossible(
            f"{name} is an integer of {value.bit_length()} bits, which is {allowed}"
        )
    fault = allowed if isfinite(value) else "not finite"
    raise Impossible(f"{name} is {value}, which is {fault}")


def check_numbers(
    name: str,
    values: Iterable[float | None],
    lowest: float = 0.0,
    highest: float = LARGEST,
) -> None:
    """Raise Impossible for the first number that :func:`check_number` refuses."""
    for value in values:
        check_number(name, value, lowest, highest)


def are_between(
    values: Sequence[float],
    lowest: float,
    highest: float,
) -> bool:
    """Return whether all of many numbers are finite and in a range."""
    if not values:
        return True
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer that no float can hold
        return False
    smallest = array.min()
    largest = array.max()
    # With a NaN among the values both are NaN, and both comparisons false.
    return bool(smallest >= lowest and largest <= highest)


def check_same_length(
    name: str,
    values: Sequence[object],
    other_name: str,
    others: Sequence[object],
) -> None:
    """Raise Impossible if two lists that belong together differ in length."""
    if len(values) != len(others):
        raise Impossible(
            f"{name} has {len(values)} entries and {other_name} {len(others)}"
        )
