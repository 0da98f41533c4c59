"""The alphas' gradient entry by entry, the draw, and the temperature."""

import pytest
import torch

from archselect.benchmarks.optimisers.gdas import Gdas
from archselect.benchmarks.optimisers.snas import gumbel
from archselect.nasbench_adapters.networks import Mixture, hardened
from archselect.nasbench_adapters.spaces import get_space


def watch_losses(trainer):
    """The mixtures that go forward, with their gradients kept."""
    mixtures = []
    loss = trainer.loss

    def watched(batch, mixture):
        for table in mixture.weights:
            if table.requires_grad:
                table.retain_grad()
        mixtures.append(mixture)
        return loss(batch, mixture)

    trainer.loss = watched
    return mixtures


def slow_gradient(alpha, noise, temperature, drawn, cost):
    """The paper's, with a Jacobian written out: only what was drawn has a cost."""
    gradient = torch.zeros_like(alpha)
    for edge in range(len(alpha)):
        z = torch.softmax((alpha[edge] + noise[edge]) / temperature, 0)
        chosen = int(z.argmax())
        assert drawn[edge].tolist() == [float(k == chosen) for k in range(len(z))]
        for k in range(len(z)):
            slope = z[chosen] * (float(k == chosen) - z[k]) / temperature
            gradient[edge, k] = cost[edge, chosen] * slope
    return gradient


def test_the_gradient_is_that_of_the_relaxed_draw(new_trainer, batch):
    optimiser = Gdas(epochs=11, batch_size=8, temperature=10.0, temperature_last=1.0)
    trainer = new_trainer(optimiser, dtype=torch.float64)
    trainer.progress = 5 / 11
    trainer.valid = lambda: batch("valid", torch.float64)
    mixtures = watch_losses(trainer)
    before = trainer.alphas[0].detach().clone()
    optimiser.step(trainer, batch("train", torch.float64))
    of_weights, of_alphas = mixtures
    assert not of_weights.weights[0].requires_grad
    generator = torch.Generator().manual_seed(2)
    gumbel(before, generator)
    noise = gumbel(before, generator)
    (drawn,) = of_alphas.weights
    expected = slow_gradient(before, noise, 5.5, drawn.detach(), drawn.grad)
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(trainer.alphas[0].grad, expected, rtol=1e-8, atol=1e-14)


def test_only_what_is_drawn_goes_forward(new_trainer):
    trainer = new_trainer(Gdas())
    mixture = trainer.optimiser.draw(trainer)
    (table,) = mixture.weights
    assert torch.equal(table.sum(1), torch.ones(6))
    assert torch.equal(table.detach() != 0, torch.tensor(mixture.support[0]))
    assert set(table.detach().flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", ["nb201", "s2", "nb1shot1-1"])
def test_hard_weights_are_the_largest_of_each_group_and_carry_gradients(name):
    space = get_space(name)
    generator = torch.Generator().manual_seed(0)
    tables = []
    for cell, edges in zip(space.cells, space.edges, strict=True):
        table = torch.zeros(len(edges), max(map(len, cell.operations)))
        for edge in edges:
            count = len(edge.operations)
            table[edge.index, :count] = torch.rand(count, generator=generator)
        tables.append(table.requires_grad_())
    soft = Mixture(tuple(tables), tuple(() for _ in tables))
    hard = hardened(space, soft, space.undecided(), torch.device("cpu"))
    for cell, table, picked in zip(space.cells, tables, hard.weights, strict=True):
        groups = cell.groups or tuple(range(len(cell.edges)))
        for group in set(groups):
            members = [e for e, label in enumerate(groups) if label == group]
            largest = max(float(table[e].detach().max()) for e in members)
            ones = [
                float(table[e, k].detach())
                for e in members
                for k in range(table.shape[1])
                if picked[e, k] == 1
            ]
            assert ones == [largest]
        weights = torch.rand(picked.shape)
        (gradient,) = torch.autograd.grad((weights * picked).sum(), table)
        assert torch.equal(gradient, weights)


def test_the_temperature_goes_linearly_from_the_first_epoch_to_the_last():
    optimiser = Gdas(epochs=5, temperature=9.0, temperature_last=1.0)
    by_epoch = [optimiser.temperature_at(epoch / 5) for epoch in range(5)]
    assert by_epoch == pytest.approx([9.0, 7.0, 5.0, 3.0, 1.0])
    assert optimiser.temperature_at(1.0) == 1.0
    assert Gdas(epochs=1).temperature_at(0.0) == 10.0


def test_operations_are_drawn_as_often_as_is_likely_at_any_temperature(new_trainer):
    """The largest of log p + g has probability p, whatever divides it."""
    for temperature in (10.0, 0.1):
        optimiser = Gdas(temperature=temperature, temperature_last=temperature)
        trainer = new_trainer(optimiser)
        draws = 2000
        total = sum(optimiser.draw(trainer).weights[0].detach() for _ in range(draws))
        p = trainer.probabilities().weights[0].detach()
        error = (p * (1 - p) / draws).sqrt()
        assert ((total / draws - p).abs() < 5 * error + 1e-3).all()
