"""The benchmark's own networks: published parameter counts, a naive forward, weights, and what uses them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import (
    NasBench101Network,
    Network,
    build_network,
    scoring,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.operations import Rectifier
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import PROXIES

SPACE = get_space("nb101")
TINY = SPACE.skeleton(channels=5, cells=1)
LABELS = torch.tensor([0, 1, 2, 0, 1, 2])

# From the test assets of NASLib (Apache-2.0), which are from the benchmark's file:
# adjacency, operations, parameters.
PUBLISHED = [
    ("0101000001110000010000000001000001000000010000000", "31131", 6_315_018),
    ("0110000000010100010000000110000000100000010000000", "331mm", 2_786_620),
    ("0110000001110000000010000001000001000000010000000", "3m113", 2_891_201),
    ("0111000001000000010000000101000001000000010000000", "3m3mm", 5_969_674),
    ("0100000001001000010010000100000001000000010000000", "1m111", 1_488_650),
    ("011001000011000100000011000001000000", "31mm", 2_624_049),
    ("0100000001001000011010000001000001000000010000000", "13mm3", 2_484_039),
    ("011000001010000101000011000001000000", "3331", 3_826_898),
    ("011101001010000001000010000001000000", "1313", 7_364_874),
]
SHORT = {"3": "conv3x3-bn-relu", "1": "conv1x1-bn-relu", "m": "maxpool3x3"}

seeds = st.integers(0, 2**32 - 1)


def parse(bits, letters):
    return SPACE.parse(f"{bits}:{','.join(SHORT[letter] for letter in letters)}")


def tiny(architecture, seed=0, classes=3):
    return build_network(SPACE, architecture, TINY, 3, classes, seed)


@pytest.mark.parametrize(("bits", "letters", "parameters"), PUBLISHED)
def test_parameters_are_the_published_ones(bits, letters, parameters):
    network = build_network(SPACE, parse(bits, letters), SPACE.skeleton(), 3, 10, 0)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def naive(network, x):
    """The forward from the paper's text: projections into vertices, sums, concatenation, projected input added."""

    def conv(sequence, x):
        weight, norm = sequence[0].weight, sequence[1]
        x = F.conv2d(x, weight, padding=weight.shape[2] // 2)
        return torch.relu(
            F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )

    layers = list(network.network.layers)
    x = conv(layers[0].conv_bn_relu, x)
    matrix = network.space.cell_graph(network.architecture).matrix
    last = len(matrix) - 1
    for layer in layers[1:]:
        if isinstance(layer, nn.MaxPool2d):
            x = F.max_pool2d(x, 2)
            continue
        made = {}
        for v in range(1, last):
            terms = [made[u] for u in range(1, v) if matrix[u, v]]
            if matrix[0, v]:
                terms.append(conv(layer.input_op[v].conv_bn_relu, x))
            channels = layer.vertex_channels[v]
            total = sum(term[:, :channels] for term in terms)
            operation = layer.vertex_op[v]
            convs = [m for m in operation.modules() if isinstance(m, nn.Sequential)]
            made[v] = conv(convs[0], total) if convs else F.max_pool2d(total, 3, 1, 1)
        out = (
            torch.cat([made[v] for v in made if matrix[v, last]], dim=1) if made else 0
        )
        x = out + conv(layer.input_op[last].conv_bn_relu, x) if matrix[0, last] else out
    return F.linear(
        x.mean(dim=(2, 3)),
        network.network.classifier.weight,
        network.network.classifier.bias,
    )


@settings(max_examples=20)
@given(seeds)
def test_the_forward_is_the_naive_one(images, seed):
    network = (
        tiny(SPACE.sample(np.random.default_rng(seed)), seed % 100).double().eval()
    )
    generator = torch.Generator().manual_seed(seed % 1000)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    x = images(4)
    torch.testing.assert_close(network(x), naive(network, x), rtol=1e-9, atol=1e-10)


def test_the_smallest_cell_is_a_projection(images):
    network = tiny(SPACE.parse("01/00:")).double().eval()
    torch.testing.assert_close(network(images(2)), naive(network, images(2)))


# --- weights


def test_initial_weights_follow_the_seed_and_the_global_random_state_stays():
    architecture = parse(*PUBLISHED[0][:2])
    before = torch.get_rng_state()
    torch.manual_seed(1)
    first = tiny(architecture, 5)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second, other = tiny(architecture, 5), tiny(architecture, 6)
    assert torch.equal(torch.get_rng_state(), state)
    torch.set_rng_state(before)
    for (name, a), b, c in zip(
        first.named_parameters(), second.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(a, b)
        assert torch.equal(a, c) == (a.dim() < 2), name


def test_initial_weights_have_the_benchmarks_distribution():
    network = build_network(
        SPACE, parse(*PUBLISHED[0][:2]), SPACE.skeleton(channels=64, cells=1), 3, 10, 0
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            weight, fan_in = module.weight.detach(), module.weight[0].numel()
            # Six standard errors of a standard deviation; the cut is at two of the
            # uncut ones.
            assert weight.std() * math.sqrt(fan_in) == pytest.approx(
                1, abs=6 * 0.7 / weight.numel() ** 0.5
            )
            assert weight.abs().max() * math.sqrt(fan_in) < 2 / 0.8796 + 1e-4
        if isinstance(module, nn.Linear):
            assert module.weight.detach().abs().max() <= math.sqrt(
                6 / (module.in_features + 10)
            )
            assert not module.bias.any()


def test_all_normalisations_have_the_skeletons_momentum():
    """The package gives 0.997, in TensorFlow's sense, to stem and projections, and 0.1 to operations."""
    for name, wanted in (("benchmark", 0.003), ("released", 0.997)):
        network = build_network(
            SPACE,
            parse(*PUBLISHED[0][:2]),
            SPACE.skeleton(channels=4, momentum=name),
            3,
            10,
            0,
        )
        norms = [
            module for module in network.modules() if isinstance(module, nn.BatchNorm2d)
        ]
        assert all(norm.momentum == pytest.approx(wanted) for norm in norms)


def test_every_parameter_is_used(images):
    """Unlike the package's own, which has a random number at every vertex without a projection."""
    network = tiny(parse(*PUBLISHED[3][:2])).double().train()
    network(images(4)).sum().backward()
    assert all(
        parameter.grad is not None
        for parameter in network.parameters()
        if parameter.numel()
    )


# --- uses


def test_build_network_gives_each_space_its_own(nb201, tiny_nb201):
    network = build_network(nb201, next(nb201.enumerate()), tiny_nb201, 3, 10, 0)
    assert isinstance(network, Network)
    assert network.auxiliary is None
    for name in ("nb101", "nb1shot1-1", "nb1shot1-2", "nb1shot1-3"):
        space = get_space(name)
        architecture = space.sample(np.random.default_rng(0))
        network = build_network(
            space,
            architecture,
            space.skeleton(channels=4, cells=1),
            3,
            10,
            0,
            auxiliary=True,
        )
        assert isinstance(network, NasBench101Network)
        assert network.auxiliary is None


@pytest.fixture
def tiny_nb201(nb201):
    return nb201.skeleton(channels=4, cells=1)


def test_a_sub_spaces_network_is_that_of_its_cell(images):
    """Loose ends are left out, and so is the order of blocks."""
    space = get_space("nb1shot1-3")
    x = images(3)
    for seed in range(5):
        architecture = space.sample(np.random.default_rng(seed))
        networks = [
            build_network(
                space, architecture, space.skeleton(channels=4, cells=1), 3, 3, 7
            ),
            build_network(
                SPACE,
                SPACE.architecture(space.cell_graph(architecture)),
                SPACE.skeleton(channels=4, cells=1),
                3,
                3,
                7,
            ),
        ]
        torch.testing.assert_close(
            *(network.double().eval()(x) for network in networks)
        )


@pytest.mark.parametrize("name", sorted(PROXIES))
def test_every_proxy_scores_it_and_leaves_no_trace(trace, images, name):
    network = tiny(parse("0111001100010000", "3m"))
    x = images(6).float()
    proxy = PROXIES[name]
    before = trace(network)
    with scoring(network, proxy.norm or "running"):
        score = proxy.score(network, network, x, LABELS)
    assert math.isfinite(score)
    assert trace(network) == before


def test_patterns_are_counted_at_every_relu(images):
    network = tiny(parse(*PUBLISHED[4][:2]))
    assert not any(type(module) is nn.ReLU for module in network.modules())
    called = []
    for module in network.modules():
        if isinstance(module, Rectifier):
            module.register_forward_hook(lambda *_: called.append(1))
    network(images(2).float())
    cell = SPACE.cell_graph(network.architecture)
    convolutions = sum(k < 2 for k in cell.operations) + cell.matrix[0].sum()
    assert len(called) == 1 + 3 * convolutions


@settings(max_examples=10)
@given(seeds)
def test_flops_are_two_per_multiply_add(images, seed):
    network = tiny(SPACE.sample(np.random.default_rng(seed)))
    counted = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(
                lambda m, inputs, output: counted.append(
                    2 * m.weight.numel() * math.prod(output.shape[2:])
                )
            )
    cost = ForwardCost(network, (3, 8, 8))
    counted.clear()
    network(images(1).float())
    assert cost() == sum(counted)


def test_training_lowers_the_loss_and_scoring_leaves_no_trace(trace, images):
    network = build_network(
        SPACE, parse(*PUBLISHED[6][:2]), SPACE.skeleton(channels=8, cells=1), 3, 3, 0
    )
    x = images(24).float()
    y = torch.arange(24) % 3
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    losses = []
    for _ in range(12):
        logits, auxiliary = network.training_logits(x)
        assert auxiliary is None
        loss = F.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    before = trace(network)
    with scoring(network, "batch"):
        network(x)
    assert trace(network) == before
