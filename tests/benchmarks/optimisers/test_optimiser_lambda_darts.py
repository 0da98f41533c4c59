"""The alignment of layers against automatic differentiation, and when a step has it."""

from itertools import combinations

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.lambda_darts import LambdaDarts
from archselect.benchmarks.optimisers.layer_alignment import (
    alignment_direction,
    alignment_slopes,
)

DOUBLE = torch.float64


def mean_cosine(slopes):
    """Over all pairs of layers, one by one."""
    pairs = list(combinations(range(len(slopes)), 2))
    total = sum(
        F.cosine_similarity(slopes[one].flatten(), slopes[other].flatten(), dim=0)
        for one, other in pairs
    )
    return total / len(pairs)


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_the_direction_is_the_gradient_of_the_mean_cosine(layers):
    generator = torch.Generator().manual_seed(layers)
    slopes = torch.randn(layers, 6, 5, generator=generator, dtype=DOUBLE)
    slopes.requires_grad_()
    (wanted,) = torch.autograd.grad(mean_cosine(slopes), slopes)
    found = alignment_direction(slopes.detach())
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-14)


def test_a_layer_without_gradient_has_no_direction():
    slopes = torch.zeros(3, 2, 2)
    slopes[0, 0, 0] = slopes[1, 1, 1] = 2.0
    found = alignment_direction(slopes)
    assert found.isfinite().all()
    assert not found[2].any()
    assert found[0].any()


class Layers:
    """A trainer in double precision, its layers' mixtures and their gradients."""

    def __init__(self, new_trainer, batch):
        self.trainer = new_trainer(LambdaDarts(), dtype=DOUBLE)
        self.trainer.supernet.train()
        self.batch = batch("train", DOUBLE)
        shared = self.trainer.mixture()
        self.mixture = shared.spread(self.trainer.layers).leaf()

    def alignment(self, create_graph=False):
        """The mean cosine at the present weights, computed by the plain supernet."""
        logits = self.trainer.supernet(self.batch.images, self.mixture)
        loss = F.cross_entropy(logits, self.batch.labels)
        (slopes,) = torch.autograd.grad(
            loss, self.mixture.weights, create_graph=create_graph
        )
        return mean_cosine(slopes), slopes

    def slopes(self, radius):
        """What is found by finite difference."""
        _, slopes = self.alignment()
        direction = alignment_direction(slopes)
        return alignment_slopes(
            self.trainer, self.batch, self.mixture, [direction], radius
        )


def test_the_finite_difference_is_the_exact_gradient_of_the_alignment(
    new_trainer, batch
):
    layers = Layers(new_trainer, batch)
    value, _ = layers.alignment(create_graph=True)
    weights = list(layers.trainer.supernet.parameters())
    exact = torch.autograd.grad(value, weights, materialize_grads=True)
    found = layers.slopes(radius=1e-6)
    scale = max(float(slope.abs().max()) for slope in exact)
    assert scale > 0
    for slope, wanted in zip(found, exact, strict=True):
        assert torch.allclose(slope, -wanted, rtol=1e-3, atol=1e-4 * scale)


def test_a_step_down_the_slopes_raises_the_alignment(new_trainer, batch):
    """To first order by the step's length times the slopes' norm."""
    layers = Layers(new_trainer, batch)
    before, _ = layers.alignment()
    slopes = layers.slopes(radius=1e-6)
    row = torch.cat([slope.flatten() for slope in slopes])
    norm = torch.linalg.vector_norm(row)
    length = 1e-6
    weights = layers.trainer.supernet.parameters()
    with torch.no_grad():
        for weight, slope in zip(weights, slopes, strict=True):
            weight -= length * slope / norm
    after, _ = layers.alignment()
    assert float(after - before) == pytest.approx(length * float(norm), rel=0.05)


def test_the_gradient_of_a_step_is_that_of_darts_plus_the_weighed_slopes(
    new_trainer, batch
):
    settings = {"grad_clip": 0.0, "learning_rate": 0.1}
    plain = new_trainer(Darts(**settings), dtype=DOUBLE)
    aligned = new_trainer(LambdaDarts(alignment=0.5, **settings), dtype=DOUBLE)
    data = batch("train", DOUBLE)
    layers = Layers(new_trainer, batch)
    added = layers.slopes(radius=1e-4)
    for trainer in (plain, aligned):
        trainer.supernet.train()
        trainer.progress = 1.0
        trainer.optimiser.train_weights(trainer, data, recorded=True)
    wanted = [weight.grad for weight in plain.supernet.parameters()]
    found = [weight.grad for weight in aligned.supernet.parameters()]
    for own, other, slope in zip(found, wanted, added, strict=True):
        torch.testing.assert_close(own, other + 0.5 * slope, rtol=1e-6, atol=1e-9)


def weights_after(new_trainer, optimiser, space="nb201", progress=(0.0, 0.5)):
    trainer = new_trainer(optimiser, space)
    for share in progress:
        trainer.epoch(trainer.space.undecided(), progress=share)
    tensors = [*trainer.supernet.state_dict().values(), *trainer.alphas]
    return [tensor.detach().clone() for tensor in tensors]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_without_alignment_it_is_darts_bit_by_bit(new_trainer):
    settings = {"batch_size": 8, "epochs": 2}
    plain = weights_after(new_trainer, Darts(**settings))
    assert same(plain, weights_after(new_trainer, LambdaDarts(alignment=0, **settings)))
    assert not same(plain, weights_after(new_trainer, LambdaDarts(**settings)))


def test_the_first_epoch_is_that_of_darts(new_trainer):
    settings = {"batch_size": 8, "epochs": 2}
    first = weights_after(new_trainer, LambdaDarts(**settings), progress=(0.0,))
    assert same(first, weights_after(new_trainer, Darts(**settings), progress=(0.0,)))


def test_the_strength_grows_to_its_end_in_the_last_epoch(new_trainer):
    """In epoch 1 of 0 to 2 it is half of that of epoch 2, and tuning has the whole."""

    def after(alignment, progress):
        optimiser = LambdaDarts(alignment=alignment, batch_size=8, epochs=3)
        return weights_after(new_trainer, optimiser, progress=(progress,))

    last = after(0.25, 2 / 3)
    assert same(last, after(0.25, 1.0))
    assert same(last, after(0.5, 1 / 3))
    assert not same(last, after(0.25, 1 / 3))


def test_a_type_of_one_layer_has_nothing_to_align(new_trainer):
    """At three layers the DARTS spaces have one normal cell and two reduction cells."""
    settings = {"batch_size": 8, "epochs": 2}
    plain = weights_after(new_trainer, Darts(**settings), "s3")
    first = weights_after(new_trainer, LambdaDarts(**settings), "s3")
    every = weights_after(new_trainer, LambdaDarts(aligned="all", **settings), "s3")
    assert same(plain, first)
    assert not same(plain, every)


def test_one_level_is_refused():
    with pytest.raises(ValidationError, match="level"):
        LambdaDarts(level="single")
