"""Inverted residuals and the identity of a chain, against convolutions written out, and what proxies count of them."""

import pytest
import torch
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Supernet, mixture_of
from archselect.nasbench_adapters.networks.mixture import blank_alphas
from archselect.nasbench_adapters.networks.network import scoring
from archselect.nasbench_adapters.networks.operations import (
    CappedRectifier,
    InvertedResidual,
    OperationShape,
    Rectifier,
    SilencedRectifier,
    Skip,
    build_operation,
)
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies.nwot import pattern_kernel

SPACE = get_space("nb-macro")


def normalise(x, norm):
    return F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias)


def slowly(block, x, channels, stride, capped):
    """The block as the paper's table has it."""
    rectify = F.relu6 if capped else F.relu
    hidden = x
    if len(block.widen):
        convolved = F.conv2d(x, block.widen[0].weight)
        hidden = rectify(normalise(convolved, block.widen[1]))
    kernel = block.depthwise[0].weight
    planes = [
        F.conv2d(
            hidden[:, [plane]],
            kernel[[plane]],
            stride=stride,
            padding=kernel.shape[-1] // 2,
        )
        for plane in range(hidden.shape[1])
    ]
    filtered = rectify(normalise(torch.cat(planes, 1), block.depthwise[1]))
    out = normalise(F.conv2d(filtered, block.project[0].weight), block.project[1])
    return out + x if stride == 1 and channels == x.shape[1] else out


@pytest.mark.parametrize("capped", [False, True])
@pytest.mark.parametrize(("channels", "stride"), [(3, 1), (5, 1), (3, 2)])
@pytest.mark.parametrize(("kernel", "expansion"), [(3, 3), (5, 6), (3, 1)])
def test_a_block_computes_the_papers_table(
    images, stirred, channels, stride, kernel, expansion, capped
):
    shape = OperationShape(3, channels, stride)
    rectifier = CappedRectifier if capped else Rectifier
    block = stirred(InvertedResidual(shape, kernel, expansion, rectifier), 0).eval()
    x = 10 * images(2, size=7)
    assert torch.allclose(block(x), slowly(block, x, channels, stride, capped))


def test_an_identity_is_a_convolution_where_the_shape_changes(images, stirred):
    x = images(2, size=7)
    assert isinstance(build_operation("identity", OperationShape(3, 3)), Skip)
    for channels, stride in ((5, 1), (3, 2)):
        module = build_operation("identity", OperationShape(3, channels, stride))
        module = stirred(module, 0).eval()
        convolved = F.conv2d(x, module.conv.weight, stride=stride)
        assert torch.allclose(module(x), normalise(convolved, module.norm))


@pytest.fixture(scope="module")
def supernet():
    skeleton = SPACE.skeleton(channels=2)
    return Supernet(SPACE, skeleton, 3, 4, seed=0).double()


def kernel_without(supernet, images, layer, choice):
    """The kernel of ReLU patterns without an operation of a layer."""
    alphas = blank_alphas(SPACE, torch.device("cpu"))
    mixture = mixture_of(SPACE, [alpha.double() for alpha in alphas])
    mixture = mixture.without(layer, 0, choice)
    with scoring(supernet, "running"):
        return pattern_kernel(supernet, lambda batch: supernet(batch, mixture), images)


def test_a_silenced_block_counts_as_many_zeros_as_it_had_rectified_numbers(
    supernet, images
):
    """So that an image agrees with itself on as many places whatever is silenced."""
    batch = images(3, size=16)
    kernels = [kernel_without(supernet, batch, 1, choice) for choice in range(3)]
    for kernel in kernels:
        assert torch.equal(kernel.diagonal(), kernels[0].diagonal())
    # Two images agree on all zeros, and on some of what the block would compute.
    pairs = [int(kernel[0, 1]) for kernel in kernels]
    assert len(set(pairs)) == 3


@pytest.mark.parametrize(("layer", "pixels"), [(0, 16**2 + 8**2), (1, 2 * 8**2)])
def test_a_listener_hears_how_large_the_zeros_of_a_silenced_block_are(
    supernet, images, layer, pixels
):
    heard = []
    hooks = [
        module.register_forward_hook(lambda _, inputs, __: heard.append(*inputs))
        for module in supernet.modules()
        if isinstance(module, SilencedRectifier)
    ]
    kernel_without(supernet, images(2, size=16), layer, 2)
    for hook in hooks:
        hook.remove()
    channels = 2 if layer == 0 else 4
    assert sum(heard) == 6 * channels * pixels and len(heard) == 2
