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

    The sum over the network is that of Abdelfattah et al. Raises Undefined where the
    loss depends on no weight.
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
        because="a weight that is not at work has no gradient, or one of zero",
    ),
    norm="batch",
)
