"""params: how many parameters are there?

A baseline of Krishnakumar et al., NeurIPS 2022.
"""

from __future__ import annotations

from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import reached


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the parameters of all modules that the forward calls, in millions.

    They include biases and the parameters of normalisations.
    """
    total = 0
    for module in reached(model, forward, images):
        for parameter in module.parameters(recurse=False):
            total += parameter.numel()
    return total / 1e6


PARAMS = Proxy(
    name="params",
    summary="millions of parameters",
    paper="Krishnakumar et al., NAS-Bench-Suite-Zero, NeurIPS 2022, arXiv 2210.03230",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="nothing",
        values="non-negative",
        undefined="nowhere",
        equal="no",
        because="like the benchmark, it counts every layer that is called, even one without effect",
    ),
)
