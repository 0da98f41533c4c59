"""The scores that decided, against a search through all of them."""

from __future__ import annotations

import numpy as np
import pytest

from archselect.benchmarks.store.columns import Columns
from archselect.benchmarks.store.records import Decision, OperationScore, Scale
from archselect.reports.results import deciding_scores as module
from archselect.reports.results.deciding_scores import deciding_scores


def slow(record):
    """By (round, cell, edge) the choices and values of the latest step up to the last decision."""
    selected = record.selected
    sign = 1 if selected.operation_scale.better == "higher" else -1
    found = {}
    for d in selected.decisions:
        if d.choice >= 0:
            own = [
                s
                for s in selected.operation_scores
                if (s.round, s.cell, s.edge) == (d.round, d.cell, d.edge)
            ]
            step = max((s.step for s in own if s.step <= d.step), default=None)
            latest = sorted((s for s in own if s.step == step), key=lambda s: s.choice)
            found[d.round, d.cell, d.edge] = [
                (s.choice, sign * s.value) for s in latest
            ]
    return dict(sorted(found.items()))


@pytest.mark.parametrize("batch", [1, 3, 100])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_slow_one(fake, monkeypatch, batch, seed):
    """Edges are scored and decided at random, some twice, some never, some dropped."""
    monkeypatch.setattr(module, "_BATCH", batch)
    rng = np.random.default_rng(seed)
    records = []
    for place in range(7):
        where = [
            dict(zip(("round", "cell", "edge", "step"), row, strict=True))
            for row in rng.integers(0, 3, (60, 4))
        ]
        scores = [
            OperationScore(
                **{k: int(v) for k, v in own.items()},
                choice=int(rng.integers(4)),
                value=rng.normal(),
            )
            for own in where
        ]
        decisions = [
            Decision(
                **{k: int(v) for k, v in own.items()}, choice=int(rng.integers(-2, 4))
            )
            for own in where[:20]
        ]
        record = fake.record(fake.inputs("magnitude", place))
        changed = {
            "operation_scores": Columns(OperationScore, scores if place else []),
            "decisions": Columns(Decision, decisions if place != 3 else []),
            "operation_scale": Scale(
                name="s", better="lower" if place % 2 else "higher"
            ),
        }
        records.append(
            record.model_copy(
                update={"selected": record.selected.model_copy(update=changed)}
            )
        )
    found = deciding_scores(records)
    wanted = [slow(record) for record in records]
    assert found.edge_counts.tolist() == [len(own) for own in wanted]
    where = list(
        zip(
            found.rounds.tolist(),
            found.cells.tolist(),
            found.edges.tolist(),
            strict=True,
        )
    )
    assert where == [key for own in wanted for key in own]
    assert found.score_counts.tolist() == [
        len(scores) for own in wanted for scores in own.values()
    ]
    scores = list(zip(found.choices.tolist(), found.values.tolist(), strict=True))
    assert scores == [
        score for own in wanted for scores in own.values() for score in scores
    ]
    oracle = rng.normal(size=(3, 3, 4))
    cells = [
        (c, e, k)
        for own in wanted
        for (_, c, e), scores in own.items()
        for k, _ in scores
    ]
    assert found.look_up(oracle.tolist()).tolist() == [oracle[cell] for cell in cells]


def test_a_selector_without_scores_decided_by_none(fake):
    assert deciding_scores([fake.record(fake.inputs("random", 0))]) is None
