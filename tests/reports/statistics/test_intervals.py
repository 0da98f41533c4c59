"""Intervals of a mean over a few seeds: by scipy, at their limits, and how often they hold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archselect.reports.statistics.intervals import (
    ALL_EQUAL,
    COEFFICIENT,
    LEVEL,
    PERCENT,
    TOO_FEW,
    Interval,
    best_of,
    coverage,
    student,
)

VALUES = st.lists(
    st.floats(0, 100).map(lambda value: round(value, 3)), min_size=3, max_size=9
)


@given(VALUES)
def test_the_interval_is_that_of_the_t_test_within_bounds(values):
    found = student(values, PERCENT)
    assert found.mean == pytest.approx(np.mean(values))
    if len(set(values)) == 1:
        assert found == Interval(found.mean, None, None, ALL_EQUAL)
        return
    low, high = stats.ttest_1samp(values, 0.0).confidence_interval(LEVEL)
    assert (found.low, found.high) == pytest.approx(
        (max(low, 0), min(high, 100)), rel=1e-7, abs=1e-7
    )
    assert 0 <= found.low <= found.mean <= found.high <= 100


def test_too_few_or_equal_values_have_no_interval():
    assert student([]) == Interval(None, None, None, "no value")
    assert student([0.5]) == Interval(0.5, None, None, TOO_FEW)
    assert student([0.136, 0.136]) == Interval(0.136, None, None, TOO_FEW)
    assert student([0.1 + 0.2, 0.3, 0.3]).reason == ALL_EQUAL
    assert student([-1.0, 1.0, 1.0], COEFFICIENT).high == 1.0
    for value in (np.nan, np.inf, -np.inf):
        with pytest.raises(ValueError, match="finite"):
            student([1.0, 2.0, value])


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=7), st.data())
def test_the_best_of_some_is_the_mean_over_all_ways_to_draw_them(values, data):
    runs = data.draw(st.integers(1, len(values)))
    slow = np.mean([max(drawn) for drawn in combinations(values, runs)])
    assert best_of(values, runs) == pytest.approx(slow, abs=1e-12)


@pytest.mark.parametrize("runs", [0, 4])
def test_a_best_of_more_than_there_are_is_refused(runs):
    with pytest.raises(ValueError, match="the best of"):
        best_of([1.0, 2.0, 3.0], runs)


@pytest.mark.parametrize("seeds", [3, 4, 8])
def test_coverage_is_what_a_simulation_of_the_interval_itself_finds(seeds):
    """A normal population has its 95 %; one with a failed tail has what `student` really reaches there."""
    places = np.linspace(0.0005, 0.9995, 201)
    normal = tuple(stats.norm.ppf(places))
    assert coverage(normal, seeds) == pytest.approx(LEVEL, abs=0.01)
    failing = tuple(np.where(places < 0.05, 10.0, 90 + 4 * places))
    rng = np.random.default_rng(8)
    population = np.interp(
        (np.arange(10_000) + 0.5) / 10_000, np.linspace(0, 1, 201), failing
    )
    intervals = [
        student(list(drawn)) for drawn in rng.choice(population, (1_500, seeds))
    ]
    holds = [
        found.low <= population.mean() <= found.high
        for found in intervals
        if found.low is not None
    ]
    # Three standard errors of 1,500 draws.
    assert coverage(failing, seeds) == pytest.approx(np.mean(holds), abs=0.04)
    assert coverage(failing, seeds) < 0.9


def test_coverage_leaves_out_samples_without_an_interval():
    """Two values, half and half: samples of one value alone have no interval and do not count."""
    assert 0.5 < coverage((0.0,) * 100 + (1.0,) * 100, 4) <= 1.0
