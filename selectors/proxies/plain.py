"""plain: SNIP without the absolute value.

Abdelfattah et al., ICLR 2021, in their released code. If a layer's output is normalised
by its batch, the scale of the layer's weights does not change the loss. Their w dL/dw
then sum to zero, except for the small constant under the root. So in batch-norm mode
"batch" only layers without a normalisation after them contribute: on NAS-Bench-201 the
classifier and the two 1x1 convolutions between stages.
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
    """Return the sum over weights of w dL/dw.

    Raises Undefined if the loss depends on no weight.
    """
    pairs = weight_gradients(model, forward, images, labels)
    return total(weight * gradient for weight, gradient in pairs)


PLAIN = Proxy(
    name="plain",
    summary="sum over weights of weight x gradient of the loss",
    paper="Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
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
