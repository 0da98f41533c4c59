"""The second-order gradient against one that follows the unrolled step exactly, by differentiating through it."""

import pytest
import torch
from torch.func import functional_call
from torch.nn import functional as F

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.unrolled import RADIUS, unrolled_gradients
from archselect.nasbench_adapters.networks import mixture_of

DOUBLE = torch.float64


def exact(trainer, train, valid):
    """d L_valid(w - ξ (∇_w L_train(w, α) + λ w + μ m), α) / d α by automatic differentiation, no difference taken.

    Only of what trains: silenced weights have no slope and stay.
    """
    supernet, (group,) = trainer.supernet, trainer.weight_optimizer.param_groups
    buffers = {name: buffer.clone() for name, buffer in supernet.named_buffers()}
    weights = dict(supernet.named_parameters())
    mixture = mixture_of(trainer.space, trainer.alphas, trainer.decisions)

    def loss(batch, weights):
        logits = functional_call(supernet, {**buffers, **weights}, (batch[0], mixture))
        return F.cross_entropy(logits, batch[1])

    slopes = torch.autograd.grad(
        loss(train, weights), weights.values(), create_graph=True, allow_unused=True
    )
    ahead = {}
    for (name, weight), slope in zip(weights.items(), slopes, strict=True):
        ahead[name] = weight
        if slope is not None:
            momentum = trainer.weight_optimizer.state.get(weight, {}).get(
                "momentum_buffer", torch.zeros(())
            )
            slope = (
                slope
                + group["weight_decay"] * weight.detach()
                + group["momentum"] * momentum
            )
            ahead[name] = weight.detach() - group["lr"] * slope
    return torch.autograd.grad(loss(valid, ahead), trainer.alphas)


def prepared(new_trainer, space, **settings):
    """A trainer with momentum gathered on two steps, in double precision."""
    trainer = new_trainer(Darts(order=2, weight_decay=0.01, **settings), space, DOUBLE)
    trainer.supernet.train()
    return trainer


@pytest.mark.parametrize("space", ["nb201", "s3"])
@pytest.mark.parametrize("steps", [0, 2])
def test_it_is_the_exact_gradient_as_the_radius_shrinks(
    new_trainer, batch, space, steps
):
    trainer = prepared(new_trainer, space, learning_rate=0.05)
    train, valid = batch("train", DOUBLE), batch("valid", DOUBLE)
    for _ in range(steps):
        trainer.step_weights(trainer.loss(train, trainer.mixture()))
    trainer.decisions = trainer.space.undecided().decide(0, 1, 1)
    wanted = exact(trainer, train, valid)
    first_order = trainer.gradients(
        trainer.loss(
            valid, trainer.mixture(), dict(trainer.supernet.named_parameters())
        )
    )

    def error(found):
        return max(
            float((f - w).abs().max() / w.abs().max())
            for f, w in zip(found, wanted, strict=True)
        )

    # A ReLU that switches within the difference adds a jump, so the radius must be
    # small enough for none to.
    assert error(unrolled_gradients(trainer, train, valid, radius=1e-8)) < 1e-6
    assert error(first_order) > 0.1  # what the unrolling is for


def test_without_a_learning_rate_it_is_the_first_order(new_trainer, batch):
    trainer = prepared(new_trainer, "nb201")
    trainer.weight_optimizer.param_groups[0]["lr"] = 0.0
    train, valid = batch("train", DOUBLE), batch("valid", DOUBLE)
    found = unrolled_gradients(trainer, train, valid)
    wanted = trainer.gradients(trainer.loss(valid, trainer.mixture()))
    assert torch.allclose(found[0], wanted[0], rtol=1e-12, atol=0)


def test_it_leaves_weights_momentum_and_gradients_as_they_were(new_trainer, batch):
    trainer = prepared(new_trainer, "nb201")
    train, valid = batch("train", DOUBLE), batch("valid", DOUBLE)
    trainer.step_weights(trainer.loss(train, trainer.mixture()))
    parameters = list(trainer.supernet.parameters())
    before = [(p.detach().clone(), p.grad.clone(), p._version) for p in parameters]
    momentum = [
        state["momentum_buffer"].clone()
        for state in trainer.weight_optimizer.state.values()
    ]
    unrolled_gradients(trainer, train, valid)
    for p, (value, gradient, version) in zip(parameters, before, strict=True):
        assert (
            torch.equal(p, value)
            and torch.equal(p.grad, gradient)
            and p._version == version
        )
    states = trainer.weight_optimizer.state.values()
    assert all(
        torch.equal(s["momentum_buffer"], m)
        for s, m in zip(states, momentum, strict=True)
    )


def test_the_step_that_is_looked_ahead_is_sgds_own(new_trainer, batch):
    """With no clipping, and α's gradient taken at a zero difference, w' is where SGD goes."""
    trainer = prepared(new_trainer, "nb201", grad_clip=0.0)
    train, valid = batch("train", DOUBLE), batch("valid", DOUBLE)
    for _ in range(2):
        trainer.step_weights(trainer.loss(train, trainer.mixture()))
    seen = {}
    loss = trainer.loss

    def watched(data, mixture, weights=None, **more):
        if data is valid:
            seen.update(weights)
        return loss(data, mixture, weights, **more)

    trainer.loss = watched
    unrolled_gradients(trainer, train, valid)
    trainer.loss = loss
    trainer.step_weights(trainer.loss(train, trainer.mixture()))
    for name, weight in trainer.supernet.named_parameters():
        assert torch.allclose(seen[name], weight, rtol=1e-12, atol=1e-14), name


def test_training_by_it_is_another_training(new_trainer):
    first, second = (
        new_trainer(Darts(batch_size=16)),
        new_trainer(Darts(batch_size=16, order=2)),
    )
    for trainer in (first, second):
        trainer.epoch(trainer.space.undecided())
    assert not torch.equal(first.alphas[0], second.alphas[0])
    assert all(torch.isfinite(alpha).all() for alpha in second.alphas)


def test_the_radius_is_the_papers():
    assert RADIUS == 0.01
