"""SNIP: how much would the loss change if single weights were removed?

Lee et al., ICLR 2019.
"""

from __future__ import annotations

from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import total
from archselect.selectors.proxies.gradients import weight_gradients


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over the network's weights of `|w dL/dw|`.

    Abdelfattah et al. sum over the whole network. Raises Undefined if the loss depends
    on no weight.
    """
    pairs = weight_gradients(model, forward, images, labels)
    return total((weight * gradient).abs() for weight, gradient in pairs)


SNIP = Proxy(
    name="snip",
    summary="sum over weights of |weight x gradient of the loss|",
    paper="Lee et al., ICLR 2019, arXiv 1810.02340; as a proxy: Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="weights that the logits depend on",
        values="non-negative",
        undefined="the logits depend on no weight of the model, or are not finite",
        equal="yes",
        because="a weight without effect has no gradient, or a zero gradient",
    ),
    norm="batch",
)
