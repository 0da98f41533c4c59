"""SynFlow: how strongly is the input connected to the output?

Tanaka et al., NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy, Undefined
from archselect.selectors.proxies.forwards import replaced, total
from archselect.selectors.proxies.gradients import gradients, leaves


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return log of the sum over weights of `|w dR/dw|`.

    R is the sum of the logits of an image of ones. As in Abdelfattah et al., every
    parameter is replaced by its absolute value and normalisation is left out. So
    neither the images nor the batch-norm mode matter. The computation is in float64.
    The logarithm is what NAS-Bench-Suite-Zero publishes, because the sum itself spans
    tens of orders of magnitude. Raises Undefined if input and output are not connected
    (NAS-Bench-Suite-Zero has 0 there), or if the sum is beyond float64's range.
    """
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    magnitudes = {}
    for name, tensor in tensors.items():
        magnitudes[name] = tensor.detach().abs().double()
    weights = [magnitudes[name].requires_grad_() for name in leaves(model)]
    ones = torch.ones_like(images[:1], dtype=torch.float64)
    with torch.enable_grad(), without_normalisation(model):
        logits = replaced(model, forward, magnitudes)(ones)
        slopes = gradients(logits.sum(), weights)
    flow = total((weight.detach() * slope).abs() for weight, slope in slopes.pairs())
    if flow == 0:
        raise Undefined("no path leads from the images to the logits")
    if not math.isfinite(flow):
        raise Undefined(
            "the sum is beyond float64: the network is too deep or its weights are too large"
        )
    return math.log(flow)


@contextmanager
def without_normalisation(model: nn.Module) -> Iterator[None]:
    """Make the model's batch normalisations return their input inside the block."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    # An attribute of the object hides the class's method until it is deleted.
    before = [vars(module).get("forward") for module in norms]
    try:
        for module in norms:
            vars(module)["forward"] = _identity
        yield
    finally:
        for module, forward in zip(norms, before, strict=True):
            vars(module).pop("forward", None)
            if forward is not None:
                vars(module)["forward"] = forward


def _identity(features: Tensor) -> Tensor:
    """Return the features unchanged."""
    return features


SYNFLOW = Proxy(
    name="synflow",
    summary="log of the sum over weights of |weight x gradient| of the linearised network's output",
    paper="Tanaka et al., NeurIPS 2020, arXiv 2006.05467; as a proxy: Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="weights that lie between the images and the logits",
        values="real",
        undefined="input and output are not connected, or the sum is beyond float64",
        equal="yes",
        because="a weight without effect has no flow",
    ),
)
