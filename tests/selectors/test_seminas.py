"""SemiNAS: what its predictor learns in which order, its controls, and where it ends."""

from collections import Counter

import numpy as np
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.predictors import PREDICTORS
from archselect.selectors.predictors.base import Predictor, standardised
from archselect.selectors.seminas import SemiNas

NB201 = get_space("nb201")
QUICK = {**SemiNas.small, "iterations": 2}
SETTINGS = {
    "labels": 12,
    "iterations": 2,
    "new": 5,
    "pseudo": 250,
    "pretrain_epochs": 7,
    "epochs": 3,
}


def number(architecture):
    """A reward that tells most cells apart."""
    row = [choice or 0 for cell in architecture.choices for choice in cell]
    return float(sum((place + 1) * choice for place, choice in enumerate(row)))


def asked_by(selector, task):
    return [one.architecture for one in selector.select(task).architecture_scores]


@pytest.fixture
def watched(monkeypatch):
    """All that the predictor is given: (architectures, values, steps) of every fit, the strengths of proposals."""
    calls = {"fits": [], "strengths": [], "seeds": []}

    class Watched(Predictor):
        name = "epd"
        proposes = True

        def fit(self, architectures, values, steps):
            calls["fits"].append((list(architectures), values.copy(), steps))

        def predict(self, architectures):
            return np.array([0.01 * number(one) for one in architectures])

        def propose(self, seeds, strength):
            calls["strengths"].append(strength)
            calls["seeds"].append(list(seeds))
            # One that is no architecture, and one more of the space at each strength.
            return [None, NB201.representatives[100 + int(strength)]]

    monkeypatch.setitem(PREDICTORS, "epd", Watched)
    return calls


def test_it_pretrains_labels_learns_from_both_and_climbs(watched):
    task = query_task(NB201, number, budget=99)
    asked = asked_by(SemiNas(**SETTINGS), task)
    assert len(asked) == 12 + 2 * 5
    assert asked[12:17] == list(NB201.representatives[101:106])
    pretraining, training, _, last = watched["fits"]
    targets = standardised([number(cell) for cell in asked[:12]])
    assert pretraining[0] == asked[:12] and pretraining[2] == 7
    assert np.array_equal(pretraining[1], targets)
    architectures, values, steps = training
    assert architectures[:120] == asked[:12] * 10
    assert np.array_equal(values[:120], np.tile(targets, 10))
    others = architectures[120:]
    assert len(set(others)) == 250 and not set(others) & set(asked[:12])
    assert np.array_equal(values[120:], [0.01 * number(cell) for cell in others])
    # 370 examples make four batches an epoch.
    assert steps == 3 * 4
    assert last[0][:17] == asked[:17] and len(last[0]) == 170 + 250
    assert watched["strengths"][:5] == [1, 2, 3, 4, 5]
    by_value = dict(zip(architectures[108:], values[108:], strict=True))
    best = sorted(by_value.values())[-100:]
    assert sorted(by_value[seed] for seed in watched["seeds"][0]) == best


@pytest.mark.parametrize(
    ("control", "steps"),
    [
        ({"semi": False}, [7, 12]),
        ({"semi": False, "matched_steps": False}, [7, 3]),
        ({"epochs": 0}, [7]),
        ({"epochs": 0, "semi": False}, [7]),
    ],
)
def test_the_controls_see_rewards_alone(watched, control, steps):
    task = query_task(NB201, number, budget=99)
    selector = SemiNas(**{**SETTINGS, "iterations": 1, **control})
    asked = asked_by(selector, task)
    assert [fit[2] for fit in watched["fits"]] == steps
    assert all(fit[0] == asked[:12] for fit in watched["fits"])


def test_a_round_ends_where_nothing_new_is_found(watched):
    task = query_task(NB201, number, budget=999)
    asked = asked_by(SemiNas(**{**SETTINGS, "new": 150}), task)
    assert watched["strengths"][:100] == list(range(1, 101))
    assert 12 < len(asked) <= 112


def test_first_architectures_below_the_filter_cost_a_query_and_teach_nothing(watched):
    task = query_task(NB201, number, budget=999)
    asked = asked_by(SemiNas(**{**SETTINGS, "filter": 40.0}), task)
    learned = watched["fits"][0][0]
    assert len(learned) == 12 and all(number(cell) >= 40 for cell in learned)
    assert len(asked) > 22 and min(number(cell) for cell in asked) < 40
    assert asked[: asked.index(learned[-1]) + 1].count(learned[0]) == 1
    task = query_task(NB201, lambda _: -1.0, budget=30)
    assert len(asked_by(SemiNas(**{**SETTINGS, "filter": 0.0}), task)) == 30


@pytest.mark.parametrize(("dedupe", "paid"), [("class", 1), ("text", 2)])
def test_isomorphic_proposals_are_bought_by_text_alone(monkeypatch, dedupe, paid):
    sizes = Counter(NB201.classes.values())
    one = next(
        cell
        for cell, first in NB201.classes.items()
        if cell != first and sizes[first] == 2
    )

    class Twice(Predictor):
        proposes = True

        def fit(self, architectures, values, steps):
            pass

        def predict(self, architectures):
            return np.zeros(len(architectures))

        def propose(self, seeds, strength):
            return [one, NB201.canonical(one)]

    monkeypatch.setitem(PREDICTORS, "epd", Twice)
    for seed in range(5):
        task = query_task(NB201, number, budget=99, counting="texts", seed=seed)
        selector = SemiNas(**{**SETTINGS, "iterations": 1, "dedupe": dedupe})
        asked = asked_by(selector, task)
        assert not any(
            NB201.canonical(cell) == NB201.canonical(one) for cell in asked[:12]
        )
        assert len(asked) == 12 + paid


def test_a_short_budget_is_spent_and_a_long_one_is_not():
    for budget in (3, 10, 11, 30):
        task = query_task(NB201, number, budget=budget)
        asked = asked_by(SemiNas(**QUICK, propose="pool"), task)
        assert len(asked) == min(budget, 11)


def test_a_pool_is_ranked_whatever_is_proposed():
    pool = NB201.representatives[::50]
    asked = []
    for propose in ("pool", "decode"):
        task = query_task(NB201, number, budget=11, pool=pool)
        asked.append(asked_by(SemiNas(**QUICK, propose=propose), task))
    assert asked[0] == asked[1]


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(UserError, match='"ridge" can only rank: set propose = "pool"'):
        SemiNas(predictor="ridge")
    with pytest.raises(UserError, match="semi = false"):
        SemiNas(matched_steps=False)


@pytest.mark.parametrize("predictor", ["ridge", "epd"])
def test_a_pool_is_ranked_best_first(predictor):
    """As the partial table of NAS-Bench-101 has one."""
    space = get_space("nb101")
    rng = np.random.default_rng(0)
    drawn = [space.canonical(space.sample(rng)) for _ in range(60)]
    pool = tuple(dict.fromkeys(drawn))
    task = query_task(space, number, budget=99, pool=pool)
    asked = asked_by(SemiNas(**QUICK, predictor=predictor, propose="pool"), task)
    assert len(asked) == 11 and set(asked) <= set(pool)
    task = query_task(space, number, budget=99, pool=pool[:4])
    selector = SemiNas(**QUICK, predictor=predictor, propose="pool")
    assert set(asked_by(selector, task)) == set(pool[:4])


@pytest.mark.parametrize("counting", ["classes", "texts"])
@pytest.mark.parametrize("propose", ["decode", "pool"])
def test_it_ends_with_any_budget_and_with_equal_rewards(counting, propose):
    for budget in (1, 5, 6):
        task = query_task(NB201, lambda _: 0.1, budget=budget, counting=counting)
        asked = asked_by(SemiNas(**QUICK, propose=propose), task)
        assert min(budget, 5) <= len(asked) <= budget


def test_a_space_of_few_classes_is_exhausted():
    few = get_space(
        "minimal:0-2=none+skip_connect,1-2=none,0-3=none,1-3=none,2-3=none+sep_conv_3x3"
    )
    classes = len(few.representatives)
    for labels in (2, classes, 9):
        task = query_task(few, lambda _: 1.0, budget=30)
        asked = asked_by(SemiNas(**{**QUICK, "labels": labels}, propose="pool"), task)
        assert len(asked) == classes


def test_decoded_architectures_are_queried():
    """With enough steps that the decoder writes some; the same generator gives the same search."""
    settings = {**QUICK, "labels": 30, "pretrain_epochs": 60, "iterations": 1}
    runs = [
        asked_by(SemiNas(**settings), query_task(NB201, number, budget=50))
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert 30 < len(runs[0]) <= 33
