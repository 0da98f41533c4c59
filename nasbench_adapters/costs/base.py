"""What a cost is: a number with a unit for every architecture of a space.

No torch here.
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
        image_shape: (channels, height, width) of one image.
        classes: number of logits.
    """

    skeleton: Mapping[str, object] = {}
    image_shape: tuple[int, int, int] = (3, 32, 32)
    classes: int = 10


class AdditiveRows(NamedTuple):
    """A cost that is a sum over the edges of an architecture.

    The cost is the base plus one entry for the operation of each edge that the
    architecture keeps.

    Attributes:
        base: cost of what all architectures share.
        tables: per cell type float64, edges × operations, padded with zeros where
            edges allow different numbers of operations.
    """

    base: float
    tables: tuple[np.ndarray, ...]


class Regressor(NamedTuple):
    """A multi-layer perceptron as plain arrays, to be evaluated anywhere.

    Its input has one number per edge and operation, one-hot: the edges of all cell
    types one after the other, each with as many numbers as its cell type has columns
    in :class:`AdditiveRows`. An edge that is not kept is a row of zeros. All layers
    but the last are followed by a rectifier. The cost is offset + scale × output.

    Attributes:
        weights: per layer float64, inputs × outputs.
        biases: per layer float64, outputs.
        offset, scale: mean and standard deviation of the cost, which standardised it.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    offset: float
    scale: float


class FitQuality(NamedTuple):
    """How well a fitted cost predicts the cells that it has not seen.

    Attributes:
        cells: number that it was fitted on.
        held_out: number that it was judged on; no class of equal function has cells in
            both.
        mape: mean absolute error, in per cent of the measured cost.
        rank_correlation: Spearman's, of predicted and measured costs; None where it is
            not defined.
    """

    cells: int
    held_out: int
    mape: float
    rank_correlation: float | None


class Cost(ABC):
    """What an architecture of one space costs.

    A class of a user's file, or of an installed package, is made with the space and
    the :class:`NetworkShape`.

    Attributes:
        name: in short, such as "params" or "table:mine/pixel2".
        unit: of the numbers, such as "ms".
        origin: in words: that it is counted; or of which table, with device, licence
            and checksum; or on how many cells of which table it was fitted.
    """

    name: str
    unit: str
    origin: str

    @property
    def fit(self) -> FitQuality | None:
        """How well a fitted cost predicts; None for one that is not fitted."""
        return None

    @abstractmethod
    def of(self, architecture: Architecture) -> float | None:
        """Return the cost of an architecture, None where it is not known."""

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the costs of architectures.

        Returns:
            float64, one per architecture, NaN where :meth:`of` gives None.
        """
        values = []
        for architecture in architectures:
            cost = self.of(architecture)
            values.append(np.nan if cost is None else cost)
        return np.array(values, dtype=np.float64)

    def rows(self) -> AdditiveRows | None:
        """Return the cost as a sum over edges, None where it is no such sum."""
        return None

    def regressor(self) -> Regressor | None:
        """Return the perceptron that computes the cost, None where none does."""
        return None
