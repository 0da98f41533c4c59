"""What a predictor chooses among, and what is taken of its proposals."""

import numpy as np
import pytest
from support.query_task import query_task

from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.predictors.candidates import (
    candidates,
    draw_unseen,
    take_unseen,
    unseen_candidates,
)

NB201 = get_space("nb201")
DARTS = get_space("darts")


def search_of(space, **settings):
    return query_task(space, lambda _: 0.0, budget=50, **settings).search()


def test_a_small_space_is_ranked_as_a_whole():
    assert set(candidates(search_of(NB201), 3)) == set(NB201.representatives)
    texts = candidates(search_of(NB201, counting="texts"), 3)
    assert len(texts) == len(set(texts)) == 15_625


def test_of_a_large_space_some_are_drawn_each_time():
    search = search_of(DARTS)
    first = candidates(search, 40)
    second = candidates(search, 40)
    assert len(first) == len(set(first)) == len(second) == 40
    assert not set(first) & set(second)


def test_drawn_cells_of_one_class_count_once():
    search = search_of(get_space("nb1shot1-3"))
    space = search.space
    drawn = candidates(search_of(get_space("nb101")), 400)
    assert len(set(drawn)) == len(drawn) <= 400
    nb101 = get_space("nb101")
    assert all(nb101.canonical(cell) == cell for cell in drawn)
    assert all(space.canonical(cell) == cell for cell in candidates(search, 30))


def test_a_pool_is_all_there_is():
    pool = NB201.representatives[:9]
    search = search_of(NB201, pool=pool)
    assert tuple(candidates(search, 3)) == pool


def test_what_is_queried_is_no_candidate_any_more():
    search = search_of(NB201, pool=NB201.representatives[:9])
    rng = np.random.default_rng(0)
    for _ in range(7):
        search.query(draw_unseen(search, 1, rng)[0])
    left = unseen_candidates(search, 3)
    assert len(left) == 2 and not set(left) & set(search.queries.answers)
    assert set(draw_unseen(search, 50, rng)) == set(left)
    for cell in left:
        search.query(cell)
    assert draw_unseen(search, 50, rng) == []


def test_unseen_candidates_are_drawn_evenly():
    search = search_of(NB201, pool=NB201.representatives[:10])
    rng = np.random.default_rng(0)
    drawn = [draw_unseen(search, 2, rng) for _ in range(2_000)]
    assert all(one != other for one, other in drawn)
    counts = [sum(cell in pair for pair in drawn) for cell in search.pool]
    # 400 is expected, with a deviation of 18.
    assert min(counts) > 310 and max(counts) < 490


@pytest.mark.parametrize("count", [1, 3, 99])
def test_the_first_unseen_proposals_are_taken_and_no_more_are_made(count):
    cells = NB201.representatives[:8]
    asked = []

    def proposals():
        for place in (0, 1, 1, 2, 0, 5, 4, 4, 7):
            asked.append(place)
            yield cells[place]

    taken = take_unseen(proposals(), count, cells[:2], NB201.format)
    expected = [2, 5, 4, 7][:count]
    assert taken == [cells[place] for place in expected]
    assert asked[-1] == expected[-1]


def test_a_key_joins_architectures():
    texts = [cell for cell in NB201.classes if NB201.canonical(cell) != cell][:40]
    one = [NB201.canonical(texts[0])]
    by_text = take_unseen(texts, 40, one, NB201.format)
    by_class = take_unseen(texts, 40, one, NB201.canonical)
    assert by_text == texts
    assert len(by_class) == len({NB201.canonical(cell) for cell in texts} - set(one))
