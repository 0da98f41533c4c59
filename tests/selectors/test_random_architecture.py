"""The random baseline: uniform, decided by the task's generator alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from archselect.selectors.random_architecture import Random


@given(st.integers(0, 2**32))
def test_the_seed_determines_the_architecture(toy, table_task, seed):
    first, second = (
        Random().select(table_task(None, seed)).architecture for _ in range(2)
    )
    assert first == second == toy.sample(np.random.default_rng(seed))
    for cell, choices in zip(toy.cells, first.choices, strict=True):
        for node in range(cell.inputs, cell.nodes):
            edges = [e for e, (_, target) in enumerate(cell.edges) if target == node]
            keep = cell.kept[node] if cell.kept else None
            kept = [e for e in edges if choices[e] is not None]
            assert len(kept) == (len(edges) if keep is None else keep)
            assert all(0 <= choices[e] < len(cell.operations[e]) for e in kept)
            # Where edges are dropped, `none` is no choice.
            assert keep is None or all(
                cell.operations[e][choices[e]] != "none" for e in kept
            )


def test_every_architecture_can_be_drawn(toy, table_task):
    drawn = {
        Random().select(table_task(None, seed)).architecture for seed in range(5000)
    }
    assert drawn == set(toy.enumerate())


def test_it_looks_at_no_score(table_task):
    selection = Random().select(table_task(None))
    assert (
        selection.operation_scores,
        selection.decisions,
        selection.architecture_scores,
    ) == ((), (), ())
    assert selection.operation_scale is None
    assert selection.architecture_scale is None
