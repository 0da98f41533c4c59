"""The best of n random architectures, against every draw there is and against sampled searches."""

from __future__ import annotations

from itertools import combinations, permutations
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.random_best import (
    incumbents,
    random_best,
    simulated_best,
)

REWARDS = (3.0, 1.0, 3.0, 7.0, 2.0, 3.0)
REPORTED = (50.0, 90.0, 10.0, 60.0, 20.0, 30.0)

rewards_and_reports = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 100)), min_size=1, max_size=6
)


def search(order, rewards, reported):
    """What a search in this order ends with: the first of the best, and the highest report."""
    best = order[0]
    for place in order:
        if rewards[place] > rewards[best]:
            best = place
    return rewards[best], reported[best], max(reported[place] for place in order)


@given(rewards_and_reports)
def test_the_expectations_are_those_of_every_draw(pairs):
    rewards = [reward for reward, _ in pairs]
    reported = [report for _, report in pairs]
    numbers = range(1, len(pairs) + 1)
    exact = random_best(rewards, reported, numbers)
    for place, number in enumerate(numbers):
        every = [
            search(order, rewards, reported)
            for order in permutations(range(len(pairs)), number)
        ]
        assert exact.rewards[place] == pytest.approx(fmean(r for r, _, _ in every))
        assert exact.reported[place] == pytest.approx(fmean(a for _, a, _ in every))
        assert exact.highest[place] == pytest.approx(fmean(h for _, _, h in every))


def test_all_and_more_than_all_end_with_the_mean_of_the_equal_best():
    rewards = [1.0, 5.0, 5.0, 2.0]
    exact = random_best(rewards, [10.0, 20.0, 60.0, 90.0], [4, 5, 1_000])
    assert exact.rewards.tolist() == [5.0] * 3
    assert exact.reported == pytest.approx([40.0] * 3)
    assert exact.highest == pytest.approx([90.0] * 3)


def test_one_query_has_the_mean_of_all():
    exact = random_best(REWARDS, REPORTED, [1])
    assert exact.rewards[0] == pytest.approx(fmean(REWARDS))
    assert exact.reported[0] == pytest.approx(fmean(REPORTED))
    assert exact.highest[0] == pytest.approx(fmean(REPORTED))


def test_one_architecture_is_always_found():
    exact = random_best([4.0], [70.0], [1, 2])
    assert exact.rewards.tolist() == [4.0, 4.0]
    assert exact.reported.tolist() == [70.0, 70.0]


def test_many_architectures_lose_no_precision():
    """The chances of the best to be among n of 200,000 are n / 200,000, and they add up."""
    rewards = np.arange(200_000.0)
    is_best = np.where(rewards == rewards.max(), 100.0, 0.0)
    exact = random_best(rewards, is_best, [1, 300, 10_000])
    assert exact.reported == pytest.approx([5e-4, 0.15, 5.0], rel=1e-9)
    constant = random_best(rewards, np.full(200_000, 80.0), [300])
    assert constant.reported[0] == pytest.approx(80.0, rel=1e-9)


def test_sampled_searches_agree_with_the_expectations():
    rng = np.random.default_rng(1)
    rewards = np.round(rng.normal(80, 5, 400), 1)
    reported = rewards + rng.normal(0, 3, 400)
    numbers = [1, 10, 50, 300]
    exact = random_best(rewards, reported, numbers)
    ends = []
    for _ in range(2_000):
        order = rng.permutation(400)
        ends.append(reported[order[incumbents(rewards[order])]][np.array(numbers) - 1])
    errors = np.std(ends, axis=0, ddof=1) / 2_000**0.5
    assert np.all(abs(np.mean(ends, axis=0) - exact.reported) < 4 * errors)


def test_simulated_searches_of_equal_chances_agree_with_the_expectations():
    rng = np.random.default_rng(2)
    rewards = np.round(rng.normal(80, 5, 300), 1)
    reported = rewards + rng.normal(0, 3, 300)
    numbers = [1, 5, 40, 299, 300, 500]
    exact = random_best(rewards, reported, numbers)
    simulated = simulated_best(rewards, reported, numbers, np.full(300, 0.2))
    assert simulated.repetitions == 2_000
    for name, values in exact.averages().items():
        if not name.endswith("_errors"):
            apart = abs(simulated.averages()[name] - values)
            key = {"rewards": "reward_errors"}.get(name, f"{name}_errors")
            assert np.all(apart <= 4.5 * simulated.averages()[key] + 1e-9)


def test_unequal_chances_are_those_of_draws_with_repetition():
    """Two different ones of three, by the chances of every pair."""
    chances = np.array([0.7, 0.2, 0.1])
    rewards = np.array([1.0, 2.0, 3.0])
    expected = 0.0
    for pair in combinations(range(3), 2):
        for first, second in permutations(pair):
            both = chances[first] * chances[second] / (1 - chances[first])
            expected += both * max(rewards[[first, second]])
    simulated = simulated_best(rewards, 10 * rewards, [2], 5 * chances)
    error = simulated.reward_errors[0]
    assert 0 < error < 0.02
    assert abs(simulated.rewards[0] - expected) < 4 * error
    assert simulated.reported == pytest.approx(10 * simulated.rewards)


def test_what_is_not_reported_of_all_is_of_none():
    reported = [float("nan"), *REPORTED[1:]]
    for found in (
        random_best(REWARDS, reported, [1, 3]),
        simulated_best(REWARDS, reported, [1, 3], np.arange(1.0, 7.0)),
    ):
        assert np.isfinite(found.rewards).all()
        assert np.isnan(found.reported).all() and np.isnan(found.highest).all()


@pytest.mark.parametrize(
    ("rewards", "reported", "numbers", "message"),
    [
        ([], [], [1], "finite rewards"),
        ([float("inf")], [1.0], [1], "finite rewards"),
        ([1.0, 2.0], [1.0], [1], "rewards and"),
        ([1.0], [1.0], [0], "0 queries: give at least 1"),
    ],
)
def test_what_has_no_best_is_refused(rewards, reported, numbers, message):
    with pytest.raises(ValueError, match=message):
        random_best(rewards, reported, numbers)


def test_a_chance_of_nothing_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        simulated_best([1.0, 2.0], [1.0, 2.0], [1], [1.0, 0.0])


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_an_incumbent_is_the_first_of_the_best_so_far(rewards):
    for end, place in enumerate(incumbents(rewards).tolist()):
        so_far = rewards[: end + 1]
        assert place == so_far.index(max(so_far))
