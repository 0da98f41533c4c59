"""Rows of scores and decisions, checked by columns, against a check of each row."""

from __future__ import annotations

from math import isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.ranges import MOST_NODES, MOST_STEPS, Impossible
from archselect.benchmarks.store.row_checks import (
    OperationCounts,
    are_within,
    check_rows,
    safe_limits,
)
from archselect.nasbench_adapters.space import DROPPED
from archselect.selectors.selection import Decision, EdgeScore, OperationScore

edges = st.lists(st.sampled_from("abc"), min_size=1, max_size=3)
spaces = st.lists(st.lists(edges, min_size=1, max_size=3), min_size=1, max_size=2)
places = st.integers(-2, 3)
steps = st.sampled_from([-1, 0, 1, MOST_STEPS, MOST_STEPS + 1])
nodes = st.sampled_from([-1, 0, MOST_NODES - 1, MOST_NODES])
values = st.sampled_from([0.5, float("nan"), float("inf")])
rows = {
    OperationScore: st.builds(
        OperationScore, steps, steps, places, places, places, values
    ),
    EdgeScore: st.builds(EdgeScore, steps, steps, places, nodes, places, values),
    Decision: st.builds(Decision, steps, steps, places, places, places),
}
likely = {
    OperationScore: st.just(OperationScore(0, 0, 0, 0, 0, 0.5)),
    EdgeScore: st.just(EdgeScore(0, 0, 0, 0, 0, 0.5)),
    Decision: st.sampled_from([Decision(0, 0, 0, 0, 0), Decision(0, 0, 0, 0, DROPPED)]),
}


def is_possible(row, operations):
    """By the row alone."""
    fields = row._asdict()
    if not 0 <= row.round <= MOST_STEPS or not 0 <= row.step <= MOST_STEPS:
        return False
    if not 0 <= row.cell < len(operations):
        return False
    if not 0 <= row.edge < len(operations[row.cell]):
        return False
    choices = len(operations[row.cell][row.edge])
    dropped = isinstance(row, Decision) and row.choice == DROPPED
    if not dropped and not 0 <= fields.get("choice", 0) < choices:
        return False
    if not 0 <= fields.get("node", 0) < MOST_NODES:
        return False
    return isfinite(fields.get("value", 0.0))


@pytest.mark.parametrize("kind", rows)
@given(st.data())
def test_rows_are_refused_as_one_by_one(kind, data):
    mostly_possible = st.lists(likely[kind] | rows[kind], max_size=3)
    records = data.draw(st.lists(st.tuples(spaces, mostly_possible), max_size=3))
    all_operations = [operations for operations, _ in records]
    columns = [Columns(kind, listed) for _, listed in records]
    possible = [
        all(is_possible(row, operations) for row in listed)
        for operations, listed in records
    ]
    counts = OperationCounts.of_records(all_operations)
    if all(possible):
        check_rows("scores", kind, columns, counts)
    else:
        with pytest.raises(Impossible, match=r"scores\.\w+\.\d+ is "):
            check_rows("scores", kind, columns, counts)
    for operations, part, expected in zip(
        all_operations, columns, possible, strict=True
    ):
        assert expected or not are_within(part, safe_limits(operations))


def test_a_message_names_the_row_within_its_record():
    operations = [[["a", "b"]]]
    good, bad = Decision(0, 0, 0, 0, 1), Decision(0, 0, 0, 0, 2)
    parts = [Columns(Decision, [good] * 3), Columns(Decision, [good, bad])]
    counts = OperationCounts.of_records([operations] * 2)
    with pytest.raises(
        Impossible, match=r"decisions\.choice\.1 is 2, which is not an op"
    ):
        check_rows("decisions", Decision, parts, counts)


def test_records_that_share_their_operations_are_counted_once():
    shared = [[["a", "b"], ["a"]]]
    counts = OperationCounts.of_records([shared, [[["a"]]], shared])
    assert counts.counts.tolist() == [[[2, 1]], [[1, 0]]]
    assert counts.shape_of.tolist() == [0, 1, 0]
    assert counts.cells.tolist() == [1, 1, 1]
