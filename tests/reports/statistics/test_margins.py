"""Margins of a difference from a published number: equal to scipy's, wide enough, and absent where nothing scatters."""

from math import sqrt
from statistics import stdev

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, t, ttest_1samp, ttest_ind, ttest_ind_from_stats

from archselect.reports.statistics.intervals import best_of
from archselect.reports.statistics.margins import (
    PUBLISHED_EQUAL,
    PUBLISHED_RUNS_UNKNOWN,
    PUBLISHED_WITHOUT_DEVIATION,
    SKEWED_MEANS,
    SKEWED_RUNS,
    best_quantiles,
    margin_between_means,
    margin_between_samples,
    margin_of_best,
    margin_of_one_run,
    margin_of_our_mean,
    margin_of_random_cells,
)

VALUES = st.lists(
    st.integers(-1000, 1000).map(lambda value: value / 10),
    min_size=3,
    max_size=8,
    unique=True,
)
OURS = [93.1, 93.9, 94.2, 94.37]
EQUAL = [54.3, 54.3, 54.3, 54.3]


def half(interval):
    return (interval.high - interval.low) / 2


@given(VALUES)
def test_our_mean_alone_is_students(values):
    margin = margin_of_our_mean(values, "why")
    wanted = half(ttest_1samp(values, 0).confidence_interval(0.95))
    assert margin.below == margin.above == pytest.approx(wanted)
    assert margin.basis == "our standard error alone: why"


@given(VALUES, VALUES)
def test_two_samples_are_welchs(ours, theirs):
    margin = margin_between_samples(ours, theirs)
    wanted = half(ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95))
    assert margin.below == margin.above == pytest.approx(wanted)
    assert margin.basis == "both standard errors"


@given(VALUES, st.floats(0.01, 100), st.integers(2, 20), st.floats(-200, 200))
def test_a_printed_mean_is_held_by_both_standard_errors(
    ours, deviation, runs, published
):
    margin = margin_between_means(ours, deviation, runs)
    found = ttest_ind_from_stats(
        np.mean(ours),
        stdev(ours),
        len(ours),
        published,
        deviation,
        runs,
        equal_var=False,
    )
    differs = abs(np.mean(ours) - published) > margin.above
    assert differs == (found.pvalue < 0.05) or found.pvalue == pytest.approx(
        0.05, abs=1e-6
    )


@pytest.mark.parametrize(
    ("deviation", "runs", "why"),
    [
        (None, 4, PUBLISHED_WITHOUT_DEVIATION),
        (None, None, PUBLISHED_WITHOUT_DEVIATION),
        (12.93, None, PUBLISHED_RUNS_UNKNOWN),
        (0.0, 4, PUBLISHED_EQUAL),
    ],
)
def test_without_a_published_standard_error_ours_is_alone_and_named(
    deviation, runs, why
):
    assert margin_between_means(OURS, deviation, runs) == margin_of_our_mean(OURS, why)


def test_one_run_of_ours_is_held_against_their_scatter():
    margin = margin_between_means([93.0], 0.5, 4)
    assert margin.below == pytest.approx(t.ppf(0.975, 3) * 0.5 * sqrt(1 + 1 / 4))
    assert "our single run" in margin.basis


@pytest.mark.parametrize(
    "margin",
    [
        margin_of_our_mean(EQUAL, "why"),
        margin_between_means(EQUAL, 0.5, 4),
        margin_between_means(EQUAL, None, None),
        margin_between_samples(EQUAL, OURS),
        margin_between_samples(EQUAL, [94.0]),
        margin_of_one_run(EQUAL, 4),
        margin_of_best(EQUAL, 4, 4, 54.3, True),
    ],
)
def test_equal_values_have_no_margin(margin):
    assert not margin.known
    assert margin.basis == "our 4 values are all equal, so their spread is not known"


def test_values_that_differ_in_the_last_bits_are_equal():
    assert not margin_of_our_mean([0.6, 0.6 + 1e-16, 0.1 * 6], "why").known


@pytest.mark.parametrize(
    "margin",
    [
        margin_of_our_mean([93.0], "why"),
        margin_between_means([93.0], None, 4),
        margin_between_means([93.0], 0.5, None),
        margin_between_means([93.0], 0.0, 4),
        margin_between_samples([93.0], [94.0]),
        margin_of_one_run([93.0], 1),
        margin_of_one_run([93.0, 94.0], 1),
        margin_of_best([93.0, 94.0], 1, 2, 94.0, True),
    ],
)
def test_one_independent_run_has_no_margin(margin):
    assert not margin.known
    assert (
        margin.basis == "we have only one independent run, so its spread is not known"
    )


def test_one_published_run_is_held_against_the_scatter_of_ours():
    margin = margin_of_one_run(OURS, 4)
    assert (
        margin.below
        == margin.above
        == pytest.approx(t.ppf(0.975, 3) * stdev(OURS) * sqrt(1 + 1 / 4))
    )
    assert margin == margin_between_samples(OURS, [94.0])


def test_a_best_of_one_is_a_run():
    """Up to what 100,000 draws are worth."""
    low, high = best_quantiles(4, 1)
    wanted = t.ppf(0.975, 3) * sqrt(1 + 1 / 4)
    assert (-low, high) == (
        pytest.approx(wanted, rel=0.03),
        pytest.approx(wanted, rel=0.03),
    )


def test_a_best_of_many_normal_runs_is_scipys():
    """With so many runs of ours their mean and deviation are as good as known."""
    low, high = best_quantiles(100_000, 4)
    wanted = [norm.ppf(q ** (1 / 4)) for q in (0.025, 0.975)]
    assert [low, high] == pytest.approx(wanted, abs=0.03)


def test_the_best_may_be_the_lowest():
    """An error is an accuracy turned around."""
    errors = [100 - value for value in OURS]
    of_accuracy = margin_of_best(OURS, 4, 4, max(OURS), True)
    of_error = margin_of_best(errors, 4, 4, min(errors), False)
    assert of_error.below == pytest.approx(of_accuracy.above)
    assert of_error.above == pytest.approx(of_accuracy.below)


def test_a_mean_of_many_cells_is_normal():
    quantiles = np.linspace(80, 90, 201)
    wanted = norm.ppf(0.975) * quantiles.std() / sqrt(2000)
    assert margin_of_random_cells(list(quantiles), 2000).below == pytest.approx(wanted)
    assert margin_of_random_cells(list(quantiles), 50).below == pytest.approx(
        wanted * sqrt(40), rel=0.03
    )


def test_a_mean_of_cells_of_a_table_without_scatter():
    margin = margin_of_random_cells([90.0] * 201, 4)
    assert (margin.below, margin.above) == (
        pytest.approx(0, abs=1e-9),
        pytest.approx(0, abs=1e-9),
    )


def holds(differences, margins):
    """How often a difference lies within its margin."""
    pairs = [
        (difference, margin)
        for difference, margin in zip(differences, margins, strict=True)
        if margin.known
    ]
    return np.mean(
        [-margin.below <= difference <= margin.above for difference, margin in pairs]
    )


@pytest.mark.parametrize(("ours", "theirs"), [(4, 4), (8, 4), (4, 3), (8, 8)])
def test_the_coverage_of_normal_values(ours, theirs):
    rng = np.random.default_rng(5)
    means, runs, bests = [], [], []
    for _ in range(1500):
        a, b = rng.normal(size=ours), rng.normal(size=theirs)
        means.append((a.mean() - b.mean(), margin_between_samples(a, b)))
        runs.append((a.mean() - b[0], margin_of_one_run(a, ours)))
        bests.append(
            (
                a.max() - rng.normal(size=ours).max(),
                margin_of_best(a, ours, ours, a.max(), True),
            )
        )
    for pairs in (means, runs, bests):
        assert holds(*zip(*pairs, strict=True)) > 0.93


@pytest.fixture(scope="module")
def accuracies(shared_file):
    """CIFAR-10 test accuracy of every cell of NAS-Bench-201, in order."""
    table = pd.read_csv(shared_file("nb201.csv.gz"), dtype={"seed": str})
    table = table[
        (table.epochs == 200)
        & (table.dataset == "cifar10")
        & (table.split == "ori-test")
    ]
    return np.sort(table.groupby("index").accuracy.mean())


@pytest.mark.parametrize("cells", [1, 2, 4, 8, 16])
def test_the_coverage_of_random_cells(accuracies, cells):
    """Of the mean of random cells about the mean of the table, whose tail of failed cells Student's t misses."""
    margin = margin_of_random_cells(
        np.quantile(accuracies, np.linspace(0, 1, 201)), cells
    )
    means = np.random.default_rng(7).choice(accuracies, (100_000, cells)).mean(axis=1)
    differences = means - accuracies.mean()
    assert (
        np.mean((-margin.below <= differences) & (differences <= margin.above)) > 0.94
    )


@pytest.mark.parametrize("part", [0.1, 1 / 3, 1.0])
@pytest.mark.parametrize(("ours", "theirs"), [(4, 4), (8, 4)])
def test_the_coverage_on_samples_of_cells(accuracies, part, ours, theirs):
    """Cells of the best part of the space, as selectors find them, and of all of it; as the module's text says."""
    best = accuracies[-int(part * len(accuracies)) :]
    rng = np.random.default_rng(11)
    means, runs, bests = [], [], []
    for _ in range(2000):
        a, b = rng.choice(best, ours), rng.choice(best, theirs)
        means.append((a.mean() - b.mean(), margin_between_samples(a, b)))
        runs.append((a.mean() - b[0], margin_of_one_run(a, ours)))
        expected = best_of(a, theirs)
        bests.append(
            (expected - b.max(), margin_of_best(a, ours, theirs, expected, True))
        )
    # Two thousand samples: the share found is off by less than two points.
    assert holds(*zip(*means, strict=True)) > SKEWED_MEANS - 0.02
    assert holds(*zip(*runs, strict=True)) > SKEWED_RUNS - 0.02
    assert holds(*zip(*bests, strict=True)) > SKEWED_RUNS - 0.02
