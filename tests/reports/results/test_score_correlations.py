"""Correlations over records and seeds, and the interval of a mean, against slow references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.records import (
    ArchitectureScore,
    Decision,
    OperationScore,
)
from archselect.reports.results.score_correlations import (
    correlate_architectures,
    correlate_operations,
    means_of_supernets,
)


def test_the_scores_of_the_deciding_step_count(fake):
    """An edge scored again at a later step is judged by the scores of the step that decided it."""
    record = fake.record(fake.inputs("magnitude", 0))
    edge = [s for s in record.selected.operation_scores if s.edge == 2]
    oracle = [[[float(k) for k in range(5)] for _ in range(6)]]

    def scored(step: int, sign: int) -> list:
        return [s._replace(step=step, value=float(sign * s.choice)) for s in edge]

    def tau(decided_at: int) -> float | None:
        decision = record.selected.decisions[2]._replace(step=decided_at, edge=2)
        changed = {
            "operation_scores": Columns(OperationScore, scored(1, 1) + scored(3, -1)),
            "decisions": Columns(Decision, [decision]),
        }
        selected = record.selected.model_copy(update=changed)
        return correlate_operations(
            [record.model_copy(update={"selected": selected})], [oracle]
        )[0].tau.mean

    assert [tau(step) for step in (0, 1, 2, 3, 4)] == [None, 1.0, 1.0, -1.0, -1.0]


def test_an_edge_decided_without_scores_is_undefined(fake):
    record = fake.record(fake.inputs("darts-pt", 0))
    scores = [s for s in record.selected.operation_scores if s.edge != 4]
    selected = record.selected.model_copy(
        update={"operation_scores": Columns(OperationScore, scores)}
    )
    (found,) = correlate_operations(
        [record.model_copy(update={"selected": selected})],
        [fake.worlds["nb201-digits"][0].oracle(True)],
    )
    assert found.size == 6 and dict(found.undefined) == {
        "fewer than 2 operations scored": 1
    }


def test_an_architecture_scored_twice_counts_once(fake):
    record = fake.record(fake.inputs("zero-cost-pt", 0))
    accuracy = record.accuracies[0]
    doubled = record.selected.model_copy(
        update={
            "architecture_scores": Columns(
                ArchitectureScore, [*record.selected.architecture_scores] * 2
            )
        }
    )
    twice = correlate_architectures(
        [record.model_copy(update={"selected": doubled})],
        [accuracy.model_copy(update={"scored": accuracy.scored * 2})],
    )
    assert twice == correlate_architectures([record], [accuracy])
    assert twice.n.endswith(f"{len(accuracy.scored)} architectures")


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.one_of(st.none(), st.floats(-1, 1))), max_size=9
    )
)
def test_one_value_of_each_supernet(pairs):
    found = means_of_supernets(
        [value for _, value in pairs], [seed for seed, _ in pairs]
    )
    values = {
        seed: [v for s, v in pairs if s == seed and v is not None] for seed, _ in pairs
    }
    assert sorted(found) == pytest.approx(
        sorted(np.mean(own) for own in values.values() if own)
    )
