"""grad_norm: how large are the gradients of one minibatch?

Abdelfattah et al., ICLR 2021.
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
    """Return the sum over layers of ||dL/dw||.

    There is one Euclidean norm per convolution or linear map. Raises Undefined if the
    loss depends on no weight.
    """
    pairs = weight_gradients(model, forward, images, labels)
    return total(gradient.norm() for _, gradient in pairs)


GRAD_NORM = Proxy(
    name="grad_norm",
    summary="sum over layers of the norm of the loss's gradient",
    paper="Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
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
