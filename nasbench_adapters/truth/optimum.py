"""The accuracy of the best architecture, corrected for noise between trainings.

No torch here.

The largest of thousands of noisy means is too high: where the noise between trainings
is larger than the distance between good architectures, the first is the luckiest of
them and not the best. Two estimates without that luck:

* :func:`corrected_optimum` estimates how good the truly best architecture is, by
  empirical Bayes.
* :func:`left_out_optimum` measures how good the architecture is that the table names as
  the best, by leaving out.
"""

from __future__ import annotations

import numpy as np

from archselect.nasbench_adapters.truth.ground_truth import DECIMALS

NEIGHBOURS = 50
"""Architectures on each side, by accuracy, whose trials say how noisy a training is."""
LEAST = 100
"""The fewest architectures that the correction looks at."""
MOST = 20_000
"""The most architectures that the correction looks at."""
POINTS = 200
"""Accuracies at which the distribution of true accuracies may have weight."""
ROUNDS = 100
"""Of expectation-maximisation.

Few enough for a smooth distribution: more rounds let it fall apart into lumps.
"""
_SMALLEST = 1e-9
"""A standard error in points that counts as none."""


def corrected_optimum(matrix: np.ndarray) -> float | None:
    """Return the expected accuracy of the truly best architecture, in per cent.

    An architecture's mean of trials is its true accuracy plus normal noise. The noise
    variance is the one between the trials of the architectures nearest in accuracy,
    divided by the number of trials. The distribution of true accuracies is estimated
    from all means at once (the nonparametric maximum likelihood of Kiefer and
    Wolfowitz, Annals of Mathematical Statistics 1956, by expectation-maximisation). It
    gives every architecture a distribution of what its true accuracy may be, and the
    result is the expected maximum of these. It is never above the largest mean, and is
    equal to it where the trials of each architecture are equal.

    Args:
        matrix: accuracies in per cent, architectures × trials, NaN where there is no
            such trial.

    Returns:
        The accuracy; None where no architecture has two trials, so that the noise is
        unknown.
    """
    matrix = matrix[~np.isnan(matrix).all(axis=1)]
    counts = (~np.isnan(matrix)).sum(axis=1)
    if not len(matrix) or counts.max() < 2:
        return None
    means = _means(matrix)
    order = np.argsort(means, kind="stable")
    means = means[order]
    counts = counts[order]
    errors = np.sqrt(_noise_variance(matrix[order], means, counts) / counts)
    top = min(MOST, max(LEAST, len(means) // 2))
    top_errors = np.maximum(errors[-top:], _SMALLEST)
    return float(np.round(_expected_maximum(means[-top:], top_errors), DECIMALS))


def left_out_optimum(matrix: np.ndarray) -> float | None:
    """Return how good the architecture is that was chosen as the best by other trials.

    For each trial, the architecture with the highest mean of its other trials is chosen
    (several if they are equal), and judged by the trial left out; the result is the
    mean over the trials. It is an unbiased estimate of the true accuracy of what a
    table of one trial fewer names as the best, and so in expectation at most the best
    accuracy of the space.

    Args:
        matrix: accuracies in per cent, architectures × trials, NaN where there is no
            such trial.

    Returns:
        The accuracy in per cent; None where no architecture has two trials.
    """
    accuracies = []
    for trial in range(matrix.shape[1]):
        left_out = matrix[:, trial]
        others = np.delete(matrix, trial, axis=1)
        usable = ~np.isnan(left_out) & ~np.isnan(others).all(axis=1)
        if not usable.any():
            continue
        means = _means(others[usable])
        chosen = means == means.max()
        accuracies.append(left_out[usable][chosen].mean())
    return float(np.mean(accuracies)) if accuracies else None


def _means(matrix: np.ndarray) -> np.ndarray:
    """Return the mean of each architecture's trials; each has at least one."""
    return np.asarray(np.round(np.nanmean(matrix, axis=1), DECIMALS))


def _noise_variance(
    matrix: np.ndarray, means: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return the variance between trials around each architecture.

    It is pooled over the nearest neighbours; where none of these has two trials, over
    all architectures.

    Args:
        matrix: accuracies, architectures × trials; architectures sorted by their means.
        means: of each architecture.
        counts: of the trials of each architecture.
    """
    squares = np.nansum((matrix - means[:, None]) ** 2, axis=1)
    freedom = counts - 1
    near_squares = _moving_sum(squares)
    near_freedom = _moving_sum(freedom)
    everywhere = squares.sum() / freedom.sum()
    nearby = near_squares / np.maximum(near_freedom, 1)
    return np.where(near_freedom > 0, nearby, everywhere)


def _moving_sum(values: np.ndarray) -> np.ndarray:
    """Return for each entry the sum of it and its neighbours on both sides."""
    padded = np.pad(values.astype(np.float64), NEIGHBOURS)
    width = 2 * NEIGHBOURS + 1
    return np.lib.stride_tricks.sliding_window_view(padded, width).sum(axis=1)


def _expected_maximum(means: np.ndarray, errors: np.ndarray) -> float:
    """Return the expected maximum of true accuracies.

    Args:
        means: a noisy mean of each architecture, in per cent.
        errors: the standard error of each mean.
    """
    points = np.linspace(means.min(), means.max(), POINTS)
    distances = (means[:, None] - points) / errors[:, None]
    exponents = -(distances**2) / 2
    likelihood = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights = np.full(POINTS, 1 / POINTS)
    for _ in range(ROUNDS):
        weights = weights * (likelihood.T @ (1 / (likelihood @ weights))) / len(means)
    posterior = likelihood * weights
    posterior /= posterior.sum(axis=1, keepdims=True)
    none_above = np.minimum(posterior.cumsum(axis=1), 1).prod(axis=0)
    return float(points[-1] - (none_above[:-1] * np.diff(points)).sum())
