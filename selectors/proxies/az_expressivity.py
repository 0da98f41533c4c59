"""az_expressivity: do the features of all blocks use all their dimensions?

AZ-NAS, Lee and Ham, CVPR 2024.
"""

from __future__ import annotations

from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.blocks import entropies


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum over blocks of the entropy of their features' spectrum.

    :func:`.blocks.entropies` defines the entropy. Raises Undefined if the network has
    no blocks.
    """
    return float(entropies(model, forward, images).sum())


AZ_EXPRESSIVITY = Proxy(
    name="az_expressivity",
    summary="sum over blocks of the entropy of their features' spectrum",
    paper="Lee and Ham, AZ-NAS, CVPR 2024, arXiv 2403.19232",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="a network of at least two blocks",
        values="non-negative",
        undefined="the network has no list of blocks, or its features are not finite",
        equal="yes",
        because="it reads the outputs of whole blocks",
    ),
    norm="batch",
)
