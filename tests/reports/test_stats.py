"""Rank correlations against scipy and against slow references."""

from __future__ import annotations

from itertools import combinations, product
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from archselect.reports.stats import (
    architecture_level,
    bootstrap,
    by_supernet,
    coefficient,
    operation_level,
    spearman,
    tau_b,
)

VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.just(-inf), st.just(inf))
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


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(0, 4)), min_size=3, max_size=60))
def test_both_equal_scipy(pairs):
    x, y = ([float(p[i]) for p in pairs] for i in (0, 1))
    if len(set(x)) < 2 or len(set(y)) < 2:
        return
    assert tau_b(x, y) == pytest.approx(scipy_stats.kendalltau(x, y, variant="b").statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(scipy_stats.spearmanr(x, y).statistic, abs=1e-9)


@given(PAIRS)
def test_the_declared_direction_turns_the_sign(pairs):
    x, y = ([p[i] for p in pairs] for i in (0, 1))
    higher = coefficient(x, y, "higher", 2, "operations scored")
    lower = coefficient(x, y, "lower", 2, "operations scored")
    assert (higher.tau is None) == (lower.tau is None) == bool(higher.reason)
    if higher.tau is not None:
        assert lower.tau == pytest.approx(-higher.tau) and lower.rho == pytest.approx(-higher.rho)


def test_minus_infinity_is_the_lowest_score():
    assert tau_b([-inf, 0.0, 1.0], [1.0, 2.0, 3.0]) == 1.0
    assert coefficient([-inf, 0.0, 1.0], [1.0, 2.0, 3.0], "lower", 2, "things").tau == -1.0


@pytest.mark.parametrize(
    ("scores", "truth", "least", "reason"),
    [
        ([1.0], [1.0], 2, "fewer than 2 things"),
        ([], [], 2, "fewer than 2 things"),
        ([1.0, 2.0], [1.0, 2.0], 3, "fewer than 3 things"),
        ([1.0, 1.0], [1.0, 2.0], 2, "all scores equal"),
        ([-inf, -inf], [1.0, 2.0], 2, "all scores equal"),
        ([1.0, 2.0], [3.0, 3.0], 2, "all accuracies equal"),
        ([1.0, nan], [1.0, 2.0], 2, "a nan score"),
        ([1.0, 2.0], [nan, 2.0], 2, "a nan accuracy"),
    ],
)
def test_undefined_has_a_reason(scores, truth, least, reason):
    found = coefficient(scores, truth, "higher", least, "things")
    assert (found.tau, found.rho, found.reason) == (None, None, reason)


def test_bootstrap_approaches_the_exact_distribution_of_the_mean():
    values = [0.1, 0.35, 0.4, 0.8]
    exact = np.array([np.mean(drawn) for drawn in product(values, repeat=len(values))])
    found = bootstrap(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.low == pytest.approx(np.quantile(exact, 0.025), abs=0.02)
    assert found.high == pytest.approx(np.quantile(exact, 0.975), abs=0.02)
    assert bootstrap(values) == found
    assert bootstrap([0.5]).low is None and bootstrap([]).mean is None


def test_the_scores_of_the_deciding_step_count(fake):
    """An edge scored again at a later step is judged by the scores of the step that decided it."""
    record = fake.record(fake.inputs("magnitude", 0))
    edge = [s for s in record.selected.operation_scores if s.edge == 2]
    oracle = [[[float(k) for k in range(5)] for _ in range(6)]]

    def scored(step: int, sign: int) -> list:
        return [s.model_copy(update={"step": step, "value": float(sign * s.choice)}) for s in edge]

    def tau(decided_at: int) -> float | None:
        decision = record.selected.decisions[2].model_copy(update={"step": decided_at, "edge": 2})
        changed = {"operation_scores": scored(1, 1) + scored(3, -1), "decisions": [decision]}
        selected = record.selected.model_copy(update=changed)
        return operation_level([record.model_copy(update={"selected": selected})], oracle).tau.mean

    assert [tau(step) for step in (0, 1, 2, 3, 4)] == [None, 1.0, 1.0, -1.0, -1.0]


def test_an_edge_decided_without_scores_is_undefined(fake):
    record = fake.record(fake.inputs("darts-pt", 0))
    scores = [s for s in record.selected.operation_scores if s.edge != 4]
    selected = record.selected.model_copy(update={"operation_scores": scores})
    found = operation_level(
        [record.model_copy(update={"selected": selected})], fake.worlds["nb201-digits"][0].oracle(True)
    )
    assert found.size == 6 and dict(found.undefined) == {"fewer than 2 operations scored": 1}


def test_an_architecture_scored_twice_counts_once(fake):
    record = fake.record(fake.inputs("zero-cost-pt", 0))
    accuracy = record.accuracies[0]
    doubled = record.selected.model_copy(update={"architecture_scores": record.selected.architecture_scores * 2})
    twice = architecture_level(
        [
            (
                record.model_copy(update={"selected": doubled}),
                accuracy.model_copy(update={"scored": accuracy.scored * 2}),
            )
        ]
    )
    assert twice == architecture_level([(record, accuracy)])
    assert twice.n.endswith(f"{len(accuracy.scored)} architectures")


@given(st.lists(st.tuples(st.integers(0, 3), st.one_of(st.none(), st.floats(-1, 1))), max_size=9))
def test_one_value_of_each_supernet(pairs):
    found = by_supernet([value for _, value in pairs], [seed for seed, _ in pairs])
    values = {seed: [v for s, v in pairs if s == seed and v is not None] for seed, _ in pairs}
    assert sorted(found) == pytest.approx(sorted(np.mean(own) for own in values.values() if own))
