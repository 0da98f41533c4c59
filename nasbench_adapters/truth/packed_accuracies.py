"""Accuracies as whole numbers of images, which take little room and lose nothing.

An accuracy on d images is 100 k / d for a whole number k. A column whose accuracies all
have this form is stored as the unsigned integers k; the largest value of their type
stands for a trial that is not there. Any other column is stored as float32 with NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-6
"""How near to 100 k / d an accuracy must be to count as it, in points.

Published files have rounding noise.
"""
_SMALL_DIVISORS = range(1, 10_001)
_LARGE_DIVISORS = (25_000, 50_000, 100_000, 1_000_000)
_TRIED_FIRST = 32
"""Accuracies that rule out most divisors, before all accuracies are compared."""


class Packed(NamedTuple):
    """A column as it is stored.

    Attributes:
        array: architectures × trials, unsigned integers k or float32.
        divisor: the d of accuracies 100 k / d; None where `array` is float32.
    """

    array: np.ndarray
    divisor: int | None


def pack(accuracies: np.ndarray) -> Packed:
    """Return accuracies in per cent as they are stored.

    Args:
        accuracies: float64, architectures × trials, NaN where there is no trial.
    """
    present = ~np.isnan(accuracies)
    divisor = _find_divisor(accuracies[present])
    if divisor is None:
        return Packed(accuracies.astype(np.float32), None)
    kind: type[np.unsignedinteger[Any]] = np.uint32
    if divisor < np.iinfo(np.uint16).max:
        kind = np.uint16
    images = np.full(accuracies.shape, np.iinfo(kind).max, dtype=kind)
    images[present] = np.rint(accuracies[present] * divisor / 100)
    return Packed(images, divisor)


def unpack(stored: np.ndarray, divisor: int | None) -> np.ndarray:
    """Return stored accuracies in per cent: float64, NaN where there is no trial."""
    if divisor is None:
        return stored.astype(np.float64)
    accuracies = 100 * stored.astype(np.float64) / divisor
    accuracies[stored == np.iinfo(stored.dtype).max] = np.nan
    return accuracies


def _find_divisor(accuracies: np.ndarray) -> int | None:
    """Return the least d so that every accuracy is 100 k / d; None if none is."""
    candidates = np.array([*_SMALL_DIVISORS, *_LARGE_DIVISORS])
    images = accuracies[:_TRIED_FIRST, None] * (candidates / 100)
    distances = np.abs(images - np.rint(images))
    possible = np.all(distances <= TOLERANCE * candidates / 100, axis=0)
    for divisor in candidates[possible].tolist():
        rounded = 100 * np.rint(accuracies * divisor / 100) / divisor
        if np.all(np.abs(rounded - accuracies) <= TOLERANCE):
            return int(divisor)
    return None
