"""The accuracy of the best architecture, without the luck of being the largest of many noisy means. No torch here.

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

NEIGHBOURS = 50
"""On each side, by accuracy, the architectures whose trials tell how noisy an
architecture's trainings are.
"""
LEAST, MOST = 100, 20_000
"""Of the upper half of the architectures the fewest and the most that the correction
looks at.
"""
POINTS = 200
"""Accuracies at which the distribution of true accuracies may have weight."""
ROUNDS = 100
"""Of expectation-maximisation. Few enough for a smooth distribution: more let it fall
apart into lumps.
"""
_SMALLEST = 1e-9
"""A standard error in points that counts as none."""


def corrected_optimum(matrix: np.ndarray) -> float | None:
    """Return the expected accuracy of the truly best architecture, in per cent; None where no noise is known.

    An architecture's mean of trials is its true accuracy plus normal noise, whose
    variance is that between the trials of the architectures nearest in accuracy,
    divided by the number of trials. The distribution of true accuracies is estimated
    from all means at once (the nonparametric maximum likelihood of Kiefer and
    Wolfowitz, Annals of Mathematical Statistics 1956, by expectation-maximisation);
    with it every architecture has a distribution of what its true accuracy may be, and
    the result is the expected maximum of these. It is never above the largest mean, and
    is equal to it where the trials of each architecture are equal.

    Args:
        matrix: accuracies in per cent, architectures × trials, NaN where there is no
            such trial.
    """
    matrix = matrix[~np.isnan(matrix).all(axis=1)]
    counts = (~np.isnan(matrix)).sum(axis=1)
    if not len(matrix) or counts.max() < 2:
        return None
    means = np.asarray(np.round(np.nanmean(matrix, axis=1), 9))
    order = np.argsort(means, kind="stable")
    matrix, counts, means = matrix[order], counts[order], means[order]
    errors = np.sqrt(_noise_variance(matrix, means, counts) / counts)
    top = min(MOST, max(LEAST, len(means) // 2))
    return float(
        np.round(
            _expected_maximum(means[-top:], np.maximum(errors[-top:], _SMALLEST)), 9
        )
    )


def left_out_optimum(matrix: np.ndarray) -> float | None:
    """Return the accuracy that an architecture chosen as the best has on a trial that had no part in the choice.

    For each trial, the architecture with the highest mean of its other trials is chosen
    (several if they are equal), and judged by the trial left out; the result is the
    mean over the trials, in per cent. None where no architecture has two trials. It is
    an unbiased estimate of the true accuracy of what a table of one trial fewer names
    as the best, and so in expectation at most the best accuracy of the space.

    Args:
        matrix: accuracies in per cent, architectures × trials, NaN where there is no
            such trial.
    """
    judged = []
    for place in range(matrix.shape[1]):
        others = np.delete(matrix, place, axis=1)
        usable = ~np.isnan(matrix[:, place]) & ~np.isnan(others).all(axis=1)
        if usable.any():
            means = np.asarray(np.round(np.nanmean(others[usable], axis=1), 9))
            judged.append(matrix[usable, place][means == means.max()].mean())
    return float(np.mean(judged)) if judged else None


def _noise_variance(
    matrix: np.ndarray, means: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """Return the variance between trials around each architecture, which are sorted by their means.

    It is pooled over the nearest neighbours; where none of these has two trials, over
    all architectures.
    """
    squares = np.nansum((matrix - means[:, None]) ** 2, axis=1)
    freedom = counts - 1
    within, of = _moving_sum(squares), _moving_sum(freedom)
    everywhere = squares.sum() / freedom.sum()
    return np.where(of > 0, within / np.maximum(of, 1), everywhere)


def _moving_sum(values: np.ndarray) -> np.ndarray:
    """Return for each entry the sum of it and its neighbours on both sides."""
    padded = np.pad(values.astype(np.float64), NEIGHBOURS)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1).sum(
        axis=1
    )


def _expected_maximum(means: np.ndarray, errors: np.ndarray) -> float:
    """Return the expected maximum of true accuracies, of which noisy means and their standard errors are known."""
    points = np.linspace(means.min(), means.max(), POINTS)
    exponents = -(((means[:, None] - points) / errors[:, None]) ** 2) / 2
    likelihood = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    weights = np.full(POINTS, 1 / POINTS)
    for _ in range(ROUNDS):
        weights = weights * (likelihood.T @ (1 / (likelihood @ weights))) / len(means)
    posterior = likelihood * weights
    posterior /= posterior.sum(axis=1, keepdims=True)
    none_above = np.minimum(posterior.cumsum(axis=1), 1).prod(axis=0)
    return float(points[-1] - (none_above[:-1] * np.diff(points)).sum())
