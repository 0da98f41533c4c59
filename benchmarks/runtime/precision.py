"""Precisions by name: "float32", or autocast to one of fewer bits."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Within it operations run in that precision; in "float32" as they are.

    Weights are cast at every use: what a CUDA graph replays must not read a copy that
    was kept.
    """
    dtype = AUTOCAST.get(precision)
    return (
        nullcontext()
        if dtype is None
        else torch.autocast(device.type, dtype, cache_enabled=False)
    )
