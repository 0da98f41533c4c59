"""GraSP: how much would the gradient's norm change if single weights were removed?

Wang et al., ICLR 2020.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import total
from archselect.selectors.proxies.gradients import gradients, loss_of


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over weights of -w (H g).

    g is the gradient of the loss and H its Hessian. The sign is that of Abdelfattah et
    al. H g is the gradient of the product of g and a constant copy of g. Raises
    Undefined if the loss depends on no weight.
    """
    with torch.enable_grad():
        loss, weights = loss_of(model, forward, images, labels)
        g = gradients(loss, weights, create_graph=True).values
        products = [(part.detach() * part).sum() for part in g]
        product = torch.stack(products).sum()
        hessian_g = gradients(product, weights)
    return total(-weight.detach() * part for weight, part in hessian_g.pairs())


GRASP = Proxy(
    name="grasp",
    summary="minus the sum over weights of weight x (Hessian x gradient) of the loss",
    paper="Wang et al., ICLR 2020, arXiv 2002.07376; as a proxy: Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="weights that the logits depend on",
        values="real",
        undefined="the logits depend on no weight of the model, or are not finite",
        equal="yes",
        because="a weight without effect has no gradient, or a zero gradient",
    ),
    norm="batch",
)
