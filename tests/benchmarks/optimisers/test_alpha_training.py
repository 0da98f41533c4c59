"""Trainings with each activation, schedule and penalty, on small supernets."""

import pytest
import torch

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.darts_minus import DartsMinus
from archselect.benchmarks.optimisers.dsnas import Dsnas
from archselect.benchmarks.optimisers.lambda_darts import LambdaDarts
from archselect.benchmarks.optimisers.oles import Oles
from archselect.benchmarks.optimisers.recorder import Recorder
from archselect.benchmarks.optimisers.sdarts_rs import SdartsRS
from archselect.benchmarks.optimisers.snas import Snas
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import Supernet
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.spaces import get_space

KINDS = [
    (Darts, {}),
    (Darts, {"level": "single"}),
    (Darts, {"order": 2}),
    (SdartsRS, {}),
    (Oles, {"every": 2}),
    (LambdaDarts, {"aligned": "all"}),
    (DartsMinus, {}),
    (Snas, {"alpha_mean": 0.0}),
    (Dsnas, {"alpha_mean": 0.0}),
]
SPACES = ["nb201", "s1", "nb1shot1-1"]
SCHEDULES = ["every", "informed"]
CRB_CASES = [
    *((Darts, {}, space, schedule) for space in SPACES for schedule in SCHEDULES),
    *((kind, more, "nb201", "informed") for kind, more in KINDS[1:]),
]
"""DARTS on every space with every schedule, and every other optimiser once."""


def train(trainer, epochs=2):
    for epoch in range(epochs):
        trainer.epoch(trainer.space.undecided(), progress=epoch / epochs)
    return trainer


def is_finite(trainer):
    tensors = [*trainer.alphas, *trainer.supernet.state_dict().values()]
    return all(bool(tensor.isfinite().all()) for tensor in tensors)


def live_counts(trainer):
    return sum(int((table > 0).sum()) for table in trainer.mixture().weights)


def same(one, other):
    weights = zip(
        one.supernet.state_dict().values(),
        other.supernet.state_dict().values(),
        strict=True,
    )
    alphas = zip(one.alphas, other.alphas, strict=True)
    return all(torch.equal(a, b) for a, b in [*weights, *alphas])


@pytest.mark.parametrize(("kind", "more", "space", "schedule"), CRB_CASES)
def test_crb_trains_and_none_comes_back_from_the_dead(
    new_trainer, kind, more, space, schedule
):
    optimiser = kind(
        activation="crb",
        schedule=schedule,
        proximity="proxadj",
        epochs=2,
        batch_size=8,
        alpha_learning_rate=0.2,
        **more,
    )
    trainer = new_trainer(optimiser, space, scale=1e-3)
    before = live_counts(trainer)
    alive = trainer.activation.living(trainer.alphas)
    for epoch in range(4):
        trainer.epoch(trainer.space.undecided(), progress=min(epoch / 2, 1))
        now = trainer.activation.living(trainer.alphas)
        assert not any((b & ~a).any() for a, b in zip(alive, now, strict=True))
        alive = now
    assert is_finite(trainer)
    assert live_counts(trainer) <= before
    assert all(table.isfinite().all() for table in trainer.probabilities().weights)


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_a_supernet_whose_operations_are_all_dead_trains_its_head(
    new_trainer, kind, more
):
    optimiser = kind(activation="crb", proximity="prox", epochs=1, batch_size=8, **more)
    trainer = new_trainer(optimiser, scale=1e-3)
    with torch.no_grad():
        for alpha in trainer.alphas:
            alpha.zero_()
    train(trainer, 1)
    assert is_finite(trainer)
    assert not any(alpha.any() for alpha in trainer.alphas)


@pytest.mark.parametrize("proximity", ["prox", "proxadj", "admm"])
def test_a_weight_of_zero_is_no_penalty_bit_by_bit(new_trainer, proximity):
    settings = {"epochs": 2, "batch_size": 8}
    plain = train(new_trainer(Darts(**settings)))
    zero = train(new_trainer(Darts(proximity=proximity, rho=0.0, **settings)))
    assert same(plain, zero)
    other = train(new_trainer(Darts(proximity=proximity, rho=5.0, **settings)))
    assert not same(plain, other)


@pytest.mark.parametrize("optimiser", [Darts, Snas, Dsnas, SdartsRS])
def test_a_schedule_of_every_batch_is_the_default(new_trainer, optimiser):
    settings = {"epochs": 1, "batch_size": 8}
    named = {"activation": "softmax", "schedule": "every", "schedule_steps": 1}
    plain = train(new_trainer(optimiser(**settings)), 1)
    assert same(plain, train(new_trainer(optimiser(**settings, **named)), 1))


@pytest.mark.parametrize(("kind", "more"), KINDS)
def test_the_schedule_says_how_often_the_alphas_step(new_trainer, kind, more):
    optimiser = kind(schedule_steps=2, epochs=1, batch_size=8, **more)
    trainer = new_trainer(optimiser)
    batches = -(-len(trainer.images.index(optimiser.part)) // 8)
    train(trainer, 1)
    assert trainer.alpha_steps == batches // 2


def test_the_gradient_of_penalties_is_added_to_that_of_the_loss(new_trainer):
    """Adam is given the sum, and clipping is of it."""
    trainer = new_trainer(Darts(decay=3.0, alpha_grad_clip=1.0), dtype=torch.float64)
    trainer.progress = 0.5
    ones = [torch.ones_like(alpha) for alpha in trainer.alphas]
    (alpha,) = trainer.alphas
    expected = 1 + 3.0 * 0.5 * torch.softmax(alpha.detach(), 1) / 6
    trainer.step_alphas(ones)
    norm = torch.linalg.vector_norm(expected)
    assert norm > 1
    torch.testing.assert_close(alpha.grad, expected / (norm + 1e-6))


def test_an_epoch_without_a_step_of_the_alphas_is_traced(new_trainer):
    """Costs that nothing was measured of are NaN, with a count of zero."""
    optimiser = Darts(schedule_steps=100, epochs=1, batch_size=8, trace=True)
    trainer = new_trainer(optimiser)
    recorder = Recorder(trainer)
    trainer.recorder = recorder
    recorder.keep_probabilities(trainer.alphas)
    train(trainer, 1)
    state = recorder.state()
    assert state["alpha_step_counts"].tolist() == [0]
    assert not state["cost_counts_0"].any()
    assert state["cost_means_0"].isnan().all()
    assert state["edge_costs_0"].isnan().all()


def test_bf16_goes_with_crb(new_trainer):
    settings = {"epochs": 2, "batch_size": 8, "precision": "bf16"}
    optimiser = Darts(activation="crb", proximity="admm", **settings)
    assert is_finite(train(new_trainer(optimiser, scale=1e-3)))


class World:
    """The small world of the protocol: nb201 and 400 digits a half."""

    def __init__(self, epochs, **settings):
        self.space = get_space("nb201")
        optimiser = Darts(
            epochs=epochs,
            batch_size=64,
            alpha_learning_rate=0.01,
            rho=1.0,
            grad_clip=0.0,
            augment=False,
            **settings,
        )
        images = Images(
            load_images("digits"), torch.device("cpu"), split="first", limit=400
        )
        activation = optimiser.build_activation()
        size = {"channels": 4, "cells": 1, "reduction": "pool"}
        skeleton = self.space.skeleton(**size)
        data = images.dataset
        supernet = Supernet(
            self.space,
            skeleton,
            data.channels,
            data.classes,
            0,
            activation.normalised_sums,
        )
        generator = torch.Generator().manual_seed(1)
        alphas = optimiser.new_alphas(self.space, generator, torch.device("cpu"))
        leaves = tuple(alpha.requires_grad_() for alpha in alphas)
        self.trainer = Trainer(optimiser, self.space, supernet, leaves, images, 2, size)
        self.alpha_steps = 0
        for epoch in range(epochs):
            self.trainer.epoch(self.space.undecided(), progress=epoch / epochs)
            self.alpha_steps += self.trainer.alpha_steps

    @property
    def distance(self):
        """‖a - D‖ at the end."""
        tables = self.trainer.mixture().weights
        (table,), (discrete,) = tables, strongest(self.space, tables)
        return float(torch.linalg.vector_norm(table.detach() - discrete))


@pytest.mark.slow
def test_the_order_of_the_small_world():
    """Measured with 56 steps: 2.04 and 1.71 of the softmax, 1.95 and 1.17 of crb."""
    epochs = 8
    softmax = World(epochs)
    softmax_prox = World(epochs, proximity="prox")
    crb = World(epochs, activation="crb")
    crb_prox = World(epochs, activation="crb", proximity="prox")
    assert softmax_prox.distance < softmax.distance - 0.1
    assert crb_prox.distance < crb.distance - 0.2
    assert crb_prox.distance < softmax_prox.distance
    assert live_counts(crb.trainer) < 24


@pytest.mark.parametrize("steps", [1, 3])
def test_the_share_of_steps_follows_the_threshold(steps):
    """Of N batches n have a step: T is then 1.05^(N - n - s n)."""
    epochs = 4
    world = World(epochs, schedule="informed", schedule_steps=steps)
    batches = 7 * epochs
    stepped = world.alpha_steps
    threshold = world.trainer.memory["threshold"]
    rises = batches - stepped - steps * stepped
    assert threshold == pytest.approx(1.05**rises)
    assert 0 < stepped < batches
