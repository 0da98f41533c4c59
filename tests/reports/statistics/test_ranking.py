"""Mean ranks, Friedman's test and Nemenyi's difference against SciPy, published tables and brute force."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from archselect.reports.statistics.ranking import (
    critical_difference,
    find_cliques,
    rank_methods,
)

shapes = st.tuples(st.integers(3, 8), st.integers(3, 6))
few_values = arrays(float, shapes, elements=st.integers(0, 4).map(float))


@settings(deadline=None)
@given(few_values)
def test_ranks_and_friedmans_test_are_scipys(values):
    """Ties are frequent here. SciPy has the chi-squared form; Iman and Davenport's F follows from it."""
    landscapes, methods = values.shape
    ranking = rank_methods(values)
    by_row = [stats.rankdata(-row) for row in values]
    assert ranking.ranks == pytest.approx(np.mean(by_row, axis=0).tolist())
    if ranking.p is None:
        assert all(len(set(row)) == 1 for row in values)
        return
    chi = stats.friedmanchisquare(*values.T).statistic
    rest = landscapes * (methods - 1) - chi
    if rest < 1e-6:
        orders = len(set(permutations(by_row[0])))
        assert ranking.p == pytest.approx(orders ** (1.0 - landscapes))
        return
    f = (landscapes - 1) * chi / rest
    freedom = (methods - 1, (methods - 1) * (landscapes - 1))
    assert ranking.p == pytest.approx(stats.f.sf(f, *freedom), rel=1e-6, abs=1e-12)


def test_the_critical_difference_is_demsars_table():
    """q at 5 % of Demšar (2006), table 5, for 2 to 10 methods."""
    published = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
    for methods, quantile in enumerate(published, start=2):
        expected = quantile * math.sqrt(methods * (methods + 1) / (6 * 14))
        assert critical_difference(methods, 14) == pytest.approx(expected, rel=5e-4)


@given(st.permutations(range(5)))
def test_no_order_of_methods_matters(order):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(6, 5))
    plain = rank_methods(values)
    moved = rank_methods(values[:, list(order)])
    assert moved.p == pytest.approx(plain.p)
    assert moved.ranks == pytest.approx([plain.ranks[place] for place in order])


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((2, 5), "fewer than 3 landscapes"),
        ((5, 2), "fewer than 3 methods"),
        ((5, 4), "all methods are equal on all landscapes"),
    ],
)
def test_too_little_is_not_tested(shape, reason):
    values = np.zeros(shape) if "equal" in reason else np.indices(shape).sum(0) * 1.0
    ranking = rank_methods(values)
    assert ranking.reason == reason
    assert ranking.p is None and ranking.critical_difference is None
    assert not ranking.shows_a_difference


def test_a_value_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        rank_methods(np.array([[1.0, np.nan]]))


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=9),
    st.integers(1, 12),
)
def test_cliques_are_the_largest_runs_within_the_width(places, width):
    ranks = sorted(map(float, places))
    found = {tuple(clique) for clique in find_cliques(ranks, float(width))}
    runs = [
        (first, last)
        for first in range(len(ranks))
        for last in range(first + 1, len(ranks))
        if ranks[last] - ranks[first] <= width
    ]
    largest = {
        (a, b)
        for a, b in runs
        if not any((c, d) != (a, b) and c <= a and b <= d for c, d in runs)
    }
    assert found == largest


def test_a_false_difference_is_found_in_a_twentieth_of_the_cases():
    rng = np.random.default_rng(7)
    worlds = 2_000
    found = sum(
        rank_methods(rng.normal(size=(10, 5))).shows_a_difference for _ in range(worlds)
    )
    # Four standard deviations of a count with probability 1/20.
    assert abs(found / worlds - 0.05) < 4 * math.sqrt(0.05 * 0.95 / worlds)
