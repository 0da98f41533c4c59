"""The base class of costs: a number with a unit for every architecture of a space.

This file does not import torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.space import Architecture


class NetworkShape(NamedTuple):
    """The network and the images for which a cost is counted.

    Attributes:
        skeleton: settings of the space's skeleton.
        image_shape: shape of one image, (channels, height, width).
        classes: number of classes.
    """

    skeleton: Mapping[str, object] = {}
    image_shape: tuple[int, int, int] = (3, 32, 32)
    classes: int = 10


class AdditiveRows(NamedTuple):
    """A cost that is a sum over the edges of an architecture.

    The cost is the base plus one entry for the operation of each edge that the
    architecture keeps.

    Attributes:
        base: cost that all architectures share.
        tables: costs for each cell type, (edges, operations) of float64, padded with
            zeros where edges have different numbers of operations.
    """

    base: float
    tables: tuple[np.ndarray, ...]


class Regressor(NamedTuple):
    """A multi-layer perceptron as plain arrays, to be evaluated anywhere.

    Its input is a one-hot vector per edge, for the edges of all cell types one after
    the other. A vector has as many numbers as its cell type has columns in
    :class:`AdditiveRows`. An edge that is not kept is a vector of zeros. A rectifier
    follows every layer except the last. The cost is offset + scale × output.

    Attributes:
        weights: weights of each layer, (inputs, outputs) of float64.
        biases: biases of each layer, (outputs,) of float64.
        offset, scale: mean and standard deviation used to standardise the cost.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    offset: float
    scale: float


class FitQuality(NamedTuple):
    """Quality of a fitted cost on held-out cells.

    Attributes:
        cells: number of cells in the fit.
        held_out: number of held-out cells; no class of equal function has cells in both
            parts.
        mape: mean absolute error, in per cent of the measured cost.
        rank_correlation: Spearman's rho of predicted and measured costs; None if
            undefined.
    """

    cells: int
    held_out: int
    mape: float
    rank_correlation: float | None


class Cost(ABC):
    """Base of all costs: the cost of the architectures of one space.

    A class in a user's file or an installed package is called with the space and the
    :class:`NetworkShape`.

    Attributes:
        name: short name, such as "params" or "table:mine/pixel2".
        unit: unit of the numbers, such as "ms".
        origin: description of the source: that it is counted; or the table, with
            device, licence and checksum; or the table and number of cells of a fit.
    """

    name: str
    unit: str
    origin: str

    @property
    def fit(self) -> FitQuality | None:
        """Quality of a fitted cost; None for any other cost."""
        return None

    @abstractmethod
    def of(self, architecture: Architecture) -> float | None:
        """Return the cost of an architecture, None if it is unknown."""

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the costs of architectures.

        Returns:
            one cost per architecture, float64, NaN where :meth:`of` gives None.
        """
        values = []
        for architecture in architectures:
            cost = self.of(architecture)
            values.append(np.nan if cost is None else cost)
        return np.array(values, dtype=np.float64)

    def rows(self) -> AdditiveRows | None:
        """Return the cost as a sum over edges, None if it is not such a sum."""
        return None

    def regressor(self) -> Regressor | None:
        """Return the perceptron that computes the cost, None if there is none."""
        return None
