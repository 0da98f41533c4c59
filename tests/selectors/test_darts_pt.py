"""DARTS-PT against its protocol, step by step, on scores from a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.selectors.base import OperationScore
from archselect.selectors.darts_pt import DartsPT


@given(
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([1, 3, 10**6]),
    score=st.sampled_from(["accuracy", "loss"]),
    norm=st.sampled_from(["running", "batch"]),
    augment=st.booleans(),
    renormalise=st.booleans(),
    epochs=st.integers(0, 7),
    rate=st.floats(1e-6, 1),
)
def test_every_step_is_the_protocols(
    toy, table_task, table, seed, levels, score, norm, augment, renormalise, epochs, rate
):
    """Replays the run: given the edges' order, every call, score, decision and tuning is foretold."""
    scores = table(seed, levels)
    task = table_task(scores, seed)
    selection = DartsPT(
        score=score,
        norm=norm,
        augment=augment,
        renormalise=renormalise,
        tune_epochs=epochs,
        tune_learning_rate=rate,
    ).select(task)

    assert sorted((d.cell, d.edge) for d in selection.decisions) == sorted(toy.places)
    decisions = toy.undecided()
    evaluations, tunings, noted = [], [], []
    for step, decision in enumerate(selection.decisions):
        edge = (decision.cell, decision.edge)
        mixtures = [task.mixture(decisions).without(*edge, k, renormalise=renormalise) for k in range(toy.counts[edge])]
        evaluations += [(mixture, norm, augment) for mixture in mixtures]
        values = [scores(mixture, score) for mixture in mixtures]
        noted += [OperationScore(0, step, *edge, k, value) for k, value in enumerate(values)]
        # The removal that hurts most: the lowest accuracy, the highest loss; ties to the lower index.
        worst = min(values) if score == "accuracy" else max(values)
        assert decision.choice == values.index(worst)
        assert (decision.round, decision.step) == (0, step)
        decisions = decisions.decide(*edge, decision.choice)
        if step < 4:
            tunings.append((decisions, epochs, rate))
    assert task.evaluations == evaluations
    assert task.tunings == tunings
    assert list(selection.operation_scores) == noted
    assert selection.architecture == decisions.architecture()
    assert selection.architecture_scores == ()


def test_the_direction_is_declared(table_task, table):
    for score, better in (("accuracy", "lower"), ("loss", "higher")):
        scale = DartsPT(score=score).select(table_task(table(0, 3))).operation_scale
        assert (scale.name, scale.better) == (f"{score} without it", better)


def test_the_order_of_edges_is_random_and_seeded(toy, table_task, table):
    def order(seed):
        return [(d.cell, d.edge) for d in DartsPT().select(table_task(table(0, 3), seed)).decisions]

    orders = [order(seed) for seed in range(100)]
    assert order(7) == orders[7]
    for step in range(5):
        assert {edges[step] for edges in orders} == set(toy.places)


def test_the_defaults_are_the_released_codes():
    assert DartsPT().model_dump() == {
        "score": "accuracy",
        "norm": "batch",
        "augment": True,
        "renormalise": False,
        "tune_epochs": 5,
        "tune_learning_rate": 0.0025,
    }


@pytest.mark.parametrize(
    "settings", [{"score": "f1"}, {"norm": "train"}, {"tune_epochs": -1}, {"tune_learning_rate": 0}, {"tune": 5}]
)
def test_a_wrong_setting_is_refused(settings):
    with pytest.raises(ValidationError):
        DartsPT(**settings)


def test_a_score_that_is_nan_surfaces(table_task):
    with pytest.raises(ValueError, match="NaN"):
        DartsPT().select(table_task(lambda mixture, purpose: float("nan")))
