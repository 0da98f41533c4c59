"""Reads pickles from elsewhere as plain data. No torch here.

A pickle may name any function and have it called. Here every name it may use is met by a stand-in of ours
that can only make a container or a number, and every other name is refused: nothing of the file's choosing
runs.
"""

from __future__ import annotations

import bz2
import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError


class _Number:
    """Stands in for `numpy.dtype`, restricted to booleans, integers and floats."""

    def __init__(self, name: str, align: bool = False, copy: bool = False) -> None:
        self.dtype = np.dtype(name)
        if self.dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"arrays of type {name} are not read")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """Stands in for `numpy.ndarray`; `values` has the content once its state is set."""

    values: np.ndarray

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, number, fortran, data = state
        flat = np.frombuffer(data, dtype=number.dtype)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def _scalar(number: _Number, data: bytes) -> float:
    value: float = np.frombuffer(data, dtype=number.dtype)[0].item()
    return value


def _encode(text: str, encoding: str) -> bytes:
    """How old pickles write bytes."""
    return text.encode("latin1")


def _array(*_: object) -> _Array:
    return _Array()


PLAIN: dict[str, Callable[..., Any]] = {}
"""Nothing but what pickles need no names for: dict, list, tuple, set, str, bytes, numbers, None."""

NUMBERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": defaultdict,
    "builtins.bytes": bytes,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.set": set,
    "_codecs.encode": _encode,
    "numpy.dtype": _Number,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.multiarray._reconstruct": _array,
    "numpy._core.multiarray._reconstruct": _array,
}
"""Plain data, the containers of the standard library, and numpy's numbers and arrays of numbers."""


_DAMAGED = (EOFError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError)
"""What an unpickler raises on damaged bytes."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BufferedIOBase, allowed: dict[str, Callable[..., Any]]) -> None:
        super().__init__(file)
        self.allowed = allowed

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The stand-in of a name. Raises UnpicklingError for any other name."""
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"  # as Python 2 called it
        if full not in self.allowed:
            raise pickle.UnpicklingError(f"it asks for {full}")
        return self.allowed[full]


def read_pickle(path: Path, allowed: dict[str, Callable[..., Any]] = PLAIN) -> Any:
    """The plain data of a pickle, decompressed if its name ends in `.pbz2`.

    Raises UserError if the pickle asks for anything that is not allowed, or is damaged, or cannot be read.
    """
    try:
        with bz2.open(path) if path.suffix == ".pbz2" else path.open("rb") as file:
            return _Unpickler(file, allowed).load()
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused: {error}; a file of results holds plain data only, fetch it from its authors"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except _DAMAGED as error:
        raise UserError(f"{path} is damaged ({error}): fetch it again") from error
