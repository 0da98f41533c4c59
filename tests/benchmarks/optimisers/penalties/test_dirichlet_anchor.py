"""DrNAS' divergence from a uniform distribution, against that of torch."""

import pytest
import torch
from torch.distributions import Dirichlet, kl_divergence
from torch.nn import functional as F

from archselect.benchmarks.optimisers.penalties.dirichlet_anchor import DirichletAnchor
from archselect.nasbench_adapters.spaces import get_space


@pytest.mark.parametrize("name", ["nb201", "darts", "s1", "s2", "nb1shot1-2"])
def test_it_is_torchs_divergence_edge_by_edge(new_alphas, view_of, name):
    alphas = new_alphas(name)
    value = DirichletAnchor(anchor=0.3)(view_of(name, "softmax", alphas))
    expected = 0.0
    for cell, alpha in zip(get_space(name).cells, alphas, strict=True):
        labels = cell.groups or tuple(range(len(cell.edges)))
        for group in set(labels):
            entries = []
            for edge, names in enumerate(cell.operations):
                if labels[edge] == group:
                    entries.append(F.elu(alpha[edge, : len(names)]) + 1)
            shape = torch.cat(entries)
            if len(shape) > 1:
                uniform = Dirichlet(torch.ones_like(shape))
                expected += kl_divergence(Dirichlet(shape), uniform).item()
    assert value.item() == pytest.approx(0.3 * expected, rel=1e-9, abs=1e-12)


def test_its_gradient_is_that_of_finite_differences(new_alphas, view_of):
    def value(*alphas):
        return DirichletAnchor()(view_of("s1", "softmax", alphas))

    assert torch.autograd.gradcheck(value, new_alphas("s1"), eps=1e-6)


def test_it_is_zero_where_the_distribution_is_uniform(view_of):
    zeros = (torch.zeros(6, 5, dtype=torch.float64, requires_grad=True),)
    value = DirichletAnchor(anchor=1.0)(view_of("nb201", "softmax", zeros))
    (gradient,) = torch.autograd.grad(value, zeros)
    assert value.item() == pytest.approx(0.0, abs=1e-12)
    assert float(gradient.abs().max()) < 1e-12
