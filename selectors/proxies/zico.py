"""ZiCo: how steady are the gradients from minibatch to minibatch?

Li et al., ICLR 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy, Undefined
from archselect.selectors.proxies.gradients import weight_gradients


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over layers of the log of the sum over weights of mean / sd.

    The mean is that of `|dL/dw|` over minibatches, and the standard deviation (with n
    in the denominator) that of dL/dw. The batch is cut into two minibatches of
    consecutive images; the authors take two minibatches from their loader. Layers are
    convolutions and linear maps. As in the released code, a weight whose gradients are
    all equal is left out, and so is a layer without other weights.

    Raises Undefined if the loss depends on no weight, if no layer is left, or for fewer
    than two images.
    """
    first, second = _gradients_of_halves(model, forward, images, labels)
    return _inverse_variation([first, second])


def score_as_released(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the score of the released code, which adds up gradients.

    SLDGroup/ZiCo does not clear the gradients between its minibatches, so the second
    gradient of a weight is the sum of both. The rest is as in :func:`score`.
    """
    first, second = _gradients_of_halves(model, forward, images, labels)
    added = [one + other for one, other in zip(first, second, strict=True)]
    return _inverse_variation([first, added])


def _gradients_of_halves(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> list[list[Tensor]]:
    """Return the gradients of each layer's weights, for both halves of a batch."""
    half = len(images) // 2
    if half == 0:
        raise Undefined("zico needs at least two images")
    halves = []
    for part in (slice(half), slice(half, None)):
        pairs = weight_gradients(model, forward, images[part], labels[part])
        halves.append([slope for _, slope in pairs])
    return halves


def _inverse_variation(gradients: Sequence[Sequence[Tensor]]) -> float:
    """Return the sum over layers of the log of the sum over weights of mean / sd.

    Args:
        gradients: for each minibatch, one gradient per layer.
    """
    sums = []
    for of_layer in zip(*gradients, strict=True):
        slopes = torch.stack(of_layer).double()
        mean = slopes.abs().mean(dim=0)
        deviation = slopes.std(dim=0, correction=0)
        ratios = (mean / deviation).where(deviation != 0, 0)
        sums.append(ratios.sum())
    logarithms = [math.log(value) for value in torch.stack(sums).tolist() if value != 0]
    if not logarithms:
        raise Undefined("no gradient differs between the two halves of the batch")
    return sum(logarithms)


DOMAIN = Domain(
    needs="at least two images; weights that the logits depend on",
    values="real",
    undefined="no gradient differs between the two halves, the logits depend on no weight, or are not finite",
    equal="yes",
    because="a weight without effect has no gradient, or a zero gradient, and is left out",
)

ZICO = Proxy(
    name="zico",
    summary="sum over layers of the log of how steady the gradients are between minibatches",
    paper="Li et al., ZiCo, ICLR 2023, arXiv 2301.11300",
    better="higher",
    formulation=1,
    score=score,
    domain=DOMAIN,
    norm="batch",
)

ZICO_AS_RELEASED = Proxy(
    name="zico_as_released",
    summary="zico with gradients that are summed over minibatches, as in its released code",
    paper="Li et al., ZiCo, ICLR 2023, arXiv 2301.11300, released code",
    better="higher",
    formulation=1,
    score=score_as_released,
    domain=DOMAIN,
    norm="batch",
)
