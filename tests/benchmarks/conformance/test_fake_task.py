"""The answers of the tasks that the conformance kit tries selectors on."""

import pytest
import torch

from archselect.benchmarks.conformance import trials
from archselect.benchmarks.conformance.trials import SupernetTrials
from archselect.benchmarks.conformance.variants import variants_of
from archselect.benchmarks.conformance.watch import SelectorWatch
from archselect.benchmarks.runs.task import SupernetTask
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.registry import SELECTORS

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def runner():
    return SupernetTrials(SELECTORS["random"], get_space("nb201"), CPU)


def test_the_same_question_has_the_same_answer_and_few_levels_make_ties(runner):
    task = runner.fake_task(0, 3, SelectorWatch(CPU))
    mixture = task.mixture(task.space.undecided())
    masked = [
        mixture.without(0, edge, choice) for edge in range(6) for choice in range(5)
    ]
    answers = [task.evaluate(mixture).accuracy for mixture in masked]
    assert [task.evaluate(mixture).accuracy for mixture in masked] == answers
    assert sorted(set(answers)) == pytest.approx([0, 100 / 3, 200 / 3])
    other = runner.fake_task(1, 3, SelectorWatch(CPU))
    assert [other.evaluate(mixture).accuracy for mixture in masked] != answers
    many = runner.fake_task(0, 1_000_003, SelectorWatch(CPU))
    assert len(
        {many.proxy("nwot", mixture, many.minibatch(4)) for mixture in masked}
    ) == len(masked)


def test_a_fake_task_gives_less_than_it_is_asked_for_and_moves_alphas_when_tuned(
    runner,
):
    task = runner.fake_task(0, 3, SelectorWatch(CPU))
    assert len(task.minibatch(256).labels) == 8 and len(task.minibatch(3).labels) == 3
    task.state.expect_present()
    before = [alpha.clone() for alpha in task.alphas]
    task.tune(task.space.undecided(), 0, 0.1)
    assert torch.equal(before[0], task.alphas[0])
    task.tune(task.space.undecided(), 5, 0.1)
    assert not torch.equal(before[0], task.alphas[0])
    task.state.compare()
    assert task.state.changes == []
    assert not any(torch.equal(alpha, task.alphas[0]) for alpha in runner._alphas)


def test_the_first_answers_of_a_partly_measured_task_are_measured(monkeypatch):
    asked = []

    class Noting(SupernetTask):
        def evaluate(self, *arguments):
            asked.append(super().evaluate(*arguments))
            return asked[-1]

        def tune(self, decisions, epochs, learning_rate):
            asked.append(epochs)
            super().tune(decisions, epochs, learning_rate)

    monkeypatch.setattr(trials, "SupernetTask", Noting)
    runner = SupernetTrials(SELECTORS["darts-pt"], get_space("nb201"), CPU)
    (variant, *_) = variants_of(SELECTORS["darts-pt"])
    scores = runner.measured_trial(variant).selection.operation_scores
    measured = [answer.accuracy for answer in asked if not isinstance(answer, int)]
    assert [score.value for score in scores[: trials.MEASURED_SCORES]] == measured
    assert [answer for answer in asked if isinstance(answer, int)] == [
        1
    ] * trials.MEASURED_TUNINGS
    assert len(scores) > trials.MEASURED_SCORES
