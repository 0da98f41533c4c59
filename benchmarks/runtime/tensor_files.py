"""Files of tensors, such as supernets, checkpoints and journals.

They add to a plain file of torch:

* a checksum, to detect damage;
* the commit of archselect that made the content, readable without the tensors;
* limits: reading a file cannot use more memory than the file has bytes;
* speed: for torch, one tensor costs as much time as a thousand numbers, so all tensors
  of one type are stored in one tensor.

A file has three parts: the SHA-256 of the other two, a line of JSON with the commit,
and a file of torch. It is written atomically.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, open_plain, read_bytes
from archselect.nasbench_adapters.limits import MOST_TENSOR_BYTES, MOST_VALUES
from archselect.nasbench_adapters.safe_pickle import check_torch_file

_DIGEST_BYTES = 32
_MOST_HEADER_BYTES = 1_000
"""Longest line of JSON with the commit."""
PLACE = "tensor at"
"""Key of the table that replaces a tensor: type, start, shape and strides."""


def save_tensors(
    path: Path, content: dict[str, Any], commit: str | None = None
) -> None:
    """Write tensors, numbers, texts and containers of them to a file.

    Args:
        path: Path of the file, in a folder of a study's folder.
        content: Values to write.
        commit: Commit of archselect that made the content; None if several did
            (:func:`read_commit`).

    Raises:
        UserError: The file cannot be written.
    """
    buffer = io.BytesIO()
    buffer.write(json.dumps({"commit": commit}).encode() + b"\n")
    torch.save(_pack(content), buffer)
    body = buffer.getvalue()
    digest = hashlib.sha256(body).digest()
    write_atomically(path, digest + body, path.parent.parent)


def load_tensors(path: Path) -> dict[str, Any]:
    """Return the content of a file, its tensors on the CPU; nothing in it is executed.

    Raises UserError if the file is missing or damaged.
    """
    content = load_tensors_if_present(path)
    if content is None:
        raise _damaged(path)
    return content


def load_tensors_if_present(path: Path) -> dict[str, Any] | None:
    """Return a file's content as :func:`load_tensors`; None if there is no file."""
    try:
        return _parse(read_bytes(path, MOST_TENSOR_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, *DAMAGED, pickle.UnpicklingError) as error:
        raise _damaged(path) from error


def _parse(whole: bytes) -> dict[str, Any]:
    """Return the content of the bytes of a file.

    Raises ValueError or UnpicklingError, or what torch raises, if they are damaged.
    """
    digest = whole[:_DIGEST_BYTES]
    body = whole[_DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("checksum")
    _, _, tensors = body.partition(b"\n")
    check_torch_file(io.BytesIO(tensors), len(tensors))
    loaded = torch.load(io.BytesIO(tensors), map_location="cpu", weights_only=True)
    content = _unpack(loaded, len(tensors))
    if not isinstance(content, dict):
        raise ValueError("not a dictionary")
    return content


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged, or archselect did not write it: remove it and run again"
    )


def read_commit(path: Path) -> str | None:
    """Return the commit of archselect that made a file, without reading its tensors.

    Returns None if several commits made it, if another process has removed it, and for
    any other file, which :func:`load_tensors` refuses.
    """
    try:
        with open_plain(path) as file:
            file.seek(_DIGEST_BYTES)
            header = json.loads(file.readline(_MOST_HEADER_BYTES))
    except (OSError, *DAMAGED):
        return None
    commit = header.get("commit") if isinstance(header, dict) else None
    return commit if isinstance(commit, str) else None


@contextmanager
def restoring_from(path: Path) -> Iterator[None]:
    """Turn errors about a state of another form into a UserError that names its file.

    Restore the state of the file within the block.
    """
    try:
        yield
    except DAMAGED as error:
        raise UserError(
            f"{path} does not hold what it should ({error}): remove it and run again"
        ) from error


def check_same_structure(state: Any, wanted: Any) -> None:
    """Raise TypeError unless a state has the structure of another one.

    Lists must have the same lengths, and values of common keys the same types.
    """
    if type(state) is not type(wanted):
        raise TypeError(f"{type(state).__name__} instead of {type(wanted).__name__}")
    if isinstance(wanted, list | tuple):
        if len(state) != len(wanted):
            raise TypeError(f"{len(state)} parts instead of {len(wanted)}")
        for part, wanted_part in zip(state, wanted, strict=True):
            check_same_structure(part, wanted_part)
    elif isinstance(wanted, dict):
        for key in wanted.keys() & state.keys():
            check_same_structure(state[key], wanted[key])


def check_optimizer_state(state: Any, wanted: Any) -> None:
    """Raise TypeError unless a state fits torch's optimiser `wanted`.

    It must have the same settings, and a table of tensors for each parameter.
    """
    check_same_structure(state["param_groups"], wanted["param_groups"])
    for table in state["state"].values():
        if not isinstance(table, dict) or not all(
            map(_is_tensor_or_none, table.values())
        ):
            raise TypeError("no table of tensors for a parameter")


def _is_tensor_or_none(value: Any) -> bool:
    return value is None or isinstance(value, Tensor)


def _pack(content: Any) -> dict[str, Any]:
    """Return the content with places for tensors, and the tensors joined by type."""
    parts: dict[torch.dtype, list[Tensor]] = {}
    lengths: dict[torch.dtype, int] = {}

    def replace_tensor(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        tensor = value.detach().cpu()
        if not _is_dense(tensor):
            tensor = tensor.contiguous()
        dtype = tensor.dtype
        count = tensor.numel()
        start = lengths.get(dtype, 0)
        lengths[dtype] = start + count
        flat = tensor.as_strided((count,), (1,))
        parts.setdefault(dtype, []).append(flat)
        return {PLACE: (dtype, start, tuple(tensor.shape), tensor.stride())}

    placed = _map_values(content, replace_tensor)
    tensors = {dtype: torch.cat(flats) for dtype, flats in parts.items()}
    return {"content": placed, "tensors": tensors}


def _unpack(packed: dict[str, Any], size: int) -> Any:
    """Return the content of :func:`_pack`; each tensor has its own memory.

    Args:
        packed: Result of :func:`_pack`, as read from the file of torch.
        size: Size of the file of torch in bytes.

    Raises ValueError if there are more values, or more bytes of tensors, than a file of
    that size can hold: a file can refer to one small tensor or list many times.
    """
    values = 0
    tensor_bytes = 0

    def restore_tensor(value: Any) -> Any:
        nonlocal values, tensor_bytes
        values += 1
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if not isinstance(value, dict) or PLACE not in value:
            return value
        dtype, start, shape, strides = value[PLACE]
        flat = packed["tensors"][dtype]
        tensor_bytes += abs(math.prod(shape)) * flat.element_size()
        if tensor_bytes > size:
            raise ValueError("its tensors are larger than the file")
        return flat.as_strided(shape, strides, start).clone()

    return _map_values(packed["content"], restore_tensor)


def _map_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a value with `change` applied to it, or else to all values inside it.

    A value that `change` has replaced is not searched further.
    """
    changed = change(value)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        return {key: _map_values(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_map_values(item, change) for item in value)
    return value


def _is_dense(tensor: Tensor) -> bool:
    """Return whether a tensor's numbers are contiguous in memory, in any order."""
    dimensions = zip(tensor.stride(), tensor.shape, strict=True)
    expected_stride = 1
    for stride, size in sorted(dimensions, key=itemgetter(0)):
        if size <= 1:
            continue
        if stride != expected_stride:
            return False
        expected_stride *= size
    return True
