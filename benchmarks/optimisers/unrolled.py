"""The gradient of the alphas through one step of the weights.

Liu et al., DARTS, ICLR 2019, section 2.3, equations 6 to 8::

    w' = w - ξ (∇_w L_train(w, α) + λ w + μ m)
    v = ∇_w' L_valid(w', α)
    ε = 0.01 / ‖v‖
    d = ∇_α L_valid(w', α) - ξ (∇_α L_train(w + εv, α) - ∇_α L_train(w - εv, α)) / 2ε

ξ is the weights' current learning rate, λ their weight decay, and μ m their momentum.
As in the released code, the step is that of the weights' SGD, but without clipping. The
last term is ξ ∇²_{α,w} L_train v by finite difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.trainer import Batch, Trainer

RADIUS = 0.01
"""Norm of the move of the weights for the finite difference (paper, footnote 2)."""


def unrolled_gradients(
    trainer: Trainer,
    train: Batch,
    valid: Batch,
    radius: float = RADIUS,
) -> tuple[Tensor, ...]:
    """Return d of the module's docstring, (edges, operations) per cell type.

    It takes four forward and four backward passes. Only the first, at the supernet's
    own weights, updates running statistics.

    Args:
        trainer: trainer with w, α and the weights' SGD.
        train: batch of L_train.
        valid: batch of L_valid.
        radius: ε times the norm of v.
    """
    rate = trainer.weight_optimizer.param_groups[0]["lr"]
    ahead = _step_ahead(trainer, train)
    mixture = trainer.mixture()
    loss = trainer.loss(valid, mixture, ahead)
    leaves = [*trainer.alphas, *ahead.values()]
    slopes = torch.autograd.grad(loss, leaves, materialize_grads=True)
    count = len(trainer.alphas)
    direct = slopes[:count]
    direction = slopes[count:]
    norms = [torch.linalg.vector_norm(slope) for slope in direction]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    tiny = torch.finfo(norm.dtype).tiny
    epsilon = radius / norm.clamp_min(tiny)
    plus = _alpha_gradients_at(trainer, train, direction, epsilon)
    minus = _alpha_gradients_at(trainer, train, direction, -epsilon)
    gradients = []
    for first_term, at_plus, at_minus in zip(direct, plus, minus, strict=True):
        difference = at_plus - at_minus
        second_term = rate * difference / (2 * epsilon)
        gradients.append(first_term - second_term)
    return tuple(gradients)


def _step_ahead(
    trainer: Trainer,
    train: Batch,
) -> dict[str, Tensor]:
    """Return w' by name, as leaves: the weights after one step of SGD on a batch."""
    group = trainer.weight_optimizer.param_groups[0]
    weights = dict(trainer.supernet.named_parameters())
    with torch.no_grad():
        constant = trainer.mixture()
    loss = trainer.loss(train, constant, recorded=False)
    leaves = list(weights.values())
    slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    ahead = {}
    for (name, weight), slope in zip(weights.items(), slopes, strict=True):
        moved: Tensor = weight
        # Operations on no open edge have no slope: the weights' SGD does not change
        # them either.
        if slope is not None:
            decay = group["weight_decay"] * weight
            momentum = group["momentum"] * _momentum(trainer, weight)
            step = slope + decay + momentum
            moved = weight - group["lr"] * step
        ahead[name] = moved.detach().requires_grad_()
    return ahead


def _alpha_gradients_at(
    trainer: Trainer,
    train: Batch,
    direction: Sequence[Tensor],
    distance: Tensor,
) -> tuple[Tensor, ...]:
    """Return the gradient by the alphas of the loss on a batch at moved weights.

    Args:
        trainer: trainer with supernet and alphas.
        train: the batch.
        direction: one tensor per parameter of the supernet.
        distance: factor of the direction by which the weights are moved, a scalar.
    """
    parameters = trainer.supernet.named_parameters()
    moved = {}
    for (name, weight), slope in zip(parameters, direction, strict=True):
        moved[name] = weight.detach() + distance * slope
    mixture = trainer.mixture()
    loss = trainer.loss(train, mixture, moved, recorded=False)
    return trainer.gradients(loss)


def _momentum(
    trainer: Trainer,
    weight: Tensor,
) -> Tensor | float:
    """Return the momentum that SGD has accumulated for a weight."""
    state = trainer.weight_optimizer.state[weight]
    buffer: Tensor | None = state.get("momentum_buffer")
    return 0.0 if buffer is None else buffer
