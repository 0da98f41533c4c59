"""The conformance kit: the built-in selectors keep to all of it; each bad one breaks the one rule it is made for."""

import random
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from pydantic import Field, model_validator
from support import bad_selectors

from archselect.benchmarks.conformance import trials
from archselect.benchmarks.conformance.checks import (
    CHECKS,
    check_selector,
    name_of,
    spaces_with_supernet,
)
from archselect.benchmarks.conformance.fake_task import (
    OFFERED,
    Offered,
    Rehearsal,
    Watch,
)
from archselect.benchmarks.conformance.trials import Stage, variants_of
from archselect.benchmarks.runs.task import SupernetTask
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.base import Selector
from archselect.selectors.operation_scores import OperationScores
from archselect.selectors.registry import SELECTORS
from archselect.selectors.zero_cost_pt import ZeroCostPT

CPU = torch.device("cpu")
RESTRICTED = "minimal:2-3=none"
"""One of its edges is no choice."""
QUICK = ("nb201", "s3", RESTRICTED)
WITH_TOPOLOGY = ("Sound", "Overfull", "DropsTheBest")
"""These differ where a node keeps some of its inputs only."""


NOTHING_NEW = ("wiring", "s2", "s4", "darts", "darts-none", "nb1shot1-1", "nb1shot1-2")
"""To a selector these spaces are like others.

A cell of four nodes after one of two; two operations on every edge after others and
after three; DARTS' cells with more operations than in s1 (which has others on each
edge) and s3 (which has `none`); nodes that keep one or two inputs, as in nb1shot1-3.
"""
BAD = {
    name: kind
    for name, kind in vars(bad_selectors).items()
    if isinstance(kind, type) and hasattr(kind, "breaks")
}


def failed(found):
    return {finding.check for finding in found.findings if finding.passed is False}


def told(found):
    return "\n".join(mend for finding in found.findings for mend in finding.mends)


def test_all_spaces_but_the_one_without_a_supernet_are_checked():
    assert set(SPACES) - set(spaces_with_supernet()) == {"nb101"}


@pytest.mark.parametrize(
    ("name", "space"),
    [
        pytest.param(name, space, marks=[] if space in QUICK else pytest.mark.slow)
        for name in SELECTORS
        for space in [
            RESTRICTED if own == "minimal" else own
            for own in spaces_with_supernet()
            if own not in NOTHING_NEW
        ]
    ],
)
def test_the_built_in_selectors_conform(name, space):
    found = check_selector(SELECTORS[name], [space], ["cpu"])
    assert found.passed, told(found)
    assert all(finding.passed for finding in found.findings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SELECTORS)
def test_the_built_in_selectors_conform_on_every_device(name):
    found = check_selector(SELECTORS[name], ["nb201", "s3"])
    assert found.passed, told(found)
    assert {device for _, device in found.seconds} == {"cpu", "cuda"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_selector_breaks_its_rule_alone(name):
    found = check_selector(
        BAD[name], ["s2" if name in WITH_TOPOLOGY else "nb201"], ["cpu"]
    )
    assert failed(found) == {BAD[name].breaks}, told(found)
    assert told(found)


def test_every_check_has_a_selector_that_breaks_it():
    assert {kind.breaks for kind in BAD.values()} == {
        name_of(check) for check in CHECKS
    }


def test_the_selector_that_they_are_made_from_is_sound():
    found = check_selector(bad_selectors.Sound, ["nb201", "s2"], ["cpu"])
    assert found.passed, told(found)


@pytest.mark.parametrize("name", ["Overfull", "DropsTheBest"])
def test_what_is_wrong_on_one_space_can_be_right_on_another(name):
    assert check_selector(BAD[name], ["nb201"], ["cpu"]).passed


def test_every_finding_is_there_and_a_failure_names_place_settings_and_line():
    found = check_selector(BAD["Raises"], ["nb201"], ["cpu"])
    assert [finding.check for finding in found.findings] == [
        name_of(check) for check in CHECKS
    ]
    assert (
        set(found.seconds) == {("nb201", "cpu")} and found.seconds["nb201", "cpu"] > 0
    )
    (mend,) = found.findings[0].mends
    line = bad_selectors.Raises.finish.__code__.co_firstlineno + 2
    assert (
        f"bad_selectors.py, line {line}: ZeroDivisionError: three (interval=3, " in mend
    )


def test_where_nothing_is_selected_nothing_more_is_judged():
    found = check_selector(BAD["Nothing"], ["nb201"], ["cpu"])
    unreached = {finding.check for finding in found.findings if finding.passed is None}
    assert {"complete", "seeded", "honest"} <= unreached


def test_the_callers_random_states_are_left_alone():
    def states():
        return (
            torch.get_rng_state().tolist(),
            repr(np.random.get_state()),  # noqa: NPY002
            random.getstate(),
        )

    before = states()
    check_selector(BAD["MovesTheTorchState"], ["nb201"], ["cpu"])
    check_selector(SELECTORS["zero-cost-pt"], ["nb201"], ["cpu"])
    assert states() == before


def test_a_trial_after_one_that_spoilt_the_supernet_finds_it_as_it_was():
    stage = Stage(BAD["Trains"], get_space("nb201"), CPU)
    before = {
        name: value.clone() for name, value in stage._task.supernet.state_dict().items()
    }
    for variant in variants_of(BAD["Trains"]):
        assert stage.premiere(variant).touched
    assert all(
        torch.equal(value, before[name])
        for name, value in stage._task.supernet.state_dict().items()
    )
    stage._select(
        BAD["LeavesTrainingMode"](), stage._task_of(0, 3, Watch(CPU)), Watch(CPU)
    )
    assert not any(module.training for module in stage._task.supernet.modules())


@pytest.mark.parametrize("space", ["nb101", "nb20", "s5"])
def test_an_unknown_space_is_refused(space):
    with pytest.raises(UserError, match="unknown space with a supernet"):
        check_selector(SELECTORS["random"], [space])


def test_settings_are_varied_to_all_values_they_can_have():
    for kind, few, settings in (
        (
            ZeroCostPT,
            8,
            {
                "order": set(ZeroCostPT.model_fields["order"].annotation.__args__),
                "norm": {"batch", "running"},
                "fresh_alphas": {False, True},
                "edges_restored": {False, True},
                "batch_size": {256, 2, 3, 4, 6},
                "iterations": {2},
            },
        ),
        (
            OperationScores,
            5,
            {
                "change": {"mask", "fix"},
                "rescore": {False, True},
                "norm": {"batch", "running"},
                "augment": {False, True},
                "edges_restored": {False, True},
                "batch_size": {256, 2, 3, 4, 6},
                "tune_epochs": {0, 1, 2, 4},
                "candidate_epochs": {0},
            },
        ),
    ):
        variants = [variant.selector for variant in variants_of(kind)]
        for name, values in settings.items():
            assert {getattr(selector, name) for selector in variants} == values
        assert variants[0] == kind(**kind.small)
        assert len(variants) <= few


class Picky(Selector):
    """Refuses settings that do not go together."""

    name: ClassVar[str] = "picky"
    summary: ClassVar[str] = "for tests"
    first: int = Field(1, ge=1, le=3)
    last: int = Field(7, ge=1)
    mode: Literal["a", "b"] = "a"
    share: float = Field(0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _order(self):
        if self.last <= self.first:
            raise ValueError("last comes after first")
        return self

    def select(self, task):
        raise NotImplementedError


def test_settings_that_do_not_go_together_are_varied_alone():
    made = [variant.selector for variant in variants_of(Picky)]
    assert {selector.first for selector in made} == {1, 2, 3}
    assert {selector.mode for selector in made} == {"a", "b"}
    assert {selector.share for selector in made} == {0, 0.5, 1}
    assert all(selector.last > selector.first for selector in made)


def test_a_setting_without_a_default_needs_one_for_checks():
    class Demanding(Picky):
        depth: int

    with pytest.raises(UserError, match=r"depth: Field required.*`small`"):
        variants_of(Demanding)

    class Content(Demanding):
        small: ClassVar[dict] = {"depth": 3}

    assert {variant.selector.depth for variant in variants_of(Content)} == {3}


@pytest.fixture(scope="module")
def stage():
    return Stage(SELECTORS["random"], get_space("nb201"), CPU)


def test_a_rehearsal_offers_all_that_a_task_does_and_nothing_else(stage):
    watch = Watch(CPU)
    task = Offered(stage._task_of(0, 5, watch), watch)
    for name in OFFERED:
        assert getattr(task, name) is not None
    assert {
        name for name in vars(SupernetTask) if not name.startswith("_")
    } & OFFERED <= set(vars(Rehearsal))
    assert not watch.notes
    with pytest.raises(
        AttributeError, match="a task offers no 'images'; it offers alphas, evaluate"
    ):
        _ = task.images
    assert not hasattr(task, "_task")
    assert [note.split(",")[0] for note in watch.notes["offered"]] == [
        "it uses task.images",
        "it uses task._task",
    ]


def test_the_same_question_has_the_same_answer_and_few_levels_make_ties(stage):
    task = stage._task_of(0, 3, Watch(CPU))
    mixture = task.mixture(task.space.undecided())
    masked = [
        mixture.without(0, edge, choice) for edge in range(6) for choice in range(5)
    ]
    answers = [task.evaluate(mixture).accuracy for mixture in masked]
    assert [task.evaluate(mixture).accuracy for mixture in masked] == answers
    assert sorted(set(answers)) == pytest.approx([0, 100 / 3, 200 / 3])
    other = stage._task_of(1, 3, Watch(CPU))
    assert [other.evaluate(mixture).accuracy for mixture in masked] != answers
    many = stage._task_of(0, 1_000_003, Watch(CPU))
    assert len(
        {many.proxy("nwot", mixture, many.minibatch(4)) for mixture in masked}
    ) == len(masked)


def test_a_rehearsal_gives_less_than_it_is_asked_for_and_moves_alphas_when_tuned(stage):
    task = stage._task_of(0, 3, Watch(CPU))
    assert len(task.minibatch(256).labels) == 8 and len(task.minibatch(3).labels) == 3
    task.begin()
    before = [alpha.clone() for alpha in task.alphas]
    task.tune(task.space.undecided(), 0, 0.1)
    assert torch.equal(before[0], task.alphas[0])
    task.tune(task.space.undecided(), 5, 0.1)
    assert not torch.equal(before[0], task.alphas[0])
    task.end()
    assert task.touched == []
    assert not any(torch.equal(alpha, task.alphas[0]) for alpha in stage._alphas)


def test_the_first_answers_of_a_premiere_are_measured(monkeypatch):
    asked = []

    class Noting(SupernetTask):
        def evaluate(self, *arguments):
            asked.append(super().evaluate(*arguments))
            return asked[-1]

        def tune(self, decisions, epochs, learning_rate):
            asked.append(epochs)
            super().tune(decisions, epochs, learning_rate)

    monkeypatch.setattr(trials, "SupernetTask", Noting)
    stage = Stage(SELECTORS["darts-pt"], get_space("nb201"), CPU)
    (variant, *_) = variants_of(SELECTORS["darts-pt"])
    scores = stage.premiere(variant).selection.operation_scores
    measured = [answer.accuracy for answer in asked if not isinstance(answer, int)]
    assert [score.value for score in scores[: trials.SCORES]] == measured
    assert [answer for answer in asked if isinstance(answer, int)] == [
        1
    ] * trials.TUNINGS
    assert len(scores) > trials.SCORES
