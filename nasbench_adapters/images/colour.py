"""Colour of images on the device: brightness, contrast, saturation and hue, each image by factors of its own.

The formulas are those of torchvision's ColorJitter, on floats in 0..1 in place of whole
numbers 0..255.
"""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
"""Share of red, green and blue in what the eye takes for brightness (ITU-R BT.601)."""


def jitter_colours(
    images: Tensor,
    generator: torch.Generator,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Tensor:
    """Change the colours of every image at random.

    Factors are uniform in 1 ± brightness, contrast and saturation, and the hue moves by
    at most ± `hue` of its circle. The four changes are applied in a random order, one
    for the whole batch (torchvision: one per image).

    Args:
        images: (b, 3, h, w) in 0..1.
        generator: a CPU generator.
        brightness, contrast, saturation, hue: 0 for none.

    Returns:
        (b, 3, h, w) in 0..1.
    """
    order = torch.randperm(4, generator=generator).tolist()
    spread = torch.tensor([brightness, contrast, saturation, hue])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    drawn = centre[:, None] + spread[:, None] * (
        2 * torch.rand(4, len(images), generator=generator) - 1
    )
    factors = drawn.to(images.device, non_blocking=True).view(4, -1, 1, 1, 1)
    changes = (adjust_brightness, adjust_contrast, adjust_saturation, rotate_hue)
    for place in order:
        images = changes[place](images, factors[place])
    return images


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Images times `factor` (b, 1, 1, 1)."""
    return (images * factor).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Away from (or towards) the image's mean grey."""
    return _blend(images, _grey(images).mean(dim=(2, 3), keepdim=True), factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Away from (or towards) each pixel's grey."""
    return _blend(images, _grey(images), factor)


def rotate_hue(images: Tensor, turn: Tensor) -> Tensor:
    """With the hue moved by `turn` (b, 1, 1, 1) of its circle; value and saturation stay."""
    value, most = images.max(dim=1, keepdim=True)
    least = images.amin(dim=1, keepdim=True)
    chroma = value - least
    scale = torch.where(chroma > 0, chroma, 1)
    red, green, blue = images.split(1, dim=1)
    sixths = torch.where(
        most == 0,
        (green - blue) / scale,
        torch.where(most == 1, 2 + (blue - red) / scale, 4 + (red - green) / scale),
    )
    hue = sixths / 6 + turn
    # Each channel is the value less so much of the chroma as the hue is away from it.
    offset = torch.tensor(
        [5.0, 3.0, 1.0], device=images.device, dtype=images.dtype
    ).view(1, 3, 1, 1)
    place = (offset + 6 * hue) % 6
    return value - chroma * torch.minimum(place, 4 - place).clamp(0, 1)


def _grey(images: Tensor) -> Tensor:
    """(b, 1, h, w)"""
    weights = torch.tensor(GREY, device=images.device, dtype=images.dtype).view(
        1, 3, 1, 1
    )
    return (images * weights).sum(dim=1, keepdim=True)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * other).clamp(0, 1)
