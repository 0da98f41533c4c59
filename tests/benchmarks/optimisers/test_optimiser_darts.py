"""DARTS at both levels."""

import pytest
import torch

from archselect.benchmarks.optimisers.darts import Darts


def test_at_one_level_both_gradients_are_of_one_batch_and_had_before_either_step(
    new_trainer, batch
):
    one, other = (
        new_trainer(Darts(level="single"), dtype=torch.float64) for _ in range(2)
    )
    data = batch("all", torch.float64)
    one.optimiser.step(one, data)
    mixture = other.mixture().leaf()
    other.supernet.train()
    (c,) = torch.autograd.grad(other.loss(data, mixture), mixture.weights)
    p = mixture.weights[0].detach()
    assert torch.allclose(
        one.alphas[0].grad,
        p * (c - (p * c).sum(1, keepdim=True)),
        rtol=1e-6,
        atol=1e-12,
    )
    assert one.optimiser.part == one.optimiser.searched == "all"


@pytest.mark.parametrize("order", [1, 2])
def test_levels_differ_in_what_the_alphas_learn_from(new_trainer, batch, order):
    bi, single = (
        new_trainer(Darts(level=level, order=order, batch_size=8))
        for level in ("bi", "single")
    )
    assert (bi.optimiser.part, bi.optimiser.searched) == ("train", "valid")
    for trainer in (bi, single):
        trainer.epoch(trainer.space.undecided(), progress=0.0)
    assert not torch.equal(bi.alphas[0], single.alphas[0])


def test_in_the_second_order_one_level_looks_ahead_on_the_batch_itself(
    new_trainer, batch
):
    single, bi = (
        new_trainer(Darts(level=level, order=2), dtype=torch.float64)
        for level in ("single", "bi")
    )
    data = batch("all", torch.float64)
    single.optimiser.step(single, data)
    bi.valid = lambda: data
    bi.optimiser.step(bi, data)
    assert torch.equal(single.alphas[0], bi.alphas[0])
