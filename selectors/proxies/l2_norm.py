"""l2_norm: how large are the weights?

Abdelfattah et al., ICLR 2021, in their released code.
"""

from __future__ import annotations

from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import LINEAR, reached, total


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum of ||w|| over the convolutions and linear maps of the forward.

    ||w|| is the Euclidean norm of a layer's weights.
    """
    called = reached(model, forward, images)
    layers = [module for module in called if isinstance(module, LINEAR)]
    return total(layer.weight.detach().norm() for layer in layers)


L2_NORM = Proxy(
    name="l2_norm",
    summary="sum over layers of the norm of the weights",
    paper="Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="nothing",
        values="non-negative",
        undefined="the weights are not finite",
        equal="no",
        because="like the released code, it adds up every layer that is called, even one without effect",
    ),
)
