"""The built-in selectors on supernets of NAS-Bench-1Shot1: what they select is in the space."""

import numpy as np
import pytest
import torch

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.darts_pt import DartsPT
from archselect.selectors.magnitude import Magnitude
from archselect.selectors.random_architecture import Random
from archselect.selectors.zero_cost_pt import ZeroCostPT

CPU = torch.device("cpu")
NAMES = ("nb1shot1-1", "nb1shot1-2", "nb1shot1-3")
SELECTORS = {
    "random": Random(),
    "magnitude": Magnitude(),
    "darts-pt": DartsPT(tune_epochs=1),
    "zero-cost-pt": ZeroCostPT(iterations=2, batch_size=8, validation_batches=1),
}


@pytest.fixture(scope="module")
def new_task(digits):
    """`new_task(space)`: a task on a supernet of the space that DARTS trained for an epoch."""
    made = {}

    def make(space):
        if space.name not in made:
            recipe = Recipe(
                recipe="darts", epochs=1, batch_size=8, augment=False, alpha_scale=1.0
            )
            skeleton = {"channels": 4, "cells": 1}
            inputs = SupernetInputs(
                recipe="darts", settings=recipe.settings(), skeleton=skeleton
            )
            images = digits(16)
            made[space.name] = (
                recipe,
                inputs,
                make_supernet(recipe, space, inputs, images, 0),
                images,
            )
        return SupernetTask(space, *made[space.name], PhaseClock(CPU), 0, 0)

    return make


@pytest.mark.parametrize("label", SELECTORS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_selected_is_in_the_space(new_task, name, label):
    space = get_space(name)
    task = new_task(space)
    selection = SELECTORS[label].select(task)
    architecture = selection.architecture
    assert space.parse(space.format(architecture)) == architecture
    assert space.contains(space.in_truth(architecture))
    for proposed, _ in selection.architecture_scores:
        assert space.parse(space.format(proposed)) == proposed
    if label == "random":
        return
    # Of every block its operations were judged, and of every node with a choice its
    # parents were.
    cell = space.cells[0]
    judged = {score.edge for score in selection.operation_scores}
    assert {
        edge for edge, names in enumerate(cell.operations) if len(names) > 1
    } <= judged
    dropped = [
        decision for decision in selection.decisions if decision.choice == DROPPED
    ]
    surplus = sum(
        len(cell.incoming(2 * v - 1)) - keeps
        for v, keeps in enumerate(space.parents, start=1)
    )
    assert len(dropped) == surplus * (
        1 + max((decision.round for decision in dropped), default=0)
    )


@pytest.mark.parametrize("name", NAMES)
def test_magnitude_keeps_the_strongest_parents(new_task, name):
    """As in the released code: of every node those with the largest shares of its softmax."""
    space = get_space(name)
    task = new_task(space)
    (row,) = Magnitude().select(task).architecture.choices
    weights = task.mixture(space.undecided()).weights[0].numpy()
    cell = space.cells[0]
    for v, keeps in enumerate(space.parents, start=1):
        edges = cell.incoming(2 * v - 1)
        strongest = sorted(edges, key=lambda edge: -weights[edge, 0])[:keeps]
        assert {edge for edge in edges if row[edge] is not None} == set(strongest)
    for edge, names in enumerate(cell.operations):
        if len(names) > 1:
            assert row[edge] == np.argmax(weights[edge])
