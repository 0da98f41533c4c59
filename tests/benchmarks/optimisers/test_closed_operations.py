"""Every way of training leaves closed operations alone, and trains what is live."""

from itertools import chain

import pytest
import torch

from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.space import OPEN
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")
WAYS = {
    "darts": {"recipe": "darts"},
    "single level": {"recipe": "darts", "level": "single"},
    "second order": {"recipe": "darts", "order": 2},
    "crb": {"recipe": "darts", "activation": "crb"},
    "sigmoid": {"recipe": "darts", "activation": "sigmoid", "zero_one": 10.0},
    "beta decay": {"recipe": "darts", "decay": 50.0},
    "prox": {"recipe": "darts", "proximity": "prox"},
    "proxadj": {"recipe": "darts", "proximity": "proxadj"},
    "admm": {"recipe": "darts", "proximity": "admm"},
    "crb admm": {"recipe": "darts", "activation": "crb", "proximity": "admm"},
    "cost": {"recipe": "darts", "cost": "params", "cost_weight": 0.1},
    "snas": {"recipe": "snas"},
    "snas crb": {"recipe": "snas", "activation": "crb", "alpha_mean": 0.0},
    "snas sigmoid": {"recipe": "snas", "activation": "sigmoid"},
    "dsnas": {"recipe": "dsnas"},
    "gdas": {"recipe": "gdas", "alpha_learning_rate": 0.1},
    "drnas": {"recipe": "drnas"},
    "drnas anchor": {"recipe": "drnas", "activation": "dirichlet", "anchor": 0.01},
    "equal": {"recipe": "equal"},
    "equal live": {"recipe": "equal", "divisor": "live"},
    "sdarts-rs": {"recipe": "sdarts-rs"},
    "oles": {"recipe": "oles"},
    "lambda-darts": {"recipe": "lambda-darts"},
    "darts-minus": {"recipe": "darts-minus"},
    "pc-darts": {"recipe": "pc-darts", "channel_divisor": 2, "warmup_epochs": 0},
    "spos": {"recipe": "spos"},
}


def make_task(settings):
    space = get_space("nb201")
    recipe = Recipe(**settings, epochs=0, batch_size=8, alpha_weight_decay=0.0)
    inputs = recipe.inputs("nb201", {"channels": 2, "cells": 1, "reduction": "pool"})
    images = Images(load_images("digits"), CPU, limit=16)
    trained = make_supernet(recipe, space, inputs, images, 0)
    return SupernetTask(space, recipe, inputs, trained, images, PhaseClock(CPU), 0, 0)


def operations_of(supernet):
    """The modules of operations by edge and choice, in all cells."""
    found = {}
    for _, cell in supernet.cells():
        for placed in chain.from_iterable(cell.incoming):
            found.setdefault((placed.edge, placed.choice), []).append(placed.module)
    return found


def weights_of(modules):
    """Copies of weights and running statistics."""
    states = [module.state_dict() for module in modules]
    return [own.clone() for state in states for own in state.values()]


@pytest.mark.parametrize("way", WAYS)
def test_closed_operations_stay_as_they_were(way):
    """With weights, alphas and running statistics; what is open goes on."""
    task = make_task(WAYS[way])
    decisions = task.space.undecided()
    edges = task.space.edges[0]
    closed = {(0, 3), (1, 2), (1, 3), (4, 1), (5, 0)}
    for index, choice in sorted(closed):
        decisions = decisions.close(edges[index], choice)
    assert decisions.choices == ((OPEN,) * 6,)
    operations = operations_of(task.supernet)
    before = {place: weights_of(own) for place, own in operations.items()}
    alphas = task.alphas[0].detach().clone()
    task.tune(decisions, 2, 0.05)
    for place, modules in operations.items():
        after = weights_of(modules)
        same = [torch.equal(*pair) for pair in zip(before[place], after, strict=True)]
        if place in closed:
            assert all(same)
    changed = (task.alphas[0] - alphas).detach()
    assert task.alphas[0].isfinite().all()
    for index, choice in closed:
        assert changed[index, choice] == 0
    learns = way not in ("spos", "equal", "equal live")
    assert bool(changed.any()) == learns
    moved = sum(
        not torch.equal(*pair)
        for place, modules in operations.items()
        for pair in zip(before[place], weights_of(modules), strict=True)
    )
    assert moved
