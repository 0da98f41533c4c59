"""SWAP: how many distinct activation patterns do a network's units have?

Peng et al., ICLR 2024.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.operations import Rectifier
from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.draws import draw_of, gaussian_weights
from archselect.selectors.proxies.forwards import listening, replaced
from archselect.selectors.proxies.params import PARAMS

IMAGES = 16
"""Number of images used from the batch; the authors' value."""
DRAWS = 32
"""Number of draws of the weights; the authors' value."""


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the number of distinct patterns of units, averaged over 32 draws.

    A unit is one entry of a ReLU's output. Its pattern has one bit for each of the
    first 16 images: whether the unit is positive. The released code (pym1024/SWAP) also
    takes the sign of the output, which has two values; the sign of the input would have
    three. There are at most `2^16` patterns.

    Each draw replaces the weights by standard normal numbers, with scales of one and
    biases of zero. The labels seed the draws.
    """
    first = images[:IMAGES]
    draw = draw_of(labels)
    counts = []
    for repeat in range(DRAWS):
        weights = gaussian_weights(model, f"swap {repeat}", draw)
        gaussian = replaced(model, forward, weights)
        counts.append(_count_patterns(model, gaussian, first))
    return float(torch.stack(counts).double().mean())


def _count_patterns(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
) -> Tensor:
    """Return the number of distinct patterns of the units over the images."""
    places = torch.arange(len(images), device=images.device)
    powers = (2**places).float()
    seen = torch.zeros(2 ** len(images), dtype=torch.bool, device=images.device)

    def hear(
        _module: nn.Module,
        _inputs: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        active = (output > 0).flatten(1)
        # Whole numbers below 2^24 are exact in float32.
        codes = powers @ active.float()
        seen.index_fill_(0, codes.long(), True)

    with listening(model, hear, (Rectifier,)), torch.no_grad():
        forward(images)
    return seen.sum()


def regularised(mu: float, sigma: float) -> Proxy:
    """Return SWAP with a preference for a network size.

    The score is multiplied by `exp(-(p - mu)² / sigma)`, where p is the number of
    parameters in thousands. The paper chooses mu and sigma for each space. So there is
    no built-in proxy of this kind: declare one in a package (see `docs/proxies.md`).

    Args:
        mu: preferred number of parameters, in thousands.
        sigma: width of the preference, in thousands squared.

    Raises:
        ValueError: sigma is not above zero.
    """
    if not sigma > 0:
        raise ValueError(f"sigma {sigma} must be above zero")
    return Proxy(
        name="swap_regularised",
        summary=f"swap times a preference for {mu:g} thousand parameters",
        paper=SWAP.paper,
        better="higher",
        formulation=1,
        score=partial(_score_regularised, mu, sigma),
        domain=SWAP.domain,
        norm="batch",
    )


def _score_regularised(
    mu: float,
    sigma: float,
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the score times the preference of :func:`regularised`."""
    thousands = 1_000 * PARAMS.score(model, forward, images, labels)
    preference = math.exp(-((thousands - mu) ** 2) / sigma)
    return preference * score(model, forward, images, labels)


SWAP = Proxy(
    name="swap",
    summary="number of distinct activation patterns of a Gaussian network's units over 16 images",
    paper="Peng et al., SWAP-NAS, ICLR 2024, arXiv 2403.04161",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="rectifiers",
        values="non-negative",
        undefined="nowhere",
        equal="no",
        because="it counts the units of every rectifier that is called, even one without effect",
    ),
    norm="batch",
)
