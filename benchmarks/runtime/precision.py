"""Precisions by name: "float32", or autocast to a type of fewer bits."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Return a context in which operations run in a precision.

    "float32" changes nothing. Weights are cast at every use, because a CUDA graph must
    not read an old cast copy.
    """
    dtype = AUTOCAST.get(precision)
    if dtype is None:
        return nullcontext()
    return torch.autocast(device.type, dtype, cache_enabled=False)
