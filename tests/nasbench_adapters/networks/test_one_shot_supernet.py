"""Supernets of the NAS-Bench-1Shot1 spaces against a naive one written from the released code's facts.

The naive one computes every operation, weighs it, and concatenates; every convolution
has its own ReLU behind it.
"""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Supernet, mixture_of, one_hot, scoring
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.networks.operations import (
    OperationShape,
    build_operation,
)
from archselect.nasbench_adapters.space import DROPPED, OPEN, Cell, Decisions
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.spaces.nb101 import layout
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.nwot import pattern_kernel

NAMES = ("nb1shot1-1", "nb1shot1-2", "nb1shot1-3")
SPACES = [get_space(name) for name in NAMES]
CPU = torch.device("cpu")
CHANNELS, CELLS = 3, 1
LABELS = torch.tensor([0, 1, 2, 3, 0, 1])


class ConvBnRelu(nn.Module):
    def __init__(self, channels_in, channels_out, kernel):
        super().__init__()
        self.conv = nn.Conv2d(
            channels_in, channels_out, kernel, padding=kernel // 2, bias=False
        )
        self.bn = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.bn(self.conv(x)))


class Pool(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, affine=False)

    def forward(self, x):
        return self.bn(F.max_pool2d(x, 3, 1, 1))


class ReLUConvBN(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.bn = nn.BatchNorm2d(channels_out, affine=False)

    def forward(self, x):
        return self.bn(self.conv(self.relu(x)))


class NaiveCell(nn.Module):
    def __init__(self, blocks, channels_in, channels):
        super().__init__()
        self.operations = nn.ModuleList(
            nn.ModuleList(
                [
                    ConvBnRelu(channels, channels, 3),
                    ConvBnRelu(channels, channels, 1),
                    Pool(channels),
                ]
            )
            for _ in range(blocks)
        )
        self.projections = nn.ModuleList(
            ConvBnRelu(channels_in, channels, 1) for _ in range(blocks)
        )
        self.to_output = ConvBnRelu(channels_in, blocks * channels, 1)

    def forward(self, x, operations, parents, output):
        states = []
        for block, candidates in enumerate(self.operations):
            into = [self.projections[block](x), *states]
            total = sum(
                weight * state
                for weight, state in zip(parents[block], into, strict=True)
            )
            states.append(
                sum(
                    weight * op(total)
                    for weight, op in zip(operations[block], candidates, strict=True)
                )
            )
        joined = torch.cat(
            [weight * state for weight, state in zip(output[1:], states, strict=True)],
            dim=1,
        )
        return output[0] * self.to_output(x) + joined


class NaiveOneShot(nn.Module):
    """Three stages; `forward(images, operations, parents, output)` takes the weights as nested lists of scalars."""

    def __init__(self, blocks, channels, cells, image_channels, classes):
        super().__init__()
        self.stem = ConvBnRelu(image_channels, channels, 3)
        self.cells, self.first = nn.ModuleList(), []
        before = channels
        for stage in range(3):
            for cell in range(cells):
                self.first.append(stage > 0 and cell == 0)
                self.cells.append(NaiveCell(blocks, before, channels * 2**stage))
                before = blocks * channels * 2**stage
        self.last = ReLUConvBN(before, 4 * channels)
        self.linear = nn.Linear(4 * channels, classes)

    def forward(self, images, operations, parents, output):
        x = self.stem(images)
        for first, cell in zip(self.first, self.cells, strict=True):
            if first:
                x = F.max_pool2d(x, 2, 2, 1)
            x = cell(x, operations, parents, output)
        return self.linear(self.last(x).mean(dim=(2, 3)))


def pairs_of(ours, mine):
    """(tensor of the supernet, tensor of the naive one) for every weight and running statistic."""
    pairs = []

    def add(sequence, module):
        pairs.append((sequence[0].weight, module.conv.weight))
        for name in ("weight", "bias", "running_mean", "running_var"):
            if getattr(module.bn, name) is not None:
                pairs.append((getattr(sequence[1], name), getattr(module.bn, name)))

    add(ours.stem, mine.stem)
    for cell, naive in zip(
        [layer for layer in ours.layers if hasattr(layer, "edges")],
        mine.cells,
        strict=True,
    ):
        blocks = len(naive.operations)
        where = layout(blocks)
        for block in range(blocks):
            built = cell.edges[where.operations[block]]
            for name, module in zip(
                ("conv3x3-bn-relu", "conv1x1-bn-relu"),
                naive.operations[block],
                strict=False,
            ):
                add(built[name], module)
            pool = built["maxpool3x3"]
            pairs += [
                (getattr(pool.norm, s), getattr(naive.operations[block][2].bn, s))
                for s in STATISTICS
            ]
            add(
                cell.edges[where.connections[0, block + 1]]["projection"],
                naive.projections[block],
            )
        add(cell.edges[where.connections[0, blocks + 1]]["projection"], naive.to_output)
    add(ours.layers[-1].project, mine.last)
    pairs += [
        (ours.classifier.weight, mine.linear.weight),
        (ours.classifier.bias, mine.linear.bias),
    ]
    return pairs


STATISTICS = ("running_mean", "running_var")


def copy_of(supernet, space):
    blocks = space.blocks
    mine = NaiveOneShot(blocks, CHANNELS, CELLS, 3, 4).to(
        supernet.classifier.weight.dtype
    )
    with torch.no_grad():
        for theirs, own in pairs_of(supernet, mine):
            own.copy_(theirs.reshape(own.shape))
    return mine.train(supernet.training)


def stirred(supernet, seed=0):
    """In float64, with normalisation far from its start."""
    generator = torch.Generator().manual_seed(seed)
    supernet = supernet.double()
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            if module.affine:
                module.weight.data.uniform_(0.5, 2, generator=generator)
                module.bias.data.normal_(0, 0.3, generator=generator)
    return supernet


def softmax(values):
    powers = [value.exp() for value in values]
    return [power / sum(powers) for power in powers]


def naive_weights(space, alphas, masked=()):
    """As the released code weighs: operations per block, parents per block where it has a choice, output's parents."""
    where = layout(space.blocks)

    def of(edges, names, soft):
        found = [alphas[edge, k] for edge in edges for k in range(names)]
        weights = (
            softmax(found)
            if soft
            else [torch.ones((), dtype=alphas.dtype) for _ in found]
        )
        places = [(edge, k) for edge in edges for k in range(names)]
        return [
            weight * 0 if place in masked else weight
            for weight, place in zip(weights, places, strict=True)
        ]

    operations = [of([edge], 3, True) for edge in where.operations]
    into = [
        of([where.connections[u, v] for u in range(v)], 1, space.parents[v - 1] < v)
        for v in range(1, space.blocks + 2)
    ]
    return operations, into[:-1], into[-1]


def supernet_of(space, seed=0):
    return Supernet(space, space.skeleton(channels=CHANNELS, cells=CELLS), 3, 4, seed)


def random_alphas(space, seed):
    return torch.randn(
        len(space.cells[0].edges),
        3,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float64,
    )


def masks(space):
    edges = space.cells[0].operations
    places = [(edge, k) for edge, names in enumerate(edges) for k in range(len(names))]
    return st.lists(st.sampled_from(places), max_size=4)


# --- forward and gradients


@settings(max_examples=9)
@given(st.sampled_from(SPACES), st.booleans(), st.integers(0, 1000), st.data())
def test_the_supernet_is_the_naive_one(images, space, training, seed, data):
    """Logits, and gradients of weights and alphas, with entries masked, in float64."""
    masked = data.draw(masks(space))
    supernet = stirred(supernet_of(space, seed), seed).train(training)
    copy = copy_of(supernet, space)
    x = images(6, seed=seed)
    ours, theirs = (random_alphas(space, seed).requires_grad_() for _ in range(2))

    mixture = mixture_of(space, [ours])
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    logits, wanted = (
        supernet(x, mixture),
        copy(x, *naive_weights(space, theirs, masked)),
    )
    torch.testing.assert_close(logits, wanted, rtol=1e-9, atol=1e-10)

    F.cross_entropy(logits, LABELS).backward()
    F.cross_entropy(wanted, LABELS).backward()
    torch.testing.assert_close(
        ours.grad, torch.zeros_like(ours) if theirs.grad is None else theirs.grad
    )
    compared = 0
    for parameter, own in pairs_of(supernet, copy):
        if isinstance(own, nn.Parameter):
            gradient, reference = (
                torch.zeros_like(p) if p.grad is None else p.grad
                for p in (parameter, own)
            )
            torch.testing.assert_close(
                gradient, reference.reshape(gradient.shape), rtol=1e-7, atol=1e-10
            )
            compared += 1
    assert compared == len(list(supernet.parameters()))


def test_a_kept_architecture_is_the_naive_net_of_zeros_and_ones(images):
    for space in SPACES:
        supernet = stirred(supernet_of(space)).eval()
        architecture = next(iter(space.enumerate()))
        weights = one_hot(space, architecture, CPU).weights[0].double()
        where = layout(space.blocks)
        naive = (
            [weights[edge] for edge in where.operations],
            [
                [weights[where.connections[u, v], 0] for u in range(v)]
                for v in range(1, space.blocks + 1)
            ],
            [
                weights[where.connections[u, space.blocks + 1], 0]
                for u in range(space.blocks + 1)
            ],
        )
        x = images(3)
        torch.testing.assert_close(
            supernet(x, one_hot(space, architecture, CPU)),
            copy_of(supernet, space)(x, *naive),
        )


def test_stages_are_as_large_as_in_the_released_code(images):
    """Its pooling makes 17 rows of 32, and 9 of 17; the last convolution has four times the first channels."""
    supernet = supernet_of(SPACES[0]).double().eval()
    shapes = []
    for layer in supernet.layers:
        layer.register_forward_hook(
            lambda module, inputs, output: shapes.append(tuple(output.shape[1:]))
        )
    supernet(images(2, size=32), mixture_of(SPACES[0], [random_alphas(SPACES[0], 0)]))
    assert shapes == [
        (12, 32, 32),
        (12, 17, 17),
        (24, 17, 17),
        (24, 9, 9),
        (48, 9, 9),
        (12, 9, 9),
    ]


# --- the shared softmax


@settings(max_examples=30)
@given(st.sampled_from(SPACES), st.integers(0, 1000), st.data())
def test_parents_share_a_softmax_that_decisions_leave_alone(space, seed, data):
    cell, alphas = space.cells[0], random_alphas(space, seed).requires_grad_()
    row = tuple(
        data.draw(st.sampled_from([OPEN, DROPPED, *range(len(names))]))
        for names in cell.operations
    )
    free = mixture_of(space, [alphas]).weights[0]
    mixture = mixture_of(space, [alphas], Decisions((row,)))
    weights = mixture.weights[0]
    for group in set(cell.groups):
        edges = [edge for edge, member in enumerate(cell.groups) if member == group]
        torch.testing.assert_close(
            free[edges].sum(), torch.ones((), dtype=torch.float64)
        )
        wanted = softmax(
            [
                alphas[edge, k]
                for edge in edges
                for k in range(len(cell.operations[edge]))
            ]
        )
        found = [
            free[edge, k] for edge in edges for k in range(len(cell.operations[edge]))
        ]
        torch.testing.assert_close(torch.stack(found), torch.stack(wanted))
    for edge, choice in enumerate(row):
        if choice == OPEN:
            assert torch.equal(weights[edge], free[edge])
        else:
            assert weights[edge].tolist() == [float(k == choice) for k in range(3)]
    assert torch.equal(weights != 0, torch.tensor(mixture.support[0]))
    gradient = torch.autograd.grad((weights * torch.arange(1.0, 4)).sum(), alphas)[0]
    assert torch.isfinite(gradient).all()
    for edge, names in enumerate(cell.operations):
        assert not gradient[edge, len(names) :].any()


def test_a_parents_weight_depends_on_its_rivals():
    space = SPACES[2]
    alphas = random_alphas(space, 0).requires_grad_()
    edges = space.cells[0].incoming(space.cells[0].output[0])
    gradient = torch.autograd.grad(
        mixture_of(space, [alphas]).weights[0][edges[0], 0], alphas
    )[0]
    assert all(gradient[edge, 0] != 0 for edge in edges)
    assert {tuple(place) for place in gradient.nonzero().tolist()} == {
        (edge, 0) for edge in edges
    }


def test_edges_of_several_operations_can_share_a_softmax():
    """As a two-level choice would: all entries of all edges of the group sum to one."""
    cell = Cell(
        "cell",
        1,
        3,
        ((0, 1), (0, 2), (1, 2)),
        (("a", "b"), ("a",), ("a", "b")),
        (2,),
        groups=(0, 1, 1),
    )
    space = type("Grouped", (type(get_space("nb201")),), {"cells": (cell,)})()
    weights = mixture_of(
        space, [torch.tensor([[0.0, 1.0], [2.0, 9.0], [0.0, 1.0]])]
    ).weights[0]
    powers = torch.tensor([2.0, 0.0, 1.0]).exp()
    torch.testing.assert_close(
        weights[1:].flatten(),
        torch.cat([powers[:1], torch.zeros(1), powers[1:]]) / powers.sum(),
    )
    torch.testing.assert_close(weights[0], torch.tensor([0.0, 1.0]).softmax(0))


# --- how the released code counts


@settings(max_examples=10)
@given(
    st.sampled_from(SPACES),
    st.sampled_from(["running", "batch"]),
    st.integers(0, 1000),
    st.data(),
)
def test_nwot_counts_every_relu_once_whether_heard_or_silenced(
    images, space, norm, seed, data
):
    """Exactly the kernel of the naive net, where masked operations are computed and multiplied by zero."""
    masked = data.draw(masks(space))
    supernet = supernet_of(space, seed).double().train(norm == "batch")
    copy, alphas, x = (
        copy_of(supernet, space),
        random_alphas(space, seed),
        images(6, seed=seed),
    )
    total = torch.zeros(6, 6, dtype=torch.float64)

    def listen(module, inputs, output):
        active = (inputs[0].flatten(1) > 0).double()
        total.add_(active @ active.T + (1 - active) @ (1 - active).T)

    for module in copy.modules():
        if "ReLU" in type(module).__name__:
            module.register_forward_hook(listen)
    mixture = mixture_of(space, [alphas])
    for edge, choice in masked:
        mixture = mixture.without(0, edge, choice)
    with scoring(supernet, norm):
        kernel = pattern_kernel(supernet, lambda x: supernet(x, mixture), x)
        copy(x, *naive_weights(space, alphas, masked))
    assert torch.equal(kernel, total)


def test_other_proxies_do_not_see_what_is_silenced(images):
    space = SPACES[0]
    supernet, x = supernet_of(space).double(), images(6)
    mixture = mixture_of(space, [random_alphas(space, 0)])
    edge = layout(space.blocks).operations[0]
    silenced = mixture.without(0, edge, 0)
    with scoring(supernet, "running"):
        whole, rest = (
            get_proxy("params").score(
                supernet, lambda x, m=m: supernet(x, m), x, LABELS
            )
            for m in (mixture, silenced)
        )
    operations = [
        layer.edges[edge]["conv3x3-bn-relu"]
        for layer in supernet.layers
        if hasattr(layer, "edges")
    ]
    assert (whole - rest) * 1e6 == pytest.approx(
        sum(p.numel() for module in operations for p in module.parameters())
    )


def test_flops_of_what_a_mixture_leaves_out_are_not_counted(images):
    space = SPACES[1]
    supernet = supernet_of(space).double().eval()
    cost = ForwardCost(supernet, (3, 8, 8))
    architecture = space.sample(np.random.default_rng(0))
    counted = []
    for module in supernet.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda m, inputs, output: counted.append(
                    2 * m.weight[0].numel() * output[0].numel()
                )
            )
    supernet(images(1), one_hot(space, architecture, CPU))
    assert cost(one_hot(space, architecture, CPU)) == sum(counted)


@pytest.mark.slow
def test_scores_have_the_published_size(shared_file):
    """Masking one operation of the first block of space 1: in the authors' released logs of four seeds, 128 images.

    Max pooling 1,560 to 1,574, the 3x3 convolution 1,546 to 1,557, the 1x1 convolution
    1,547 to 1,557.
    """
    with np.load(shared_file("cifar10_subset.npz")) as arrays:
        x = torch.tensor(arrays["train_images"][:128]).permute(0, 3, 1, 2) / 255
    x = (x - x.mean(dim=(0, 2, 3), keepdim=True)) / x.std(dim=(0, 2, 3), keepdim=True)
    space = SPACES[0]
    supernet = Supernet(space, space.skeleton(), 3, 10, 0)
    mixture = mixture_of(space, [1e-3 * random_alphas(space, 0).float()])
    edge = layout(space.blocks).operations[0]
    scores = []
    for choice in range(3):
        masked = mixture.without(0, edge, choice)
        with scoring(supernet, "running"):
            scores.append(
                get_proxy("nwot").score(
                    supernet, lambda x, m=masked: supernet(x, m), x, LABELS
                )
            )
    wide, narrow, pool = scores
    assert 1540 < narrow < 1565 and 1540 < wide < 1565 and 1550 < pool < 1585
    assert pool - wide > 5


# --- settings


@pytest.mark.parametrize(
    ("space", "parameters"),
    [(SPACES[0], 1_101_402), (SPACES[1], 1_101_402), (SPACES[2], 1_509_594)],
)
def test_the_supernets_parameters_are_those_of_the_released_logs(space, parameters):
    """ "param size = 1.101402MB" and "1.509594MB", in millions, with 16 channels and 9 cells."""
    supernet = Supernet(space, space.skeleton(), 3, 10, 0)
    assert sum(parameter.numel() for parameter in supernet.parameters()) == parameters


def test_the_momentum_is_the_skeletons():
    for name, wanted in (("released", 0.997), ("benchmark", 0.003)):
        supernet = Supernet(
            SPACES[0], SPACES[0].skeleton(channels=2, cells=1, momentum=name), 3, 4, 0
        )
        assert supernet.stem.norm.momentum == pytest.approx(wanted)
        pools = [
            m
            for m in supernet.modules()
            if isinstance(m, nn.BatchNorm2d) and not m.affine
        ]
        assert {m.momentum for m in pools} == {0.1}
        scaled = [
            m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d) and m.affine
        ]
        assert all(m.momentum == pytest.approx(wanted) for m in scaled)


def test_with_the_released_momentum_running_statistics_are_the_last_batchs(images):
    supernet = supernet_of(SPACES[0]).double().train()
    mixture = mixture_of(SPACES[0], [random_alphas(SPACES[0], 0)])
    for seed in range(2):
        supernet(images(64, seed=seed), mixture)
    features = supernet.stem[0](images(64, seed=1))
    torch.testing.assert_close(
        supernet.stem.norm.running_mean,
        features.mean(dim=(0, 2, 3)),
        rtol=0.02,
        atol=0.005,
    )


def test_slots_are_for_networks_side_by_side_of_one():
    assert build_operation("slot_2", OperationShape(4, 12)).place == 2
    with pytest.raises(ValueError, match="no module for operation 'slot_2'"):
        build_operation("slot_2", OperationShape(4, 12, replicas=2))
