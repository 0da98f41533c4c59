"""Files of tensors that are written whole or not at all, and known again.

Such a file has three parts: the SHA-256 of the others, a line of JSON that names the
commit of archselect that made the
content, and a torch file. In the torch file tensors of one type lie one behind another
in one tensor: torch takes as long for each as for a thousand numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, open_plain, read_bytes
from archselect.nasbench_adapters.limits import MOST_TENSOR_BYTES, MOST_VALUES
from archselect.nasbench_adapters.safe_pickle import check_torch_file

MOST = 1_000
"""Bytes of the line that names the commit, at most."""
PLACE = "tensor at"
"""The key of what stands for a tensor: its type, where it begins, shape and strides."""


def save_tensors(
    path: Path, content: dict[str, Any], commit: str | None = None
) -> None:
    """Write tensors, numbers, texts and containers of them, into a folder of a study's folder.

    `commit` is of the archselect that made the content, None where several had a part
    in it; see :func:`read_commit`. Raises UserError if the folder cannot take the file.
    """
    buffer = io.BytesIO()
    buffer.write(json.dumps({"commit": commit}).encode() + b"\n")
    torch.save(_packed(content), buffer)
    file = buffer.getvalue()
    write_atomically(path, hashlib.sha256(file).digest() + file, path.parent.parent)


def load_tensors(path: Path) -> dict[str, Any]:
    """Read such a file back, to the CPU; nothing in it is executed.

    Raises UserError if it is missing or damaged.
    """
    content = load_tensors_if_present(path)
    if content is None:
        raise _foreign(path)
    return content


def load_tensors_if_present(path: Path) -> dict[str, Any] | None:
    """As :func:`load_tensors`; None if there is no such file (any more)."""
    try:
        whole = read_bytes(path, MOST_TENSOR_BYTES)
        digest, file = whole[:32], whole[32:]
        if hashlib.sha256(file).digest() != digest:
            raise ValueError("checksum")
        _, _, tensors = file.partition(b"\n")
        check_torch_file(io.BytesIO(tensors), len(tensors))
        loaded = torch.load(io.BytesIO(tensors), map_location="cpu", weights_only=True)
        content = _unpacked(loaded, len(tensors))
        if not isinstance(content, dict):
            raise ValueError("not a dictionary")
        return content
    except FileNotFoundError:
        return None
    except (OSError, *DAMAGED, pickle.UnpicklingError) as error:
        raise _foreign(path) from error


def _foreign(path: Path) -> UserError:
    return UserError(
        f"{path} is not a file of ours or is damaged: remove it and run again"
    )


def read_commit(path: Path) -> str | None:
    """Return the commit of the archselect that made a file's content, without reading the tensors.

    None where several commits had a part in it, and for a file that is not one of
    these: :func:`load_tensors` says so. None also where another process removed the
    file.
    """
    try:
        with open_plain(path) as file:
            file.seek(32)
            header = json.loads(file.readline(MOST))
    except (OSError, *DAMAGED):
        return None
    commit = header.get("commit") if isinstance(header, dict) else None
    return commit if isinstance(commit, str) else None


@contextmanager
def restoring_from(path: Path) -> Iterator[None]:
    """Within it a state that was read is taken over; one of another form is a UserError that names its file."""
    try:
        yield
    except DAMAGED as error:
        raise UserError(
            f"{path} does not hold what it should ({error}): remove it and run again"
        ) from error


def check_same_structure(found: Any, wanted: Any) -> None:
    """Raises TypeError unless one state has the lengths of another, and the types under the keys that both have."""
    if type(found) is not type(wanted):
        raise TypeError(f"{type(found).__name__} in place of {type(wanted).__name__}")
    if isinstance(wanted, list | tuple):
        if len(found) != len(wanted):
            raise TypeError(f"{len(found)} parts in place of {len(wanted)}")
        for own, other in zip(found, wanted, strict=True):
            check_same_structure(own, other)
    elif isinstance(wanted, dict):
        for key in wanted.keys() & found.keys():
            check_same_structure(found[key], wanted[key])


def check_optimizer_state(found: Any, wanted: Any) -> None:
    """Raises TypeError unless the state of an optimiser has another's settings, and tables of tensors beside them."""
    check_same_structure(found["param_groups"], wanted["param_groups"])
    for own in found["state"].values():
        if not isinstance(own, dict) or not all(
            value is None or isinstance(value, Tensor) for value in own.values()
        ):
            raise TypeError("no table of tensors for a parameter")


def _packed(content: Any) -> dict[str, Any]:
    """The content with places for tensors, and the tensors."""
    tensors: dict[torch.dtype, list[Tensor]] = {}
    lengths: dict[torch.dtype, int] = {}

    def place(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        tensor = value.detach().cpu()
        if not _dense(tensor):
            tensor = tensor.contiguous()
        start = lengths.get(tensor.dtype, 0)
        lengths[tensor.dtype] = start + tensor.numel()
        tensors.setdefault(tensor.dtype, []).append(
            tensor.as_strided((tensor.numel(),), (1,))
        )
        return {PLACE: (tensor.dtype, start, tuple(tensor.shape), tensor.stride())}

    placed = _mapped(content, place)
    return {
        "content": placed,
        "tensors": {dtype: torch.cat(own) for dtype, own in tensors.items()},
    }


def _unpacked(file: dict[str, Any], size: int) -> Any:
    """The inverse of :func:`_packed`; every tensor in memory of its own, laid out as it was.

    Args:
        file: what the torch file holds.
        size: of the torch file in bytes.

    Raises ValueError if there are more values, or more bytes of tensors, than a file of
    that size can hold: a file may name a small tensor, or a list, any number of times.
    """
    values = 0
    filled = 0

    def tensor(value: Any) -> Any:
        nonlocal values, filled
        values += 1
        if values > MOST_VALUES:
            raise ValueError(f"it holds more than {MOST_VALUES:,} values")
        if not isinstance(value, dict) or PLACE not in value:
            return value
        dtype, start, shape, strides = value[PLACE]
        flat = file["tensors"][dtype]
        filled += abs(math.prod(shape)) * flat.element_size()
        if filled > size:
            raise ValueError("its tensors are larger than the file")
        return flat.as_strided(shape, strides, start).clone()

    return _mapped(file["content"], tensor)


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with `change` of all that it holds, from the outside in; what was changed is left as it then is."""
    changed = change(value)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        return {key: _mapped(own, change) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_mapped(own, change) for own in value)
    return value


def _dense(tensor: Tensor) -> bool:
    """Whether its numbers lie side by side in memory, in whatever order."""
    length = 1
    for size, stride in sorted(
        zip(tensor.shape, tensor.stride(), strict=True), key=lambda pair: pair[1]
    ):
        if size > 1:
            if stride != length:
                return False
            length *= size
    return True
