"""ADMM against a slow loop in numpy."""

import numpy as np
import pytest
import torch
from support.slow_penalties import discrete_of, table_of, weighed

from archselect.benchmarks.optimisers.alpha_settings import AlphaSettings
from archselect.benchmarks.optimisers.penalties.admm import Admm
from archselect.benchmarks.optimisers.penalties.proximity import Proximity
from archselect.nasbench_adapters.costs.base import NetworkShape
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.spaces import get_space


class SlowAdmm:
    """Z and U of one cell type."""

    def __init__(self, cell, alpha, activation, period):
        self.cell = cell
        self.activation = activation
        self.period = period
        self.target = alpha.copy()
        self.multiplier = np.zeros(alpha.shape)
        self.steps = 0

    def alive(self, alpha):
        mask = np.zeros(alpha.shape)
        for edge, places in enumerate(weighed(self.cell, self.activation)):
            mask[edge, places] = 1
        return mask if self.activation == "softmax" else mask * (alpha > 0)

    def value(self, alpha):
        table = table_of(self.cell, alpha, self.activation)
        gap = (table - self.target + self.multiplier) * self.alive(alpha)
        return np.sqrt((gap**2).sum())

    def step(self, alpha):
        self.steps += 1
        if self.steps % self.period:
            return
        shifted = alpha + self.multiplier
        table = table_of(self.cell, shifted, self.activation)
        self.target = discrete_of(self.cell, table)
        self.multiplier = (shifted - self.target) * self.alive(alpha)


@pytest.mark.parametrize("name", ["nb201", "darts", "s1"])
@pytest.mark.parametrize("activation", ["softmax", "crb"])
@pytest.mark.parametrize("period", [1, 3])
def test_it_is_the_slow_loop(new_alphas, view_of, name, activation, period):
    alphas = new_alphas(name, activation)
    penalty = Admm(rho=0.4, period=period)
    memory = {}
    penalty.begin(view_of(name, activation, alphas, memory=memory))
    slow = []
    for cell, alpha in zip(get_space(name).cells, alphas, strict=True):
        slow.append(SlowAdmm(cell, alpha.detach().numpy(), activation, period))
    generator = torch.Generator().manual_seed(1)
    for _ in range(8):
        view = view_of(name, activation, alphas, memory=memory)
        expected = 0.0
        for one, alpha in zip(slow, alphas, strict=True):
            expected += one.value(alpha.detach().numpy())
        assert penalty(view).item() == pytest.approx(0.4 / 2 * expected, rel=1e-9)
        with torch.no_grad():
            for alpha in alphas:
                moves = torch.randn(alpha.shape, generator=generator).double()
                alpha += 0.1 * moves * (alpha != 0)
                if activation == "crb":
                    alpha.clamp_(min=0)
        penalty.finish_step(view_of(name, activation, alphas, memory=memory))
        for one, alpha in zip(slow, alphas, strict=True):
            one.step(alpha.detach().numpy())


@pytest.mark.parametrize("activation", ["softmax", "crb"])
def test_at_the_discrete_architecture_it_is_prox_at_the_end(
    new_alphas, view_of, activation
):
    """With Z = D(a) and U = 0, and p = 1."""
    alphas = new_alphas("darts", activation)
    memory = {}
    view = view_of("darts", activation, alphas, memory=memory)
    penalty = Admm(rho=0.3)
    penalty.begin(view)
    for cell, target in enumerate(strongest(view.space, view.tables)):
        memory[f"admm Z {cell}"] = target
    assert penalty(view).item() == pytest.approx(Proximity(rho=0.3)(view).item())


@pytest.mark.parametrize("activation", ["softmax", "crb"])
def test_its_gradient_is_that_of_finite_differences(new_alphas, view_of, activation):
    alphas = new_alphas("nb201", activation)
    memory = {}
    penalty = Admm(rho=1.0)
    penalty.begin(view_of("nb201", activation, alphas, memory=memory))
    # U is zero where operations are dead, as `none` is under crb.
    memory["admm U 0"] = 0.3 * (alphas[0].detach() != 0)

    def value(*alphas):
        return penalty(view_of("nb201", activation, alphas, memory=memory))

    assert torch.autograd.gradcheck(value, alphas, eps=1e-6)


def test_at_the_start_of_crb_its_gradient_is_zero(new_alphas, view_of):
    """There a = alpha = Z and U = 0: the norm of zeros."""
    alphas = new_alphas("nb201", "crb")
    view = view_of("nb201", "crb", alphas, memory={})
    penalty = Admm()
    penalty.begin(view)
    (gradient,) = torch.autograd.grad(penalty(view), alphas)
    assert not gradient.any()


@pytest.mark.parametrize(("as_released", "period"), [(False, 10), (True, 9)])
def test_the_released_code_renews_after_nine_steps(
    new_alphas, view_of, as_released, period
):
    settings = AlphaSettings(proximity="admm", as_released=as_released)
    ((penalty, weight),) = settings.build_penalties(get_space("nb201"), NetworkShape())
    assert weight == 1
    alphas = new_alphas("nb201")
    memory = {}
    penalty.begin(view_of("nb201", "softmax", alphas, memory=memory))
    before = memory["admm Z 0"]
    for _ in range(period - 1):
        penalty.finish_step(view_of("nb201", "softmax", alphas, memory=memory))
        assert memory["admm Z 0"] is before
    penalty.finish_step(view_of("nb201", "softmax", alphas, memory=memory))
    assert memory["admm Z 0"] is not before
    assert memory["admm Z 0"].sum() == 6
