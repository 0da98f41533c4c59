"""Activations: functions from alphas (architecture parameters) to mixture weights."""

from __future__ import annotations

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.activation.base import Activation
from archselect.nasbench_adapters.networks.activation.clipped import ClippedAlphas
from archselect.nasbench_adapters.networks.activation.masks import (
    allowed_mask,
    count_columns,
    group_masks,
    rows_of_groups,
)
from archselect.nasbench_adapters.networks.activation.ones import Ones
from archselect.nasbench_adapters.networks.activation.registry import (
    ACTIVATIONS,
    get_activation,
)
from archselect.nasbench_adapters.networks.activation.softmax import SOFTMAX, Softmax
from archselect.nasbench_adapters.space import SearchSpace

__all__ = [
    "ACTIVATIONS",
    "SOFTMAX",
    "Activation",
    "ClippedAlphas",
    "Ones",
    "Softmax",
    "allowed_mask",
    "count_columns",
    "get_activation",
    "group_masks",
    "new_alphas",
    "rows_of_groups",
]


def new_alphas(
    space: SearchSpace,
    generator: torch.Generator,
    device: torch.device,
    scale: float = 1e-3,
) -> tuple[Tensor, ...]:
    """Return initial alphas for the softmax, like :meth:`.Activation.new_alphas`."""
    return SOFTMAX.new_alphas(space, generator, device, scale)
