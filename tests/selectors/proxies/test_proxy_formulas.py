"""Each proxy's formula against a slow one that shares nothing with it, or against what must hold."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import naive
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Network, Supernet, mixture_of, scoring
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import PROXIES
from archselect.selectors.proxies.base import Undefined
from archselect.selectors.proxies.gradients import weight_gradients
from archselect.selectors.proxies.synflow import without_normalisation
from archselect.selectors.proxies.zen import _features

SPACE = get_space("nb201")
CHANNELS, CELLS, CLASSES = 3, 1, 3
SKELETON = SPACE.skeleton(channels=CHANNELS, cells=CELLS)
LABELS = torch.tensor([0, 1, 2, 2, 1, 0])
CELL = SPACE.parse(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|"
)

norms = pytest.mark.parametrize("norm", ["running", "batch"])
worlds = pytest.mark.parametrize("world", ["supernet", "network"])
cells = st.sampled_from(list(SPACE.enumerate()))


@pytest.fixture(scope="module")
def batch(images):
    return images(len(LABELS), seed=3)


def make(world, seed=2):
    """(model, forward, mixture weights): a network, or a supernet with two operations silenced."""
    if world == "network":
        model = Network(SPACE, CELL, SKELETON, 3, CLASSES, [seed]).double()
        return model, model, torch.ones(6, 1, dtype=torch.float64)
    model = Supernet(SPACE, SKELETON, 3, CLASSES, seed).double()
    alphas = torch.randn(
        6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    mixed = mixture_of(SPACE, [alphas]).without(0, 0, 3).without(0, 4, 1)
    return model, lambda x: model(x, mixed), mixed.weights[0]


def score(name, model, forward, x, norm="batch", labels=LABELS):
    with scoring(model, norm):
        return PROXIES[name].measure(model, forward, x, labels)


def naive_copy(model, norm):
    """The naive net with the same weights; the list of its convolutions and linear maps."""
    net = naive.copy_of(model.train(norm == "batch"), CHANNELS, CELLS)
    return net, [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


@norms
@worlds
def test_gradient_proxies_by_ordinary_backward_on_the_naive_net(batch, norm, world):
    model, forward, weights = make(world)
    net, layers = naive_copy(model, norm)
    F.cross_entropy(net(batch, weights), LABELS).backward()
    grads = [(m.weight.detach(), m.weight.grad) for m in layers]
    wanted = {
        "snip": sum((w * g).abs().sum().item() for w, g in grads),
        "plain": sum((w * g).sum().item() for w, g in grads),
        "grad_norm": sum((g**2).sum().item() ** 0.5 for _, g in grads),
    }
    for name, value in wanted.items():
        assert score(name, model, forward, batch, norm) == pytest.approx(
            value, rel=1e-7
        ), name


@norms
@worlds
def test_grasp_by_finite_differences_of_the_gradient(batch, norm, world):
    """-w · (gradient at w + step g - gradient at w - step g) / 2 step."""
    model, forward, weights = make(world)
    net, layers = naive_copy(model, norm)

    def gradient():
        net.zero_grad()
        F.cross_entropy(net(batch, weights), LABELS).backward()
        return [m.weight.grad.clone() for m in layers]

    start, g, step = [m.weight.detach().clone() for m in layers], gradient(), 1e-6
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for m, w, part in zip(layers, start, g, strict=True):
                m.weight.copy_(w + sign * step * part)
        sides.append(gradient())
    wanted = -sum(
        (w * (a - b)).sum().item() for w, a, b in zip(start, *sides, strict=True)
    ) / (2 * step)
    assert score("grasp", model, forward, batch, norm) == pytest.approx(
        wanted, rel=1e-4
    )


class Gate(nn.Module):
    """A layer whose output channels are multiplied by gates, one per image and channel, that are all one."""

    def __init__(self, layer, count):
        super().__init__()
        self.layer = layer
        self.gates = nn.Parameter(
            torch.ones(count, layer.weight.shape[0], dtype=torch.float64)
        )

    def forward(self, x):
        out = self.layer(x)
        return out * self.gates.reshape(*self.gates.shape, *[1] * (out.dim() - 2))


@norms
@worlds
def test_fisher_by_gates_on_every_channel(batch, norm, world):
    """The gradient by a gate is the sum over positions of a dL/da."""
    model, forward, weights = make(world)
    net, _ = naive_copy(model, norm)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, (nn.Conv2d, nn.Linear)) and not isinstance(
                module, Gate
            ):
                setattr(module, name, Gate(child, len(batch)))
    F.cross_entropy(net(batch, weights), LABELS).backward()
    wanted = 0.0
    for gate in (m for m in net.modules() if isinstance(m, Gate)):
        saliency = (gate.gates.grad**2).mean(0) / 2
        wanted += sum(
            float(s) * w.numel()
            for s, w in zip(saliency, gate.layer.weight, strict=True)
        )
    assert score("fisher", model, forward, batch, norm) == pytest.approx(
        wanted, rel=1e-7
    )


@norms
@worlds
def test_synflow_by_ordinary_backward_on_the_naive_net_without_normalisation(
    batch, norm, world
):
    model, forward, weights = make(world)
    net, layers = naive_copy(model, norm)
    for module in list(net.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    net(torch.ones_like(batch[:1]), weights).sum().backward()
    wanted = sum((m.weight * m.weight.grad).abs().sum().item() for m in layers)
    assert score("synflow", model, forward, batch, norm) == pytest.approx(
        np.log(wanted), rel=1e-9
    )
    # Neither the images, nor the labels, nor the precision of the weights matter.
    assert score(
        "synflow", model, forward, batch * 2 + 1, norm, LABELS.flip(0)
    ) == pytest.approx(np.log(wanted))
    if world == "network":
        assert score(
            "synflow", model.float(), model, batch.float(), norm
        ) == pytest.approx(np.log(wanted), rel=1e-6)


class Chain(nn.Module):
    """1x1 convolutions, each with normalisation (or an identity) after it, the mean, and a classifier without bias."""

    def __init__(self, widths, classes=CLASSES, normalised=True, seed=0):
        super().__init__()
        layers = []
        for a, b in pairwise(widths):
            layers += [
                nn.Conv2d(a, b, 1, bias=False),
                nn.BatchNorm2d(b) if normalised else nn.Identity(),
            ]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(widths[-1], classes, 1, bias=False)
        generator = torch.Generator().manual_seed(seed)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                m.weight.data = torch.randn(
                    m.weight.shape, generator=generator, dtype=torch.float64
                )
        self.double()

    def forward(self, images):
        return self.classifier(
            self.layers(images).mean(dim=(2, 3), keepdim=True)
        ).flatten(1)


@settings(max_examples=30)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(0, 100))
def test_synflow_of_a_linear_chain_is_its_product(widths, seed):
    """Every layer's weights share the same flow: the product of all layers' magnitudes, from ones to ones."""
    chain = Chain([3, *widths], seed=seed)
    for module in chain.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.fill_(7.0)
            module.running_var.fill_(5.0)
    product, convolutions = (
        np.ones(3),
        [m for m in chain.modules() if isinstance(m, nn.Conv2d)],
    )
    for m in convolutions:
        product = np.abs(m.weight.detach().numpy()[:, :, 0, 0]) @ product
    wanted = np.log(len(convolutions) * product.sum())
    value = score(
        "synflow",
        chain,
        chain,
        torch.zeros(2, 3, 4, 4, dtype=torch.float64),
        labels=LABELS[:2],
    )
    assert value == pytest.approx(wanted, rel=1e-9)


def test_synflow_beyond_floating_point_is_an_error(batch):
    chain = Chain([3, 4, 4])
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.fill_(1e200)
    with pytest.raises(Undefined, match="beyond float64"):
        score("synflow", chain, chain, batch)


def test_normalisation_comes_back_as_it_was(batch):
    model, forward, _ = make("network")
    own = model.stem[1]
    marked = own.forward
    own.forward = marked
    with scoring(model, "running"):
        wanted = forward(batch)
        with without_normalisation(model):
            assert not torch.equal(forward(batch), wanted)
        assert torch.equal(forward(batch), wanted)
    assert vars(own)["forward"] is marked
    assert [name for name, m in model.named_modules() if "forward" in vars(m)] == [
        "stem.1"
    ]


@worlds
def test_normalised_weights_add_nothing_to_plain(batch, world):
    """But for the constant under the root of batch normalisation: the loss does not change with their scale."""
    model, forward, _ = make(world)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-12
    bare = [
        model.classifier,
        *(
            layer.downsample[1]
            for layer in model.layers
            if hasattr(layer, "downsample")
        ),
    ]
    known = {m.weight.data_ptr() for m in bare}
    with scoring(model, "batch"):
        pairs = weight_gradients(model, forward, batch, LABELS)
    assert len(pairs) > len(bare) == 3
    rest = [(w * g).sum().item() for w, g in pairs if w.data_ptr() not in known]
    assert np.abs(rest).max() < 1e-9
    assert score("plain", model, forward, batch) == pytest.approx(
        sum((w * g).sum().item() for w, g in pairs if w.data_ptr() in known)
    )


def jacobians(model, batch, weights, norm):
    """The gradient of the sum of the naive net's logits by the images, as numpy rows."""
    net, _ = naive_copy(model, norm)
    leaf = batch.clone().requires_grad_()
    net(leaf, weights).sum().backward()
    return leaf.grad.reshape(len(batch), -1).numpy()


@norms
@worlds
def test_jacob_cov_by_numpy(batch, norm, world):
    model, forward, weights = make(world)
    values = np.linalg.eigvalsh(np.corrcoef(jacobians(model, batch, weights, norm)))
    wanted = -sum(np.log(v + 1e-5) + 1 / (v + 1e-5) for v in values)
    assert score("jacob_cov", model, forward, batch, norm) == pytest.approx(
        wanted, rel=1e-7
    )


def epe_by_loops(rows, labels, classes):
    evidence = {}
    for c in sorted(set(labels)):
        members = [row for row, label in zip(rows, labels, strict=True) if label == c]
        logs = [
            np.log(abs(np.corrcoef(a, b)[0, 1]) + 1e-5)
            for a in members
            for b in members
        ]
        evidence[c] = sum(logs) / (1 if classes <= 100 else len(members))
    if classes <= 100:
        return sum(abs(e) for e in evidence.values())
    pairs = [(c, d) for c in evidence for d in evidence if c < d]
    return sum(abs(evidence[c] - evidence[d]) for c, d in pairs) / len(evidence)


@norms
@worlds
def test_epe_nas_by_loops(batch, norm, world):
    model, forward, weights = make(world)
    wanted = epe_by_loops(
        jacobians(model, batch, weights, norm), LABELS.tolist(), CLASSES
    )
    assert score("epe_nas", model, forward, batch, norm) == pytest.approx(
        wanted, rel=1e-7
    )


def test_epe_nas_of_many_classes_by_loops(images):
    labels = torch.tensor([5, 110, 5, 0, 110, 110, 3])
    x = images(len(labels), seed=1)
    model = Network(SPACE, CELL, SKELETON, 3, 120, [0]).double()
    leaf = x.clone().requires_grad_()
    with scoring(model, "batch"), torch.enable_grad():
        (rows,) = torch.autograd.grad(model(leaf).sum(), leaf)
    wanted = epe_by_loops(rows.flatten(1).numpy(), labels.tolist(), 120)
    assert score("epe_nas", model, model, x, labels=labels) == pytest.approx(
        wanted, rel=1e-7
    )


@settings(max_examples=10)
@given(cells)
def test_params_and_flops_are_those_of_the_benchmark(cell):
    """NAS-Bench-201 on CIFAR-10: millions by the number of convolutions of either kind."""
    names = [
        SPACE.operation(0, edge, choice) for edge, choice in enumerate(cell.choices[0])
    ]
    small, large = names.count("nor_conv_1x1"), names.count("nor_conv_3x3")
    network = Network(SPACE, cell, SPACE.skeleton(), 3, 10, [0])
    x = torch.zeros(3, 3, 32, 32)
    assert score("params", network, network, x) == pytest.approx(
        0.073306 + 0.028 * small + 0.24304 * large
    )
    per_conv = 15 * 16 * 16 * 32 * 32 / 1e6
    assert score("flops", network, network, x) == pytest.approx(
        7.78304 + per_conv * (small + 9 * large)
    )


def test_params_and_flops_are_the_published_ones(shared_file):
    with np.load(shared_file("nb201_reference.npz")) as published:
        rows = np.random.default_rng(0).choice(len(published["arch"]), 8, replace=False)
        wanted = {
            name: published[f"{name}_m_cifar10"][rows] for name in ("params", "flops")
        }
        architectures = published["arch"][rows]
    for row, text in enumerate(architectures):
        network = Network(SPACE, SPACE.parse(str(text)), SPACE.skeleton(), 3, 10, [0])
        for name, values in wanted.items():
            assert score(
                name, network, network, torch.zeros(2, 3, 32, 32)
            ) == pytest.approx(values[row], abs=1e-9)


@worlds
def test_flops_are_half_of_what_the_clock_counts(batch, world):
    """The clock counts two per multiply-add, from shapes that it saw before."""
    model, forward, _ = make(world)
    mixed = forward.__closure__[0].cell_contents if world == "supernet" else None
    cost = ForwardCost(model.float(), tuple(batch.shape[1:]))(mixed)
    assert score("flops", model, forward, batch.float()) == pytest.approx(cost / 2e6)


def test_l2_norm_by_hand(batch):
    model, forward, weights = make("supernet")
    wanted = sum(
        np.sqrt((m.weight.detach().numpy() ** 2).sum())
        for name, m in model.named_modules()
        if isinstance(m, nn.Conv2d) and ".edges.0.nor_conv_3x3" not in name
    )
    assert weights[0, 3] == 0
    assert score("l2_norm", model, forward, batch) == pytest.approx(wanted, rel=1e-12)


def test_zen_looks_at_the_features_before_they_are_averaged(batch):
    model, forward, _ = make("network")
    heard = []
    hook = model.last_rectify.register_forward_hook(
        lambda module, inputs, output: heard.append(output)
    )
    with scoring(model, "batch"):
        features, _ = _features(model, forward, batch, set())
    hook.remove()
    assert torch.equal(features, heard[0])
    assert features.shape[2:] != (1, 1)


def test_zen_makes_up_for_normalisation():
    """The score with normalisation is that without it: what the paper's sum of logarithms is for.

    Exactly so in a chain of linear maps with one channel each, but for the perturbed
    batch's own statistics.
    """
    x = torch.zeros(64, 3, 4, 4, dtype=torch.float64)
    labels = torch.arange(64) % CLASSES
    widths = [3, 1, 1, 1, 1]
    with_norm, without = (Chain(widths, normalised=n) for n in (True, False))
    scores = [score("zen", m, m, x, labels=labels) for m in (with_norm, without)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_zen_knows_the_architecture_and_the_labels_only(batch):
    """Weights and pixels are drawn anew; the draw goes with the batch's labels."""
    model, forward, _ = make("network", seed=2)
    other, other_forward, _ = make("network", seed=5)
    value = score("zen", model, forward, batch)
    assert score("zen", other, other_forward, batch + 1) == value
    flipped = score("zen", model, forward, batch, labels=LABELS.flip(0).roll(1))
    assert flipped != value and flipped == pytest.approx(value, abs=3)


def test_zen_without_normalisation_by_the_batch_may_overflow():
    chain = Chain([3, *[64] * 50], normalised=False).float()
    with pytest.raises(Undefined, match="batch-norm mode 'batch'"):
        score("zen", chain, chain, torch.zeros(4, 3, 4, 4), labels=LABELS[:4])


def test_zen_refuses_a_network_in_which_it_cannot_find_the_features(batch):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, CLASSES)).double()
    with pytest.raises(Undefined, match="features are averaged"):
        score("zen", flat, flat, batch)


def test_a_copy_of_a_model_scores_the_same(batch):
    model, forward, _ = make("network")
    twin = deepcopy(model)
    for name in PROXIES:
        assert score(name, model, forward, batch) == score(name, twin, twin, batch)
