"""Penalties on the distance to the discrete architecture, against numpy."""

import math

import numpy as np
import pytest
import torch
from support.slow_penalties import discrete_of, table_of, weighed

from archselect.benchmarks.optimisers.penalties.adjusted_proximity import (
    AdjustedProximity,
)
from archselect.benchmarks.optimisers.penalties.proximity import Proximity
from archselect.nasbench_adapters.spaces import get_space

SPACES = ["nb201", "darts", "darts-none", "s1", "s2"]
ACTIVATIONS = ["softmax", "crb", "sigmoid"]
KINDS = [Proximity, AdjustedProximity]


def slow_distance(space, activation, alphas, clock, is_adjusted):
    """Σ over cell types of ‖(a - D) ⊙ factor‖."""
    total = 0.0
    for cell, alpha in zip(space.cells, alphas, strict=True):
        table = table_of(cell, alpha.detach().numpy(), activation)
        gap = table - discrete_of(cell, table)
        if not is_adjusted:
            total += clock * np.sqrt((gap**2).sum())
            continue
        for edge, places in enumerate(weighed(cell, activation)):
            count = max(len(places), 2)
            clipped = np.clip(table[edge], 1e-4, 1)
            decided = 4 * (clipped ** math.log(2, count) - 0.5) ** 2
            gap[edge] *= (1 - clock) * decided + clock
        total += np.sqrt((gap**2).sum())
    return total


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("clock", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_formula(new_alphas, view_of, name, activation, clock, kind):
    alphas = new_alphas(name, activation)
    value = kind(rho=0.7)(view_of(name, activation, alphas, clock))
    is_adjusted = kind is AdjustedProximity
    distance = slow_distance(get_space(name), activation, alphas, clock, is_adjusted)
    assert value.item() == pytest.approx(0.7 / 2 * distance, rel=1e-9)


@pytest.mark.parametrize("name", ["nb201", "s2", "nb1shot1-2"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_its_gradient_is_that_of_finite_differences(
    new_alphas, view_of, name, activation, kind
):
    penalty = kind(rho=1.0)

    def value(*alphas):
        return penalty(view_of(name, activation, alphas, 0.4))

    assert torch.autograd.gradcheck(value, new_alphas(name, activation), eps=1e-6)


@pytest.mark.parametrize(
    ("name", "distances"), [("nb201", [2.191]), ("darts-none", [2.784, 2.784])]
)
def test_the_distance_of_a_uniform_table(view_of, new_alphas, name, distances):
    alphas = [torch.zeros_like(alpha) for alpha in new_alphas(name)]
    value = Proximity(rho=2.0)(view_of(name, "softmax", alphas))
    assert value.item() == pytest.approx(sum(distances), abs=2e-3)


def test_a_softmax_comes_no_nearer_than_its_dropped_edges_let_it(view_of, new_alphas):
    """Six edges of DARTS' cells are dropped, each at √(1/8) at best; crb reaches 0."""
    far = []
    for alpha in new_alphas("darts-none"):
        decided = torch.zeros_like(alpha)
        for edge in (0, 1, 2, 3, 5, 6, 9, 10):
            decided[edge, 3] = 50.0
        far.append(decided.requires_grad_())
    near = [alpha.detach().clamp(0, 1).requires_grad_() for alpha in far]
    softmax = Proximity(rho=2.0)(view_of("darts-none", "softmax", far))
    assert softmax.item() == pytest.approx(2 * math.sqrt(6 / 8), abs=1e-6)
    crb = Proximity(rho=2.0)(view_of("darts-none", "crb", near))
    assert crb.item() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_at_distance_zero_the_gradient_is_zero(view_of, new_alphas, kind):
    alphas = []
    for alpha in new_alphas("nb201", "crb"):
        decided = torch.zeros_like(alpha)
        decided[:, 2] = 1
        alphas.append(decided.requires_grad_())
    value = kind()(view_of("nb201", "crb", alphas, 0.5))
    gradients = torch.autograd.grad(value, alphas)
    assert value.item() == 0
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("clock", [0.25, 1.0])
def test_the_gradient_by_the_weights_has_one_norm(view_of, new_alphas, clock):
    """p rho / 2 for each cell type: the norm is not squared."""
    alphas = new_alphas("darts", "crb")
    view = view_of("darts", "crb", alphas, clock)
    value = Proximity(rho=0.8)(view)
    for gradient in torch.autograd.grad(value, view.tables):
        norm = torch.linalg.vector_norm(gradient)
        assert norm.item() == pytest.approx(clock * 0.8 / 2, rel=1e-12)


def test_the_adjusted_one_leaves_undecided_edges_alone_at_first(view_of, new_alphas):
    alphas = [torch.zeros_like(alpha) for alpha in new_alphas("darts")]
    value = AdjustedProximity()(view_of("darts", "softmax", alphas, 0.0))
    assert value.item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_all_dead_has_a_finite_gradient(view_of, new_alphas, kind, dtype):
    alphas = []
    for alpha in new_alphas("nb201", "crb"):
        alphas.append(torch.zeros_like(alpha, dtype=dtype).requires_grad_())
    value = kind()(view_of("nb201", "crb", alphas, 0.5))
    for gradient in torch.autograd.grad(value, alphas):
        assert gradient.isfinite().all()
