"""The alphas' gradient through one step of the weights (Liu et al., DARTS, ICLR 2019, section 2.3, equations 6 to 8).

    w' = w - ξ (∇_w L_train(w, α) + λ w + μ m)
    v  = ∇_w' L_valid(w', α)
    d  = ∇_α L_valid(w', α) - ξ (∇_α L_train(w + εv, α) - ∇_α L_train(w - εv, α)) / 2ε,   ε = 0.01 / ‖v‖

ξ is the weights' current learning rate, λ their weight decay, μ m their momentum: as in the released code the step is
that of the weights' SGD, without its clipping. The last term is ξ ∇²_{α,w} L_train v by finite difference.
"""

from __future__ import annotations

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.base import Batch
from archselect.benchmarks.optimisers.trainer import Trainer

RADIUS = 0.01
"""How far the weights are moved for the finite difference (footnote 2 of the paper)."""


def unrolled_gradients(trainer: Trainer, train: Batch, valid: Batch, radius: float = RADIUS) -> tuple[Tensor, ...]:
    """d of the module's text, one tensor per cell type: four forwards and four backwards.

    Only the first forward, at the supernet's own weights, moves its running statistics.
    """
    group = trainer.weight_optimizer.param_groups[0]
    rate, decay, momentum = group["lr"], group["weight_decay"], group["momentum"]
    names, weights = zip(*trainer.supernet.named_parameters(), strict=True)
    with torch.no_grad():
        constant = trainer.mixture()
    slopes = torch.autograd.grad(trainer.loss(train, constant, recorded=False), weights, allow_unused=True)
    ahead = [
        (weight - rate * (slope + decay * weight + momentum * _buffer(trainer, weight))).detach().requires_grad_()
        # Operations that no open edge carries have no slope: the weights' SGD leaves them alone too.
        if slope is not None
        else weight.detach().requires_grad_()
        for weight, slope in zip(weights, slopes, strict=True)
    ]
    loss = trainer.loss(valid, trainer.mixture(), dict(zip(names, ahead, strict=True)))
    found = torch.autograd.grad(loss, [*trainer.alphas, *ahead], materialize_grads=True)
    direct, direction = found[: len(trainer.alphas)], found[len(trainer.alphas) :]
    norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(v) for v in direction]))
    epsilon = radius / norm.clamp_min(torch.finfo(norm.dtype).tiny)

    def at(distance: Tensor) -> tuple[Tensor, ...]:
        moved = [weight.detach() + distance * v for weight, v in zip(weights, direction, strict=True)]
        loss = trainer.loss(train, trainer.mixture(), dict(zip(names, moved, strict=True)), recorded=False)
        return trainer.gradients(loss)

    return tuple(
        d - rate * (plus - minus) / (2 * epsilon)
        for d, plus, minus in zip(direct, at(epsilon), at(-epsilon), strict=True)
    )


def _buffer(trainer: Trainer, weight: Tensor) -> Tensor | float:
    """The momentum that SGD has gathered for a weight."""
    buffer: Tensor | None = trainer.weight_optimizer.state[weight].get("momentum_buffer")
    return 0.0 if buffer is None else buffer
