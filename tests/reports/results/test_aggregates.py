"""Rank aggregates of proxies over a population."""

from __future__ import annotations

import math

import numpy as np
import pytest
from support.score_folder import DIRECTIONS, make_scores

from archselect.reports.results import aggregates
from archselect.reports.results.aggregates import rank_aggregate, with_aggregates
from archselect.reports.results.scores import load_scores
from archselect.reports.tables.proxies import correlation_table


def by_counting(scores):
    """The formula, architecture by architecture."""
    columns = list(zip(*scores, strict=True))
    whole = [column for column in columns if not any(map(math.isnan, column))]
    wanted = []
    for column in columns:
        total = 0.0
        for proxy, score in enumerate(column):
            others = [other[proxy] for other in whole]
            below = sum(other < score for other in others)
            equal = sum(other == score for other in others)
            total += (
                math.log((below + (equal + 1) / 2) / len(whole)) if equal else math.nan
            )
        wanted.append(total if column in whole else math.nan)
    return wanted


def test_by_counting():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (3, 20)).astype(float)
    scores[1, 4] = scores[2, 9] = np.nan
    np.testing.assert_allclose(rank_aggregate(scores), by_counting(scores.tolist()))


def test_the_best_by_all_has_zero_and_one_bad_rank_costs_most():
    scores = np.array([[1.0, 2, 3, 4], [4, 2, 3, 5]])
    total = rank_aggregate(scores)
    assert total.argmax() == 3 and total[3] == 0
    assert total.argmin() == 1


def test_nothing_that_all_have_scored_has_no_aggregate():
    assert np.isnan(rank_aggregate(np.full((2, 3), np.nan))).all()


@pytest.fixture
def scores(tmp_path):
    make_scores(tmp_path, holes=(2, 5))
    return load_scores(tmp_path, DIRECTIONS)


def test_a_population_with_all_members_has_the_aggregate(scores, monkeypatch):
    """Each seed is ranked by itself; a lower score of `down` is the better."""
    monkeypatch.setitem(aggregates.AGGREGATES, "both", ("up", "down"))
    joined = with_aggregates(scores)
    for place in range(2):
        members = [scores.values["up"][place], -scores.values["down"][place]]
        wanted = rank_aggregate(np.stack(members))
        np.testing.assert_array_equal(joined.values["both"][place], wanted)
    assert joined.reasons["both"] == {aggregates.MISSING: 2}
    assert joined.seconds["both"] == pytest.approx(
        scores.seconds["up"] + scores.seconds["down"]
    )
    table = correlation_table(joined)
    frame = table.frame.set_index("proxy")
    assert list(frame.index) == [*DIRECTIONS, "both"]
    assert "both is a rank aggregate: the sum over up, down" in " ".join(table.notes)
    assert frame.loc["both", "n"] == 58 and frame.loc["both", "tau_b"] > 0


def test_without_one_of_the_members_nothing_is_added(scores):
    assert with_aggregates(scores) == scores
    (members,) = aggregates.AGGREGATES.values()
    assert not set(members) <= set(DIRECTIONS)
