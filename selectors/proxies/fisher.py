"""Fisher: how much would the loss change if channels were removed?

Theis et al., 2018; Turner et al., ICLR 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import LINEAR, listening, total
from archselect.selectors.proxies.gradients import gradients, loss_of


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over channels k of fan_in(k) times the channel's saliency.

    The saliency is the mean over images of (sum over positions of a dL/da)² / 2, where
    a is the output of a convolution or linear map, including the bias. The factor
    fan_in(k) is the channel's number of weights: Abdelfattah et al. give each weight
    the saliency of its channel, and then sum over weights. Raises Undefined if the loss
    depends on no weight.
    """
    calls: dict[Tensor, nn.Module] = {}

    def note(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        calls[output] = module

    with torch.enable_grad():
        with listening(model, note, LINEAR):
            loss, _ = loss_of(model, forward, images, labels)
        slopes = gradients(loss, list(calls))
    terms = []
    for activation, slope in slopes.pairs():
        weight = calls[activation].get_parameter("weight")
        fan_in = weight[0].numel()
        saliency = _saliency(activation.detach(), slope)
        terms.append(saliency * fan_in)
    return total(terms)


def _saliency(activation: Tensor, slope: Tensor) -> Tensor:
    """Return the saliency of each channel, (channels,).

    Args:
        activation: (batch, channels, ...) output of a layer.
        slope: gradient of the loss with respect to that output.
    """
    batch, channels = activation.shape[:2]
    effects = (activation * slope).reshape(batch, channels, -1)
    per_image = effects.sum(dim=2)
    return per_image.square().mean(dim=0) / 2


FISHER = Proxy(
    name="fisher",
    summary="sum over channels of the squared effect on the loss of removing the channel",
    paper="Turner et al., ICLR 2020, arXiv 1906.04113; as a proxy: Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="weights that the logits depend on",
        values="non-negative",
        undefined="the logits depend on no weight of the model, or are not finite",
        equal="yes",
        because="a layer without effect has zero outputs or no gradient",
    ),
    norm="batch",
)
