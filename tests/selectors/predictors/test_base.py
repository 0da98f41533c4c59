"""Standardised values, optimiser steps, ranks, and what no predictor learns from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.predictors import PREDICTORS
from archselect.selectors.predictors.base import count_steps, ranked, standardised

NB201 = get_space("nb201")
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=30))
def test_standardised_values_are_finite_and_keep_their_order(values):
    found = standardised(values)
    assert np.isfinite(found).all() and len(found) == len(values)
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(found[order]) >= 0)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=30, unique=True))
def test_standardised_values_have_mean_zero_and_deviation_one(values):
    found = standardised(values)
    assert abs(found.mean()) < 1e-9 and abs(found.std() - 1) < 1e-9
    assert np.allclose(found, (np.array(values) - np.mean(values)) / np.std(values))


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 5e-324, 1.7e308])
def test_equal_values_become_zeros(value):
    assert standardised([value] * 7).tolist() == [0.0] * 7


def test_steps_are_counted_as_batches_of_a_hundred():
    assert [count_steps(3, n) for n in (1, 100, 101, 1_100)] == [3, 3, 6, 33]
    assert count_steps(0, 50) == 0


def test_the_best_come_first_and_equal_ones_in_their_order():
    cells = list(NB201.representatives[:5])
    values = np.array([1.0, 3.0, 3.0, -np.inf, 2.0])
    assert ranked(cells, values) == [cells[place] for place in (1, 2, 4, 0, 3)]
    assert ranked([], np.empty(0)) == []


@pytest.mark.parametrize("kind", PREDICTORS.values(), ids=PREDICTORS)
def test_a_predictor_refuses_what_it_cannot_learn_from(kind):
    predictor = kind(NB201, np.random.default_rng(0))
    cells = NB201.representatives[:3]
    for bad in (np.zeros(2), np.zeros((3, 1))):
        with pytest.raises(ValueError, match="3 architectures have values of shape"):
            predictor.fit(cells, bad, 1)
    for value in (np.nan, np.inf):
        with pytest.raises(ValueError, match="needs examples with finite values"):
            predictor.fit(cells, np.array([1.0, value, 2.0]), 1)
    with pytest.raises(ValueError, match="at least one example"):
        predictor.fit([], np.empty(0), 1)


@pytest.mark.parametrize("kind", PREDICTORS.values(), ids=PREDICTORS)
def test_equal_values_and_no_architectures_give_numbers(kind):
    predictor = kind(NB201, np.random.default_rng(0))
    cells = NB201.representatives[:3]
    predictor.fit(cells, np.full(3, 2.0), 2)
    assert np.isfinite(predictor.predict(NB201.representatives[:50])).all()
    assert predictor.predict([]).shape == (0,)
    assert predictor.predict(cells).dtype == np.float64


@pytest.mark.parametrize("kind", PREDICTORS.values(), ids=PREDICTORS)
def test_only_who_says_so_proposes(kind):
    predictor = kind(NB201, np.random.default_rng(0))
    if kind.proposes:
        assert len(predictor.propose(NB201.representatives[:4], 1.0)) == 4
    else:
        with pytest.raises(ValueError, match="cannot propose architectures"):
            predictor.propose(NB201.representatives[:4], 1.0)
