"""az_trainability: does every block preserve the size of gradients?

AZ-NAS, Lee and Ham, CVPR 2024.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.blocks import blocks_of
from archselect.selectors.proxies.draws import draw_of, normal
from archselect.selectors.proxies.forwards import listening
from archselect.selectors.proxies.spectra import eigenvalues

EPSILON = 1e-6
"""Keeps the quotient finite; the authors' value."""


class BlockOutput(NamedTuple):
    """Output of a block, in an autograd graph that is cut after each block.

    Attributes:
        features: output of the block's part of the graph, (batch, channels, height,
            width).
        leaf: the same values, as the input of the next part of the graph.
    """

    features: Tensor
    leaf: Tensor


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the mean over blocks of 2 - s - 1 / (s + epsilon), at most about zero.

    s is the spectral norm of a block's Jacobian, estimated as one linear map of
    channels for all positions. The estimate is the mean, over images and positions, of
    a probe with entries -1 and 1 times the probe's gradient with respect to the block's
    input. The first block is left out, because no block comes before it.

    Where a block halves the image, the map reads all input positions that belong to one
    output position. The labels seed the probes.

    The released code gives minus infinity to a network with a block whose gradients at
    input and output are equal. Here such a block has s near one, like any identity.

    Raises Undefined if the network has no blocks.
    """
    draw = draw_of(labels)
    outputs = _block_outputs(model, forward, images)
    terms = []
    for place, (before, after) in enumerate(pairwise(outputs)):
        probe = normal(after.features.detach(), "az_trainability", draw, str(place))
        norm = _spectral_norm(before.leaf, after.features, probe.sign())
        terms.append(2 - norm - 1 / (norm + EPSILON))
    return float(torch.stack(terms).mean())


def _block_outputs(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
) -> list[BlockOutput]:
    """Return the output of each block, in order."""
    blocks = set(blocks_of(model))
    outputs = []

    def cut(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> Tensor | None:
        if module not in blocks:
            return None
        leaf = output.detach().requires_grad_()
        outputs.append(BlockOutput(output, leaf))
        return leaf

    with torch.enable_grad(), listening(model, cut):
        forward(images)
    return outputs


def _spectral_norm(
    before: Tensor,
    after: Tensor,
    probe: Tensor,
) -> Tensor:
    """Return the spectral norm of the estimated Jacobian of a block.

    It is zero if the block does not read the output of the block before.

    Args:
        before: output of the block before, (batch, channels, height, width).
        after: output of the block, in the graph of `before`.
        probe: probe of the shape of `after`.
    """
    slope: Tensor | None = None
    if after.requires_grad:
        (slope,) = torch.autograd.grad(after, before, probe, allow_unused=True)
    if slope is None:
        return probe.new_zeros((), dtype=torch.float64)
    covering = _by_output_position(slope, probe)
    jacobian = torch.einsum("bihw,bohw->io", covering.double(), probe.double())
    jacobian = jacobian / probe[:, 0].numel()
    if jacobian.shape[0] < jacobian.shape[1]:
        jacobian = jacobian.T
    return eigenvalues(jacobian.T @ jacobian)[-1].clamp(min=0).sqrt()


def _by_output_position(slope: Tensor, probe: Tensor) -> Tensor:
    """Return a gradient whose channels hold all positions under one output position.

    Rows and columns of zeros are added if the output's size does not divide the
    input's.

    Args:
        slope: gradient with respect to the input, (batch, channels, height, width).
        probe: (batch, other channels, height / stride, width / stride).
    """
    height, width = probe.shape[2:]
    stride = -(-slope.shape[2] // height)
    missing_rows = stride * height - slope.shape[2]
    missing_columns = stride * width - slope.shape[3]
    padded = F.pad(slope, (0, missing_columns, 0, missing_rows))
    return F.pixel_unshuffle(padded, stride)


AZ_TRAINABILITY = Proxy(
    name="az_trainability",
    summary="mean closeness to one of the spectral norm of each block's Jacobian",
    paper="Lee and Ham, AZ-NAS, CVPR 2024, arXiv 2403.19232",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="a network of at least two blocks",
        values="real",
        undefined="the network has no list of blocks, or its features are not finite",
        equal="yes",
        because="it reads the gradients of whole blocks",
    ),
    norm="batch",
)
