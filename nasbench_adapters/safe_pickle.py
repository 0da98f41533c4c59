"""A safe reader of other people's pickles, which runs no code from the file.

A pickle can name any function and have it called. This reader refuses every name
outside one table. For numpy's names it has stand-ins, because the real functions trust
the flags of a stored dtype and can follow false pointers from the file.

A small pickle can also ask for much memory: by a call that creates bytes or tensors of
a given size, by calls that copy the same value again and again, or by millions of empty
lists. Here no call creates anything of a given size, and the pickle's size limits the
copies and the number of lists. A list that occurs in many places needs no memory until
somebody copies it, so a caller must check types and lengths before it copies. This file
does not import torch.
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
"""Bytes that a container needs for each value in it."""
_CREATED_BY_NUMBER = re.compile(
    rb"c(?:builtins|__builtin__)\nbytearray\n|ccollections\nCounter\n|ctorch[.\w]*\n\w*Tensor\n"
)
"""Names that torch's reader allows, but that create objects of a given size.

No file that archselect writes has them.
"""
_bytes_left: ContextVar[int] = ContextVar(
    "bytes that the calls of the pickle being read may still create"
)


@contextmanager
def limit_calls(size: int) -> Iterator[None]:
    """Limit what the calls of a pickle of `size` bytes create inside the block."""
    token = _bytes_left.set(MOST_CALL_TIMES * max(size, MEBIBYTE))
    try:
        yield
    finally:
        _bytes_left.reset(token)


def _spend(count: int) -> None:
    """Count the bytes that a call creates.

    Raises UnpicklingError if all calls together create too many.
    """
    left = _bytes_left.get() - count
    if left < 0:
        raise pickle.UnpicklingError("it copies its values again and again")
    _bytes_left.set(left)


def _copy(kind: Callable[..., Any], *arguments: Any) -> Any:
    """Return a container that is empty or a copy of another one.

    Raises UnpicklingError if the pickle asks for a container of a given size.
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

    From the state of a stored dtype it takes only the byte order.
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
    """Stand-in for `numpy.ndarray`: empty until it gets its state."""

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
    """Return an empty array, which gets its state later."""
    return _Array()


def _frombuffer(
    data: bytes, dtype: object, shape: tuple[int, ...], order: str
) -> np.ndarray:
    """Return an array from the form of pickles of protocol 5.

    The data is copied, so that no two arrays share memory.
    """
    view = memoryview(data)
    _spend(view.nbytes)
    flat = np.frombuffer(bytes(view), dtype=_real_dtype(dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes | str) -> Any:
    """Return a numpy number as a Python number.

    The data is a text if Python 2 wrote the pickle.
    """
    content = data.encode("latin1") if isinstance(data, str) else data
    numbers = np.frombuffer(content, dtype=_real_dtype(dtype))
    return numbers[0].item()


def encode(text: str, _: str) -> bytes:
    """Return bytes from the form of pickles below protocol 3: a text in Latin-1."""
    _spend(len(text))
    return text.encode("latin1")


class SparseRows:
    """Stand-in for `scipy.sparse.csr_matrix`, a sparse matrix."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Old versions of scipy store the shape under its plain name.
        self._shape = state["_shape"] if "_shape" in state else state["shape"]
        self._data = state["data"]
        self._columns = state["indices"]
        self._ends = state["indptr"]

    def dense(self) -> np.ndarray:
        """Return the matrix as an array, (rows, columns) of float32.

        Raises UserError if the array would need more than
        :data:`.limits.MOST_PICKLE_BYTES`, and ValueError, IndexError or another error
        of DAMAGED if the parts of the matrix do not fit together.
        """
        rows, columns = map(int, self._shape)
        size = rows * columns * np.dtype(np.float32).itemsize
        check_byte_count("a sparse matrix, with its zeros,", size, MOST_PICKLE_BYTES)
        counts = np.diff(self._ends)
        if len(counts) != rows or len(self._data) != self._ends[-1]:
            raise ValueError("its rows do not have the lengths in its header")
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
"""All names that a pickle may use, with the object for each.

They are containers, numpy's numbers and arrays of numbers, and scipy's sparse matrices.
"""


class _RestrictedUnpickler(pickle.Unpickler):
    """An unpickler that knows only the names in :data:`STAND_INS`."""

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

    Raises UserError if the pickle uses a name outside :data:`STAND_INS`, asks for too
    much memory, is larger than :data:`.limits.MOST_PICKLE_BYTES`, is damaged, or cannot
    be read.
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

    Raises UserError like :func:`read_pickle`.
    """
    with (
        raising_user_errors(path),
        open_unpacked(path, bz2.BZ2File, MOST_UNPACKED_PICKLE_BYTES) as file,
        limit_calls(path.stat().st_size),
    ):
        return _RestrictedUnpickler(file, encoding="latin1").load()


def unpickle(content: bytes, path: Path) -> Any:
    """Return the data of a pickle's bytes; messages name the path.

    Raises UserError like :func:`read_pickle`.
    """
    with raising_user_errors(path), limit_calls(len(content)):
        check_containers(content)
        return _RestrictedUnpickler(io.BytesIO(content), encoding="latin1").load()


def check_containers(content: bytes | mmap) -> None:
    """Raise UnpicklingError if a pickle may hold too many lists for its size.

    One byte creates an empty list of 64 bytes. The count includes equal bytes that are
    data.
    """
    count = _count_bytes(content, _CONTAINER_CODES)
    if count > MOST_CONTAINERS + len(content) * MOST_CONTAINERS_SHARE:
        raise pickle.UnpicklingError(
            f"it may hold {count:,} lists and tables in {len(content):,} bytes"
        )


def _count_bytes(content: bytes | mmap, values: bytes) -> int:
    """Return the number of bytes of a content that have one of the values."""
    total = 0
    for start in range(0, len(content), MEBIBYTE):
        part = np.frombuffer(content[start : start + MEBIBYTE], np.uint8)
        counts = np.bincount(part, minlength=256)
        total += int(counts[list(values)].sum())
    return total


def check_torch_file(file: IO[bytes], size: int) -> None:
    """Raise an error if a file of torch asks for more memory than it has bytes.

    Args:
        file: The file, a zip archive as torch writes since 1.6.
        size: Size of the file in bytes. Torch does not compress, so the content cannot
            be larger.

    Raises:
        ValueError: Parts of the file are compressed, or larger than the file.
        UnpicklingError: as for :func:`check_torch_pickle`.
    """
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("its parts are compressed")
        if sum(member.file_size for member in members) > size:
            raise ValueError("its parts are larger than the file")
        for member in members:
            if member.filename.endswith("/data.pkl"):
                check_torch_pickle(archive.read(member))


def check_torch_pickle(content: bytes | mmap) -> None:
    """Raise UnpicklingError if a pickle in a file of torch asks for too much memory.

    It can do so by a call that creates objects of a given size, or by many lists.
    """
    match = _CREATED_BY_NUMBER.search(content)
    if match:
        module_and_name = match[0][1:].rstrip(b"\n").replace(b"\n", b".")
        name = module_and_name.decode("ascii", "replace")
        raise pickle.UnpicklingError(f"it asks for {name}")
    check_containers(content)


def to_whole_numbers(values: object) -> np.ndarray:
    """Return a list of whole numbers as an array, and an array unchanged.

    Returns an empty array of floats for anything else: a list that holds the same list
    many times would fill the memory as an array.
    """
    if isinstance(values, np.ndarray):
        return np.asarray(values)
    if isinstance(values, list | tuple) and all(type(value) is int for value in values):
        return np.array(values) if values else np.empty(0)
    return np.empty(0)


@contextmanager
def raising_user_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading other people's files in the block into UserError.

    The file may ask for code to be run, be damaged, or be unreadable.
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
