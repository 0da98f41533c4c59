"""Candidate operations and the blocks around cells, each against its definition."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import naive, naive_darts
from torch import nn
from torch.nn import functional as F

from archselect.benchmarks.runtime.machine import open_device
from archselect.nasbench_adapters.networks import operations
from archselect.nasbench_adapters.networks.blocks import (
    BLOCKS,
    PoolReduction,
    Preprocess,
    ResidualReduction,
)
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    OperationShape,
    Rectifier,
    Skip,
    build_operation,
    concatenate,
)
from archselect.nasbench_adapters.spaces.darts import OPERATIONS as DARTS
from archselect.nasbench_adapters.spaces.nb201 import OPERATIONS


def test_a_rectifier_is_a_relu_whoever_reads_it(images):
    x = images(2)
    assert torch.equal(Rectifier()(x, seen=3, blank=1), x.clamp(min=0))
    assert torch.equal(Rectifier()(x), F.relu(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_the_shape(name, images):
    module = build_operation(name, OperationShape(3, 3, affine=True))
    if name == "none":
        assert module is None
    else:
        assert module.double()(images(2, size=5)).shape == (2, 3, 5, 5)


def test_only_convolutions_read_the_rectified_node():
    built = {
        name: build_operation(name, OperationShape(3, 3, affine=False))
        for name in OPERATIONS[1:]
    }
    assert {name for name, module in built.items() if module.reads_rectified} == {
        "nor_conv_1x1",
        "nor_conv_3x3",
    }


def test_an_operation_without_module_is_an_error():
    with pytest.raises(ValueError, match="no module for operation 'big_conv_3x3'"):
        build_operation("big_conv_3x3", OperationShape(3, 3, affine=True))


def test_skip_is_the_identity(images):
    assert Skip()(images(1)) is not None
    assert torch.equal(Skip()(images(1)), images(1))


def test_pool_does_not_count_the_padding():
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    wanted = [[3.0, 3.5, 4.0], [4.5, 5.0, 5.5], [6.0, 6.5, 7.0]]
    assert AveragePool()(x).tolist() == [[wanted]]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_pooling_is_torchs_whatever_the_device_makes_of_it(images, size):
    leaf = images(2, size=size).requires_grad_()
    for x in (leaf, leaf.contiguous(memory_format=torch.channels_last)):
        found = AveragePool()(x)
        wanted = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        torch.testing.assert_close(found, wanted)
        (gradient,), (own,) = (
            torch.autograd.grad((out**3).sum(), leaf, retain_graph=True)
            for out in (wanted, found)
        )
        torch.testing.assert_close(own, gradient)


def test_pooling_goes_round_a_wrong_gradient(images, monkeypatch):
    """With the same result, for channels-last features, and through contiguous ones. (At stride 1 on a GPU only.)"""
    x = images(2, size=6).contiguous(memory_format=torch.channels_last)
    module, found, formats = AveragePool(2), [], []
    pool = F.avg_pool2d

    def spied(given, *arguments):
        formats.append(given.is_contiguous())
        return pool(given, *arguments)

    monkeypatch.setattr(F, "avg_pool2d", spied)
    for wrong in (False, True):
        monkeypatch.setattr(
            operations, "has_wrong_gradient", lambda x, wrong=wrong: wrong
        )
        leaf = x.clone().requires_grad_()
        out = module(leaf)
        assert out.is_contiguous(memory_format=torch.channels_last)
        (gradient,) = torch.autograd.grad((out**2).sum(), leaf)
        found.append((out, gradient))
    assert formats == [False, True]
    for plain, round_ in zip(*found, strict=True):
        torch.testing.assert_close(round_, plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", dict.fromkeys((*OPERATIONS, *DARTS)))
def test_gradients_are_the_same_on_a_gpu(name, stride):
    """In the format and precision in which networks run there."""
    module = build_operation(name, OperationShape(16, 16, affine=True, stride=stride))
    if module is None:
        return
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 16, 16, 16, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    weights = torch.randn(8, 16, 16 // stride, 16 // stride, generator=generator)
    open_device("cuda")
    found = []
    for device in ("cpu", "cuda"):
        own = module.to(device, memory_format=torch.channels_last)
        leaf = x.to(device).requires_grad_()
        loss = (own(leaf) * weights.to(device)).sum()
        found.append(
            [g.cpu() for g in torch.autograd.grad(loss, [leaf, *own.parameters()])]
        )
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("affine", [True, False])
def test_candidates_normalisation_is_affine_only_if_asked(affine):
    names = {name for name, _ in ConvNorm(3, 3, 1, affine=affine).named_parameters()}
    assert names == ({"0.weight", "1.weight", "1.bias"} if affine else {"0.weight"})


def test_the_residual_reduction_is_the_benchmarks_block(images):
    block = ResidualReduction(3, 6).double()
    mine = naive.BasicBlock(3).double()
    for ours, own in (
        (block.conv_a[0], mine.a.conv),
        (block.conv_b[0], mine.b.conv),
        (block.downsample[1], mine.down),
    ):
        own.load_state_dict(ours.state_dict())
    x = images(4)
    torch.testing.assert_close(block(x), mine(x), rtol=1e-12, atol=1e-12)
    assert block(x).shape == (4, 6, 4, 4)


def test_the_pool_reduction_has_no_convolution_that_sees_neighbours(images):
    block = PoolReduction(3, 6).double().eval()
    x = images(2)
    block_means = x.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    wanted = (
        torch.einsum("oc,bchw->bohw", block[1].weight[:, :, 0, 0], block_means)
        / (1 + 1e-5) ** 0.5
    )
    torch.testing.assert_close(block(x), wanted, rtol=1e-12, atol=1e-12)
    assert all(
        m.kernel_size == (1, 1) for m in block.modules() if isinstance(m, nn.Conv2d)
    )


# --- DARTS


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", [*DARTS, "noise"])
def test_every_operation_of_darts_keeps_channels_and_divides_the_size(
    name, stride, images
):
    for pools in (True, False):
        module = build_operation(
            name,
            OperationShape(4, 4, stride=stride, affine=False, normalised_pools=pools),
        ).double()
        assert module(images(2, channels=4, size=6)).shape == (
            2,
            4,
            6 // stride,
            6 // stride,
        )


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", DARTS)
def test_every_operation_of_darts_is_the_naive_one(images, name, stride, affine):
    """In training and evaluation mode, of features that have negative entries too."""
    module = build_operation(
        name,
        OperationShape(4, 4, stride=stride, affine=affine, normalised_pools=not affine),
    ).double()
    mine = naive_darts.operation(name, 4, stride, affine).double()
    layers = [
        [m for m in net.modules() if hasattr(m, "weight")] for net in (module, mine)
    ]
    for ours, own in zip(*layers, strict=True):
        own.load_state_dict(ours.state_dict())
    x = images(3, channels=4, size=6)
    for training in (True, False):
        given = x.clamp(min=0) if module.reads_rectified else x
        wanted = mine.train(training)(x)
        torch.testing.assert_close(
            module.train(training)(given), wanted, rtol=1e-12, atol=1e-12
        )


def test_operations_of_darts_that_begin_with_a_relu_read_the_rectified_node():
    reading = {
        (name, stride)
        for name in (*DARTS, "noise")
        for stride in (1, 2)
        if build_operation(name, OperationShape(4, 4, stride=stride)).reads_rectified
    }
    convolutions = [name for name in DARTS if "conv" in name]
    assert reading == {*product(convolutions, (1, 2)), ("skip_connect", 2)}


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", DARTS)
def test_replicas_of_an_operation_do_not_mix(name, stride, images):
    """And they put out the channels of a replica side by side, as the next operation expects them."""
    module = build_operation(
        name, OperationShape(4, 4, stride=stride, replicas=3, normalised_pools=True)
    ).double()
    x = images(2, channels=12, size=6)
    changed = x.clone()
    changed[:, 4:8] += images(2, channels=4, size=6, seed=1)
    same = (module(x) == module(changed)).flatten(2).all(dim=(0, 2))
    assert same.tolist() == [True] * 4 + [False] * 4 + [True] * 4


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(1, 3))
def test_features_are_joined_within_each_replica(widths, replicas):
    """(replica, part, channel) in this order, whatever the parts' widths."""
    parts = [
        torch.tensor(
            [[100 * r + 10 * p + c] for r in range(replicas) for c in range(width)]
        ).view(1, -1, 1, 1)
        for p, width in enumerate(widths)
    ]
    joint = concatenate(parts, replicas).flatten().tolist()
    assert joint == [
        100 * r + 10 * p + c
        for r in range(replicas)
        for p, width in enumerate(widths)
        for c in range(width)
    ]


def test_noise_is_drawn_by_place():
    x = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    first, second, again = (
        build_operation("noise", OperationShape(3, 3, place=place))(x)
        for place in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not (first == second).any()


@pytest.mark.parametrize("scale", [1, 2])
def test_an_input_is_brought_to_the_cells_channels_and_size(images, scale):
    module = Preprocess(3, 4, scale, affine=False).double()
    kind = naive_darts.FactorizedReduce if scale == 2 else naive_darts.ReLUConvBN
    mine = kind(3, 4, False).double()
    layers = [
        [m for m in net.modules() if isinstance(m, nn.Conv2d)] for net in (module, mine)
    ]
    for ours, own in zip(*layers, strict=True):
        own.load_state_dict(ours.state_dict())
    x = images(2, size=6)
    torch.testing.assert_close(module(x), mine(x), rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="not 4 times"):
        Preprocess(3, 4, 4, affine=False)


@pytest.mark.parametrize("block", BLOCKS)
def test_replicas_of_a_block_do_not_mix(block, images):
    width = 4 if block == "max_pool_reduction" else 2  # which keeps the channels
    stride = 1 if block.startswith("pointwise") else 2
    module = BLOCKS[block](width, 4, stride, replicas=3).double()
    x = images(2, channels=3 * width)
    changed = x.clone()
    changed[:, width : 2 * width] += 1  # the images of the second replica
    same = (module(x) == module(changed)).flatten(2).all(dim=(0, 2))
    assert same.tolist() == [True] * 4 + [False] * 4 + [True] * 4
