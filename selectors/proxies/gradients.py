"""What gradient proxies share: gradients of a loss by the weights, and of the logits by the images.

The loss is the mean cross-entropy of the batch. Gradients are taken by copies that share the weights' memory, so that
no parameter gets one and frozen parameters need not be thawed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.selectors.proxies.base import Forward, Undefined
from archselect.selectors.proxies.forwards import LINEAR, replaced


def leaves(model: nn.Module) -> dict[str, Tensor]:
    """The weights of all convolutions and linear maps by name, as leaves of a graph of their own."""
    return {
        f"{name}.weight": module.weight.detach().requires_grad_()
        for name, module in model.named_modules()
        if isinstance(module, LINEAR)
    }


def loss_of(model: nn.Module, forward: Forward, images: Tensor, labels: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The loss, and the weights as leaves of its graph. Call it with gradients switched on."""
    weights = leaves(model)
    return F.cross_entropy(replaced(model, forward, weights)(images), labels), list(weights.values())


def gradients(
    of: Tensor, by: Sequence[Tensor], create_graph: bool = False
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Those of the tensors `by` that `of`, a scalar, depends on, and its gradient by each of them.

    Raises Undefined if it depends on none: then a proxy has nothing to measure.
    """
    found = torch.autograd.grad(of, by, create_graph=create_graph, allow_unused=True) if by else ()
    pairs = [(tensor, gradient) for tensor, gradient in zip(by, found, strict=True) if gradient is not None]
    if not pairs:
        raise Undefined("no weight has a gradient: the logits depend on none of the model's weights")
    tensors, values = zip(*pairs, strict=True)
    return tensors, values


def weight_gradients(model: nn.Module, forward: Forward, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(weight, gradient of the loss) of the convolutions and linear maps that the loss depends on.

    A weight that the mixture has silenced is not among them: it contributes nothing.
    """
    with torch.enable_grad():
        tensors, values = gradients(*loss_of(model, forward, images, labels))
    return [(weight.detach(), gradient) for weight, gradient in zip(tensors, values, strict=True)]


def jacobian(forward: Forward, images: Tensor) -> tuple[Tensor, int]:
    """The gradient of the sum of all logits by each image, (batch, entries of an image), and the number of classes.

    Zeros where the logits do not depend on the images.
    """
    with torch.enable_grad():
        leaf = images.detach().requires_grad_()
        logits = forward(leaf)
        (gradient,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    rows = torch.zeros_like(leaf) if gradient is None else gradient
    return rows.detach().flatten(1), logits.shape[1]


def correlations(rows: Tensor) -> Tensor:
    """Return Pearson's correlation of each pair of rows, (rows, rows), float64.

    Raises Undefined where a row is constant or not finite.
    """
    centred = rows.double() - rows.double().mean(dim=1, keepdim=True)
    norms = centred.norm(dim=1, keepdim=True)
    if not bool(torch.isfinite(norms).all()):
        raise Undefined("the gradient of the logits by some image is not finite")
    if not bool((norms > 0).all()):
        raise Undefined("the gradient of the logits by some image is constant: the logits do not depend on the image")
    unit = centred / norms
    return unit @ unit.T
