"""The best of many noisy means is lucky; without the luck it is about as good as the truly best."""

from __future__ import annotations

import numpy as np
import pytest

from archselect.nasbench_adapters.truth.optimum import (
    corrected_optimum,
    left_out_optimum,
)

REPETITIONS = 20
MARGIN = 0.5


def skewed(rng):
    """Many good cells, a long tail of bad ones, the noise larger below: as on digits."""
    true = 95.5 - rng.gamma(1.5, 2.0, 4_000)
    return true, 1.0 + 0.25 * (95.5 - true)


def normal(rng):
    true = rng.normal(90, 1, 3_000)
    return true, np.full(len(true), 2.0)


def measured(rng, true, noise, trials):
    return true[:, None] + rng.normal(size=(len(true), trials)) * noise[:, None]


@pytest.mark.parametrize("trials", [2, 3, 4])
@pytest.mark.parametrize("world", [skewed, normal])
def test_the_corrected_optimum_is_nearly_unbiased(world, trials):
    """On average within half a point of the truly best cell's accuracy, where the raw optimum is a point too high."""
    rng = np.random.default_rng(7)
    raw, corrected = [], []
    for _ in range(REPETITIONS):
        true, noise = world(rng)
        matrix = measured(rng, true, noise, trials)
        raw.append(matrix.mean(axis=1).max() - true.max())
        corrected.append(corrected_optimum(matrix) - true.max())
    assert np.mean(raw) > 2 * MARGIN
    assert abs(np.mean(corrected)) < MARGIN


def test_the_left_out_trial_is_unbiased_for_what_the_others_choose():
    rng = np.random.default_rng(3)
    errors, raw = [], []
    for _ in range(300):
        true = rng.normal(80, 1, 200)
        matrix = measured(rng, true, np.ones(200), 3)
        chosen = [
            true[np.delete(matrix, place, axis=1).mean(axis=1).argmax()]
            for place in range(3)
        ]
        errors.append(left_out_optimum(matrix) - np.mean(chosen))
        raw.append(matrix.mean(axis=1).max() - true[matrix.mean(axis=1).argmax()])
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 300**0.5
    assert np.mean(raw) > 0.5


@pytest.mark.parametrize("estimate", [corrected_optimum, left_out_optimum])
def test_without_noise_nothing_changes(estimate):
    for values in (
        np.random.default_rng(0).uniform(10, 99, 3_000),
        np.full(50, 60.1),
        np.array([12.3]),
    ):
        assert estimate(np.repeat(values[:, None], 3, axis=1)) == pytest.approx(
            values.max(), abs=1e-8
        )


def test_little_noise_changes_little():
    rng = np.random.default_rng(1)
    matrix = measured(rng, rng.normal(90, 1, 2_000), np.full(2_000, 1e-3), 3)
    assert corrected_optimum(matrix) == pytest.approx(
        matrix.mean(axis=1).max(), abs=0.05
    )


@pytest.mark.parametrize("estimate", [corrected_optimum, left_out_optimum])
def test_one_trial_cannot_be_corrected(estimate):
    values = np.random.default_rng(0).uniform(10, 99, 100)
    assert estimate(values[:, None]) is None
    split = np.full((100, 2), np.nan)
    split[np.arange(100), np.arange(100) % 2] = values
    assert estimate(split) is None
    assert estimate(np.full((3, 2), np.nan)) is None


def test_missing_trials():
    """Cells of one trial are noisier, and are not judged by a trial that they do not have."""
    rng = np.random.default_rng(5)
    errors, raw = [], []
    for _ in range(REPETITIONS):
        true, noise = normal(rng)
        matrix = measured(rng, true, noise, 3)
        matrix[rng.random(len(true)) < 0.4, 1:] = np.nan
        raw.append(np.nanmean(matrix, axis=1).max() - true.max())
        errors.append(corrected_optimum(matrix) - true.max())
    assert abs(np.mean(errors)) < MARGIN < np.mean(raw) / 2
    assert (
        left_out_optimum(np.array([[99.0, np.nan], [50.0, 60.0], [70.0, 40.0]]))
        == (50 + 40) / 2
    )


def test_equal_means_are_judged_together():
    assert left_out_optimum(np.array([[50.0, 60.0], [50.0, 80.0]])) == (70 + 50) / 2


def test_the_correction_never_exceeds_the_raw_optimum():
    rng = np.random.default_rng(2)
    for cells in (1, 2, 5, 400):
        matrix = measured(rng, rng.normal(50, 3, cells), np.full(cells, 2.0), 2)
        assert corrected_optimum(matrix) <= matrix.mean(axis=1).max() + 1e-8
