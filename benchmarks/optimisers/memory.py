"""The memory of a training: what its schedule and penalties keep between steps."""

from __future__ import annotations

from torch import Tensor

Memory = dict[str, Tensor | float]
"""Values by name; part of a training's checkpoint. Tensors are replaced, not changed in
place.
"""
