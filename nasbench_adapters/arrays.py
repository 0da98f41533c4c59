"""Reads `.npz` files: archives of arrays, in which nothing is a pickle and nothing is larger than it can be. No torch.

The header of an array says how long it is, and numpy takes memory for that before it
reads the array. A small archive could so ask for any amount, by that number or by what
it unpacks to. Here both are held against the file first.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO

import numpy as np

from archselect.nasbench_adapters.input_files import open_plain
from archselect.nasbench_adapters.limits import (
    MOST_ARRAYS,
    most_unpacked,
    unpacked_too_large,
)

_ENDING = ".npy"
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How numpy writes archives; other ways of packing take memory of their own."""


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an archive by name; each is read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {
            member.filename.removesuffix(_ENDING): member
            for member in archive.infolist()
        }

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __contains__(self, name: object) -> bool:
        """Whether there is a member of that name, which is not read."""
        return name in self._members

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array.

        Raises KeyError if there is none of that name, and ValueError if it is no plain
        array.
        """
        member = self._members[name]
        with self._archive.open(member) as file:
            _check_header(name, file, member.file_size)
        with self._archive.open(member) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """Open an `.npz` within the block.

    Raises UserError, naming the file, if it unpacks to more than
    :func:`.limits.most_unpacked` says; OSError if it cannot be read, or is no plain
    file; ValueError or `zipfile.BadZipFile` if it is no archive of arrays.
    """
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        packed = os.fstat(file.fileno()).st_size
        most = most_unpacked(packed)
        if len(members) > MOST_ARRAYS:
            raise ValueError(
                f"it holds {len(members):,} arrays, more than {MOST_ARRAYS:,}"
            )
        if sum(member.file_size for member in members) > most:
            raise unpacked_too_large(path, packed, most)
        if any(member.compress_type not in _PACKINGS for member in members):
            raise ValueError("it is packed in another way than numpy packs")
        yield Arrays(archive)


def _check_header(name: str, file: IO[bytes], size: int) -> None:
    """Raise ValueError unless an array's header says that it has as many bytes as there are behind the header."""
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    version = np.lib.format.read_magic(file)
    if version not in readers:
        raise ValueError(f"its member {name} is no plain array")
    shape, _, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError(f"its member {name} holds objects, not numbers")
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"its member {name} is not as long as it says")
