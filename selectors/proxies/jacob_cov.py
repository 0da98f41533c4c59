"""jacob_cov: how little do the gradients of different images correlate?

Mellor et al., 2020, first version. NASLib calls it `jacov`. Zero-Cost-PT's `jacob` is
another proxy (:mod:`.nwot`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.gradients import correlations, jacobian

K = 1e-5
"""Keeps the logarithm and the quotient finite; the authors' value."""


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return minus the sum of log(v + k) + 1 / (v + k) over eigenvalues v.

    v are the eigenvalues of the matrix of correlations between Jacobians. A Jacobian is
    the gradient of the sum of all logits by an image. The highest possible score is
    -(number of images), up to k; it means that no two Jacobians correlate. Raises
    Undefined if a Jacobian is constant, as in a network whose logits do not depend on
    the images.
    """
    rows, _ = jacobian(forward, images)
    values = torch.linalg.eigvalsh(correlations(rows)) + K
    return -float((values.log() + 1 / values).sum())


JACOB_COV = Proxy(
    name="jacob_cov",
    summary="how little the gradients of the logits by different images correlate",
    paper="Mellor et al., arXiv 2006.04647 v1; as a proxy: Abdelfattah et al., ICLR 2021, arXiv 2101.08134",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="at least two images",
        values="real",
        undefined="the gradient of the logits by some image is constant (a disconnected cell)",
        equal="yes",
        because="it reads only the gradient by the images",
    ),
    norm="batch",
)
