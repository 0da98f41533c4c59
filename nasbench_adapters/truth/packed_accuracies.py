"""Lossless and compact storage of accuracies, as whole numbers of images.

An accuracy on d images is 100 k / d for a whole number k. If all accuracies of a column
have this form, the column is stored as the unsigned integers k. The largest value of
the integer type means a missing trial. Any other column is stored as float32 with NaN.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-6
"""Largest distance from 100 k / d, in percentage points, that counts as rounding.

Published files have rounding errors.
"""
_SMALL_DIVISORS = range(1, 10_001)
_LARGE_DIVISORS = (25_000, 50_000, 100_000, 1_000_000)
_TRIED_FIRST = 32
"""Number of accuracies to try first; they exclude most divisors."""


class Packed(NamedTuple):
    """A column in stored form.

    Attributes:
        array: unsigned integers k, or float32, (architectures, trials).
        divisor: the d of accuracies 100 k / d; None if `array` is float32.
    """

    array: np.ndarray
    divisor: int | None


def pack(accuracies: np.ndarray) -> Packed:
    """Return accuracies in stored form.

    Args:
        accuracies: accuracies in per cent, (architectures, trials) of float64, NaN for
            a missing trial.
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
    """Return stored accuracies in per cent as float64, NaN for a missing trial."""
    if divisor is None:
        return stored.astype(np.float64)
    accuracies = 100 * stored.astype(np.float64) / divisor
    accuracies[stored == np.iinfo(stored.dtype).max] = np.nan
    return accuracies


def _find_divisor(accuracies: np.ndarray) -> int | None:
    """Return the smallest d such that every accuracy is 100 k / d, or None."""
    candidates = np.array([*_SMALL_DIVISORS, *_LARGE_DIVISORS])
    images = accuracies[:_TRIED_FIRST, None] * (candidates / 100)
    distances = np.abs(images - np.rint(images))
    possible = np.all(distances <= TOLERANCE * candidates / 100, axis=0)
    for divisor in candidates[possible].tolist():
        rounded = 100 * np.rint(accuracies * divisor / 100) / divisor
        if np.all(np.abs(rounded - accuracies) <= TOLERANCE):
            return int(divisor)
    return None
