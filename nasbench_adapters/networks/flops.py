"""Floating-point operations of a forward, counted from shapes: the hardware-free cost of scoring and training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.networks.mixture import Mixture, Support, mixture_of, width
from archselect.nasbench_adapters.networks.network import Backbone, CellModule, Supernet, scoring


class ForwardCost:
    """FLOPs per image of a supernet under any mixture, or of a network: two per multiply-add of convolutions and head.

    Any module will do as a network: its convolutions and linear maps are counted.

    Normalisation, rectification, pooling and additions are not counted. One forward of a blank image measures all.

    Args:
        model: the supernet or network.
        image_shape: (channels, height, width) of one image of one replica.
    """

    def __init__(self, model: nn.Module, image_shape: tuple[int, int, int]) -> None:
        per_module: dict[nn.Module, int] = {}

        def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            assert isinstance(module, nn.Conv2d | nn.Linear)
            per_module[module] = 2 * module.weight[0].numel() * output[0].numel()

        hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        parameter = next(model.parameters())
        device = parameter.device
        channels, height, width_ = image_shape
        replicas = model.replicas if isinstance(model, Backbone) else 1
        image = parameter.new_zeros(1, channels * replicas, height, width_)
        try:
            with scoring(model, "running"):
                if isinstance(model, Supernet):
                    space = model.space
                    zeros = tuple(
                        torch.zeros(len(cell.edges), width(space, c), device=device)
                        for c, cell in enumerate(space.cells)
                    )
                    model(image, mixture_of(space, zeros))
                else:
                    model(image)
        finally:
            for hook in hooks:
                hook.remove()
        self._fixed = sum(per_module.values())
        self._candidates: list[tuple[int, int, int, int]] = []
        self._known: dict[Support, int] = {}
        if isinstance(model, Supernet):
            for layer, module in zip(model.skeleton.layers, model.layers, strict=True):
                if isinstance(module, CellModule):
                    for node in module.incoming:
                        for edge, _, choices in node:
                            for k, operation in choices.items():
                                flops = sum(per_module.get(m, 0) for m in operation.modules())
                                self._fixed -= flops
                                self._candidates.append((layer.cell, edge, k, flops))

    def __call__(self, mixture: Mixture | None = None) -> int:
        """FLOPs of one image's forward; operations outside the mixture's support cost nothing."""
        if mixture is None:
            return self._fixed
        if mixture.support not in self._known:
            self._known[mixture.support] = self._fixed + sum(
                flops for cell, edge, k, flops in self._candidates if mixture.support[cell][edge][k]
            )
        return self._known[mixture.support]
