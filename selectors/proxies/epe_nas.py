"""EPE-NAS: how little do the gradients of images of one class correlate?

Lopes et al., ICANN 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.selectors.proxies.base import Domain, Forward, Proxy
from archselect.selectors.proxies.gradients import correlations, jacobian

K = 1e-5
"""Keeps the logarithm finite; the authors' value."""
MANY_CLASSES = 100
"""Number of classes above which the score uses differences between classes."""


def score(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> float:
    """Return the sum of `|e_c|` over the classes c.

    e_c is the sum of `log(|correlation| + k)` over the ordered pairs of images of class
    c, including an image with itself. The correlations are those of jacob_cov. With
    more than 100 classes, e_c is divided by the number of images of the class, and the
    score is the sum of `|e_c - e_d|` over pairs of the classes in the batch, divided by
    the number of classes. (The released code counts each pair twice there.) Raises
    Undefined if a Jacobian is constant, as in a network whose logits do not depend on
    the images.
    """
    rows, classes = jacobian(forward, images)
    logarithms = (correlations(rows).abs() + K).log()
    members = F.one_hot(labels, classes).double()
    with_class = logarithms @ members
    evidence = (with_class * members).sum(dim=0)
    if classes <= MANY_CLASSES:
        return float(evidence.abs().sum())
    counts = members.sum(dim=0)
    in_batch = counts > 0
    present = evidence[in_batch] / counts[in_batch]
    differences = torch.pdist(present[:, None], p=1)
    return float(differences.sum()) / len(present)


EPE_NAS = Proxy(
    name="epe_nas",
    summary="how little the gradients of the logits by images of one class correlate",
    paper="Lopes et al., ICANN 2021, arXiv 2102.08099",
    better="higher",
    formulation=1,
    score=score,
    domain=Domain(
        needs="at least two images; several of one class, or many classes, to tell networks apart",
        values="non-negative",
        undefined="the gradient of the logits by some image is constant (a disconnected cell)",
        equal="yes",
        because="it reads only the gradient by the images",
    ),
    norm="batch",
)
