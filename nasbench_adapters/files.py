"""Files that are there whole or not at all, and what damaged ones raise; folders that one command writes. No torch."""

from __future__ import annotations

import os
import struct
import tempfile
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType

from filelock import FileLock, Timeout

from archselect.nasbench_adapters.errors import UserError

DAMAGED = (
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    BufferError,
    MemoryError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What the readers of pickles, of torch's files and of numpy's archives raise on damaged bytes, besides OSError."""


def check_kinds(values: object, kinds: Mapping[str, type | UnionType]) -> None:
    """Raises ValueError unless the values, of JSON, are a table that has all of these keys, each of its type."""
    if not isinstance(values, dict):
        raise ValueError("no table of values")
    for key, kind in kinds.items():
        value = values.get(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"its '{key}' is {value!r}")


def unwritable(path: Path, error: OSError) -> UserError:
    """What a file or folder that cannot be written to raises."""
    return UserError(f"cannot write {path}: {error.strerror or error}; free space or name another folder")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises UserError if the folder cannot take it."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder within the block. The system lets go of it when the process ends, however it does.

    Raises UserError if another command holds it, on this machine or, where the file system passes locks on, another;
    or if it cannot be written to. Warns where the file system knows no locks.
    """
    lock = FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another command is writing into {folder}: wait until it ends, or name another folder"
        ) from error
    except NotImplementedError:  # as Lustre is often mounted
        warnings.warn(f"{folder} knows no locks: see to it that one command at a time writes there", stacklevel=3)
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
