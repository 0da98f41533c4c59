"""Floating-point operations of a forward, counted from shapes: the hardware-free cost of scoring and training."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from archselect.nasbench_adapters.networks.mixture import (
    Mixture,
    Support,
    blank_alphas,
    mixture_of,
)
from archselect.nasbench_adapters.networks.network import Backbone, Supernet, scoring


class OperationCost(NamedTuple):
    """FLOPs of an operation on one image, where a mixture of the supernet makes it live."""

    cell: int
    edge: int
    choice: int
    flops: int


class ForwardCost:
    """FLOPs per image of a supernet under any mixture, or of a network: two per multiply-add of convolutions and head.

    Any module will do as a network: its convolutions and linear maps are counted.

    Normalisation, rectification, pooling and additions are not counted. One forward of
    a blank image measures all.

    Args:
        model: the supernet or network.
        image_shape: (channels, height, width) of one image of one replica.
    """

    def __init__(
        self,
        model: nn.Module,
        image_shape: tuple[int, int, int],
    ) -> None:
        by_module = _flops_by_module(model, image_shape)
        self._operations = (
            _operation_costs(model, by_module) if isinstance(model, Supernet) else []
        )
        self._fixed = sum(by_module.values()) - sum(
            operation.flops for operation in self._operations
        )
        self._known: dict[Support, int] = {}

    def __call__(self, mixture: Mixture | None = None) -> int:
        """Return the FLOPs of one image's forward; operations outside the mixture's support cost nothing."""
        if mixture is None:
            return self._fixed
        support = mixture.support
        if support not in self._known:
            live = (
                cost.flops
                for cost in self._operations
                if support[cost.cell][cost.edge][cost.choice]
            )
            self._known[support] = self._fixed + sum(live)
        return self._known[support]


def _flops_by_module(
    model: nn.Module, image_shape: tuple[int, int, int]
) -> dict[nn.Module, int]:
    """Return the FLOPs of every convolution and linear map in a forward of one blank image."""
    by_module: dict[nn.Module, int] = {}

    def count(
        module: nn.Module,
        inputs: tuple[Tensor],
        output: Tensor,
    ) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        by_module[module] = 2 * module.weight[0].numel() * output[0].numel()

    counted = [
        module
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    hooks = [module.register_forward_hook(count) for module in counted]
    try:
        _run_blank_image(model, image_shape)
    finally:
        for hook in hooks:
            hook.remove()
    return by_module


def _run_blank_image(
    model: nn.Module,
    image_shape: tuple[int, int, int],
) -> None:
    """Run a forward of one blank image, of a supernet under a mixture of all operations."""
    parameter = next(model.parameters())
    replicas = model.replicas if isinstance(model, Backbone) else 1
    channels, height, columns = image_shape
    image = parameter.new_zeros(1, channels * replicas, height, columns)
    with scoring(model, "running"):
        if isinstance(model, Supernet):
            model(
                image,
                mixture_of(model.space, blank_alphas(model.space, parameter.device)),
            )
        else:
            model(image)


def _operation_costs(
    supernet: Supernet, by_module: dict[nn.Module, int]
) -> list[OperationCost]:
    """Return the FLOPs of every operation of every layer."""
    costs = []
    for cell, module in supernet.cells():
        for operation in module.operations:
            flops = sum(by_module.get(part, 0) for part in operation.module.modules())
            costs.append(OperationCost(cell, operation.edge, operation.choice, flops))
    return costs
