"""The draws and their gradients against torch.distributions, and the warm-up."""

import pytest
import torch
from torch.distributions import Dirichlet
from torch.nn import functional as F

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.dirichlet_draws import draw_table
from archselect.benchmarks.optimisers.drnas import Drnas
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.activation import get_activation, new_alphas
from archselect.nasbench_adapters.spaces import get_space

CPU = torch.device("cpu")


def alphas_of(name, scale=1.0):
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    drawn = new_alphas(space, generator, CPU, scale)
    return space.cells, [alpha.double().requires_grad_() for alpha in drawn]


def test_a_draw_and_its_gradient_are_torchs():
    (cell,), (alpha,) = alphas_of("nb201")
    weights = torch.rand(alpha.shape, dtype=torch.float64)
    ours = draw_table(cell, alpha, torch.Generator().manual_seed(3))
    (gradient,) = torch.autograd.grad((weights * ours).sum(), alpha)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        theirs = Dirichlet(F.elu(alpha) + 1).rsample()
    (expected,) = torch.autograd.grad((weights * theirs).sum(), alpha)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ["nb201", "s2", "nb1shot1-2"])
def test_draws_have_the_mean_of_the_distribution(name):
    cells, alphas = alphas_of(name)
    generator = torch.Generator().manual_seed(1)
    draws = 4000
    for cell, alpha in zip(cells, alphas, strict=True):
        drawn = alpha.detach()
        sampled = [draw_table(cell, drawn, generator) for _ in range(draws)]
        table = torch.stack(sampled)
        mean = get_activation("dirichlet").table(cell, drawn)
        error = table.std(0) / draws**0.5
        assert ((table.mean(0) - mean).abs() <= 5 * error + 1e-12).all()
        assert table.sum((1, 2)).allclose(mean.sum())


def test_closed_operations_are_never_drawn_and_get_no_gradient():
    (cell,), (alpha,) = alphas_of("nb201")
    is_closed = torch.zeros(alpha.shape, dtype=torch.bool)
    is_closed[1, :3] = True
    masked = alpha.masked_fill(is_closed, -torch.inf)
    table = draw_table(cell, masked, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(table.square().sum(), alpha)
    assert not table[is_closed].any() and not gradient[is_closed].any()
    assert gradient.isfinite().all()
    assert table.sum(1).allclose(torch.ones(6, dtype=torch.float64))


def test_either_step_has_a_draw_of_its_own(new_trainer, batch):
    optimiser = Drnas(batch_size=8)
    trainer = new_trainer(optimiser)
    trainer.valid = lambda: batch("valid")
    mixtures = []
    loss = trainer.loss

    def watched(batch, mixture):
        mixtures.append((batch.part, mixture.weights[0]))
        return loss(batch, mixture)

    trainer.loss = watched
    optimiser.step(trainer, batch("train"))
    (first, of_alphas), (second, of_weights) = mixtures
    assert (first, second) == ("valid", "train")
    assert of_alphas.requires_grad and not of_weights.requires_grad
    assert not torch.equal(of_alphas.detach(), of_weights)


def test_the_anchor_is_added_where_it_has_a_weight(new_trainer):
    assert not new_trainer(Drnas()).penalties
    ((penalty, weight),) = new_trainer(Drnas(anchor=0.2)).penalties
    assert (penalty.name, penalty.anchor, weight) == ("dirichlet-anchor", 0.2, 1.0)


@pytest.mark.parametrize("activation", ["crb", "sigmoid"])
def test_other_activations_are_refused(activation):
    with pytest.raises(UserError, match='set activation = "softmax" or "dirichlet"'):
        Drnas(activation=activation, alpha_mean=0)


@pytest.mark.parametrize("kind", [Darts, Drnas])
def test_alphas_stay_while_the_weights_warm_up(new_trainer, kind):
    optimiser = kind(epochs=4, warmup_epochs=2, batch_size=8)
    trainer = new_trainer(optimiser)
    before = trainer.alphas[0].detach().clone()
    moved = []
    for epoch in range(4):
        trainer.epoch(trainer.decisions, epoch / 4)
        moved.append(not torch.equal(trainer.alphas[0], before))
    assert moved == [False, False, True, True]
    assert "warmup_epochs" not in kind().settings()
    assert optimiser.settings()["warmup_epochs"] == 2
