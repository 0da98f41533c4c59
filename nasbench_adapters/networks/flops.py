"""Floating-point operations (FLOPs) of a forward, counted from shapes.

They measure the cost of scoring and training independently of the hardware.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.mixture import (
    Mixture,
    Support,
    blank_alphas,
    mixture_of,
)
from archselect.nasbench_adapters.networks.network import Backbone, Supernet, scoring
from archselect.nasbench_adapters.space import SearchSpace


class OperationCost(NamedTuple):
    """FLOPs of an operation for one image, if a mixture makes it live.

    Attributes:
        cell: index of the cell type.
        edge: index of the edge.
        choice: index of the operation.
        flops: FLOPs in one layer.
    """

    cell: int
    edge: int
    choice: int
    flops: int


class ForwardCost:
    """FLOPs per image of a supernet under any mixture, or of a network.

    It counts two FLOPs per multiply-add of convolutions and linear maps, but not
    normalisation, rectification, pooling and additions. One forward of a blank image
    gives all numbers. Any module can be the network.

    Args:
        model: the supernet or network; it may be on the meta device.
        image_shape: shape of one image of one replica, (channels, height, width).

    Attributes:
        operations: for a supernet, one entry per operation and layer; else empty.
        edge_skips: for a supernet, by cell type and edge, over all layers, what the
            cell type's own skips beside the edges need.
    """

    def __init__(
        self,
        model: nn.Module,
        image_shape: tuple[int, int, int],
    ) -> None:
        by_module = _flops_by_module(model, image_shape)
        self.operations: list[OperationCost] = []
        self.edge_skips: dict[tuple[int, int], int] = {}
        self._side_skips = 0
        if isinstance(model, Supernet):
            self.operations = _operation_costs(model, by_module)
            self.edge_skips = _edge_skip_flops(model, by_module)
            self._side_skips = _side_skip_flops(model, by_module)
        of_operations = sum(operation.flops for operation in self.operations)
        of_skips = sum(self.edge_skips.values()) + self._side_skips
        self._fixed = sum(by_module.values()) - of_operations - of_skips
        self._known: dict[Support, int] = {}

    def __call__(self, mixture: Mixture | None = None) -> int:
        """Return the FLOPs of a forward of one image.

        Operations outside the mixture's support cost nothing.
        """
        if mixture is None:
            return self._fixed
        support = mixture.support
        if support not in self._known:
            total = self._fixed
            for cost in self.operations:
                if support[cost.cell][cost.edge][cost.choice]:
                    total += cost.flops
            for (cell, edge), flops in self.edge_skips.items():
                if any(support[cell][edge]):
                    total += flops
            self._known[support] = total
        side_skips = 0 if mixture.side_weight is None else self._side_skips
        return self._known[support] + side_skips


def _flops_by_module(
    model: nn.Module, image_shape: tuple[int, int, int]
) -> dict[nn.Module, int]:
    """Return the FLOPs of every convolution and linear map for one blank image."""
    by_module: dict[nn.Module, int] = {}

    def count(
        module: nn.Module,
        _inputs: tuple[Tensor],
        output: Tensor,
    ) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        fan_in = module.weight[0].numel()
        by_module[module] = 2 * fan_in * output[0].numel()

    hooks = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            hooks.append(module.register_forward_hook(count))
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
    """Run a forward of one blank image, in a supernet with all operations live."""
    parameter = next(model.parameters())
    replicas = model.replicas if isinstance(model, Backbone) else 1
    channels, height, columns = image_shape
    image = parameter.new_zeros(1, channels * replicas, height, columns)
    with scoring(model, "running"):
        if isinstance(model, Supernet):
            mixture = _mixture_of_all(model.space, parameter.device)
            model(image, mixture.beside(1.0))
        else:
            model(image)


def _mixture_of_all(space: SearchSpace, device: torch.device) -> Mixture:
    """Return a mixture of all operations on a device, which may be the meta device."""
    cpu = torch.device("cpu")
    with cpu:
        mixture = mixture_of(space, blank_alphas(space, cpu))
    weights = tuple(table.to(device) for table in mixture.weights)
    return Mixture(weights, mixture.support)


def _operation_costs(
    supernet: Supernet, by_module: dict[nn.Module, int]
) -> list[OperationCost]:
    """Return the FLOPs of every operation of every layer."""
    costs = []
    for cell, module in supernet.cells():
        for operation in module.operations:
            parts = operation.module.modules()
            flops = sum(by_module.get(part, 0) for part in parts)
            cost = OperationCost(cell, operation.edge, operation.choice, flops)
            costs.append(cost)
    return costs


def _edge_skip_flops(
    supernet: Supernet, by_module: dict[nn.Module, int]
) -> dict[tuple[int, int], int]:
    """Return the FLOPs of the cell types' own skips, by cell type and edge."""
    flops: dict[tuple[int, int], int] = {}
    for cell, module in supernet.cells():
        if module.edge_skips is None:
            continue
        for name, reduction in module.edge_skips.reductions.items():
            place = (cell, int(name))
            of_layer = sum(by_module.get(part, 0) for part in reduction.modules())
            flops[place] = flops.get(place, 0) + of_layer
    return flops


def _side_skip_flops(supernet: Supernet, by_module: dict[nn.Module, int]) -> int:
    """Return the FLOPs of all skips that a mixture can add; 0 without any."""
    total = 0
    for _, cell in supernet.cells():
        if cell.side_skips is not None:
            parts = cell.side_skips.modules()
            total += sum(by_module.get(part, 0) for part in parts)
    return total
