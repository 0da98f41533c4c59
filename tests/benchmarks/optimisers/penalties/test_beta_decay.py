"""The penalty of beta-DARTS, against numpy."""

import numpy as np
import pytest
import torch
from support.slow_penalties import weighed

from archselect.benchmarks.optimisers.penalties.beta_decay import BetaDecay
from archselect.nasbench_adapters.spaces import get_space


@pytest.mark.parametrize("name", ["nb201", "darts", "s1", "s2"])
@pytest.mark.parametrize("progress", [0.0, 0.4])
def test_it_is_the_formula(new_alphas, view_of, name, progress):
    alphas = new_alphas(name)
    value = BetaDecay(decay=5.0)(view_of(name, "softmax", alphas, progress=progress))
    expected = 0.0
    for cell, alpha in zip(get_space(name).cells, alphas, strict=True):
        rows = []
        for edge, places in enumerate(weighed(cell, "softmax")):
            values = alpha.detach().numpy()[edge, places]
            rows.append(np.log(np.exp(values).sum()))
        expected += np.mean(rows)
    assert value.item() == pytest.approx(5.0 * progress * expected, rel=1e-9)


@pytest.mark.parametrize("name", ["nb201", "s1"])
def test_its_gradient_is_the_softmax(new_alphas, view_of, name):
    """Divided by the number of edges; it is what the paper's equation 11 derives."""
    alphas = new_alphas(name)
    view = view_of(name, "softmax", alphas)
    gradients = torch.autograd.grad(BetaDecay(decay=1.0)(view), alphas)
    for gradient, table in zip(gradients, view.tables, strict=True):
        expected = table.detach() / len(table)
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_its_gradient_is_that_of_finite_differences(new_alphas, view_of):
    def value(*alphas):
        return BetaDecay()(view_of("s1", "softmax", alphas, progress=0.5))

    assert torch.autograd.gradcheck(value, new_alphas("s1"), eps=1e-6)
