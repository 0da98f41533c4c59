"""The conformance kit: the built-in selectors keep to all of it; each bad one breaks the one rule it is made for."""

import random

import numpy as np
import pytest
import torch
from support import bad_selectors

from archselect.benchmarks.conformance.checks import CHECKS, name_of
from archselect.benchmarks.conformance.kit import (
    check_selector,
    usable_spaces,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.spaces import SPACES, registry
from archselect.selectors.registry import SELECTORS

RESTRICTED = "minimal:2-3=none"
"""One of its edges is no choice."""
QUICK = ("nb201", "s3", RESTRICTED)
WITH_TOPOLOGY = ("Sound", "Overfull", "DropsTheBest")
"""These differ where a node keeps some of its inputs only."""


NOTHING_NEW = (
    *("wiring", "s2", "s4", "darts", "darts-none", "nb1shot1-1", "nb1shot1-2"),
    *("darts-no-skip", "single-cell", "single-cell-no-skip", "mobilenet"),
    *("darts-all-skip", "single-cell-all-skip"),
)
"""To a selector these spaces are like others.

A cell of four nodes after one of two; two operations on every edge after others and
after three; DARTS' cells with more operations than in s1 (which has others on each
edge) and s3 (which has `none`); nodes that keep one or two inputs, and loose ends, as in
nb1shot1-3; one cell type in place of two; a chain of more layers than nb-macro's; a
skip beside every edge.
"""
PREDICTING = ("predictor-search", "seminas")
"""They train networks in every trial, and what they ask of a space are its tokens.

Their own tests try them on more spaces.
"""
FOR_PREDICTING = ("nb201", RESTRICTED)
BAD = {
    name: kind
    for name, kind in vars(bad_selectors).items()
    if isinstance(kind, type) and hasattr(kind, "breaks")
}


def failed(conformance):
    return {result.check for result in conformance.results if result.passed is False}


def advice_of(conformance):
    return "\n".join(line for result in conformance.results for line in result.advice)


def test_a_selector_is_checked_on_all_spaces_that_have_what_it_needs():
    usable = usable_spaces(SELECTORS["magnitude"])
    assert set(SPACES) - set(usable) == {"nb101", "nbgraph"}
    for name in ("random", "random-search"):
        assert usable_spaces(SELECTORS[name]) == list(SPACES)


@pytest.mark.parametrize("space", ["nb101", "nbgraph"])
def test_a_space_without_a_supernet_is_refused_to_a_selector_that_needs_one(space):
    with pytest.raises(
        UserError, match=f"{space} has no supernet: selector magnitude needs one"
    ):
        check_selector(SELECTORS["magnitude"], [space])


def test_what_is_skipped_is_in_the_result(monkeypatch):
    """With one space left of those with a supernet, for the trials take long."""
    kept = {name: SPACES[name] for name in ("nb201", "nb101", "nbgraph")}
    monkeypatch.setattr(registry, "all", lambda: kept)
    every = check_selector(SELECTORS["magnitude"], [], ["cpu"])
    assert every.skipped == ("nb101", "nbgraph")
    assert {result.space for result in every.results} == {"nb201"}
    assert check_selector(SELECTORS["magnitude"], ["nb201"], ["cpu"]).skipped == ()
    without = check_selector(SELECTORS["random"], [], ["cpu"])
    assert without.skipped == ()
    assert {result.space for result in without.results} == set(kept)


@pytest.mark.parametrize(
    ("name", "space"),
    [
        pytest.param(name, space, marks=[] if space in QUICK else pytest.mark.slow)
        for name in SELECTORS
        for space in [
            RESTRICTED if usable == "minimal" else usable
            for usable in usable_spaces(SELECTORS[name])
            if usable not in NOTHING_NEW
        ]
        if name not in PREDICTING or space in FOR_PREDICTING
    ],
)
def test_the_built_in_selectors_conform(name, space):
    conformance = check_selector(SELECTORS[name], [space], ["cpu"])
    assert conformance.passed, advice_of(conformance)
    unjudged = {r.check for r in conformance.results if not r.passed}
    # A selector that asks nothing has no score that could be other than finite.
    assert unjudged <= ({"surfaces"} if not SELECTORS[name].needs else set())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", SELECTORS)
def test_the_built_in_selectors_conform_on_every_device(name):
    conformance = check_selector(SELECTORS[name], ["nb201", "s3"])
    assert conformance.passed, advice_of(conformance)
    assert {device for _, device in conformance.seconds} == {"cpu", "cuda"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_selector_breaks_its_rule_alone(name):
    conformance = check_selector(
        BAD[name], ["s2" if name in WITH_TOPOLOGY else "nb201"], ["cpu"]
    )
    assert failed(conformance) == {BAD[name].breaks}, advice_of(conformance)
    assert advice_of(conformance)


def test_every_check_has_a_selector_that_breaks_it():
    assert {kind.breaks for kind in BAD.values()} == {
        name_of(check) for check in CHECKS
    }


@pytest.mark.parametrize("name", ["Sound", "ClosesTheWorst"])
def test_the_selectors_that_they_are_made_from_are_sound(name):
    kind = getattr(bad_selectors, name)
    conformance = check_selector(kind, ["nb201", "s3"], ["cpu"])
    assert conformance.passed, advice_of(conformance)


@pytest.mark.parametrize("name", ["Overfull", "DropsTheBest"])
def test_what_is_wrong_on_one_space_can_be_right_on_another(name):
    assert check_selector(BAD[name], ["nb201"], ["cpu"]).passed


def test_every_result_is_there_and_a_failure_names_place_settings_and_line():
    conformance = check_selector(BAD["Raises"], ["nb201"], ["cpu"])
    assert [result.check for result in conformance.results] == [
        name_of(check) for check in CHECKS
    ]
    assert (
        set(conformance.seconds) == {("nb201", "cpu")}
        and conformance.seconds["nb201", "cpu"] > 0
    )
    (advice,) = conformance.results[0].advice
    line = bad_selectors.Raises.finish.__code__.co_firstlineno + 2
    assert (
        f"bad_selectors.py, line {line}: ZeroDivisionError: three (interval=3, "
        in advice
    )


def test_where_nothing_is_selected_nothing_more_is_judged():
    conformance = check_selector(BAD["Nothing"], ["nb201"], ["cpu"])
    unreached = {
        result.check for result in conformance.results if result.passed is None
    }
    assert {"complete", "seeded", "honest"} <= unreached


def test_a_selector_may_decide_among_operations_of_its_own():
    conformance = check_selector(bad_selectors.WithoutNone, ["nb201"], ["cpu"])
    assert conformance.passed, advice_of(conformance)


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


@pytest.mark.parametrize("space", ["nb20", "s5"])
def test_an_unknown_space_is_refused(space):
    with pytest.raises(UserError, match="unknown space to check random on"):
        check_selector(SELECTORS["random"], [space])
