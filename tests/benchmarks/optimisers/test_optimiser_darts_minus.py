"""The weight of the skips beside the edges over the epochs, and trainings with them."""

import math

import pytest
import torch

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.darts_minus import DartsMinus
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.nasbench_adapters.networks import Supernet

CPU = torch.device("cpu")


def train(trainer, epochs=2):
    for epoch in range(epochs):
        trainer.epoch(trainer.space.undecided(), progress=epoch / epochs)
    return trainer


def same(one, other):
    weights = other.supernet.state_dict()
    shared = {
        name: value
        for name, value in one.supernet.state_dict().items()
        if name in weights
    }
    assert shared
    alphas = zip(one.alphas, other.alphas, strict=True)
    return all(torch.equal(shared[name], weights[name]) for name in shared) and all(
        torch.equal(a, b) for a, b in alphas
    )


def test_the_weight_falls_from_its_start_to_zero():
    epochs = 50
    for epoch in range(epochs):
        progress = epoch / epochs
        linear = DartsMinus(side_beta=2.0).side_weight(progress)
        cosine = DartsMinus(side_schedule="cosine").side_weight(progress)
        assert linear == pytest.approx(2.0 * (epochs - epoch) / epochs)
        assert cosine == pytest.approx((1 + math.cos(math.pi * epoch / epochs)) / 2)
    for schedule in ("linear", "cosine"):
        assert DartsMinus(side_schedule=schedule).side_weight(1.0) == 0.0


@pytest.mark.parametrize(
    ("space", "order"), [("nb201", 1), ("s3", 1), ("nb1shot1-1", 1), ("nb201", 2)]
)
def test_without_a_weight_it_is_darts_bit_by_bit(new_trainer, space, order):
    settings = {"batch_size": 8, "epochs": 2, "order": order}
    plain = train(new_trainer(Darts(**settings), space))
    assert same(train(new_trainer(DartsMinus(side_beta=0, **settings), space)), plain)
    other = train(new_trainer(DartsMinus(**settings), space))
    assert not same(other, plain)
    assert all(alpha.isfinite().all() for alpha in other.alphas)


def test_all_images_and_both_steps_see_the_skips(new_trainer, monkeypatch):
    """In the first epoch of two with the whole weight, then with half of it."""
    seen = []
    forward = Supernet.forward

    def watched(self, images, mixture, *arguments, **options):
        seen.append(float(mixture.side_weight))
        return forward(self, images, mixture, *arguments, **options)

    monkeypatch.setattr(Supernet, "forward", watched)
    train(new_trainer(DartsMinus(batch_size=8)))
    assert seen == [1.0] * 6 + [0.5] * 6


def test_a_selector_reads_the_supernet_without_them(nb201, halves):
    recipe = Recipe(recipe="darts-minus", epochs=1, batch_size=16)
    inputs = recipe.inputs("nb201", {"channels": 2, "cells": 1, "reduction": "pool"})
    made = make_supernet(recipe, nb201, inputs, halves, 0)
    task = SupernetTask(nb201, recipe, inputs, made, halves, PhaseClock(CPU), 0, 0)
    mixture = task.mixture(nb201.undecided())
    assert mixture.side_weight is None
    before = task.evaluate(mixture).loss
    task.tune(nb201.undecided(), 1, 0.05)
    assert task.evaluate(mixture).loss != before
