"""The account of queries: what costs one, what is free, and what is refused."""

import numpy as np
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import BudgetSpent
from archselect.selectors.queries import MOST_REPEATS, REWARD, Queries
from archselect.selectors.random_search import RandomSearch

NB201 = get_space("nb201")
GRAPHS = get_space("nbgraph")


def reward(architecture):
    """Some number per text, unlike within a class."""
    return float(sum((k + 1) * (c or 0) for k, c in enumerate(architecture.choices[0])))


def equals(space):
    """Two texts of one class, the representative and another."""
    for architecture in space.enumerate():
        representative = space.canonical(architecture)
        if representative != architecture:
            return representative, architecture
    raise AssertionError


@pytest.mark.parametrize("space", [NB201, GRAPHS], ids=["nb201", "nbgraph"])
def test_a_class_costs_one_query_and_its_representative_answers(space):
    representative, other = equals(space)
    task = query_task(space, reward, budget=2)
    assert task.query(other) == reward(representative)
    assert task.query(representative) == reward(representative)
    assert task.queries.left == 1
    assert dict(task.queries.answers) == {representative: reward(representative)}


def test_texts_cost_a_query_each_and_answer_for_themselves():
    representative, other = equals(NB201)
    task = query_task(NB201, reward, budget=2, counting="texts")
    assert [task.query(other), task.query(representative), task.query(other)] == [
        reward(other),
        reward(representative),
        reward(other),
    ]
    assert task.queries.left == 0


def test_what_is_known_is_answered_after_the_budget_is_spent():
    task = query_task(NB201, reward, budget=1)
    first, second, *_ = NB201.representatives
    task.query(first)
    for _ in range(2):
        with pytest.raises(BudgetSpent, match=r"all 1 queries are spent.*spending"):
            task.query(second)
    assert task.query(first) == reward(first)
    assert task.queries.refused == 2 and task.queries.left == 0


def test_a_selector_that_only_repeats_itself_ends():
    task = query_task(NB201, reward, budget=5)
    search = task.search()
    only = NB201.representatives[7]
    asked = 0
    with search.spending():
        while True:
            search.query(only)
            asked += 1
    assert asked == MOST_REPEATS + 1 and search.queries.left == 4
    assert search.selection(search.best_architecture()).architecture == only


def test_invalid_architectures_and_rewards_are_refused():
    skips = Architecture(((0, 0, 0), (8, 8, 8, 8)))
    task = query_task(GRAPHS, reward, budget=5)
    with pytest.raises(ValueError, match="nbgraph has no architecture"):
        task.query(skips)
    for value in (float("nan"), float("inf")):
        broken = query_task(NB201, lambda _, value=value: value, budget=5)
        with pytest.raises(ValueError, match="is not finite"):
            broken.query(NB201.representatives[0])
        assert broken.queries.left == 5


def test_a_pool_is_all_that_can_be_asked_for():
    pool = NB201.representatives[:4]
    task = query_task(NB201, reward, budget=9, pool=pool)
    search = task.search()
    assert {search.draw() for _ in range(100)} == set(pool)
    with pytest.raises(
        ValueError, match="has no reward: query one of the 4 architectures"
    ):
        search.query(NB201.representatives[9])
    selection = RandomSearch().select(query_task(NB201, reward, budget=9, pool=pool))
    assert {scored.architecture for scored in selection.architecture_scores} == set(
        pool
    )


def test_without_a_reward_queries_are_refused_with_the_remedy():
    task = query_task(NB201, reward, budget=1)
    task.queries = None
    for ask in (task.query, task.search().query):
        with pytest.raises(ValueError, match="give the data a 'reward' and 'queries'"):
            ask(NB201.representatives[0])


def test_each_query_that_cost_something_is_a_score_of_the_selection():
    task = query_task(NB201, reward, budget=40, seed=3)
    selection = RandomSearch().select(task)
    assert selection.architecture_scale == REWARD
    noted = {one.architecture: one.value for one in selection.architecture_scores}
    assert noted == dict(task.queries.answers) and len(noted) == 40
    best = max(noted.values())
    assert noted[selection.architecture] == best
    first = next(cell for cell, value in noted.items() if value == best)
    assert selection.architecture == first


def test_a_search_has_one_scale_of_architectures():
    task = query_task(NB201, reward, budget=4)
    search = task.search(architectures=REWARD.__class__("nwot", "higher"))
    with pytest.raises(ValueError, match="scores architectures by 'nwot'"):
        search.query(NB201.representatives[0])
    assert task.queries.left == 4


def test_a_task_without_a_supernet_answers_nothing_else():
    task = query_task(NB201, reward, budget=1)
    for ask in (
        lambda: task.minibatch(3),
        lambda: task.new_alphas(),
        lambda: task.search().mixture,
    ):
        with pytest.raises(ValueError, match="the run has no supernet"):
            ask()


@pytest.mark.parametrize(
    ("counting", "listed"),
    [("classes", NB201.representatives), ("texts", tuple(NB201.enumerate()))],
)
def test_what_costs_a_query_of_its_own_is_drawn_as_often_as_the_rest(counting, listed):
    task = query_task(NB201, reward, budget=1, seed=5, counting=counting)
    rng = np.random.default_rng(5)
    search = task.search()
    wanted = [listed[int(rng.integers(len(listed)))] for _ in range(9)]
    assert [search.draw() for _ in range(9)] == wanted


def test_draws_of_a_large_space_are_the_spaces_own():
    space = get_space("darts")
    task = query_task(space, lambda _: 1.0, budget=1, seed=5)
    rng = np.random.default_rng(5)
    search = task.search()
    assert search.queries.listed is None
    assert [search.draw() for _ in range(9)] == [space.sample(rng) for _ in range(9)]


def test_answers_cannot_be_set():
    queries = Queries(NB201, 3)
    with pytest.raises(TypeError):
        queries.answers[NB201.representatives[0]] = 1.0


@pytest.mark.parametrize(
    "nonsense",
    [
        Architecture(((99,) * 6,)),
        Architecture(((0,) * 5,)),
        Architecture(()),
        Architecture((("x",) * 6,)),
    ],
    ids=["no operation", "too few edges", "no cell", "no number"],
)
@pytest.mark.parametrize("space", [NB201, GRAPHS, get_space("nb101")], ids=str)
def test_what_is_no_architecture_of_the_space_costs_nothing(space, nonsense):
    task = query_task(space, lambda _: 1.0, budget=3)
    with pytest.raises(ValueError, match=f"{space.name} has no architecture"):
        task.query(nonsense)
    assert task.queries.left == 3
