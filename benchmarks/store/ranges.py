"""Check that numbers in a file of facts are possible.

A file of the right form can contain values that no run can have measured, because it
was damaged or edited. A message names the field by its place in the file.
:mod:`.cell_checks` checks cells, and :mod:`.row_checks` checks many rows at once. This
module does not import torch.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from math import isfinite

import numpy as np

FINITE = sys.float_info.max
"""The largest finite number. Scores of networks can have any size."""
LARGEST = 1e30
"""The upper limit of measured numbers; sums of larger ones overflow."""
MOST_COUNTED = 10**30
"""The upper limit of counts; as a float, no larger one is exact."""
PER_CENT = 100.0
COEFFICIENT = 1 + 1e-9
"""The largest rank correlation; rounding can raise it above one."""
QUANTILES = 201
"""Number of quantiles of a landscape's accuracies: at 0, 0.5, …, 100 %."""
ROUNDING = 1e-6
"""Largest error of the order of sorted accuracies, in points."""
MOST_NODES = 1_000
"""The maximal number of nodes in a cell, because cells are drawn."""
MOST_STEPS = 2**31 - 2
"""The largest number of a round or step; one more still fits 32 bits."""


class Impossible(ValueError):
    """A value that no run can have measured."""


def check_number(
    name: str,
    value: float | None,
    lowest: float = 0.0,
    highest: float = LARGEST,
) -> None:
    """Raise Impossible for a number that is not finite or not in the range.

    None, for an unknown number, is possible.
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
    # If a value is NaN, both are NaN, and both comparisons are false.
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
            f"{name} has {len(values)} entries, but {other_name} has {len(others)}"
        )
