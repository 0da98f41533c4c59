"""A reader of torch files with the costs of all cells on one device, such as HELP's.

Each file holds a list or a tensor of numbers, one per cell in a known order. The name
of the file is that of the device.
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
    """Return whether a file is a torch file, by its name."""
    return path.suffix in SUFFIXES


def name_devices(paths: Sequence[Path]) -> dict[str, Path]:
    """Return the files by the names of their devices.

    Raises UserError if a name is not that of a torch file, or two devices have one
    name.
    """
    named: dict[str, Path] = {}
    for path in paths:
        if not is_device_file(path):
            raise UserError(
                f"{path} cannot be read together with others: give several files only if each is for one device and "
                f"ends in {' or '.join(SUFFIXES)}"
            )
        if path.stem in named:
            raise UserError(
                f"{named[path.stem]} and {path} are both for the device '{path.stem}': rename one"
            )
        named[path.stem] = path
    return named


def read_device(path: Path, cells: int) -> np.ndarray:
    """Return the numbers of a file, one float64 per cell.

    Args:
        path: path of the file.
        cells: number of cells of the space.

    Raises UserError if the file is larger than :data:`.limits.MOST_COST_FILE_BYTES`,
    asks for code to be run, is damaged, or does not hold one number per cell.
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
    """Return the numbers of a list.

    Raises UserError, which names the row, for a value that is not a number.
    """
    numbers = []
    for row, value in enumerate(values, start=1):
        if type(value) not in (int, float):
            raise UserError(
                f"{path}, row {row}: wanted a number, found a {type(value).__name__}"
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
    """Raise UserError unless an array is a list with one number per cell."""
    if content.ndim != 1 or content.dtype.kind not in "iuf":
        raise UserError(
            f"{path} holds an array of {content.dtype} with shape {content.shape}, not a list of {cells:,} numbers: "
            "name a file of one device's costs"
        )
    _check_count(path, len(content), cells)


def _check_tensor(path: Path, content: Any, cells: int) -> None:
    """Raise UserError unless a content is a plain tensor with one number per cell."""
    import torch

    if not isinstance(content, torch.Tensor):
        raise UserError(
            f"{path} holds a {type(content).__name__}, not a list or tensor of {cells:,} numbers: name a file of "
            "one device's costs"
        )
    is_number = not (content.is_complex() or content.dtype == torch.bool)
    is_plain = content.layout == torch.strided and not content.is_quantized
    if content.dim() != 1 or not (is_number and is_plain):
        raise UserError(
            f"{path} holds a tensor of {content.dtype} with shape {tuple(content.shape)}, not a list of "
            f"{cells:,} numbers: name a file of one device's costs"
        )
    _check_count(path, len(content), cells)


def _check_count(path: Path, count: int, cells: int) -> None:
    """Raise UserError unless there is a number for each cell."""
    if count != cells:
        raise UserError(
            f"{path} has {count:,} numbers, but the space has {cells:,} architectures: name a file with one number "
            "per architecture"
        )
