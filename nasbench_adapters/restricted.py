"""Reads a foreign pickle without running anything of the file's choosing. No torch here.

A pickle may name any function and have it called. Here every name outside an allow-list is refused, and
numpy's own names are met by stand-ins: the real ones trust the flags of a stored dtype, and can be led to
follow pointers that the file made up.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from archselect.nasbench_adapters.errors import UserError


class _Dtype:
    """Stands in for `numpy.dtype`: booleans, integers and floats; of its state only the byte order counts."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.real = np.dtype(name)
        if self.real.kind not in "biuf":
            raise pickle.UnpicklingError(f"it holds an array of {self.real}, not of numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.real = self.real.newbyteorder(state[1])


class _Array(np.ndarray):
    """Stands in for `numpy.ndarray`, which it is, but for how its state is set."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        super().__setstate__((1, shape, _real(dtype), fortran, data))


def _real(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a dtype")
    return dtype.real


def _reconstruct(*_: object) -> _Array:
    """An empty array, whose state follows."""
    return _Array((0,), np.uint8)


def _frombuffer(data: bytes, dtype: object, shape: tuple[int, ...], order: str) -> np.ndarray:
    """How pickles of protocol 5 write arrays."""
    flat = np.frombuffer(data, dtype=_real(dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes | str) -> Any:
    """A numpy number; `data` is a text where Python 2 wrote the pickle."""
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype=_real(dtype))[0]


def _encode(text: str, encoding: str) -> bytes:
    """How pickles below protocol 3 write bytes."""
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How pickles below protocol 3 write no bytes at all."""
    return b""


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and numpy 2
    _STAND_INS[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _STAND_INS[f"{_core}.multiarray", "scalar"] = _scalar
    _STAND_INS[f"{_core}.numeric", "_frombuffer"] = _frombuffer

PLAIN: frozenset[tuple[str, str]] = frozenset()
"""Nothing but what a pickle needs no names for: dict, list, tuple, set, str, bytes, numbers, None."""

NUMPY: frozenset[tuple[str, str]] = frozenset(_STAND_INS)
"""Plain data, and numpy's arrays and numbers (booleans, integers, floats), as numpy 1 and 2 write them."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO, allowed: frozenset[tuple[str, str]], encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self.allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for. Raises UnpicklingError for one that is not allowed."""
        if (module, name) not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _STAND_INS.get((module, name)) or super().find_class(module, name)


def load_pickle(file: BinaryIO, allowed: frozenset[tuple[str, str]] = PLAIN, encoding: str = "latin1") -> Any:
    """The data of a pickle that may name nothing but what is allowed.

    Args:
        file: opened for reading bytes; messages give its `name`.
        allowed: (module, name) of every class and function that may be used: :data:`PLAIN`, :data:`NUMPY`, or
            one of them joined with names that are harmless to call with any arguments.
        encoding: how the 8-bit texts of a pickle written by Python 2 are read.

    Raises:
        UserError: the pickle asks for another name, or it is damaged, or it cannot be read.
    """
    where = getattr(file, "name", "the pickle")
    try:
        return _Unpickler(file, allowed, encoding).load()
    except pickle.UnpicklingError as error:
        raise UserError(f"{where} is refused: {error}; get the file from its authors again") from error
    except OSError as error:
        raise UserError(f"cannot read {where}: {error.strerror or error}") from error
    except (
        EOFError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        MemoryError,
    ) as error:
        raise UserError(f"{where} is damaged ({error}): get it from its authors again") from error
