"""Rank correlations of two sequences, against scipy and against slow references."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from archselect.nasbench_adapters.rank_correlations import (
    bootstrap_interval,
    centred_ranks,
    spearman,
    tau_b,
)

VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12)


def slow_tau_b(x: list[float], y: list[float]) -> float:
    """By the definition, one pair at a time."""

    def sign(a: float, b: float) -> int:
        return (a > b) - (a < b)

    pairs = list(combinations(range(len(x)), 2))
    concordance = sum(sign(x[i], x[j]) * sign(y[i], y[j]) for i, j in pairs)
    untied_x = sum(x[i] != x[j] for i, j in pairs)
    untied_y = sum(y[i] != y[j] for i, j in pairs)
    return concordance / (untied_x * untied_y) ** 0.5


def slow_spearman(x: list[float], y: list[float]) -> float:
    def ranks(v: list[float]) -> list[float]:
        return [sum(b < a for b in v) + (sum(b == a for b in v) + 1) / 2 for a in v]

    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


@given(PAIRS)
def test_both_equal_slow_references(pairs):
    x, y = ([p[i] for p in pairs] for i in (0, 1))
    if len(set(x)) < 2 or len(set(y)) < 2:
        assert tau_b(x, y) is None and spearman(x, y) is None
        return
    assert tau_b(x, y) == pytest.approx(slow_tau_b(x, y), abs=1e-12)
    assert spearman(x, y) == pytest.approx(slow_spearman(x, y), abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 4)), min_size=3, max_size=60)
)
def test_both_equal_scipy(pairs):
    x, y = ([float(p[i]) for p in pairs] for i in (0, 1))
    if len(set(x)) < 2 or len(set(y)) < 2:
        return
    assert tau_b(x, y) == pytest.approx(
        scipy_stats.kendalltau(x, y, variant="b").statistic, abs=1e-12
    )
    assert spearman(x, y) == pytest.approx(
        scipy_stats.spearmanr(x, y).statistic, abs=1e-9
    )


@pytest.mark.parametrize("levels", [2, 100, 10**9])
def test_both_equal_scipy_on_as_many_values_as_a_whole_table_has(levels):
    rng = np.random.default_rng(levels)
    x = rng.integers(0, levels, 15_625).astype(float)
    y = np.round(x / levels + rng.normal(size=len(x)), 1)
    assert tau_b(x, y) == pytest.approx(
        scipy_stats.kendalltau(x, y, variant="b").statistic, abs=1e-12
    )
    assert spearman(x, y) == pytest.approx(
        scipy_stats.spearmanr(x, y).statistic, abs=1e-12
    )


@pytest.mark.parametrize(
    "values", [[], [1.0], [1.0, 1.0], [1.0, float("nan")], [1.0, float("inf")]]
)
def test_what_is_undefined_is_none(values):
    other = [float(place) for place in range(len(values))]
    for x, y in ((values, other), (other, values)):
        assert tau_b(x, y) is None
        assert spearman(x, y) is None


def test_an_interval_is_the_percentiles_of_the_measure_of_drawn_pairs():
    rng = np.random.default_rng(1)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)

    def measure(pairs):
        return tau_b(x[pairs], y[pairs])

    found = bootstrap_interval(measure, 30, resamples=200, seed=5)
    draws = np.random.default_rng(5).integers(0, 30, (200, 30))
    taus = [scipy_stats.kendalltau(x[draw], y[draw]).statistic for draw in draws]
    assert found == pytest.approx(np.quantile(taus, [0.025, 0.975]))
    narrower = bootstrap_interval(measure, 30, resamples=200, seed=5, level=0.5)
    assert found.low < narrower.low < narrower.high < found.high


def test_draws_without_a_value_are_left_out_of_an_interval():
    def sometimes(pairs):
        return None if 0 in pairs else 2.0

    assert bootstrap_interval(sometimes, 3, resamples=50, seed=0) == (2.0, 2.0)
    assert bootstrap_interval(lambda pairs: None, 3, resamples=5, seed=0) is None
    assert bootstrap_interval(lambda pairs: np.nan, 3, resamples=5, seed=0) is None


def test_centred_ranks_are_average_ranks_about_their_mean():
    values = [3.0, 1.0, 3.0, 2.0]
    expected = scipy_stats.rankdata(values) - 2.5
    assert centred_ranks(values).tolist() == expected.tolist()
