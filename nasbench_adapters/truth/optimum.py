"""The accuracy of the best architecture, corrected for noise between trainings.

The largest of thousands of noisy means is too high. If the noise between trainings is
larger than the differences between good architectures, the architecture with the
highest mean is the luckiest one, not the best. Two estimates avoid this bias:

* :func:`corrected_optimum` estimates the accuracy of the truly best architecture, by
  empirical Bayes.
* :func:`left_out_optimum` measures the accuracy of the architecture with the highest
  mean, by leaving one trial out.

This file does not import torch.
"""

from __future__ import annotations

import numpy as np

from archselect.nasbench_adapters.truth.ground_truth import DECIMALS

NEIGHBOURS = 50
"""Number of neighbours by accuracy, on each side, from which the noise is estimated."""
LEAST = 100
"""Smallest number of architectures that the correction uses."""
MOST = 20_000
"""Largest number of architectures that the correction uses."""
POINTS = 200
"""Number of points at which the distribution of true accuracies can have weight."""
ROUNDS = 100
"""Number of rounds of expectation-maximisation.

With more rounds, the smooth distribution would break up into separate peaks.
"""
_SMALLEST = 1e-9
"""Standard error, in percentage points, below which it counts as zero."""


def corrected_optimum(matrix: np.ndarray) -> float | None:
    """Return the expected accuracy of the truly best architecture, in per cent.

    The model: an architecture's mean accuracy is its true accuracy plus normal noise.
    The variance of the noise is that between the trials of architectures with similar
    accuracy, divided by the number of trials. All means together give the distribution
    of true accuracies (nonparametric maximum likelihood of Kiefer and Wolfowitz, Annals
    of Mathematical Statistics 1956, by expectation-maximisation). From it follows a
    distribution of each architecture's true accuracy, and the result is the expected
    maximum over architectures. It is never above the largest mean, and equals it if the
    trials of each architecture are equal.

    Args:
        matrix: accuracies in per cent, (architectures, trials), NaN for a missing
            trial.

    Returns:
        the accuracy; None if no architecture has two trials, because the noise is then
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
    """Return the accuracy, in one trial, of the best architecture by the other trials.

    For each trial, take the architecture with the highest mean of the other trials
    (several if they are equal), and its accuracy in the trial left out. The result is
    the mean over the trials. It is an unbiased estimate of the true accuracy of the
    best architecture in a table with one trial less. So its expectation is at most the
    best accuracy of the space.

    Args:
        matrix: accuracies in per cent, (architectures, trials), NaN for a missing
            trial.

    Returns:
        the accuracy in per cent; None if no architecture has two trials.
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

    It is pooled over the nearest neighbours by accuracy. If none of these has two
    trials, it is pooled over all architectures.

    Args:
        matrix: accuracies, (architectures, trials), sorted by the architectures' means.
        means: mean accuracy of each architecture.
        counts: number of trials of each architecture.
    """
    squares = np.nansum((matrix - means[:, None]) ** 2, axis=1)
    freedom = counts - 1
    near_squares = _moving_sum(squares)
    near_freedom = _moving_sum(freedom)
    everywhere = squares.sum() / freedom.sum()
    nearby = near_squares / np.maximum(near_freedom, 1)
    return np.where(near_freedom > 0, nearby, everywhere)


def _moving_sum(values: np.ndarray) -> np.ndarray:
    """Return, for each entry, the sum of the entry and its neighbours on both sides."""
    padded = np.pad(values.astype(np.float64), NEIGHBOURS)
    width = 2 * NEIGHBOURS + 1
    return np.lib.stride_tricks.sliding_window_view(padded, width).sum(axis=1)


def _expected_maximum(means: np.ndarray, errors: np.ndarray) -> float:
    """Return the expected maximum of true accuracies.

    Args:
        means: noisy mean of each architecture, in per cent.
        errors: standard error of each mean.
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
