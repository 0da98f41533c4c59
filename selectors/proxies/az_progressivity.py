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
    """Return the smallest rise of the entropy from one block to the next.

    The entropy is that of az_expressivity. Raises Undefined if the network has no
    blocks.
    """
    spreads = entropies(model, forward, images)
    return float(spreads.diff().min())


AZ_PROGRESSIVITY = Proxy(
    name="az_progressivity",
    summary="smallest rise, from one block to the next, of the entropy of the features' spectrum",
    paper="Lee and Ham, AZ-NAS, CVPR 2024, arXiv 2403.19232",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="a network of at least two blocks",
        values="real",
        undefined="the network has no list of blocks, or its features are not finite",
        equal="yes",
        because="it reads the outputs of whole blocks",
    ),
    norm="batch",
)
