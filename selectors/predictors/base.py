"""The base class of predictors: models that predict the values of architectures.

A predictor is one file, such as::

    class Nearest(Predictor):
        name: ClassVar[str] = "nearest"
        summary: ClassVar[str] = "the value of the example that agrees on most edges"

        def fit(self, architectures, values, steps):
            self._examples = [flatten(architecture) for architecture in architectures]
            self._values = values

        def predict(self, architectures):
            return np.array([self._value(flatten(one)) for one in architectures])

A study names it in the settings of a selector, as `predictor = "nearest.py:Nearest"`;
an installed package declares it under the entry-point group `archselect.predictors`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import ceil
from typing import ClassVar

import numpy as np

from archselect.nasbench_adapters.space import Architecture, SearchSpace

BATCH = 100
"""Examples per optimiser step (SemiNAS, released code)."""


class Predictor(ABC):
    """Base of all predictors.

    Args:
        space: the search space.
        rng: generator for initial weights and the order of examples, the only source of
            randomness.

    Attributes:
        name: name of the predictor.
        summary: description in one line.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    proposes: ClassVar[bool] = False
    """Whether :meth:`propose` can propose new architectures."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng

    @abstractmethod
    def fit(
        self, architectures: Sequence[Architecture], values: np.ndarray, steps: int
    ) -> None:
        """Learn from examples.

        A predictor may keep what it learned in earlier calls; a network keeps its
        weights.

        Args:
            architectures: the examples; an architecture that occurs twice counts twice.
            values: finite values, (architectures,); :func:`standardised` if the
                predictor is trained step by step.
            steps: number of optimiser steps, on :data:`BATCH` examples each; a
                predictor with a closed form ignores it.

        Raises ValueError like :func:`check_examples`.
        """

    @abstractmethod
    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return predicted values, (architectures,) of float64; more is better."""

    def propose(
        self, seeds: Sequence[Architecture], strength: float
    ) -> list[Architecture | None]:
        """Return, for each seed, an architecture that is predicted to be better.

        Args:
            seeds: architectures to start from.
            strength: how far to move away from them.

        Returns:
            one architecture per seed: the seed itself if the move was too small, None
            if the move does not lead to a valid architecture.

        Raises ValueError if the predictor does not propose.
        """
        del seeds, strength
        raise ValueError(
            f"predictor {self.name} cannot propose architectures: rank candidates"
        )


def count_steps(epochs: int, examples: int) -> int:
    """Return the number of optimiser steps of some epochs over some examples."""
    return epochs * ceil(examples / BATCH)


def standardised(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the values scaled to mean 0 and standard deviation 1.

    If all values are equal, the result is zeros. The standard deviation has the number
    of values in the denominator.
    """
    numbers = np.asarray(values, dtype=float)
    largest = np.abs(numbers).max()
    if np.ptp(numbers / (largest or 1)) == 0:
        return np.zeros(len(numbers))
    # With values of at most 1, neither the sum nor the squares overflow.
    scaled = numbers / largest
    deviations = scaled - scaled.mean()
    return deviations / deviations.std()


def check_examples(architectures: Sequence[Architecture], values: np.ndarray) -> None:
    """Raise ValueError unless there are examples, each with one finite value."""
    if not len(architectures):
        raise ValueError("a predictor needs at least one example")
    if values.shape != (len(architectures),):
        raise ValueError(
            f"{len(architectures)} architectures have values of shape {values.shape}: "
            "give one value each"
        )
    if not np.isfinite(values).all():
        raise ValueError("a predictor needs examples with finite values")


def predicted(
    predictor: Predictor, architectures: Sequence[Architecture]
) -> np.ndarray:
    """Return a predictor's values for architectures, (architectures,) of float64.

    Raises ValueError, which names the predictor, unless there is one finite value for
    each architecture.
    """
    values = np.asarray(predictor.predict(architectures), dtype=float)
    if values.shape != (len(architectures),):
        raise ValueError(
            f"predictor {predictor.name} returns values of shape {values.shape} for "
            f"{len(architectures)} architectures: return one each"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"predictor {predictor.name} predicts values that are not finite"
        )
    return values


def ranked(
    architectures: Sequence[Architecture], values: np.ndarray
) -> list[Architecture]:
    """Return architectures sorted by value, best first; ties keep their order."""
    order = np.argsort(-values, kind="stable")
    return [architectures[place] for place in order]
