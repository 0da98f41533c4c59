"""az_progressivity: does every block add dimensions to the features?

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
    """Return by how much the entropy rises from block to block at the least.

    The entropy is that of az_expressivity. Raises Undefined where the network has no
    blocks.
    """
    spreads = entropies(model, forward, images)
    return float(spreads.diff().min())


AZ_PROGRESSIVITY = Proxy(
    name="az_progressivity",
    summary="least rise from block to block of the entropy of the spectrum of the features",
    paper="Lee and Ham, AZ-NAS, CVPR 2024, arXiv 2403.19232",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="a network of at least two blocks",
        values="real",
        undefined="the network has no list of blocks, or its features are not finite",
        equal="yes",
        because="it reads what whole blocks give",
    ),
    norm="batch",
)
