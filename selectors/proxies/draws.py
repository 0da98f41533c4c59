"""Random draws for proxies that draw images, weights or probes.

The labels of the batch and the name of the drawn tensor seed a draw. So candidates that
are compared on one batch share the draw, whatever other layers they have. The global
random state is neither read nor changed.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn

from archselect.nasbench_adapters.seeds import stream_seed
from archselect.selectors.proxies.forwards import LINEAR


def draw_of(labels: Tensor) -> int:
    """Return the number of the draw that belongs to a batch.

    Args:
        labels: labels of the batch, (batch,).
    """
    return zlib.crc32(labels.cpu().numpy().tobytes())


def normal(
    like: Tensor,
    stream: str,
    draw: int,
    name: str,
) -> Tensor:
    """Return standard normal numbers.

    Args:
        like: tensor with the wanted shape, type, device and layout.
        stream: name of the proxy's random stream.
        draw: number of the draw.
        name: name of the drawn tensor.
    """
    seed = stream_seed(stream, draw, name)
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(like.shape, generator=generator, dtype=like.dtype)
    return torch.empty_like(like).copy_(numbers)


def gaussian_weights(
    model: nn.Module,
    stream: str,
    draw: int,
) -> dict[str, Tensor]:
    """Return random parameters by name, to replace a model's parameters.

    Weights of convolutions and linear maps are standard normal, biases zero and scales
    of normalisation one. A layer's numbers depend only on the draw and its name.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, (*LINEAR, nn.BatchNorm2d)):
            for key, parameter in module.named_parameters(recurse=False):
                full_name = f"{name}.{key}"
                before = parameter.detach()
                tensors[full_name] = _drawn(module, full_name, before, stream, draw)
    return tensors


def _drawn(
    module: nn.Module,
    name: str,
    parameter: Tensor,
    stream: str,
    draw: int,
) -> Tensor:
    """Return the tensor that replaces a parameter."""
    if name.endswith(".bias"):
        return torch.zeros_like(parameter)
    if isinstance(module, nn.BatchNorm2d):
        return torch.ones_like(parameter)
    return normal(parameter, stream, draw, name)
