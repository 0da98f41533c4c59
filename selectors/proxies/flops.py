"""flops: how many operations does a forward take?

A baseline of Krishnakumar et al., NeurIPS 2022.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.forwards import LINEAR, listening


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the millions of multiply-adds for one image.

    It counts convolutions and linear maps, like NAS-Bench-201's FLOPs.
    NAS-Bench-Suite-Zero also counts normalisation (2 per entry), rectification (1) and
    pooling (9).
    """
    counts: list[int] = []

    def count(
        module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        fan_in = module.get_parameter("weight")[0].numel()
        counts.append(fan_in * output[0].numel())

    # Batch statistics of 1x1 features need more than one image.
    with listening(model, count, LINEAR), torch.no_grad():
        forward(images[:2])
    return sum(counts) / 1e6


FLOPS = Proxy(
    name="flops",
    summary="millions of multiply-adds of a forward",
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
