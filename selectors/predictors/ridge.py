"""Ridge regression on the choices of single edges and of all pairs of edges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.predictors.base import Predictor, check_examples
from archselect.selectors.predictors.tokens import EdgeTokens

PENALTY = 1.0
"""Factor of the sum of squared weights in the loss."""


class Ridge(Predictor):
    """Ridge regression with features of single edges and of pairs of edges.

    A feature is 1 if an edge has a certain operation, or if two edges have two certain
    operations: 30 + 375 features on NAS-Bench-201. A dropped edge has no feature. The
    weights minimise the squared errors plus :data:`PENALTY` times the sum of squared
    weights. The mean of the values is the intercept.
    """

    name: ClassVar[str] = "ridge"
    summary: ClassVar[str] = "ridge regression on edges and on pairs of edges"

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        super().__init__(space, rng)
        self._tokens = EdgeTokens(space)
        self._mean = 0.0
        self._weights = np.zeros(self.count_features())

    def count_features(self) -> int:
        """Return the number of features."""
        return int(self._is_feature().sum())

    def fit(
        self, architectures: Sequence[Architecture], values: np.ndarray, steps: int
    ) -> None:
        """Solve for the weights of some examples; `steps` has no effect."""
        del steps
        check_examples(architectures, values)
        features = self.features(architectures)
        self._mean = float(values.mean())
        errors = values - self._mean
        # Both forms have the same solution; solve the smaller system.
        examples, count = features.shape
        if examples < count:
            products = (features @ features.T).toarray()
            products += PENALTY * np.eye(examples)
            self._weights = features.T @ np.linalg.solve(products, errors)
        else:
            products = (features.T @ features).toarray()
            products += PENALTY * np.eye(count)
            self._weights = np.linalg.solve(products, features.T @ errors)

    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return predicted values, (architectures,) of float64; more is better."""
        return self._mean + self.features(architectures) @ self._weights

    def features(self, architectures: Sequence[Architecture]) -> csr_matrix:
        """Return the features of 0 and 1, (architectures, features)."""
        choices = self._tokens.choices(architectures)
        values = self._tokens.operations + 1
        columns = []
        first = 0
        for edge, count in enumerate(values):
            columns.append(first + choices[:, edge])
            first += count
        for one, other in combinations(range(len(values)), 2):
            pair = choices[:, one] * values[other] + choices[:, other]
            columns.append(first + pair)
            first += values[one] * values[other]
        indices = np.stack(columns, axis=1)
        ones = np.ones(indices.size)
        starts = np.arange(len(choices) + 1) * len(columns)
        shape = (len(choices), int(first))
        table = csr_matrix((ones, indices.ravel(), starts), shape=shape)
        return table[:, self._is_feature()]

    def _is_feature(self) -> np.ndarray:
        """Return which columns of the table are features: those of no dropped edge."""
        is_operation = []
        for count in self._tokens.operations:
            is_operation.append(np.arange(count + 1) < count)
        columns = list(is_operation)
        for one, other in combinations(is_operation, 2):
            columns.append(np.outer(one, other).ravel())
        return np.concatenate(columns)
