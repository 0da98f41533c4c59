"""A reader of `.npz` files that trusts neither their headers nor their pickles.

The header of an array holds its length, and numpy allocates that much memory before it
reads the array. So a small archive could make numpy allocate any amount of memory, by a
false length or by data that unpack to a large size. This reader first compares both
with the size of the file. It does not import torch.
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
"""Compressions that numpy uses; other ones could need much memory to unpack."""
_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
"""Readers of an array's header, by version of the format."""


class Arrays(Mapping[str, np.ndarray]):
    """The arrays of an archive by name; an array is read on access."""

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
        """Return whether there is an array with that name, without reading it."""
        return name in self._members

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array.

        Raises KeyError if there is no array with that name, and ValueError if it is not
        a plain array.
        """
        member = self._members[name]
        with self._archive.open(member) as file:
            _check_header(name, file, member.file_size)
        with self._archive.open(member) as file:
            array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False)
        return array


@contextmanager
def open_arrays(path: Path) -> Iterator[Arrays]:
    """Open an `.npz` file inside the block.

    Raises:
        UserError: The file unpacks to more than :func:`.limits.most_unpacked` allows.
            The message names the file.
        OSError: The file cannot be read, or is not a plain file.
        ValueError, zipfile.BadZipFile: The file is not an archive of arrays.
    """
    with open_plain(path) as file, zipfile.ZipFile(file) as archive:
        packed = os.fstat(file.fileno()).st_size
        _check_members(path, packed, archive.infolist())
        yield Arrays(archive)


def _check_members(path: Path, packed: int, members: list[zipfile.ZipInfo]) -> None:
    """Raise UserError or ValueError if an archive has too many or too large members."""
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"it holds {len(members):,} arrays, more than {MOST_ARRAYS:,}")
    most = most_unpacked(packed)
    if sum(member.file_size for member in members) > most:
        raise unpacked_too_large(path, packed, most)
    if any(member.compress_type not in _PACKINGS for member in members):
        raise ValueError("it is compressed in a way that numpy does not use")


def _check_header(name: str, file: IO[bytes], size: int) -> None:
    """Raise ValueError unless the size of an array agrees with its header.

    Args:
        name: Name of the array.
        file: The open member, at its start.
        size: Bytes of the member, including its header.
    """
    version = np.lib.format.read_magic(file)
    if version not in _HEADER_READERS:
        raise ValueError(f"its member {name} is not a plain array")
    shape, _, dtype = _HEADER_READERS[version](file)
    if dtype.hasobject:
        raise ValueError(f"its member {name} holds objects, not numbers")
    count = prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or count != size - file.tell():
        raise ValueError(f"its member {name} is shorter or longer than its header says")
