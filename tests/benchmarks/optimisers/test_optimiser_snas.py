"""The gradient of the alphas against the formula, the noise, and the temperature."""

import pytest
import torch

from archselect.benchmarks.optimisers.snas import Snas, gumbel


def test_it_is_the_mixture_times_the_cost_less_the_mean_cost_over_the_temperature(
    new_trainer, batch
):
    optimiser = Snas(temperature=2.0, temperature_last=0.5, alpha_grad_clip=0)
    trainer, data = (
        new_trainer(optimiser, dtype=torch.float64),
        batch("all", torch.float64),
    )
    trainer.progress = 0.5
    seen = {}
    loss = trainer.loss

    def watched(batch, mixture):
        (rows,) = mixture.weights
        rows.retain_grad()
        seen["Z"] = rows
        return loss(batch, mixture)

    trainer.loss = watched
    before = trainer.alphas[0].detach().clone()
    optimiser.step(trainer, data)
    z, c = seen["Z"].detach(), seen["Z"].grad
    noise = gumbel(before, torch.Generator().manual_seed(2))
    assert torch.allclose(z, torch.softmax((before + noise) / 1.25, 1))
    mean = (z * c).sum(1, keepdim=True)
    assert torch.allclose(
        trainer.alphas[0].grad, z * (c - mean) / 1.25, rtol=1e-9, atol=1e-15
    )


def test_the_noise_is_gumbels():
    noise = gumbel(torch.empty(100, 1000), torch.Generator().manual_seed(0))
    assert float(noise.mean()) == pytest.approx(0.5772, abs=0.01)
    assert float(noise.var()) == pytest.approx(torch.pi**2 / 6, abs=0.03)


def test_the_alphas_gradient_is_clipped(new_trainer, batch):
    trainer = new_trainer(Snas(alpha_grad_clip=1e-4))
    trainer.optimiser.step(trainer, batch("all"))
    assert float(trainer.alphas[0].grad.norm()) == pytest.approx(1e-4, rel=1e-3)
