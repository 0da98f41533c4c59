"""Operation scores against their description, told by hand on scores from a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import DROPPED, OPEN
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.operation_scores import OperationScores
from archselect.selectors.selection import Decision, OperationScore


def retell(task, setting):
    """What is scored and decided before nodes are pruned: (scores, decisions noted, decisions), told by hand."""
    space = task.space
    open_choices = [
        (c, e)
        for c, cell in enumerate(space.cells)
        for e in range(len(cell.edges))
        if len(cell.operations[e]) > 1
    ]
    good_is_high = setting.change == "fix"
    scores, noted, decisions, latest = [], [], space.undecided(), {}
    for step, edge in enumerate(open_choices):
        for cell, e in open_choices[step:] if setting.rescore or step == 0 else []:
            values = []
            for k in range(len(space.cells[cell].operations[e])):
                fixed = task.mixture(decisions.decide(cell, e, k))
                mixture = (
                    fixed
                    if setting.change == "fix"
                    else task.mixture(decisions).without(cell, e, k)
                )
                values.append(
                    task.table(
                        mixture,
                        "accuracy" if setting.measure == "accuracy" else "proxy",
                    )
                )
            latest[cell, e] = values
            scores += [
                OperationScore(0, step, cell, e, k, value)
                for k, value in enumerate(values)
            ]
        values = latest[edge]
        choice = values.index(max(values) if good_is_high else min(values))
        noted.append(Decision(0, step, *edge, choice))
        decisions = decisions.decide(*edge, choice)
    return scores, noted, decisions


@given(
    seed=st.integers(0, 10_000),
    levels=st.sampled_from([1, 3, 10**6]),
    name=st.sampled_from(["toy", "toy", "nb201", "s3"]),
    change=st.sampled_from(["mask", "fix"]),
    measure=st.sampled_from(["accuracy", "nwot"]),
    rescore=st.booleans(),
)
def test_every_open_edge_is_scored_before_the_first_is_decided(
    table_task, table, seed, levels, name, change, measure, rescore
):
    task = table_task(
        table(seed, levels), space=None if name == "toy" else get_space(name)
    )
    setting = OperationScores(change=change, measure=measure, rescore=rescore)
    found = setting.select(task)
    scores, noted, decisions = retell(task, setting)
    assert list(found.operation_scores) == scores
    assert [d for d in found.decisions if d.choice != DROPPED] == noted
    for cell, row in enumerate(decisions.choices):
        for edge, choice in enumerate(row):
            kept = found.architecture.choices[cell][edge]
            if choice != OPEN and not task.space.cells[cell].kept:
                assert kept == choice
    better = "higher" if change == "fix" else "lower"
    assert (found.operation_scale.name.split()[0], found.operation_scale.better) == (
        measure,
        better,
    )
    assert task.tunings == []


@pytest.mark.parametrize("change", ["mask", "fix"])
def test_the_edge_that_is_not_missed_is_dropped(table_task, table, change):
    """Whichever way the operations' scores go."""
    task = table_task(table(1, 10**6))
    found = OperationScores(change=change, measure="accuracy").select(task)
    assert found.edge_scores
    by_step = {}
    for score in found.edge_scores:
        by_step.setdefault((score.step, score.node), []).append(score)
    dropped = {(d.step, d.edge) for d in found.decisions if d.choice == DROPPED}
    sign = -1 if change == "fix" else 1
    for (step, _), scores in by_step.items():
        most = max(scores, key=lambda score: sign * score.value)
        assert (step, most.edge) in dropped


def test_it_tunes_between_decisions_and_not_after_the_last(table_task, table):
    task = table_task(table(0, 10), space=get_space("nb201"))
    OperationScores(measure="accuracy", tune_epochs=5, tune_learning_rate=0.1).select(
        task
    )
    assert [(epochs, rate) for _, epochs, rate in task.tunings] == [(5, 0.1)] * 5
    assert [
        sum(c != OPEN for c in decisions.choices[0]) for decisions, *_ in task.tunings
    ] == [1, 2, 3, 4, 5]


def test_candidates_are_tuned_each_from_the_same_supernet(table_task, table):
    task = table_task(table(0, 10**6), space=get_space("nb201"))
    setting = OperationScores(
        change="fix",
        measure="accuracy",
        rescore=False,
        candidate_epochs=25,
        norm="batch",
        augment=True,
    )
    found = setting.select(task)
    undecided = task.space.undecided()
    assert task.tuned == [
        (undecided.decide(0, e, k), 25, 0.0025, "batch", True)
        for e in range(6)
        for k in range(5)
    ]
    assert [s.value for s in found.operation_scores] == [
        task.table(task.mixture(undecided.decide(0, e, k)), "tuned accuracy")
        for e in range(6)
        for k in range(5)
    ]
    assert task.tunings == []


def test_every_edge_has_a_minibatch_of_its_own(table_task, table):
    task = table_task(table(0, 10), space=get_space("nb201"))
    OperationScores(batch_size=7).select(task)
    assert task.minibatches == [7] * (6 + 5 + 4 + 3 + 2 + 1)


def test_settings_that_do_not_fit():
    with pytest.raises(UserError, match="did you mean 'synflow'"):
        OperationScores(measure="sinflow")
    for settings in ({"change": "fix"}, {"measure": "accuracy"}, {}):
        with pytest.raises(
            UserError,
            match="candidate_epochs needs change = 'fix' and measure = 'accuracy'",
        ):
            OperationScores(candidate_epochs=1, **settings)
