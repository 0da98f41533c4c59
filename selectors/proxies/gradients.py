"""Gradients for proxies: of the loss by the weights, and of the logits by the images.

The loss is the mean cross-entropy of the batch. Gradients are taken with respect to
copies that share the weights' memory. So the parameters themselves get no gradient, and
frozen parameters stay frozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.selectors.proxies.base import Forward, Undefined
from archselect.selectors.proxies.forwards import LINEAR, replaced


def leaves(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of all convolutions and linear maps by name.

    They are leaves of a separate autograd graph.
    """
    weights = {}
    for name, module in model.named_modules():
        if isinstance(module, LINEAR):
            weights[f"{name}.weight"] = module.weight.detach().requires_grad_()
    return weights


def loss_of(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> tuple[Tensor, list[Tensor]]:
    """Return the loss, and the weights as leaves of its graph.

    Call it with gradients switched on.
    """
    weights = leaves(model)
    logits = replaced(model, forward, weights)(images)
    return F.cross_entropy(logits, labels), list(weights.values())


class Gradients(NamedTuple):
    """Gradients of a scalar by the tensors that it depends on.

    Attributes:
        tensors: the tensors.
        values: one gradient per tensor, of the tensor's shape.
    """

    tensors: list[Tensor]
    values: list[Tensor]

    def pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Return each tensor with its gradient."""
        return zip(self.tensors, self.values, strict=True)


def gradients(
    of: Tensor,
    by: Sequence[Tensor],
    create_graph: bool = False,
) -> Gradients:
    """Return the gradients of a scalar by those tensors that it depends on.

    Args:
        of: the scalar.
        by: the tensors.
        create_graph: whether to allow gradients of the gradients.

    Raises Undefined if the scalar depends on none of the tensors.
    """
    values: Sequence[Tensor | None] = ()
    if by:
        values = torch.autograd.grad(
            of, by, create_graph=create_graph, allow_unused=True
        )
    present = Gradients([], [])
    for tensor, value in zip(by, values, strict=True):
        if value is not None:
            present.tensors.append(tensor)
            present.values.append(value)
    if not present.values:
        raise Undefined(
            "no weight has a gradient: the logits depend on none of the model's weights"
        )
    return present


def weight_gradients(
    model: nn.Module,
    forward: Forward,
    images: Tensor,
    labels: Tensor,
) -> list[tuple[Tensor, Tensor]]:
    """Return each weight that the loss depends on, with its gradient.

    The weights are those of convolutions and linear maps. A weight that the mixture has
    silenced contributes nothing and is left out. Raises Undefined if no weight is left.
    """
    with torch.enable_grad():
        loss, weights = loss_of(model, forward, images, labels)
        slopes = gradients(loss, weights)
    return [(weight.detach(), slope) for weight, slope in slopes.pairs()]


def jacobian(
    forward: Forward,
    images: Tensor,
) -> tuple[Tensor, int]:
    """Return the gradient of the sum of all logits by each image.

    Returns:
        the gradient, (batch, entries), zeros if the logits do not depend on the images;
        and the number of classes.
    """
    with torch.enable_grad():
        leaf = images.detach().requires_grad_()
        logits = forward(leaf)
        (gradient,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    rows = torch.zeros_like(leaf) if gradient is None else gradient
    return rows.detach().flatten(1), logits.shape[1]


def correlations(rows: Tensor) -> Tensor:
    """Return Pearson's correlation of each pair of rows, (rows, rows), float64.

    Raises Undefined if a row is constant or not finite.
    """
    exact = rows.double()
    centred = exact - exact.mean(dim=1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(norms).all()):
        raise Undefined("the gradient of the logits by some image is not finite")
    if not bool((norms > 0).all()):
        raise Undefined(
            "the gradient of the logits by some image is constant: the logits do not depend on the image"
        )
    unit = centred / norms
    return unit @ unit.T
