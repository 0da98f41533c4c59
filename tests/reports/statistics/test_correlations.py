"""Rank correlations against scipy and against slow references; many at once against one at a time."""

from __future__ import annotations

from collections import Counter
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.reports.statistics import correlations as ranks
from archselect.reports.statistics.correlations import coefficient, coefficients

VALUES = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
PAIRS = st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=12)


@given(PAIRS)
def test_the_declared_direction_turns_the_sign(pairs):
    x, y = ([p[i] for p in pairs] for i in (0, 1))
    higher = coefficient(x, y, "higher", 2, "operations scored")
    lower = coefficient(x, y, "lower", 2, "operations scored")
    assert (higher.tau is None) == (lower.tau is None) == bool(higher.reason)
    if higher.tau is not None:
        assert lower.tau == pytest.approx(-higher.tau) and lower.rho == pytest.approx(
            -higher.rho
        )


@pytest.mark.parametrize(
    ("scores", "truth", "least", "reason"),
    [
        ([1.0], [1.0], 2, "fewer than 2 things"),
        ([], [], 2, "fewer than 2 things"),
        ([1.0, 2.0], [1.0, 2.0], 3, "fewer than 3 things"),
        ([1.0, 1.0], [1.0, 2.0], 2, "all scores equal"),
        ([-inf, 1.0], [1.0, 2.0], 2, "a score that is not finite"),
        ([1.0, 2.0], [3.0, 3.0], 2, "all accuracies equal"),
        ([1.0, nan], [1.0, 2.0], 2, "a score that is not finite"),
        ([1.0, 2.0], [nan, 2.0], 2, "an accuracy that is not finite"),
    ],
)
def test_undefined_has_a_reason(scores, truth, least, reason):
    found = coefficient(scores, truth, "higher", least, "things")
    assert (found.tau, found.rho, found.reason) == (None, None, reason)


SCORES = st.one_of(VALUES, st.sampled_from([nan, inf, -inf]))
SETS = st.lists(st.lists(st.tuples(SCORES, VALUES, SCORES), max_size=6), max_size=9)


@pytest.mark.parametrize("at_once", [1, 30, 10**6])
@given(SETS)
def test_many_at_once_are_the_same_to_the_last_bit(at_once, sets):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "_AT_ONCE", at_once)
        scores, *truths = (
            np.array([row[i] for own in sets for row in own]) for i in range(3)
        )
        every = coefficients(
            scores,
            truths,
            np.array([len(own) for own in sets], dtype=np.int64),
            2,
            "things",
        )
    for place, found in enumerate(every, start=1):
        single = [
            coefficient(
                [r[0] for r in own], [r[place] for r in own], "higher", 2, "things"
            )
            for own in sets
        ]
        for kind in ("tau", "rho"):
            values = [None if v != v else v for v in getattr(found, kind).tolist()]
            assert values == [getattr(own, kind) for own in single]
        assert found.undefined == Counter(own.reason for own in single if own.reason)
