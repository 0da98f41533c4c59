"""Cross-validation of surrogates: how well predictions rank left-out architectures.

This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable
from math import nan

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.rank_correlations import (
    bootstrap_interval,
    centred_ranks,
    spearman,
    tau_b,
)
from archselect.nasbench_adapters.space import SearchSpace
from archselect.nasbench_adapters.truth.features import features
from archselect.nasbench_adapters.truth.forms import FORMS

FOLDS = 10
LEAST_BEST = 20
"""Smallest number of architectures in the best tenth for a separate number."""
RESAMPLES = 1_000
"""Number of resamples of the architectures for an interval."""
_SEED = 301

Measure = Callable[[np.ndarray, np.ndarray], float | None]
"""Function that compares predictions with accuracies; None if undefined.

Both have one value per architecture.
"""


def cross_validated(
    space: SearchSpace,
    rows: np.ndarray,
    accuracies: np.ndarray,
    form: str,
    folds: int = FOLDS,
) -> np.ndarray:
    """Return each architecture's prediction by a fit on all folds except its fold.

    Folds are drawn with a fixed seed.

    Args:
        space: the search space.
        rows: distinct representatives, (architectures, edges) of int8.
        accuracies: accuracy of each row, in per cent.
        form: one of :data:`.forms.FORMS`.
        folds: number of folds.

    Returns:
        one prediction per row, float64 in per cent, clipped to 0..100.
    """
    encoded = features(space, rows)
    fold_of_row = fold_of(len(rows), folds)
    predicted = np.empty(len(rows))
    for fold in range(folds):
        left_out = fold_of_row == fold
        model = FORMS[form](space, encoded[~left_out], accuracies[~left_out])
        predicted[left_out] = model.predict(encoded[left_out])
    return np.clip(predicted, 0, 100)


def parameters_alone(
    parameters: np.ndarray, accuracies: np.ndarray, folds: int = FOLDS
) -> dict[str, float]:
    """Return how well the number of parameters alone ranks the architectures.

    The folds are those of :func:`cross_validated`. In each fold, architectures are
    ranked by their number of parameters; the other folds decide whether more parameters
    are better or worse.

    Args:
        parameters: number of parameters of each architecture.
        accuracies: accuracy of each architecture, in per cent.
        folds: number of folds of the cross-validation.

    Returns:
        Kendall's tau-b as `tau`, and its 95 % interval (:func:`agreement`) as `tau_low`
        and `tau_high`; NaN if all have the same number of parameters.
    """
    ranks = centred_ranks(parameters)
    fold_of_row = fold_of(len(accuracies), folds)
    predicted = np.empty(len(accuracies))
    for fold in range(folds):
        left_out = fold_of_row == fold
        direction = tau_b(ranks[~left_out], accuracies[~left_out])
        fewer_is_better = direction is not None and direction < 0
        predicted[left_out] = -ranks[left_out] if fewer_is_better else ranks[left_out]
    return _with_interval("tau", tau_b, predicted, accuracies)


def fold_of(count: int, folds: int) -> np.ndarray:
    """Return the fold of each architecture, drawn with a fixed seed."""
    return np.random.default_rng(_SEED).permutation(count) % folds


def agreement(predicted: np.ndarray, accuracies: np.ndarray, folds: int) -> Agreement:
    """Return the agreement of predictions with accuracies.

    Intervals are percentiles over resampled architectures, for these predictions. They
    do not include how the fit would change with other folds or another sample of
    architectures.

    Args:
        predicted: prediction for each architecture by a fit without it, in per cent.
        accuracies: accuracy of each architecture, in per cent.
        folds: number of folds of the cross-validation.
    """
    measures: dict[str, Measure] = {"tau": tau_b, "spearman": spearman, "rmse": _rmse}
    numbers: dict[str, float] = {}
    for name, measure in measures.items():
        numbers |= _with_interval(name, measure, predicted, accuracies)
    descending = np.argsort(-accuracies, kind="stable")
    best = descending[: len(accuracies) // 10]
    if len(best) >= LEAST_BEST and np.ptp(accuracies[best]) > 0:
        numbers |= _with_interval("best", tau_b, predicted[best], accuracies[best])
    return Agreement(architectures=len(accuracies), folds=folds, **numbers)


def _with_interval(
    name: str, measure: Measure, predicted: np.ndarray, accuracies: np.ndarray
) -> dict[str, float]:
    """Return a measure and the ends of its 95 % interval, NaN if undefined.

    The keys are `name`, `name_low` and `name_high`.
    """

    def resampled(pairs: np.ndarray) -> float | None:
        return measure(predicted[pairs], accuracies[pairs])

    value = measure(predicted, accuracies)
    interval = bootstrap_interval(
        resampled, len(accuracies), resamples=RESAMPLES, seed=_SEED
    )
    return {
        name: nan if value is None else value,
        f"{name}_low": nan if interval is None else interval.low,
        f"{name}_high": nan if interval is None else interval.high,
    }


def _rmse(predicted: np.ndarray, accuracies: np.ndarray) -> float:
    """Return the root of the mean squared difference, in percentage points."""
    return float(np.sqrt(np.mean((predicted - accuracies) ** 2)))
