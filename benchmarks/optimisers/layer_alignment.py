"""The alignment of the layers' gradients by their mixtures (Lambda-DARTS).

For a cell type with L layers, let g_l be the gradient of the training loss by the
mixture of layer l, and u_l = g_l / ‖g_l‖. The alignment Λ is the mean cosine over all
pairs of layers, and

    δ_l = ∂Λ/∂g_l = 2 / (L (L - 1)) (I - u_l u_lᵀ) Σ_m u_m / ‖g_l‖.

Movahedi et al., ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.networks import Mixture


def alignment_direction(slopes: Tensor) -> Tensor:
    """Return δ of the module's docstring, (layers, edges, operations).

    It is zero for a layer whose gradient is zero.

    Args:
        slopes: g, of the same shape, with at least two layers.
    """
    layers = len(slopes)
    flat = slopes.flatten(1)
    norms = torch.linalg.vector_norm(flat, dim=1, keepdim=True)
    inverse = torch.where(norms > 0, 1 / norms, 0)
    units = flat * inverse
    total = units.sum(0)
    along = units @ total
    across = total - units * along[:, None]
    direction = 2 / (layers * (layers - 1)) * inverse * across
    return direction.view_as(slopes)


def alignment_slopes(
    trainer: Trainer,
    batch: Batch,
    mixture: Mixture,
    directions: Sequence[Tensor],
    radius: float,
) -> list[Tensor]:
    """Return -∇_w Λ, one gradient per weight of the supernet.

    It is (∇_w L(w, a - ε δ) - ∇_w L(w, a + ε δ)) / 2ε, from two forward and backward
    passes, which update running statistics.

    Args:
        trainer: the trainer, which has the supernet.
        batch: batch of the loss L.
        mixture: a, with one table per layer.
        directions: δ, of the shapes of the tables.
        radius: ε times the norm of all directions.
    """
    norms = [torch.linalg.vector_norm(direction) for direction in directions]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    tiny = torch.finfo(norm.dtype).tiny
    epsilon = radius / norm.clamp_min(tiny)
    below = _slopes_at(trainer, batch, mixture, directions, -epsilon)
    above = _slopes_at(trainer, batch, mixture, directions, epsilon)
    slopes = []
    for minus, plus in zip(below, above, strict=True):
        slopes.append((minus - plus) / (2 * epsilon))
    return slopes


def _slopes_at(
    trainer: Trainer,
    batch: Batch,
    mixture: Mixture,
    directions: Sequence[Tensor],
    distance: Tensor,
) -> list[Tensor]:
    """Return the gradient of the loss by each weight of the supernet, at a mixture.

    Args:
        trainer: the trainer, which has the supernet.
        batch: batch of the loss.
        mixture: mixture with one table per layer.
        directions: directions, of the shapes of its tables.
        distance: factor of the directions, a scalar.
    """
    tables = []
    for table, direction in zip(mixture.weights, directions, strict=True):
        tables.append(table.detach() + distance * direction)
    moved = Mixture(tuple(tables), mixture.support)
    loss = trainer.loss(batch, moved, recorded=False)
    weights = list(trainer.supernet.parameters())
    slopes = torch.autograd.grad(loss, weights, materialize_grads=True)
    # A replayed graph overwrites the memory of the gradients that it returned before.
    return [slope.clone() for slope in slopes]
