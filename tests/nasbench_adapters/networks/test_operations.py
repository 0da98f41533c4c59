"""Candidate operations and the blocks around cells, each against its definition."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks.blocks import BLOCKS, PoolReduction, ResidualReduction
from archselect.nasbench_adapters.networks.operations import (
    AveragePool,
    ConvNorm,
    Rectifier,
    Skip,
    build_operation,
)
from archselect.nasbench_adapters.spaces.nb201 import OPERATIONS


def test_a_rectifier_is_a_relu_whoever_reads_it(images):
    x = images(2)
    assert torch.equal(Rectifier()(x, seen=3, blank=1), x.clamp(min=0))
    assert torch.equal(Rectifier()(x), F.relu(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_keeps_the_shape(name, images):
    module = build_operation(name, 3, 3, affine=True)
    if name == "none":
        assert module is None
    else:
        assert module.double()(images(2, size=5)).shape == (2, 3, 5, 5)


def test_only_convolutions_read_the_rectified_node():
    built = {name: build_operation(name, 3, 3, affine=False) for name in OPERATIONS[1:]}
    assert {name for name, module in built.items() if module.reads_rectified} == {
        "nor_conv_1x1",
        "nor_conv_3x3",
    }


def test_an_operation_without_module_is_an_error():
    with pytest.raises(ValueError, match="no module for operation 'big_conv_3x3'"):
        build_operation("big_conv_3x3", 3, 3, affine=True)


def test_skip_is_the_identity(images):
    assert Skip()(images(1)) is not None
    assert torch.equal(Skip()(images(1)), images(1))


def test_pool_does_not_count_the_padding():
    x = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    wanted = [[3.0, 3.5, 4.0], [4.5, 5.0, 5.5], [6.0, 6.5, 7.0]]
    assert AveragePool()(x).tolist() == [[wanted]]


@pytest.mark.parametrize("affine", [True, False])
def test_candidates_normalisation_is_affine_only_if_asked(affine):
    names = {name for name, _ in ConvNorm(3, 3, 1, affine=affine).named_parameters()}
    assert names == ({"0.weight", "1.weight", "1.bias"} if affine else {"0.weight"})


def test_the_residual_reduction_is_the_benchmarks_block(images, naive):
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
    wanted = torch.einsum("oc,bchw->bohw", block[1].weight[:, :, 0, 0], block_means) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(block(x), wanted, rtol=1e-12, atol=1e-12)
    assert all(m.kernel_size == (1, 1) for m in block.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize("block", BLOCKS)
def test_replicas_of_a_block_do_not_mix(block, images):
    module = BLOCKS[block](2, 4, 2, replicas=3).double()
    x = images(2, channels=6)
    changed = x.clone()
    changed[:, 2:4] += 1  # the images of the second replica
    same = (module(x) == module(changed)).flatten(2).all(dim=(0, 2))
    assert same.tolist() == [True] * 4 + [False] * 4 + [True] * 4
