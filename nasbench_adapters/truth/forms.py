"""The forms of a surrogate: boosted trees, and ridge regression."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth.features import feature_names, is_graph
from archselect.nasbench_adapters.truth.surrogate import LineAndTrees
from archselect.nasbench_adapters.truth.trees import Trees, boosted

PENALTIES = np.logspace(-1, 4, 16)
"""Penalties of the ridge regression to choose from, by leave-one-out validation.

They apply to features of unit variance.
"""
LEARNING_RATE = 0.05
ROUNDS = 300
"""Number of trees, fitted one after the other."""
LEAST_IN_LEAF = 5
FEWEST_LEAVES = 6
MOST_LEAVES = 31
ROWS_PER_LEAF = 100
"""Rows of the table per leaf of a tree, within the bounds above."""

Form = Callable[[SearchSpace, np.ndarray, np.ndarray], LineAndTrees]
"""Function that fits features, (architectures, features), to accuracies in per cent."""


def _fit_trees(
    _space: SearchSpace, encoded: np.ndarray, accuracies: np.ndarray
) -> LineAndTrees:
    """Return small gradient-boosted trees on all features.

    Raises UserError if scikit-learn stores its trees in an unknown form.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    leaves = np.clip(len(encoded) // ROWS_PER_LEAF, FEWEST_LEAVES, MOST_LEAVES)
    regressor = HistGradientBoostingRegressor(
        learning_rate=LEARNING_RATE,
        max_iter=ROUNDS,
        max_leaf_nodes=int(leaves),
        min_samples_leaf=LEAST_IN_LEAF,
        early_stopping=False,
        random_state=0,
    ).fit(encoded, accuracies)
    unknown_form = UserError(
        f"scikit-learn {version('scikit-learn')} stores its trees in an unknown form: install 1.9 or older"
    )
    try:
        fitted = boosted(regressor)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise unknown_form from error
    model = LineAndTrees(fitted.intercept, np.zeros(encoded.shape[1]), fitted.trees)
    predicted = regressor.predict(encoded)
    if not np.allclose(model.predict(encoded), predicted, rtol=0, atol=1e-9):
        raise unknown_form
    return model


def _fit_line(
    space: SearchSpace, encoded: np.ndarray, accuracies: np.ndarray
) -> LineAndTrees:
    """Return a ridge regression on the `graph` features.

    Features that are the same for all architectures are left out; the others are scaled
    to unit variance.
    """
    from sklearn.linear_model import RidgeCV

    centre = encoded.mean(axis=0, dtype=np.float64)
    spread = encoded.std(axis=0, dtype=np.float64)
    used = is_graph(feature_names(space)) & (spread > 0)
    weights = np.zeros(encoded.shape[1])
    no_trees = Trees.join([])
    if not used.any():
        return LineAndTrees(float(accuracies.mean()), weights, no_trees)
    scaled = (encoded[:, used] - centre[used]) / spread[used]
    ridge: Any = RidgeCV(PENALTIES).fit(scaled, accuracies)
    weights[used] = ridge.coef_ / spread[used]
    intercept = float(ridge.intercept_ - centre @ weights)
    return LineAndTrees(intercept, weights, no_trees)


FORMS: dict[str, Form] = {"trees": _fit_trees, "line": _fit_line}
"""The forms to try, by their names in a surrogate's details."""
