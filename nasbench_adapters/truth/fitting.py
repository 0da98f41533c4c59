"""Fits a surrogate on a table, and measures by cross-validation what it is worth.

No torch here.

Two forms are tried, and the one that orders the left-out architectures better is kept:
gradient-boosted trees on all
features, and a ridge regression on those of the graph. Neither is the better one
everywhere: see docs/surrogates.md.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from math import isfinite
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata, spearmanr

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth.features import (
    feature_names,
    features,
    is_graph,
)
from archselect.nasbench_adapters.truth.surrogate import Surrogate
from archselect.nasbench_adapters.truth.table import (
    MEASURED,
    TruthTable,
    flatten,
    unflatten,
)
from archselect.nasbench_adapters.truth.trees import Trees, boosted

FOLDS = 10
LEAST = 30
"""Distinct architectures below which nothing is fitted."""
LEAST_BEST = 20
"""Architectures of the best tenth below which it is not looked at alone."""
RESAMPLES = 1_000
PENALTIES = np.logspace(-1, 4, 16)
"""Of the ridge regression, on features of unit variance; chosen by leaving one out."""
LEARNING_RATE, ROUNDS, LEAST_IN_LEAF = 0.05, 300, 5
FEWEST_LEAVES, MOST_LEAVES, ROWS_PER_LEAF = 6, 31, 100
"""Leaves of a tree grow with the table."""
_SEED = 301
ALONE = "parameters alone"
"""The key of a surrogate's details under which :func:`parameters_alone` stands."""

Fitted = tuple[float, np.ndarray, Trees]
"""Intercept, one weight per feature, trees."""


Parameters = Callable[[SearchSpace, np.ndarray], np.ndarray]
"""Counts the parameters of the networks of architectures, given as rows of a table's `choices`: one number per row.

Raises UserError if the networks of the space cannot be built.
"""


def fit_surrogate(
    table: TruthTable,
    dataset: str,
    split: str,
    epochs: int,
    name: str,
    *,
    folds: int = FOLDS,
    parameters: Parameters | None = None,
) -> Surrogate:
    """Return a surrogate of one column of a table, cross-validated.

    Architectures of equal function count once, with the mean of their accuracies: else
    one of them could stand in the fit and the other among those left out.

    Args:
        table: with the accuracies.
        dataset, split, epochs: of the column.
        name: of the surrogate.
        folds: of the cross-validation.
        parameters: counts parameters; the surrogate's details then compare it with
            their number alone.

    Raises:
        UserError: if there is no such column, if it has too few distinct architectures
            or only one accuracy, if no fit tells architectures apart, or if
            scikit-learn keeps its trees in a form that is not known here.
    """
    rows, accuracies = distinct(table, dataset, split, epochs)
    encoded = features(table.space, rows)
    found = {
        form: agreement(
            cross_validated(table.space, rows, accuracies, form, folds),
            accuracies,
            folds,
        )
        for form in FORMS
    }
    defined = {form: each.tau for form, each in found.items() if isfinite(each.tau)}
    if not defined:
        raise UserError(
            f"truth '{table.name}': no fit tells its architectures apart: import more of them"
        )
    best = max(defined, key=defined.__getitem__)
    intercept, weights, trees = FORMS[best](table.space, encoded, accuracies)
    how = "" if table.provenance == MEASURED else ", which are themselves predicted"
    baseline = (
        {}
        if parameters is None
        else {ALONE: _baseline(table.space, rows, accuracies, folds, parameters)}
    )
    return Surrogate.build(
        name=name,
        encoding="archselect",
        intercept=intercept,
        weights=weights,
        trees=trees,
        table=table.only(dataset, split, epochs),
        origin=f"fitted by archselect on {len(rows):,} architectures of truth '{table.name}'{how} ({table.origin})",
        licence=table.licence,
        agreement=found[best],
        details={
            "form": best,
            "tau of each form": defined,
            "table": {"name": table.name, "checksum": table.checksum},
            "libraries": {
                library: version(library) for library in ("numpy", "scikit-learn")
            },
            **baseline,
        },
        provenance=table.provenance,
    )


def distinct(
    table: TruthTable, dataset: str, split: str, epochs: int
) -> tuple[np.ndarray, np.ndarray]:
    """The representatives that a column has trials of, as rows of a table's `choices`, and their mean accuracies.

    Raises UserError if there are too few to fit and to validate on, or if all
    accuracies are equal.
    """
    matrix = table.matrix(dataset, split, epochs)
    present = ~np.isnan(matrix)
    stored = np.flatnonzero(present.any(axis=1))
    means = np.nanmean(matrix[stored], axis=1) if len(stored) else np.zeros(0)
    groups: dict[bytes, list[float]] = {}
    for row, mean in zip(table.architectures[stored], means.tolist(), strict=True):
        if not table.canonical_only:
            row = flatten(table.space.canonical(unflatten(table.space, row)))
        groups.setdefault(row.tobytes(), []).append(mean)
    if len(groups) < LEAST:
        raise UserError(
            f"truth '{table.name}' has {len(groups)} distinct architectures on {dataset}/{split} at {epochs} epochs: "
            f"a surrogate needs {LEAST} or more"
        )
    accuracies = np.array([sum(values) / len(values) for values in groups.values()])
    if np.ptp(accuracies) == 0:
        raise UserError(
            f"truth '{table.name}' has one and the same accuracy for all: there is nothing to fit"
        )
    return np.frombuffer(b"".join(groups), dtype=np.int8).reshape(
        len(groups), -1
    ), accuracies


def cross_validated(
    space: SearchSpace,
    rows: np.ndarray,
    accuracies: np.ndarray,
    form: str,
    folds: int = FOLDS,
) -> np.ndarray:
    """Each architecture's prediction by the fit on all folds but its own; folds are drawn with a fixed generator.

    Args:
        rows: int8, architectures × edges, representatives, no two the same.
        accuracies: in per cent, one per row.
        form: one of :data:`FORMS`.
    """
    encoded = features(space, rows)
    fold = fold_of(len(rows), folds)
    predicted = np.empty(len(rows))
    for out in range(folds):
        left_out = fold == out
        intercept, weights, trees = FORMS[form](
            space, encoded[~left_out], accuracies[~left_out]
        )
        predicted[left_out] = (
            intercept + encoded[left_out] @ weights + trees.predict(encoded[left_out])
        )
    return np.clip(predicted, 0, 100)


def parameters_alone(
    parameters: np.ndarray, accuracies: np.ndarray, folds: int = FOLDS
) -> dict[str, float]:
    """Return how the number of parameters alone orders the architectures, on the folds of :func:`cross_validated`.

    In each fold architectures are ordered by their rank; whether more parameters are
    better or worse is taken from the other folds.

    Args:
        parameters: one number per architecture.
        accuracies: in per cent, one per architecture.
        folds: of the cross-validation.

    Returns:
        Kendall's tau-b as `tau`, and its 95 % interval (see :func:`agreement`) as
        `tau_low` and `tau_high`; NaN where all have the same number of parameters.
    """
    ranks = rankdata(parameters)
    ranks -= ranks.mean()
    fold = fold_of(len(accuracies), folds)
    predicted = np.empty(len(accuracies))
    for out in range(folds):
        left_out = fold == out
        direction = _tau(ranks[~left_out], accuracies[~left_out])
        predicted[left_out] = -ranks[left_out] if direction < 0 else ranks[left_out]
    return _with_interval("tau", _tau, predicted, accuracies)


def fold_of(count: int, folds: int) -> np.ndarray:
    """Return the fold of each of so many architectures, drawn with a fixed generator."""
    return np.random.default_rng(_SEED).permutation(count) % folds


def _baseline(
    space: SearchSpace,
    rows: np.ndarray,
    accuracies: np.ndarray,
    folds: int,
    parameters: Parameters,
) -> dict[str, Any]:
    """Return what a surrogate's details say of parameters alone: numbers, or why there are none."""
    try:
        counts = parameters(space, rows)
    except UserError as error:
        return {"undefined": str(error)}
    if np.ptp(counts) == 0:
        return {"undefined": "all architectures have the same number of parameters"}
    return parameters_alone(counts, accuracies, folds)


def agreement(predicted: np.ndarray, accuracies: np.ndarray, folds: int) -> Agreement:
    """How predictions agree with accuracies; intervals by the percentiles of resampled architectures.

    The intervals are of these predictions: how other folds or another draw of the table
    would change the fit itself is not in them.
    """
    numbers: dict[str, float] = {}
    for name, measure in (("tau", _tau), ("spearman", _spearman), ("rmse", _rmse)):
        numbers |= _with_interval(name, measure, predicted, accuracies)
    best = np.argsort(-accuracies, kind="stable")[: len(accuracies) // 10]
    if len(best) >= LEAST_BEST and np.ptp(accuracies[best]) > 0:
        numbers |= _with_interval("best", _tau, predicted[best], accuracies[best])
    return Agreement(architectures=len(accuracies), folds=folds, **numbers)


def _with_interval(
    name: str,
    measure: Callable[[np.ndarray, np.ndarray], float],
    predicted: np.ndarray,
    accuracies: np.ndarray,
) -> dict[str, float]:
    drawn = np.random.default_rng(_SEED).integers(
        0, len(accuracies), (RESAMPLES, len(accuracies))
    )
    again = [measure(predicted[chosen], accuracies[chosen]) for chosen in drawn]
    low, high = np.nanquantile(again, [0.025, 0.975]).tolist()
    return {
        name: measure(predicted, accuracies),
        f"{name}_low": low,
        f"{name}_high": high,
    }


def _tau(predicted: np.ndarray, accuracies: np.ndarray) -> float:
    return float(kendalltau(predicted, accuracies, variant="b").statistic)


def _spearman(predicted: np.ndarray, accuracies: np.ndarray) -> float:
    return float(spearmanr(predicted, accuracies).statistic)


def _rmse(predicted: np.ndarray, accuracies: np.ndarray) -> float:
    return float(np.sqrt(np.mean((predicted - accuracies) ** 2)))


def _fit_trees(
    space: SearchSpace, encoded: np.ndarray, accuracies: np.ndarray
) -> Fitted:
    """Gradient boosting of small trees on all features."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(
        learning_rate=LEARNING_RATE,
        max_iter=ROUNDS,
        max_leaf_nodes=int(
            np.clip(len(encoded) // ROWS_PER_LEAF, FEWEST_LEAVES, MOST_LEAVES)
        ),
        min_samples_leaf=LEAST_IN_LEAF,
        early_stopping=False,
        random_state=0,
    ).fit(encoded, accuracies)
    refused = UserError(
        f"scikit-learn {version('scikit-learn')} keeps its trees in a form that is not known here: install 1.9 or older"
    )
    try:
        intercept, trees = boosted(model)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise refused from error
    if not np.allclose(
        intercept + trees.predict(encoded), model.predict(encoded), rtol=0, atol=1e-9
    ):
        raise refused
    return intercept, np.zeros(encoded.shape[1]), trees


def _fit_line(
    space: SearchSpace, encoded: np.ndarray, accuracies: np.ndarray
) -> Fitted:
    """Ridge regression on the features of the graph that differ at all, each brought to unit variance."""
    from sklearn.linear_model import RidgeCV

    centre, spread = (
        encoded.mean(axis=0, dtype=np.float64),
        encoded.std(axis=0, dtype=np.float64),
    )
    used = is_graph(feature_names(space)) & (spread > 0)
    weights = np.zeros(encoded.shape[1])
    if not used.any():
        return float(accuracies.mean()), weights, Trees.of([])
    model: Any = RidgeCV(PENALTIES).fit(
        (encoded[:, used] - centre[used]) / spread[used], accuracies
    )
    weights[used] = model.coef_ / spread[used]
    return float(model.intercept_ - centre @ weights), weights, Trees.of([])


FORMS: dict[str, Callable[[SearchSpace, np.ndarray, np.ndarray], Fitted]] = {
    "trees": _fit_trees,
    "line": _fit_line,
}
"""What is tried."""
