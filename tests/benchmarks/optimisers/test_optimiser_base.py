"""The formulation holds what is to come: one level or two, a mixture that is drawn, one backward for all gradients."""

from typing import ClassVar

import pytest
import torch
from pydantic import Field, ValidationError

from archselect.benchmarks.optimisers.base import Optimiser
from archselect.benchmarks.optimisers.blank import Blank
from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.optimisers.supernets import Recipe, make_supernet
from archselect.benchmarks.store.records import SupernetInputs
from archselect.nasbench_adapters.networks import Mixture


class SingleLevel(Optimiser):
    """The example of the module's docstring."""

    name: ClassVar[str] = "single-level"
    summary: ClassVar[str] = (
        "weights and alphas together, from one gradient on all training images"
    )

    @property
    def part(self):
        return "all"

    def step(self, trainer, batch):
        gradients = trainer.step_weights(
            trainer.loss(batch, trainer.mixture()), also=trainer.alphas
        )
        trainer.step_alphas(gradients)


class Sampled(Optimiser):
    """As DSNAS: one operation per edge is drawn and goes forward alone; its cost moves the alphas of its edge."""

    name: ClassVar[str] = "sampled"
    summary: ClassVar[str] = "one drawn operation per edge"

    batch_size: int = 8
    clamp: float = Field(5.0, gt=0)

    @property
    def part(self):
        return "all"

    def new_alphas(self, space, generator, device):
        return tuple(
            1 + alpha for alpha in super().new_alphas(space, generator, device)
        )

    def step(self, trainer, batch):
        soft = trainer.mixture()
        drawn, support = [], []
        for p in soft.weights:
            chosen = torch.multinomial(p.detach().cpu(), 1, generator=trainer.generator)
            drawn.append(
                torch.zeros_like(p).scatter(1, chosen.to(p.device), 1).requires_grad_()
            )
            support.append(
                tuple(
                    tuple(k == row for k in range(p.shape[1]))
                    for (row,) in chosen.tolist()
                )
            )
        costs = trainer.step_weights(
            trainer.loss(batch, Mixture(tuple(drawn), tuple(support))), also=drawn
        )
        trainer.step_alphas(
            [
                (c * z).sum(1, keepdim=True).clamp(-self.clamp, self.clamp)
                * (z - p).detach()
                for c, z, p in zip(costs, drawn, soft.weights, strict=True)
            ]
        )


@pytest.mark.parametrize("optimiser", [SingleLevel, Sampled])
def test_another_way_of_training_needs_nothing_but_its_file(
    nb201, halves, optimiser, monkeypatch
):
    monkeypatch.setitem(OPTIMISERS, optimiser.name, optimiser)
    recipe = Recipe(recipe=optimiser.name, epochs=2, batch_size=16)
    inputs = SupernetInputs(
        recipe=recipe.recipe,
        settings=recipe.settings(),
        skeleton={"channels": 2, "cells": 1, "reduction": "pool"},
    )
    trained = make_supernet(recipe, nb201, inputs, halves, 0)
    counts = trained.cost.counts["supernet"]
    # Both halves are trained on, 24 + 32 images in batches of 16, one pass each way.
    assert (counts.forwards, counts.backwards, counts.images) == (8, 8, 112)
    start = recipe.build().new_alphas(
        nb201, torch.Generator().manual_seed(0), torch.device("cpu")
    )
    assert float((trained.alphas[0] - start[0].mean()).abs().max()) < 0.1
    assert int(trained.alpha_optimizer["state"][0]["step"]) == 8
    again = make_supernet(recipe, nb201, inputs, halves, 0)
    assert all(
        torch.equal(trained.weights[name], again.weights[name])
        for name in trained.weights
    )


def test_an_optimisers_own_defaults_are_its_recipes(monkeypatch):
    monkeypatch.setitem(OPTIMISERS, Sampled.name, Sampled)
    recipe = Recipe(recipe="sampled")
    assert (
        recipe.batch_size,
        recipe.build().batch_size,
        recipe.settings()["batch_size"],
    ) == (8, 8, 8)
    assert recipe.build().clamp == recipe.settings()["clamp"] == 5.0
    with pytest.raises(ValidationError, match="clamp"):
        Recipe(recipe="sampled", clamp=0)


def test_an_optimiser_without_step_cannot_be_made():
    class Nothing(Optimiser):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing()


def test_gradients_had_along_the_way_are_those_had_apart(new_trainer, batch):
    one, other, apart = (new_trainer(Blank()) for _ in range(3))
    gradients = one.step_weights(
        one.loss(batch("train"), one.mixture()), also=one.alphas
    )
    other.step_weights(other.loss(batch("train"), other.mixture()))
    apart.supernet.train(other.supernet.training)
    (wanted,) = apart.gradients(apart.loss(batch("train"), apart.mixture()))
    assert torch.equal(gradients[0], wanted) and bool(wanted.any())
    assert same(one.supernet.state_dict(), other.supernet.state_dict())
    again = one.step_weights(one.loss(batch("train"), one.mixture()), also=one.alphas)
    assert not torch.equal(
        again[0], 2 * gradients[0]
    )  # nothing adds up from step to step


def test_a_loss_at_other_weights_leaves_the_supernet_alone(new_trainer, batch):
    trainer, moved = new_trainer(Blank()), new_trainer(Blank())
    for one in (trainer, moved):
        one.supernet.train()
    elsewhere = {
        name: weight.detach() + 0.01
        for name, weight in trainer.supernet.named_parameters()
    }
    before = {
        name: value.clone() for name, value in trainer.supernet.state_dict().items()
    }
    loss = trainer.loss(batch("train"), trainer.mixture(), elsewhere)
    assert same(before, trainer.supernet.state_dict())
    moved.supernet.load_state_dict(moved.supernet.state_dict() | elsewhere)
    assert torch.equal(loss, moved.loss(batch("train"), moved.mixture()))
    assert not same(moved.supernet.state_dict(), before | elsewhere)


def test_a_state_taken_over_goes_on_bit_by_bit(new_trainer):
    one, other = (
        new_trainer(Darts(batch_size=16)),
        new_trainer(Darts(batch_size=16), scale=3.0),
    )
    decisions = one.space.undecided().decide(0, 1, 2)
    one.epoch(decisions)
    other.load_state(one.state())
    for trainer in (one, other):
        trainer.epoch(decisions)
    assert same(one.supernet.state_dict(), other.supernet.state_dict())
    assert torch.equal(one.alphas[0], other.alphas[0])
    assert torch.equal(one.generator.get_state(), other.generator.get_state())


def test_alphas_on_which_nothing_depends_have_gradient_zero(new_trainer):
    trainer = new_trainer(Darts(), "s3")
    weight = next(trainer.supernet.parameters())
    assert [bool(gradient.any()) for gradient in trainer.gradients(weight.sum())] == [
        False,
        False,
    ]
    trainer.step_alphas([None, None])
    assert not trainer.alpha_optimizer.state


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_bf16_is_named_and_near_float32(new_trainer, batch):
    """Autocast moves the loss a little, and the weights stay in float32."""
    plain, half = (
        new_trainer(Darts(batch_size=16)),
        new_trainer(Darts(batch_size=16, precision="bf16")),
    )
    for trainer in (plain, half):
        trainer.supernet.train()
    wanted, found = (
        float(trainer.loss(batch("train"), trainer.mixture()).detach())
        for trainer in (plain, half)
    )
    assert 0 < abs(found - wanted) < 0.05 * wanted
    half.epoch(half.space.undecided())
    assert {value.dtype for value in half.supernet.parameters()} == {torch.float32}
    assert Darts().settings()["precision"] == "float32"
    assert (
        Recipe(recipe="untrained", precision="bf16").settings()["precision"] == "bf16"
    )
    with pytest.raises(ValidationError, match="precision"):
        Recipe(recipe="darts", precision="fp8")
