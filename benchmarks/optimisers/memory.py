"""The memory of a training: values that are kept between its steps."""

from __future__ import annotations

from torch import Tensor

Memory = dict[str, Tensor | float]
"""Values by name, part of a training's checkpoint. Tensors are replaced, not changed in
place.
"""
