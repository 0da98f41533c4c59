"""What selectors share: their settings, and a task that scoring leaves as it was."""

from contextlib import suppress
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.space import OPEN, Architecture, Decisions
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Selector
from archselect.selectors.proxies import PROXIES
from archselect.selectors.proxies.base import Undefined
from archselect.selectors.random_architecture import Random
from archselect.selectors.registry import SELECTORS


class First(Selector):
    """The example of the module's docstring."""

    name: ClassVar[str] = "first"
    summary: ClassVar[str] = "the first operation of every edge"

    depth: int = 1

    def select(self, task):
        search = task.search()
        for edge in search.open_edges():
            search.decide(edge, operation=0)
        return search.selection()


def test_the_docstrings_example_selects(table_task, table):
    task = table_task(table(0, 3))
    selection = First().select(task)
    # Nodes keep one input, their first; a node left with `none` alone is filled up.
    assert selection.architecture == Architecture(
        ((0, 0, 0), (0, 1, None, 0, None, None))
    )
    assert (selection.operation_scores, selection.architecture_scores) == ((), ())
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


# --- the task


@pytest.fixture(scope="module")
def task():
    """The harness's task on an untrained supernet of C=4, N=1 and 40 digits in each half."""
    space, device = get_space("nb201"), torch.device("cpu")
    recipe = Recipe(recipe="untrained", batch_size=16)
    inputs = SupernetInputs(
        recipe="untrained", settings={}, skeleton={"channels": 4, "cells": 1}
    )
    images = Images(load_images("digits"), device, limit=40)
    trained = make_supernet(recipe, space, inputs, images, seed=0)
    return SupernetTask(
        space, recipe, inputs, trained, images, PhaseClock(device), 0, 1
    )


@settings(max_examples=15)
@given(
    st.lists(st.integers(-1, 4), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=6),
    st.sampled_from(["running", "batch"]),
    st.booleans(),
    st.booleans(),
)
def test_scoring_leaves_the_task_as_it_was(
    trace, task, chosen, masked, norm, augment, training
):
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
    with pytest.raises(
        Undefined, match=r"synflow has no score of \|none~0\|\+.*: no path leads"
    ):
        task.proxy_of_network("synflow", Architecture(((0,) * 6,)), batches=2, size=8)


@settings(max_examples=10)
@given(
    st.lists(st.integers(-1, 4), min_size=6, max_size=6),
    st.sampled_from(["running", "batch"]),
)
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


@pytest.mark.parametrize(
    "needs", ["supernet", frozenset({"supernets"}), {"supernet"}], ids=repr
)
def test_what_a_selector_needs_is_of_the_words_there_are(needs):
    with pytest.raises(ValueError, match="needs must be a frozenset of alphas"):
        type(
            "Wrong",
            (Random,),
            {"needs": needs, "__annotations__": {"needs": ClassVar[frozenset[str]]}},
        )


def test_selectors_need_a_supernet_or_a_reward_and_random_neither():
    assert Random.needs == frozenset()
    for name, kind in SELECTORS.items():
        assert bool(kind.needs & {"supernet", "reward"}) == (name != "random")
