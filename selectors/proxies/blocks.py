"""Blocks of a network and their outputs, for the proxies of AZ-NAS.

A block is a cell or a fixed block of the skeleton, such as a residual reduction: an
entry of the network's list `layers`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Forward, Undefined
from archselect.selectors.proxies.forwards import listening
from archselect.selectors.proxies.spectra import eigenvalues

FEWEST = 2
"""Smallest number of blocks, so that a block can be compared with the one before."""


def blocks_of(model: nn.Module) -> list[nn.Module]:
    """Return the blocks of a network, in order.

    Raises Undefined if it has no list of at least two.
    """
    for module in model.modules():
        layers = getattr(module, "layers", None)
        if isinstance(layers, nn.ModuleList) and len(layers) >= FEWEST:
            return list(layers)
    raise Undefined("the network has no two blocks: name them in a list `layers`")


def entropies(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
) -> Tensor:
    """Return the entropy of each block's spectrum in nats, (blocks,), float64.

    The spectrum holds the eigenvalues of the covariance between channels, over images
    and positions, divided by their sum. The entropy is zero if the features are
    constant.
    """
    blocks = set(blocks_of(model))
    spreads = []

    def hear(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        if module in blocks:
            spreads.append(_entropy(output.detach()))

    with listening(model, hear), torch.no_grad():
        forward(images)
    return torch.stack(spreads)


def _entropy(features: Tensor) -> Tensor:
    """Return the entropy of the spectrum of features (batch, channels, height, width).

    The covariance of features that are constant is zero, and so is their entropy.
    """
    by_channel = features.double().transpose(0, 1).flatten(1)
    centred = by_channel - by_channel.mean(dim=1, keepdim=True)
    covariance = centred @ centred.T / by_channel.shape[1]
    variances = eigenvalues(covariance).clamp(min=0)
    whole = variances.sum()
    shares = variances / whole.where(whole != 0, 1)
    return torch.special.entr(shares).sum()
