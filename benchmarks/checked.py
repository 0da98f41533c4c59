"""Files of tensors that are written whole or not at all, and known again: a SHA-256 before the torch file."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import DAMAGED, write_atomically


def save_checked(path: Path, content: dict[str, Any]) -> None:
    """Write tensors, numbers, texts and containers of them. Raises UserError if the folder cannot take it."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    file = buffer.getvalue()
    write_atomically(path, hashlib.sha256(file).digest() + file)


def load_checked(path: Path) -> dict[str, Any]:
    """Read such a file back, to the CPU; nothing in it is executed. Raises UserError if it is missing or damaged."""
    try:
        digest, file = (whole := path.read_bytes())[:32], whole[32:]
        if hashlib.sha256(file).digest() != digest:
            raise ValueError("checksum")
        content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError("not a dictionary")
        return content
    except (OSError, *DAMAGED, pickle.UnpicklingError) as error:
        raise UserError(f"{path} is not a file of ours or is damaged: remove it and run again") from error
