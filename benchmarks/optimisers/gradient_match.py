"""Measure how well two gradients of each operation's weights match (OLES).

Here, an operation is one operation of an edge in one layer, and it has weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks import Supernet


class WeightedOperation(NamedTuple):
    """An operation of one layer that has weights.

    Attributes:
        name: text with layer, edge and choice.
        weights: its parameters.
    """

    name: str
    weights: list[nn.Parameter]


def weighted_operations(supernet: Supernet) -> list[WeightedOperation]:
    """Return the operations that have weights, layer by layer."""
    operations = []
    for layer, (_, cell) in enumerate(supernet.cells()):
        for placed in cell.operations:
            weights = list(placed.module.parameters())
            name = f"layer {layer}, edge {placed.edge}, operation {placed.choice}"
            if weights:
                operations.append(WeightedOperation(name, weights))
    return operations


def weights_of(operations: Sequence[WeightedOperation]) -> list[nn.Parameter]:
    """Return the weights of operations, in order."""
    return [weight for operation in operations for weight in operation.weights]


def join_gradients(weights: Sequence[nn.Parameter]) -> Tensor:
    """Return the weights' gradients as one vector; zeros for a missing gradient."""
    parts = []
    for weight in weights:
        gradient = torch.zeros_like(weight) if weight.grad is None else weight.grad
        parts.append(gradient.flatten())
    return torch.cat(parts)


def match_gradients(
    operations: Sequence[WeightedOperation],
    slopes: Sequence[Tensor | None],
    others: Tensor,
    as_released: bool,
) -> Tensor:
    """Return the cosine between two gradients of each operation, (operations,).

    It is NaN for an operation with a slope of None.

    Args:
        operations: all operations of a supernet.
        slopes: the first gradient, one tensor per weight.
        others: the second gradient, in the form that :func:`join_gradients` returns.
        as_released: whether to compute the cosine as the released code does. It first
            adds the others to the slopes. It then averages, over the weights of an
            operation, the mean of the cosines along the output channels. Otherwise, the
            cosine is that of all weights together.
    """
    sizes = [weight.numel() for weight in weights_of(operations)]
    pairs = zip(slopes, others.split(sizes), strict=True)
    cosines = []
    for operation in operations:
        firsts: list[Tensor] = []
        seconds: list[Tensor] = []
        for weight in operation.weights:
            slope, other = next(pairs)
            if slope is not None:
                second = other.view_as(weight)
                firsts.append(slope + second if as_released else slope)
                seconds.append(second)
        if len(firsts) < len(operation.weights):
            cosines.append(others.new_full((), torch.nan))
        elif as_released:
            cosines.append(_cosine_by_channel(firsts, seconds))
        else:
            cosines.append(F.cosine_similarity(_row(firsts), _row(seconds), dim=0))
    return torch.stack(cosines)


def _row(tensors: Sequence[Tensor]) -> Tensor:
    """Return all numbers of some tensors as one vector."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def _cosine_by_channel(firsts: Sequence[Tensor], seconds: Sequence[Tensor]) -> Tensor:
    """Return the mean, over tensors, of their mean cosine along the first axis."""
    means = []
    for first, second in zip(firsts, seconds, strict=True):
        means.append(F.cosine_similarity(first, second, dim=0).mean())
    return torch.stack(means).mean()
