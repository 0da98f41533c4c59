"""What the costs of operations add up to, cell by cell, in the spaces of wiring evolution.

The cost of an operation on an edge is the loss' derivative by its entry of the mixture.
Normalisation by the batch makes what comes after it indifferent to the scale of what
went in, so most of a cell's costs cancel; what is left is the loss less the entropy of
the prediction, and what skips carry within a cell.
"""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Mixture, Supernet, mixture_of, sampled
from archselect.nasbench_adapters.spaces import get_space

CLASSES, BATCH = 4, 6
SKIP, NONE = 3, 0


@pytest.fixture(scope="module")
def supernet_of(stirred):
    """`supernet_of(name, layers, eps, seed)` in float64 and training mode; `eps` is what normalisation adds."""

    def make(name, layers, eps, seed):
        space = get_space(name)
        supernet = stirred(
            Supernet(
                space, space.skeleton(channels=3, layers=layers), 3, CLASSES, seed
            ),
            seed,
        ).train()
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = eps
        return supernet

    return make


def random_mixture(space, seed, kind):
    """A soft mixture, one drawn operation per edge, or entries of any sign and size that sum to nothing special."""
    generator = torch.Generator().manual_seed(seed)
    (cell,) = space.cells
    alphas = torch.randn(len(cell.edges), 8, generator=generator, dtype=torch.float64)
    soft = mixture_of(space, [alphas])
    if kind == "drawn":
        return sampled(space, soft, space.undecided(), generator, torch.device("cpu"))
    return Mixture((alphas,), soft.support) if kind == "any" else soft


def costs_of(supernet, mixture, x, labels):
    """Costs (layers, edges, operations), and L - H as the mean over the batch."""
    leaf = mixture.spread([len(supernet.layers)]).leaf()
    logits = supernet(x, leaf)
    loss = F.cross_entropy(logits, labels)
    (costs,) = torch.autograd.grad(loss, leaf.weights, allow_unused=True)
    logs = F.log_softmax(logits, 1)
    entropy = -(logs.exp() * logs).sum(1).mean()
    return torch.zeros_like(leaf.weights[0]) if costs is None else costs, float(
        (loss - entropy).detach()
    )


@settings(max_examples=12)
@given(
    name=st.sampled_from(["minimal", "wiring"]),
    layers=st.integers(1, 3),
    kind=st.sampled_from(["soft", "drawn", "any"]),
    precision=st.sampled_from([(1e-12, 1e-7), (1e-5, 1e-3)]),
    seed=st.integers(0, 10_000),
)
@example(name="minimal", layers=3, kind="drawn", precision=(1e-12, 1e-7), seed=3)
def test_edge_costs_of_the_last_cell_sum_to_l_less_h_and_of_every_earlier_one_to_nothing(
    images, supernet_of, name, layers, kind, precision, seed
):
    eps, tolerance = precision
    supernet, x = supernet_of(name, layers, eps, seed), images(BATCH, seed=seed)
    labels = torch.arange(BATCH) % CLASSES
    mixture = random_mixture(supernet.space, seed, kind)
    costs, rest = costs_of(supernet, mixture, x, labels)
    (weights,), (cell,) = mixture.weights, supernet.space.cells
    within = [
        edge for edge, (source, _) in enumerate(cell.edges) if source >= cell.inputs
    ]
    for layer in range(layers):
        skips = float((weights * costs[layer])[within, SKIP].sum())
        wanted = skips + (rest if layer == layers - 1 else 0.0)
        size = float((weights * costs[layer]).abs().sum()) + abs(rest)
        assert float((weights * costs[layer]).sum()) == pytest.approx(
            wanted, abs=tolerance * max(size, 1e-3)
        )
    assert not costs[:, :, NONE].any()


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), last=st.integers(1, 7))
def test_of_a_node_that_nothing_enters_nothing_that_leaves_it_costs_anything(
    images, supernet_of, seed, last
):
    """With e0 = e1 = none, c(e4) = 0."""
    supernet = supernet_of("minimal", 2, 1e-5, seed)
    choices = [NONE, NONE, 4, 3, last]
    table = F.one_hot(torch.tensor(choices), 8).double()
    support = tuple(tuple(bool(entry) for entry in row) for row in table.tolist())
    costs, _ = costs_of(
        supernet,
        Mixture((table,), (support,)),
        images(BATCH, seed=seed),
        torch.arange(BATCH) % CLASSES,
    )
    assert not costs[:, 4].any() and costs[:, 2:4].any()


@pytest.mark.parametrize("name", ["minimal", "wiring"])
def test_all_none_is_absorbing(images, supernet_of, name):
    """Logits 0, L = H, and no gradient for the alphas but that of weight decay."""
    supernet = supernet_of(name, 2, 1e-5, 0)
    (cell,) = supernet.space.cells
    table = F.one_hot(torch.zeros(len(cell.edges), dtype=torch.long), 8).double()
    support = tuple(tuple(bool(entry) for entry in row) for row in table.tolist())
    x, labels = images(BATCH), torch.arange(BATCH) % CLASSES
    mixture = Mixture((table,), (support,))
    assert not supernet(x, mixture).any()
    costs, rest = costs_of(supernet, mixture, x, labels)
    assert not costs.any() and rest == pytest.approx(0, abs=1e-12)


@given(st.lists(st.floats(-30, 30), min_size=2, max_size=6), st.data())
def test_at_the_logits_the_cost_is_l_less_h_and_never_positive_where_the_prediction_is_right(
    values, data
):
    z = torch.tensor([values], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([data.draw(st.integers(0, len(values) - 1))])
    loss = F.cross_entropy(z, label)
    (gradient,) = torch.autograd.grad(loss, z)
    logs = F.log_softmax(z.detach(), 1)
    entropy = -(logs.exp() * logs).sum()
    cost = float((gradient * z.detach()).sum())
    assert cost == pytest.approx(float(loss.detach() - entropy), abs=1e-9)
    if values[int(label)] == max(values):
        assert cost <= 1e-12


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_the_alpha_of_none_rises_exactly_where_the_mean_cost_of_the_edge_is_positive(
    images, supernet_of, seed
):
    supernet, generator = (
        supernet_of("minimal", 2, 1e-5, seed),
        torch.Generator().manual_seed(seed),
    )
    alphas = torch.randn(
        5, 8, generator=generator, dtype=torch.float64
    ).requires_grad_()
    soft, x, labels = (
        mixture_of(supernet.space, [alphas]),
        images(BATCH, seed=seed),
        torch.arange(BATCH) % CLASSES,
    )
    costs, _ = costs_of(supernet, soft, x, labels)
    (gradient,) = torch.autograd.grad(
        F.cross_entropy(supernet(x, soft), labels), alphas
    )
    p, c = soft.weights[0].detach(), costs.sum(0)
    mean = (p * c).sum(1)
    assert torch.allclose(gradient, p * (c - mean[:, None]), rtol=1e-6, atol=1e-9)
    assert torch.equal(gradient[:, NONE] < 0, mean > 0)
