"""Selectors read, tune and score a supernet through the activation of its recipe."""

import pytest
import torch

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.networks import mixture_of
from archselect.nasbench_adapters.networks.activation import get_activation
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.magnitude import Magnitude

CPU = torch.device("cpu")
SKELETON = {"channels": 2, "cells": 1, "reduction": "pool"}


@pytest.fixture(scope="module")
def parts(nb201, digits):
    """A supernet of clipped alphas, some of them dead, and what it was made from."""
    recipe = Recipe(
        recipe="darts",
        epochs=3,
        batch_size=8,
        alpha_learning_rate=0.1,
        activation="crb",
        schedule="informed",
        proximity="admm",
        rho=1.0,
    )
    images = digits(48)
    inputs = recipe.inputs("nb201", SKELETON)
    return recipe, inputs, make_supernet(recipe, nb201, inputs, images, 0), images


@pytest.fixture
def task(nb201, parts):
    return SupernetTask(nb201, *parts, PhaseClock(CPU), 0, 0)


def memory_of(task):
    return {key: torch.as_tensor(v) for key, v in task.state()["memory"].items()}


def test_a_mixture_is_that_of_the_activation(task, nb201, parts):
    found = task.mixture(nb201.undecided())
    expected = mixture_of(nb201, parts[2].alphas, None, get_activation("crb"))
    assert torch.equal(found.weights[0], expected.weights[0])
    assert found.support == expected.support
    assert not torch.allclose(found.weights[0].sum(1), torch.ones(6))


def test_scores_of_magnitude_are_called_by_the_activation(task):
    selection = Magnitude().select(task)
    assert task.activation == "crb"
    assert selection.operation_scale.name == "crb(alpha)"


def test_tuning_resumes_with_the_memory_of_the_training(task, parts):
    kept = memory_of(task)
    trained = parts[2].memory
    assert kept.keys() == trained.keys()
    assert "admm Z 0" in kept and "threshold" in kept
    for name, value in trained.items():
        assert torch.equal(kept[name], torch.as_tensor(value)), name


def test_none_comes_back_while_a_selector_tunes(task, nb201):
    before = task.alphas[0].detach() > 0
    task.tune(nb201.undecided().decide(0, 0, 3), 2, 0.01)
    after = task.alphas[0].detach() > 0
    assert not (after & ~before).any()
    assert task.alphas[0].isfinite().all()


def test_what_is_tuned_for_a_score_is_forgotten_with_its_memory(task, nb201):
    before = memory_of(task)
    task.evaluate_tuned(nb201.undecided().decide(0, 0, 3), 1, 0.01)
    after = memory_of(task)
    for name, value in before.items():
        assert torch.equal(after[name], value), name


@pytest.mark.parametrize("selector", [Magnitude(), DartsPT(tune_epochs=1)])
def test_selectors_read_it(task, nb201, selector):
    selection = selector.select(task)
    assert nb201.parse(nb201.format(selection.architecture)) == selection.architecture
