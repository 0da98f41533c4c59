"""What selectors share: their settings, the log of scores, and a task that scoring leaves as it was."""

from contextlib import suppress
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.benchmarks.clock import Clock
from archselect.benchmarks.records import SupernetInputs
from archselect.benchmarks.supernets import Recipe, make_supernet
from archselect.benchmarks.task import SupernetTask
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.space import OPEN, Architecture, Decisions
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Decision, EdgeScore, Log, OperationScore, Scale, Selector
from archselect.selectors.proxies import PROXIES
from archselect.selectors.proxies.base import Undefined

finite = st.floats(allow_nan=False, allow_infinity=False)
not_finite = st.sampled_from([float("nan"), float("inf"), -float("inf")])
scales = st.sampled_from([Scale("s", "higher"), Scale("s", "lower")])


class First(Selector):
    """The example of the module's docstring."""

    name: ClassVar[str] = "first"
    summary: ClassVar[str] = "the first operation of every edge"

    depth: int = 1

    def select(self, task):
        log = Log()
        decisions = task.space.undecided()
        for cell, edge in decisions.open_edges():
            decisions = decisions.decide(cell, edge, 0)
        return log.selection(decisions.architecture())


def test_the_docstrings_example_selects(table_task, table):
    task = table_task(table(0, 3))
    selection = First().select(task)
    assert selection.architecture == Architecture(((0, 0, 0), (0,) * 6))
    assert (selection.operation_scores, selection.decisions, selection.architecture_scores) == ((), (), ())
    assert selection.operation_scale is None
    assert selection.architecture_scale is None


def test_settings_are_checked_and_frozen():
    with pytest.raises(ValidationError, match="Extra inputs"):
        First(dept=3)
    with pytest.raises(ValidationError, match="valid integer"):
        First(depth="deep")
    with pytest.raises(ValidationError, match="frozen"):
        First().depth = 2


def test_a_selector_without_select_cannot_be_made():
    class Nothing(Selector):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


# --- the log


@given(scales, st.lists(finite, min_size=1, max_size=6))
def test_the_best_score_wins_and_ties_go_to_the_lower_index(scale, values):
    log = Log(operations=scale)
    best = log.scores(2, 1, 0, 3, values)
    wanted = max(values) if scale.better == "higher" else min(values)
    assert best == next(k for k, value in enumerate(values) if value == wanted)
    noted = log.selection(Architecture(((0,),))).operation_scores
    assert noted == tuple(OperationScore(2, 1, 0, 3, k, value) for k, value in enumerate(values))


@given(scales, st.lists(finite, max_size=4), not_finite, st.lists(finite, max_size=4))
def test_a_score_that_is_not_finite_surfaces(scale, before, value, after):
    """With its name, the candidate and the value; nothing of it is noted."""
    log = Log(scale, scale)
    with pytest.raises(
        ValueError, match=f"score 's' of operation {len(before)} on edge 3 of cell type 1 is not finite"
    ):
        log.scores(0, 0, 1, 3, [*before, value, *after])
    with pytest.raises(ValueError, match=rf"score 's' of architecture \(\(0,\),\) is not finite: {value}"):
        log.architecture(Architecture(((0,),)), value)
    selection = log.selection(Architecture(((0,),)))
    assert selection.operation_scores == selection.architecture_scores == ()


@given(scales, st.dictionaries(st.integers(0, 9), finite, min_size=1, max_size=6))
def test_the_worst_edge_goes_and_ties_go_to_the_later(scale, scores):
    scores = dict(sorted(scores.items()))
    log = Log(operations=scale)
    gone = log.edges(2, 1, 0, 4, scores)
    worst = min(scores.values()) if scale.better == "higher" else max(scores.values())
    assert gone == max(edge for edge, value in scores.items() if value == worst)
    noted = log.selection(Architecture(((0,),))).edge_scores
    assert noted == tuple(EdgeScore(2, 1, 0, 4, edge, value) for edge, value in scores.items())


@given(scales, st.dictionaries(st.integers(0, 9), finite, max_size=4), not_finite)
def test_an_edges_score_that_is_not_finite_surfaces(scale, scores, value):
    log = Log(scale)
    with pytest.raises(ValueError, match="without edge 10 of cell type 0 is not finite"):
        log.edges(0, 0, 0, 4, {**scores, 10: value})
    assert log.selection(Architecture(((0,),))).edge_scores == ()


def test_scores_need_a_scale():
    with pytest.raises(ValueError, match="scale"):
        Log().scores(0, 0, 0, 0, [1.0])
    with pytest.raises(ValueError, match="scale"):
        Log().edges(0, 0, 0, 4, {0: 1.0})
    with pytest.raises(ValueError, match="scale"):
        Log().architecture(Architecture(((0,),)), 1.0)
    with pytest.raises(ValueError, match="no architecture was scored"):
        Log(architectures=Scale("s", "higher")).best_architecture()


@given(scales, st.lists(finite, min_size=1, max_size=6))
def test_the_best_architecture_wins_and_ties_go_to_the_first_noted(scale, values):
    log = Log(architectures=scale)
    for k, value in enumerate(values):
        log.architecture(Architecture(((k,),)), value)
    wanted = max(values) if scale.better == "higher" else min(values)
    first = next(k for k, value in enumerate(values) if value == wanted)
    assert log.best_architecture() == Architecture(((first,),))


def test_a_selection_keeps_what_was_noted_until_then():
    log = Log(Scale("s", "higher"), Scale("t", "lower"))
    log.scores(0, 0, 0, 0, [1, 2])
    log.edges(0, 0, 0, 2, {0: 1, 1: 2})
    log.decide(0, 0, 0, 0, 1)
    selection = log.selection(Architecture(((1,),)))
    log.scores(0, 1, 0, 1, [3, 4])
    log.edges(0, 1, 0, 2, {0: 1, 1: 2})
    log.decide(0, 1, 0, 1, 1)
    assert len(selection.operation_scores) == len(selection.edge_scores) == 2
    assert selection.decisions == (Decision(0, 0, 0, 0, 1),)
    assert (selection.operation_scale.name, selection.architecture_scale.name) == ("s", "t")


# --- the task


@pytest.fixture(scope="module")
def task():
    """The harness's task on an untrained supernet of C=4, N=1 and 40 digits in each half."""
    space, device = get_space("nb201"), torch.device("cpu")
    recipe = Recipe(recipe="untrained", batch_size=16)
    inputs = SupernetInputs(recipe="untrained", settings={}, skeleton={"channels": 4, "cells": 1})
    images = Images(load_images("digits"), device, limit=40)
    trained = make_supernet(recipe, space, inputs, images, seed=0)
    return SupernetTask(space, recipe, inputs, trained, images, Clock(device), 0, 1)


@settings(max_examples=15)
@given(
    st.lists(st.integers(-1, 4), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=6),
    st.sampled_from(["running", "batch"]),
    st.booleans(),
    st.booleans(),
)
def test_scoring_leaves_the_task_as_it_was(trace, task, chosen, masked, norm, augment, training):
    """Weights, buffers, training flags and every global random state, bit by bit; mixtures and alphas too."""
    task.supernet.train(training)
    decisions = Decisions((tuple(OPEN if k < 0 else k for k in chosen),))
    mixture = task.mixture(decisions, task.new_alphas())
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    alphas, weights = task.alphas[0].clone(), mixture.weights[0].clone()
    batch = task.minibatch(8)
    pixels = batch.images.clone()
    before = trace(task.supernet)

    evaluation = task.evaluate(mixture, norm=norm, augment=augment)
    assert 0 <= evaluation.accuracy <= 100
    for name in PROXIES:
        with suppress(Undefined):
            task.proxy(name, mixture, batch, norm=norm)

    assert trace(task.supernet) == before
    assert torch.equal(task.alphas[0], alphas)
    assert torch.equal(mixture.weights[0], weights)
    assert torch.equal(batch.images, pixels)


@pytest.mark.parametrize("name", PROXIES)
def test_scoring_a_network_leaves_the_task_as_it_was(trace, task, name):
    before = trace(task.supernet)
    task.proxy_of_network(name, Architecture(((3, 2, 1, 4, 0, 3),)), batches=2, size=8)
    assert trace(task.supernet) == before


def test_a_candidate_without_a_score_is_named_with_proxy_and_reason(task):
    """Nothing leads to the output of a cell whose edges carry `none`."""
    batch = task.minibatch(8)
    mixture = task.mixture(Decisions(((0, 0, 0, 0, 0, OPEN),)))
    candidates = [mixture.fixed(0, 5, choice) for choice in range(5)]
    reason = "no path leads from the images to the logits"
    wanted = f"proxy synflow has no score of the supernet with none on edge 2→3 of cell: {reason}"
    with pytest.raises(Undefined, match=wanted):
        task.proxies("synflow", candidates, batch)
    wanted = "synflow has no score of the supernet with none . skip_connect . nor_conv_1x1 . avg_pool_3x3 on edge 2→3"
    with pytest.raises(Undefined, match=wanted):
        task.proxy("synflow", mixture.without(0, 5, 3), batch)
    with pytest.raises(Undefined, match=r"synflow has no score of \|none~0\|\+.*: no path leads"):
        task.proxy_of_network("synflow", Architecture(((0,) * 6,)), batches=2, size=8)


@settings(max_examples=10)
@given(st.lists(st.integers(-1, 4), min_size=6, max_size=6), st.sampled_from(["running", "batch"]))
def test_the_same_question_has_the_same_answer(task, chosen, norm):
    mixture = task.mixture(Decisions((tuple(OPEN if k < 0 else k for k in chosen),)))
    batch = task.minibatch(8)

    def answer(mixed, mode):
        try:
            return task.proxy("nwot", mixed, batch, norm=mode)
        except Undefined as error:
            return str(error)

    answers = []
    for _ in range(2):
        answers.append(answer(mixture, norm))
        answer(mixture.without(0, 0, 1), "batch")
        task.evaluate(mixture, norm="batch", augment=True)
    assert answers[0] == answers[1]
    assert task.evaluate(mixture) == task.evaluate(mixture)
