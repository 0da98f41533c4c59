"""FairDARTS' zero-one loss against numpy, and where it drives the weights."""

import numpy as np
import pytest
import torch
from support.slow_penalties import table_of, weighed

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.penalties.zero_one import ZeroOne
from archselect.nasbench_adapters.spaces import get_space


@pytest.mark.parametrize("name", ["nb201", "darts", "s1", "s2"])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_it_is_the_formula(new_alphas, view_of, name, norm):
    """One mean over the operations of all cell types, as the released code takes it."""
    alphas = new_alphas(name, "sigmoid")
    value = ZeroOne(zero_one=3.0, norm=norm)(view_of(name, "sigmoid", alphas))
    distances = []
    for cell, alpha in zip(get_space(name).cells, alphas, strict=True):
        table = table_of(cell, alpha.detach().numpy(), "sigmoid")
        for edge, places in enumerate(weighed(cell, "sigmoid")):
            distances += [abs(table[edge, place] - 0.5) for place in places]
    powers = np.square(distances) if norm == "l2" else np.array(distances)
    assert value.item() == pytest.approx(-3.0 * powers.mean(), rel=1e-9)


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_its_gradient_is_that_of_finite_differences(new_alphas, view_of, norm):
    def value(*alphas):
        return ZeroOne(norm=norm)(view_of("s1", "sigmoid", alphas))

    assert torch.autograd.gradcheck(value, new_alphas("s1", "sigmoid"), eps=1e-6)


def test_weights_end_near_zero_or_one_by_the_side_on_which_they_begin(
    new_alphas, view_of
):
    (alpha,) = new_alphas("nb201", "sigmoid")
    before = torch.sigmoid(alpha.detach())
    optimizer = torch.optim.Adam([alpha], 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        ZeroOne()(view_of("nb201", "sigmoid", (alpha,))).backward()
        optimizer.step()
    (table,) = view_of("nb201", "sigmoid", (alpha,)).tables
    (is_operation,) = view_of("nb201", "sigmoid", (alpha,)).operations
    ended = table.detach()[is_operation]
    began = before[is_operation]
    assert ((ended > 0.99) == (began > 0.5)).all()
    assert ((ended < 0.01) == (began < 0.5)).all()


def test_weight_zero_trains_as_without_it(new_trainer, batch):
    trainers = []
    for settings in ({}, {"zero_one": 0.0, "zero_one_norm": "l1"}, {"zero_one": 10.0}):
        optimiser = Darts(activation="sigmoid", batch_size=8, **settings)
        trainer = new_trainer(optimiser)
        trainer.epoch(trainer.decisions, 0.0)
        trainers.append(trainer)
    plain, zero, ten = (trainer.alphas[0] for trainer in trainers)
    assert torch.equal(plain, zero)
    assert not torch.equal(plain, ten)
