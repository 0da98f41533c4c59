"""Search by a predictor: its batches are the best predicted, and it ends everywhere."""

import numpy as np
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.predictor_search import PredictorSearch
from archselect.selectors.predictors.base import standardised
from archselect.selectors.predictors.ridge import Ridge
from archselect.selectors.random_search import RandomSearch

NB201 = get_space("nb201")
QUICK = {"first": 4, "batch": 3, "epochs": 1, "sampled": 30}


def asked_by(selector, task):
    return [one.architecture for one in selector.select(task).architecture_scores]


def additive(architecture):
    """The fourth operation is best on every edge, and an edge counts by its place."""
    worths = [0.0, 1.0, 2.0, 4.0, 0.5]
    row = architecture.choices[0]
    return sum((edge + 1) * worths[choice] for edge, choice in enumerate(row))


def test_it_begins_as_random_search_and_then_takes_the_best_predicted():
    selector = PredictorSearch(first=30, batch=8)
    asked = asked_by(selector, query_task(NB201, additive, budget=60))
    assert asked[:30] == asked_by(
        RandomSearch(), query_task(NB201, additive, budget=30)
    )
    for start in (30, 38, 46, 54):
        known, batch = asked[:start], asked[start : start + 8]
        ridge = Ridge(NB201, np.random.default_rng(0))
        ridge.fit(known, standardised([additive(cell) for cell in known]), 0)
        left = [cell for cell in NB201.representatives if cell not in known]
        ahead = np.sort(ridge.predict(left))[::-1][: len(batch)]
        assert np.allclose(ridge.predict(batch), ahead)


def test_an_additive_reward_is_found_out():
    best = Architecture(((3,) * 6,))
    assert NB201.canonical(best) == best
    for seed in range(3):
        task = query_task(NB201, additive, budget=100, seed=seed)
        assert PredictorSearch().select(task).architecture == best


@pytest.mark.parametrize("predictor", ["ridge", "epd"])
@pytest.mark.parametrize("counting", ["classes", "texts"])
def test_it_ends_with_budget_one_and_with_equal_rewards(predictor, counting):
    for budget in (1, 4, 11):
        task = query_task(NB201, lambda _: 0.1, budget=budget, counting=counting)
        selector = PredictorSearch(predictor=predictor, **QUICK)
        assert len(asked_by(selector, task)) == budget
        assert task.queries.left == 0


@pytest.mark.parametrize("predictor", ["ridge", "epd"])
def test_a_pool_smaller_than_the_start_is_queried_whole(predictor):
    pool = NB201.representatives[:9]
    for first in (5, 9, 20):
        task = query_task(NB201, additive, budget=30, pool=pool)
        selector = PredictorSearch(predictor=predictor, **{**QUICK, "first": first})
        assert set(asked_by(selector, task)) == set(pool)


@pytest.mark.parametrize("name", ["nbgraph", "darts", "nb101", "minimal:2-3=none"])
def test_every_space_has_candidates(name):
    space = get_space(name)
    task = query_task(space, lambda cell: float(cell.choices[0][0] or 0), budget=12)
    asked = asked_by(PredictorSearch(**QUICK), task)
    assert len(asked) == len(set(asked)) == 12


def test_a_space_of_few_classes_is_exhausted():
    few = get_space(
        "minimal:0-2=none+skip_connect,1-2=none,0-3=none,1-3=none,2-3=none+sep_conv_3x3"
    )
    classes = len(few.representatives)
    assert classes < 5
    task = query_task(few, lambda _: 1.0, budget=30)
    asked = asked_by(PredictorSearch(first=2, batch=3), task)
    assert len(asked) == classes and task.queries.left == 30 - classes


def test_the_same_generator_gives_the_same_search():
    selector = PredictorSearch(predictor="epd", **QUICK)
    first, second, other = (
        asked_by(selector, query_task(NB201, additive, budget=20, seed=seed))
        for seed in (0, 0, 1)
    )
    assert first == second != other
