"""Reads pickles from elsewhere without running anything of the file's choosing. No torch here.

A pickle may name any function and have it called. Here every name outside one table is refused, and numpy's
own names are met by stand-ins: the real ones trust the flags of a stored dtype, and can be led to follow
pointers that the file made up.
"""

from __future__ import annotations

import bz2
import io
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import DAMAGED


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
    """Stands in for `numpy.ndarray`, which it is, but empty until its state is set, and then of numbers."""

    def __new__(cls, *_: object) -> _Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        super().__setstate__((1, shape, _real(dtype), fortran, data))


def _real(dtype: object) -> np.dtype[Any]:
    if not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("it holds an array without a dtype")
    return dtype.real


def _reconstruct(*_: object) -> _Array:
    """An empty array, whose state follows."""
    return _Array()


def _frombuffer(data: bytes, dtype: object, shape: tuple[int, ...], order: str) -> np.ndarray:
    """How pickles of protocol 5 write arrays. A copy, so that no array is a view of another's memory."""
    flat = np.frombuffer(bytes(data), dtype=_real(dtype))
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _scalar(dtype: object, data: bytes | str) -> Any:
    """A numpy number, as one of Python's; `data` is a text where Python 2 wrote the pickle."""
    return np.frombuffer(data.encode("latin1") if isinstance(data, str) else data, dtype=_real(dtype))[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """How pickles below protocol 3 write bytes."""
    return text.encode("latin1")


STAND_INS: dict[str, Callable[..., Any]] = {
    "builtins.bytes": bytes,
    "builtins.dict": dict,
    "builtins.list": list,
    "builtins.set": set,
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": defaultdict,
    "_codecs.encode": _encode,
    "numpy.dtype": _Dtype,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray._reconstruct": _reconstruct,  # numpy 1
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _frombuffer,
    "numpy._core.multiarray._reconstruct": _reconstruct,  # numpy 2
    "numpy._core.multiarray.scalar": _scalar,
    "numpy._core.numeric._frombuffer": _frombuffer,
}
"""All that a pickle may name, and what it gets: containers, and numpy's numbers and arrays of numbers."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """The stand-in of a name. Raises UnpicklingError for any other name."""
        full = f"{'builtins' if module == '__builtin__' else module}.{name}"  # as Python 2 called it
        if full not in STAND_INS:
            raise pickle.UnpicklingError(f"it asks for {full}")
        return STAND_INS[full]


def read_pickle(path: Path) -> Any:
    """Return the data of a pickle, decompressed if its name ends in `.pbz2`; Python 2's 8-bit texts as Latin-1.

    Raises UserError if the pickle asks for anything but :data:`STAND_INS`, is damaged, or cannot be read.
    """
    with refusing(path), bz2.open(path) if path.suffix == ".pbz2" else path.open("rb") as file:
        return _Unpickler(file, encoding="latin1").load()


def unpickle(content: bytes, path: Path) -> Any:
    """Return the data of a pickle that was read already, as :func:`read_pickle` does; messages name the path."""
    with refusing(path):
        return _Unpickler(io.BytesIO(content), encoding="latin1").load()


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Within it, what goes wrong with a foreign file is a UserError: it asks for code, is damaged, cannot be read."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} is refused: {error}; get the file from its authors again") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGED as error:
        raise UserError(f"{path} is damaged ({error}): get it from its authors again") from error
