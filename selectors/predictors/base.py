"""What a predictor is: a model of the values of architectures that are not queried.

A predictor is a file of its own::

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
        space: of the architectures.
        rng: for initial weights and the order of examples; the only source of chance.

    Attributes:
        name: what it is called.
        summary: what it is, in a line.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    proposes: ClassVar[bool] = False
    """Whether :meth:`propose` makes architectures of its own."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self.space = space
        self.rng = rng

    @abstractmethod
    def fit(
        self, architectures: Sequence[Architecture], values: np.ndarray, steps: int
    ) -> None:
        """Learn from examples.

        What earlier calls taught may be kept: the weights of a network are.

        Args:
            architectures: of the space; one that comes twice counts twice.
            values: (architectures,), finite; :func:`standardised` where the predictor
                is trained step by step.
            steps: of the optimiser, on :data:`BATCH` examples each; a predictor that is
                solved for needs none.

        Raises ValueError without examples, or as :func:`check_examples` says.
        """

    @abstractmethod
    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return predicted values, (architectures,) of float64; more is better."""

    def propose(
        self, seeds: Sequence[Architecture], strength: float
    ) -> list[Architecture | None]:
        """Return for each seed an architecture that is predicted to be better.

        Args:
            seeds: architectures to start from.
            strength: how far to go from them.

        Returns:
            one per seed: the seed itself where that is near, None where there is no
            valid architecture.

        Raises ValueError if the predictor does not propose.
        """
        del seeds, strength
        raise ValueError(f"predictor {self.name} proposes nothing: rank candidates")


def count_steps(epochs: int, examples: int) -> int:
    """Return the optimiser steps of epochs over so many examples."""
    return epochs * ceil(examples / BATCH)


def standardised(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return values of mean 0 and standard deviation 1; zeros if all are equal.

    The deviation is that of the values themselves, divided by their number.
    """
    numbers = np.asarray(values, dtype=float)
    largest = np.abs(numbers).max()
    if np.ptp(numbers / (largest or 1)) == 0:
        return np.zeros(len(numbers))
    # Neither the sum nor the squares of numbers of at most 1 overflow.
    scaled = numbers / largest
    deviations = scaled - scaled.mean()
    return deviations / deviations.std()


def check_examples(architectures: Sequence[Architecture], values: np.ndarray) -> None:
    """Raise ValueError unless there is a finite value for each of the architectures.

    There has to be at least one.
    """
    if not len(architectures):
        raise ValueError("a predictor learns from one example or more")
    if values.shape != (len(architectures),):
        raise ValueError(
            f"{len(architectures)} architectures have values of shape {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("a predictor learns from finite values")


def predicted(
    predictor: Predictor, architectures: Sequence[Architecture]
) -> np.ndarray:
    """Return what a predictor predicts of architectures: (architectures,) of float64.

    Raises ValueError, which names the predictor, unless it is one finite value each.
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
    """Return architectures by their values, best first; equal ones in their order."""
    order = np.argsort(-values, kind="stable")
    return [architectures[place] for place in order]
