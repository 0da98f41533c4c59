"""Reads pickles from elsewhere without running anything of the file's choosing.

No torch here.

A pickle may name any function and have it called. Here every name outside one table is
refused, and numpy's own names are met by stand-ins: the real ones trust the flags of a
stored dtype, and can be led to follow pointers that the file made up.

A small pickle may ask for much memory, too: by a call that makes bytes or tensors of a
number, by calls that copy the same value again and again, by millions of empty lists.
No call here makes anything of a number, and what calls copy and how many lists there
are is limited by the pickle's size. What holds one list in many places takes no memory
by itself; whoever reads it must look at types and lengths before copying.
"""

from __future__ import annotations

import bz2
import io
import pickle
import re
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from mmap import mmap
from pathlib import Path
from typing import IO, Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, open_unpacked, read_bytes
from archselect.nasbench_adapters.limits import (
    MEBIBYTE,
    MOST_CALL_TIMES,
    MOST_CONTAINERS,
    MOST_CONTAINERS_SHARE,
    MOST_PICKLE_BYTES,
    MOST_UNPACKED_PICKLE_BYTES,
    check_byte_count,
)

_CONTAINERS = b"]}\x85\x86\x87\x8f"
"""The bytes of pickles that make a list, a table, a short tuple or a set."""
_MADE_OF_NUMBERS = re.compile(
    rb"c(?:builtins|__builtin__)\nbytearray\n|ccollections\nCounter\n|ctorch[.\w]*\n\w*Tensor\n"
)
"""What torch's own reader lets a file call and what makes memory of a number; none of
our files has it.
"""
_left: ContextVar[int] = ContextVar(
    "bytes that the calls of the pickle being read may still make"
)


@contextmanager
def limit_calls(size: int) -> Iterator[None]:
    """Limit what the calls of a pickle make, within the block, by the pickle's size in bytes."""
    token = _left.set(MOST_CALL_TIMES * max(size, MEBIBYTE))
    try:
        yield
    finally:
        _left.reset(token)


def _spend(count: int) -> None:
    """Note that a call makes so many bytes.

    Raises UnpicklingError if the calls make too many in all.
    """
    left = _left.get() - count
    if left < 0:
        raise pickle.UnpicklingError("it copies its values again and again")
    _left.set(left)


def _copied(kind: Callable[..., Any], *arguments: Any) -> Any:
    """A container that is empty or a copy of another one; what a pickle would have made of a number is refused."""
    for argument in arguments:
        if not isinstance(argument, bytes | str | list | tuple | set | dict):
            raise pickle.UnpicklingError(
                f"it makes a {kind.__name__} of a {type(argument).__name__}"
            )
        _spend(len(argument) * (1 if kind is bytes else 8))
    return kind(*arguments)


def _bytes(*arguments: Any) -> Any:
    return _copied(bytes, *arguments)


def _dict(*arguments: Any) -> Any:
    return _copied(dict, *arguments)


def _list(*arguments: Any) -> Any:
    return _copied(list, *arguments)


def _set(*arguments: Any) -> Any:
    return _copied(set, *arguments)


def _ordered(*arguments: Any) -> Any:
    return _copied(OrderedDict, *arguments)


def _defaultdict(factory: Any = None) -> Any:
    return defaultdict(factory)


class _Dtype:
    """Stands in for `numpy.dtype`: booleans, integers and floats; of its state only the byte order counts."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.real = np.dtype(name)
        if self.real.kind not in "biuf":
            raise pickle.UnpicklingError(
                f"it holds an array of {self.real}, not of numbers"
            )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.real = self.real.newbyteorder(state[1])


class _Array(np.ndarray):
    """Stands in for `numpy.ndarray`, which it is, but empty until its state is set, and then of numbers."""

    def __new__(cls, *_: object) -> _Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        _spend(len(data))
        super().__setstate__((1, shape, _real(dtype), fortran, data))


def _real(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a dtype")
    return dtype.real


def _reconstruct(*_: object) -> _Array:
    """An empty array, whose state follows."""
    return _Array()


def _frombuffer(
    data: bytes, dtype: object, shape: tuple[int, ...], order: str
) -> np.ndarray:
    """How pickles of protocol 5 write arrays.

    A copy, so that no array is a view of another's memory.
    """
    _spend(memoryview(data).nbytes)
    flat = np.frombuffer(bytes(memoryview(data)), dtype=_real(dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes | str) -> Any:
    """A numpy number, as one of Python's; `data` is a text where Python 2 wrote the pickle."""
    return np.frombuffer(
        data.encode("latin1") if isinstance(data, str) else data, dtype=_real(dtype)
    )[0].item()


def encode(text: str, encoding: str) -> bytes:
    """How pickles below protocol 3 write bytes."""
    _spend(len(text))
    return text.encode("latin1")


STAND_INS: dict[str, Callable[..., Any]] = {
    "builtins.bytes": _bytes,
    "builtins.dict": _dict,
    "builtins.list": _list,
    "builtins.set": _set,
    "collections.OrderedDict": _ordered,
    "collections.defaultdict": _defaultdict,
    "_codecs.encode": encode,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray._reconstruct": _reconstruct,  # numpy 1
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy._core.multiarray._reconstruct": _reconstruct,  # numpy 2
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
}
"""All that a pickle may name, and what it gets: containers, and numpy's numbers and
arrays of numbers.
"""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The stand-in of a name. Raises UnpicklingError for any other name."""
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"  # as Python 2 called it
        if full not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {full}")
        return STAND_INS[full]


def read_pickle(path: Path) -> Any:
    """Return the data of a pickle, decompressed if its name ends in `.pbz2`; Python 2's 8-bit texts as Latin-1.

    Raises UserError if the pickle asks for anything but :data:`STAND_INS` or for much
    memory, is larger than :data:`.limits.MOST_PICKLE_BYTES`, is damaged, or cannot be
    read.
    """
    return unpickle(read_pickle_bytes(path), path)


def read_pickle_bytes(path: Path) -> bytes:
    """Return the bytes of a pickle, decompressed.

    Raises UserError if there are too many, or they cannot be read.
    """
    with raising_user_errors(path):
        if path.suffix != ".pbz2":
            return read_bytes(path, MOST_PICKLE_BYTES)
        content = bytearray()
        with open_unpacked(path, bz2.BZ2File, MOST_UNPACKED_PICKLE_BYTES) as file:
            while part := file.read(MEBIBYTE):
                content += part
                check_byte_count(f"{path}, unpacked,", len(content), MOST_PICKLE_BYTES)
        return bytes(content)


def read_large_pickle(path: Path) -> Any:
    """As :func:`read_pickle`, of a file of any size that ends in `.pbz2`, unpacked as it is read."""
    with (
        raising_user_errors(path),
        open_unpacked(path, bz2.BZ2File, MOST_UNPACKED_PICKLE_BYTES) as file,
        limit_calls(path.stat().st_size),
    ):
        return _Unpickler(file, encoding="latin1").load()


def unpickle(content: bytes, path: Path) -> Any:
    """Return the data of a pickle that was read already, as :func:`read_pickle` does; messages name the path."""
    with raising_user_errors(path), limit_calls(len(content)):
        check_containers(content)
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()


def check_containers(content: bytes | mmap) -> None:
    """Raise UnpicklingError if a pickle may hold more lists and tables than data of its size does.

    A byte makes an empty list of 64 bytes. The bytes that do so are counted where they
    stand in data, too.
    """
    count = _count(content, _CONTAINERS)
    if count > MOST_CONTAINERS + len(content) * MOST_CONTAINERS_SHARE:
        raise pickle.UnpicklingError(
            f"it may hold {count:,} lists and tables in {len(content):,} bytes"
        )


def _count(content: bytes | mmap, values: bytes) -> int:
    """Return how many bytes of a content have one of some values."""
    found = 0
    for start in range(0, len(content), MEBIBYTE):
        part = np.frombuffer(content[start : start + MEBIBYTE], np.uint8)
        found += int(np.bincount(part, minlength=256)[list(values)].sum())
    return found


def check_torch_file(file: IO[bytes], size: int) -> None:
    """Raise UnpicklingError or ValueError if a file of torch's asks for more memory than it has bytes.

    Args:
        file: the file, of the form that torch writes since 1.6: a zip archive.
        size: in bytes. Torch never packs what it writes, so what is in it is no larger.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its parts are packed")
        if sum(member.file_size for member in members) > size:
            raise ValueError("its parts are larger than the file")
        for member in members:
            if member.filename.endswith("/data.pkl"):
                check_torch_pickle(archive.read(member))


def check_torch_pickle(content: bytes | mmap) -> None:
    """Raise UnpicklingError if the pickle within a file of torch's asks for memory by a number, or for many lists."""
    found = _MADE_OF_NUMBERS.search(content)
    if found:
        name = found[0][1:].replace(b"\n", b".").rstrip(b".").decode("ascii", "replace")
        raise pickle.UnpicklingError(f"it asks for {name}")
    check_containers(content)


def to_whole_numbers(values: object) -> np.ndarray:
    """Return a list or an array of whole numbers as an array; an empty one of floats for anything else.

    A list that holds the same list many times would fill memory as an array.
    """
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    if isinstance(values, list | tuple) and all(type(value) is int for value in values):
        return np.array(values) if values else np.empty(0)
    return np.empty(0)


@contextmanager
def raising_user_errors(path: Path) -> Iterator[None]:
    """Within it, what goes wrong with a foreign file is a UserError: it asks for code, is damaged, cannot be read."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: {error}; get the file from its authors again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is damaged ({error}): get it from its authors again"
        ) from error
