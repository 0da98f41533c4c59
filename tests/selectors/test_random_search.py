"""The random baseline: uniform, decided by the task's generator alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archselect.selectors.random_search import Random


@given(st.integers(0, 2**32))
def test_the_seed_determines_the_architecture(toy, table_task, seed):
    first, second = (Random().select(table_task(None, seed)).architecture for _ in range(2))
    assert first == second == toy.sample(np.random.default_rng(seed))
    for names, choices in zip((cell.operations for cell in toy.cells), first.choices, strict=True):
        assert all(0 <= k < len(allowed) for allowed, k in zip(names, choices, strict=True))


def test_every_architecture_can_be_drawn(toy, table_task):
    drawn = {Random().select(table_task(None, seed)).architecture for seed in range(1500)}
    assert drawn == set(toy.enumerate())


def test_it_looks_at_no_score(table_task):
    selection = Random().select(table_task(None))
    assert (selection.operation_scores, selection.decisions, selection.architecture_scores) == ((), (), ())
    assert selection.operation_scale is None
    assert selection.architecture_scale is None
