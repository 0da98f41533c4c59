"""A reader of pickles from elsewhere that runs nothing which the file chooses.

No torch here.

A pickle may name any function and have it called. This reader refuses every name
outside one table. For numpy's own names it has stand-ins: the real ones trust the flags
of a stored dtype, and can be led to follow pointers that the file made up.

A small pickle may also ask for much memory: by a call that creates bytes or tensors of
a given number, by calls that copy the same value again and again, by millions of empty
lists. Here no call creates anything of a given number, and the pickle's size limits
what calls copy and how many lists there are. A list that stands in many places takes no
memory by itself; a caller must look at types and lengths before it copies.
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
from archselect.nasbench_adapters.input_files import (
    DAMAGED,
    open_unpacked,
    read_bytes,
    unreadable,
)
from archselect.nasbench_adapters.limits import (
    MEBIBYTE,
    MOST_CALL_TIMES,
    MOST_CONTAINERS,
    MOST_CONTAINERS_SHARE,
    MOST_PICKLE_BYTES,
    MOST_UNPACKED_PICKLE_BYTES,
    check_byte_count,
)

_CONTAINER_CODES = b"]}\x85\x86\x87\x8f"
"""Bytes of pickles that create a list, a table, a short tuple or a set."""
_POINTER_BYTES = 8
"""Bytes that a container takes for each value in it."""
_CREATED_BY_NUMBER = re.compile(
    rb"c(?:builtins|__builtin__)\nbytearray\n|ccollections\nCounter\n|ctorch[.\w]*\n\w*Tensor\n"
)
"""Names that torch's own reader allows, and that create memory of a given number.

No file of ours has them.
"""
_bytes_left: ContextVar[int] = ContextVar(
    "bytes that the calls of the pickle being read may still create"
)


@contextmanager
def limit_calls(size: int) -> Iterator[None]:
    """Limit what the calls of a pickle of `size` bytes create within the block."""
    token = _bytes_left.set(MOST_CALL_TIMES * max(size, MEBIBYTE))
    try:
        yield
    finally:
        _bytes_left.reset(token)


def _spend(count: int) -> None:
    """Note that a call creates `count` bytes.

    Raises UnpicklingError if the calls create too many in all.
    """
    left = _bytes_left.get() - count
    if left < 0:
        raise pickle.UnpicklingError("it copies its values again and again")
    _bytes_left.set(left)


def _copy(kind: Callable[..., Any], *arguments: Any) -> Any:
    """Return a container that is empty or a copy of another one.

    Raises UnpicklingError if the pickle asks for one of a given number of values.
    """
    bytes_per_value = 1 if kind is bytes else _POINTER_BYTES
    for argument in arguments:
        if not isinstance(argument, bytes | str | list | tuple | set | dict):
            raise pickle.UnpicklingError(
                f"it makes a {kind.__name__} of a {type(argument).__name__}"
            )
        _spend(bytes_per_value * len(argument))
    return kind(*arguments)


def _bytes(*arguments: Any) -> Any:
    return _copy(bytes, *arguments)


def _dict(*arguments: Any) -> Any:
    return _copy(dict, *arguments)


def _list(*arguments: Any) -> Any:
    return _copy(list, *arguments)


def _set(*arguments: Any) -> Any:
    return _copy(set, *arguments)


def _ordered_dict(*arguments: Any) -> Any:
    return _copy(OrderedDict, *arguments)


def _defaultdict(factory: Any = None) -> Any:
    return defaultdict(factory)


class _Dtype:
    """Stand-in for `numpy.dtype`: booleans, integers and floats.

    Of the state of a stored dtype it takes the byte order alone.
    """

    def __init__(
        self,
        name: str,
        *_: object,
    ) -> None:
        self.real = np.dtype(name)
        if self.real.kind not in "biuf":
            raise pickle.UnpicklingError(
                f"it holds an array of {self.real}, not of numbers"
            )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        byte_order = state[1]
        if byte_order in ("<", ">"):
            self.real = self.real.newbyteorder(byte_order)


class _Array(np.ndarray):
    """Stand-in for `numpy.ndarray`: empty at first, an array once it has its state."""

    def __new__(cls, *_: object) -> _Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, is_fortran, data = state
        _spend(len(data))
        super().__setstate__((1, shape, _real_dtype(dtype), is_fortran, data))


def _real_dtype(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a dtype")
    return dtype.real


def _reconstruct(*_: object) -> _Array:
    """Return an empty array, whose state follows."""
    return _Array()


def _frombuffer(
    data: bytes, dtype: object, shape: tuple[int, ...], order: str
) -> np.ndarray:
    """Return an array as pickles of protocol 5 write it.

    The data is copied, so that no array is a view of another's memory.
    """
    view = memoryview(data)
    _spend(view.nbytes)
    flat = np.frombuffer(bytes(view), dtype=_real_dtype(dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes | str) -> Any:
    """Return a number of numpy as one of Python.

    The data is a text where Python 2 wrote the pickle.
    """
    content = data.encode("latin1") if isinstance(data, str) else data
    numbers = np.frombuffer(content, dtype=_real_dtype(dtype))
    return numbers[0].item()


def encode(text: str, _: str) -> bytes:
    """Return bytes as pickles below protocol 3 write them: as a text in Latin-1."""
    _spend(len(text))
    return text.encode("latin1")


class SparseRows:
    """Stand-in for `scipy.sparse.csr_matrix`: numbers of which most are zero."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Old versions of scipy store the shape under its plain name.
        self._shape = state["_shape"] if "_shape" in state else state["shape"]
        self._data = state["data"]
        self._columns = state["indices"]
        self._ends = state["indptr"]

    def dense(self) -> np.ndarray:
        """Return the matrix as an array: float32, rows × columns.

        Raises UserError if it would take more than :data:`.limits.MOST_PICKLE_BYTES`,
        and ValueError, IndexError or another of DAMAGED if its parts do not fit.
        """
        rows, columns = map(int, self._shape)
        size = rows * columns * np.dtype(np.float32).itemsize
        check_byte_count("a sparse matrix, with its zeros,", size, MOST_PICKLE_BYTES)
        counts = np.diff(self._ends)
        if len(counts) != rows or len(self._data) != self._ends[-1]:
            raise ValueError("its rows have other lengths than it says")
        if self._ends[0] != 0 or np.any(counts < 0) or np.any(self._columns < 0):
            raise ValueError("it has values before the first row or column")
        matrix = np.zeros((rows, columns), np.float32)
        places = np.repeat(np.arange(rows), counts)
        matrix[places, np.asarray(self._columns)] = np.asarray(self._data)
        return matrix


STAND_INS: dict[str, Callable[..., Any]] = {
    "builtins.bytes": _bytes,
    "builtins.dict": _dict,
    "builtins.list": _list,
    "builtins.set": _set,
    "collections.OrderedDict": _ordered_dict,
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
    "scipy.sparse.csr.csr_matrix": SparseRows,
    "scipy.sparse._csr.csr_matrix": SparseRows,  # since scipy 1.8
}
"""All names that a pickle may use, and what it gets for each.

These are containers, numpy's numbers and arrays of numbers, and scipy's sparse ones.
"""


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows the names of :data:`STAND_INS` alone."""

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """Return the stand-in of a name; raise UnpicklingError for any other name."""
        if module == "__builtin__":  # as Python 2 called it
            module = "builtins"
        full_name = f"{module}.{name}"
        if full_name not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {full_name}")
        return STAND_INS[full_name]


def read_pickle(path: Path) -> Any:
    """Return the data of a pickle, decompressed if its name ends in `.pbz2`.

    8-bit texts of Python 2 are read as Latin-1.

    Raises UserError if the pickle asks for anything but :data:`STAND_INS` or for much
    memory, is larger than :data:`.limits.MOST_PICKLE_BYTES`, is damaged, or cannot be
    read.
    """
    return unpickle(read_pickle_bytes(path), path)


def read_pickle_bytes(path: Path) -> bytes:
    """Return the bytes of a pickle, decompressed if its name ends in `.pbz2`.

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
    """Return the data of a `.pbz2` file of any size, decompressed while it is read.

    Raises UserError as :func:`read_pickle` does.
    """
    with (
        raising_user_errors(path),
        open_unpacked(path, bz2.BZ2File, MOST_UNPACKED_PICKLE_BYTES) as file,
        limit_calls(path.stat().st_size),
    ):
        return _RestrictedUnpickler(file, encoding="latin1").load()


def unpickle(content: bytes, path: Path) -> Any:
    """Return the data of the bytes of a pickle; messages name the path.

    Raises UserError as :func:`read_pickle` does.
    """
    with raising_user_errors(path), limit_calls(len(content)):
        check_containers(content)
        return _RestrictedUnpickler(io.BytesIO(content), encoding="latin1").load()


def check_containers(content: bytes | mmap) -> None:
    """Raise UnpicklingError if a pickle may hold too many lists for its size.

    One byte creates an empty list of 64 bytes. Such bytes count also where they are
    data.
    """
    count = _count_bytes(content, _CONTAINER_CODES)
    if count > MOST_CONTAINERS + len(content) * MOST_CONTAINERS_SHARE:
        raise pickle.UnpicklingError(
            f"it may hold {count:,} lists and tables in {len(content):,} bytes"
        )


def _count_bytes(content: bytes | mmap, values: bytes) -> int:
    """Return how many bytes of a content have one of the values."""
    total = 0
    for start in range(0, len(content), MEBIBYTE):
        part = np.frombuffer(content[start : start + MEBIBYTE], np.uint8)
        counts = np.bincount(part, minlength=256)
        total += int(counts[list(values)].sum())
    return total


def check_torch_file(file: IO[bytes], size: int) -> None:
    """Raise an error if a file of torch asks for more memory than it has bytes.

    Args:
        file: The file, of the form that torch writes since 1.6: a zip archive.
        size: Size of the file in bytes. Torch never packs what it writes, so the
            content is no larger.

    Raises:
        ValueError: Parts of the file are packed, or larger than the file.
        UnpicklingError: See :func:`check_torch_pickle`.
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
    """Raise UnpicklingError if a pickle within a file of torch asks for much memory.

    That is by a call that creates memory of a given number, or by many lists.
    """
    match = _CREATED_BY_NUMBER.search(content)
    if match:
        module_and_name = match[0][1:].rstrip(b"\n").replace(b"\n", b".")
        name = module_and_name.decode("ascii", "replace")
        raise pickle.UnpicklingError(f"it asks for {name}")
    check_containers(content)


def to_whole_numbers(values: object) -> np.ndarray:
    """Return a list of whole numbers as an array, and an array as it is.

    Returns an empty array of floats for anything else. A list that holds the same list
    many times would fill memory as an array.
    """
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    if isinstance(values, list | tuple) and all(type(value) is int for value in values):
        return np.array(values) if values else np.empty(0)
    return np.empty(0)


@contextmanager
def raising_user_errors(path: Path) -> Iterator[None]:
    """Turn what reading a foreign file raises within the block into a UserError.

    The file may ask for code, be damaged, or be unreadable.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: {error}; get the file from its authors again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is damaged ({error}): get it from its authors again"
        ) from error
