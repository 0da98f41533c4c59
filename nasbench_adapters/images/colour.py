"""Random changes of colour on the device: brightness, contrast, saturation and hue.

Each image gets separate random factors. The formulas are those of torchvision's
ColorJitter, on floats in 0..1 instead of whole numbers 0..255.
"""

from __future__ import annotations

import torch
from torch import Tensor

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in perceived brightness (ITU-R BT.601)."""


def jitter_colours(
    images: Tensor,
    generator: torch.Generator,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
) -> Tensor:
    """Return images whose colours are changed at random.

    The factors are uniform in 1 ± brightness, 1 ± contrast and 1 ± saturation, and the
    hue moves by at most ± `hue` of its circle. The four changes are applied in a random
    order, which is the same for the whole batch (in torchvision, one order per image).

    Args:
        images: Images in 0..1, (b, 3, h, w).
        generator: A CPU generator.
        brightness: Largest change of the brightness factor; 0 for none.
        contrast: Largest change of the contrast factor; 0 for none.
        saturation: Largest change of the saturation factor; 0 for none.
        hue: Largest turn of the hue; 0 for none.

    Returns:
        images in 0..1, (b, 3, h, w).
    """
    order = torch.randperm(4, generator=generator).tolist()
    spread = torch.tensor([brightness, contrast, saturation, hue])
    centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
    uniform = 2 * torch.rand(4, len(images), generator=generator) - 1
    drawn = centre[:, None] + spread[:, None] * uniform
    factors = drawn.to(images.device, non_blocking=True).view(4, -1, 1, 1, 1)
    changes = (adjust_brightness, adjust_contrast, adjust_saturation, rotate_hue)
    for place in order:
        images = changes[place](images, factors[place])
    return images


def adjust_brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Return images (b, 3, h, w) multiplied by `factor` (b, 1, 1, 1)."""
    return (images * factor).clamp(0, 1)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Return images (b, 3, h, w) moved away from, or to, their mean grey.

    A `factor` (b, 1, 1, 1) of 1 changes nothing; 0 leaves only the mean grey.
    """
    mean_grey = _to_grey(images).mean(dim=(2, 3), keepdim=True)
    return _blend(images, mean_grey, factor)


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Return images (b, 3, h, w) with each pixel moved away from, or to, its grey.

    A `factor` (b, 1, 1, 1) of 1 changes nothing; 0 leaves grey images.
    """
    return _blend(images, _to_grey(images), factor)


def rotate_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Return images (b, 3, h, w) with the hue moved by `turn` of its circle.

    Value and saturation stay; `turn` is (b, 1, 1, 1).
    """
    value, strongest = images.max(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    scale = torch.where(chroma > 0, chroma, 1)
    red, green, blue = images.split(1, dim=1)
    from_red = (green - blue) / scale
    from_green = 2 + (blue - red) / scale
    from_blue = 4 + (red - green) / scale
    not_red = torch.where(strongest == 1, from_green, from_blue)
    sixths = torch.where(strongest == 0, from_red, not_red)
    hue = sixths / 6 + turn
    # Each channel is the value minus a share of the chroma, which grows with the
    # distance between the hue and the channel's hue.
    offset = images.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    place = (offset + 6 * hue) % 6
    distance = torch.minimum(place, 4 - place).clamp(0, 1)
    return value - chroma * distance


def _to_grey(images: Tensor) -> Tensor:
    """Return the grey (b, 1, h, w) of images (b, 3, h, w)."""
    weights = images.new_tensor(GREY).view(1, 3, 1, 1)
    return (images * weights).sum(dim=1, keepdim=True)


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * images + (1 - factor) * other).clamp(0, 1)
