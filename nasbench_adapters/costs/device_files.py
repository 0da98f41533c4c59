"""Reads files of torch with the costs of all cells on one device, as HELP has them.

Each holds a list or a tensor of numbers, one per cell in an order that is known, and is
called after its device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import MOST_COST_FILE_BYTES, check_byte_count
from archselect.nasbench_adapters.torch_files import load_plain

SUFFIXES = (".pt", ".pth")


def is_device_file(path: Path) -> bool:
    """Return whether a file is one of torch, by its name."""
    return path.suffix in SUFFIXES


def name_devices(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the files by the names of their devices.

    Raises UserError if one is not called as a file of torch, or two alike.
    """
    named: dict[str, Path] = {}
    for path in paths:
        if not is_device_file(path):
            raise UserError(
                f"{path} cannot be read together with others: several files are those of one device each, and end in "
                f"{' or '.join(SUFFIXES)}"
            )
        if path.stem in named:
            raise UserError(
                f"{named[path.stem]} and {path} are both of the device '{path.stem}': rename one"
            )
        named[path.stem] = path
    return named


def read_device(path: Path, cells: int) -> np.ndarray:
    """Return the numbers of a file, float64, one per cell.

    Args:
        path: of the file.
        cells: how many numbers it must have.

    Raises UserError if it is larger than :data:`.limits.MOST_COST_FILE_BYTES`, asks for
    code, is damaged, or holds anything else than so many numbers.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    check_byte_count(path, size, MOST_COST_FILE_BYTES)
    content = load_plain(path)
    if isinstance(content, list | tuple):
        _check_count(path, len(content), cells)
        return _to_floats(path, content)
    if isinstance(content, np.ndarray):
        _check_array(path, content, cells)
        return np.array(content, dtype=np.float64, subok=False)
    _check_tensor(path, content, cells)
    return content.detach().double().numpy().copy()


def _to_floats(path: Path, values: Iterable[object]) -> np.ndarray:
    """Return a list's numbers.

    Raises UserError, with the row, for anything else in it.
    """
    numbers = []
    for row, value in enumerate(values, start=1):
        if type(value) not in (int, float):
            raise UserError(
                f"{path}, row {row}: a number is wanted, and not a {type(value).__name__}"
            )
        numbers.append(_to_float(path, row, value))
    return np.array(numbers, dtype=np.float64)


def _to_float(path: Path, row: int, value: Any) -> float:
    """Return a number as a float; raise UserError if it is too large for one."""
    try:
        return float(value)
    except OverflowError as error:
        raise UserError(f"{path}, row {row}: the number is too large") from error


def _check_array(path: Path, content: np.ndarray, cells: int) -> None:
    """Raise UserError unless an array is a list of so many numbers."""
    if content.ndim != 1 or content.dtype.kind not in "iuf":
        raise UserError(
            f"{path} holds an array of {content.dtype} of the shape {content.shape}, and no plain list of {cells:,} "
            "numbers"
        )
    _check_count(path, len(content), cells)


def _check_tensor(path: Path, content: Any, cells: int) -> None:
    """Raise UserError unless a content is a plain tensor of so many numbers."""
    import torch

    if not isinstance(content, torch.Tensor):
        raise UserError(
            f"{path} holds a {type(content).__name__}, and no list or tensor of {cells:,} numbers: name a file of "
            "one device's costs"
        )
    is_number = not (content.is_complex() or content.dtype == torch.bool)
    is_plain = content.layout == torch.strided and not content.is_quantized
    if content.dim() != 1 or not (is_number and is_plain):
        raise UserError(
            f"{path} holds a tensor of {content.dtype} of the shape {tuple(content.shape)}, and no plain list of "
            f"{cells:,} numbers"
        )
    _check_count(path, len(content), cells)


def _check_count(path: Path, count: int, cells: int) -> None:
    """Raise UserError unless there is a number for each cell."""
    if count != cells:
        raise UserError(
            f"{path} has {count:,} numbers, and the space has {cells:,} architectures: name a file with a number for "
            "each of them"
        )
