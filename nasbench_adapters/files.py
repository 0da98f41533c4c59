"""How files are read and written: texts of people, whole files or none, folders that one command writes. No torch."""

from __future__ import annotations

import codecs
import errno
import gzip
import io
import os
import secrets
import stat
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import IO

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

_OTHER_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""What files of these encodings start with; the longer marks come first."""
_PACKED = {
    b"\x1f\x8b": "packed with gzip: unpack it, or give it a name that ends in .gz",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"PAR1": "a Parquet file: give it a name that ends in .parquet",
}
"""What files that are no text start with, what they are, and the mend."""
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a file system that has no room left."""
_HEAD = 256
"""Bytes at the start of a file that show which encoding it has."""


def expand(path: Path | str) -> Path:
    """Return a path with `~` and `~name` at its start replaced by that user's home folder.

    Raises UserError if there is no such user or home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"cannot tell which folder {path} is: write the path without '~'") from error


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark and with a line feed as every line's end.

    Raises UserError if the file cannot be read or has another encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """Return the bytes of a file as :func:`read_text` does. Raises UserError if they are not UTF-8."""
    _check_head(path, content[:_HEAD])
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, content.count(b"\n", 0, error.start) + 1, content[error.start]) from error
    return io.StringIO(text, newline=None).read()


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 file (unpacked if its name ends in `.gz`) to be read piece by piece, without a byte-order mark.

    Raises UserError if the file has another encoding, also where reading within the block shows it.
    """
    with _open_bytes(path) as file:
        _check_head(path, file.read(_HEAD))
    with io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            with _open_bytes(path) as file:
                raise _first_fault(path, file) from error


def check_python(path: Path, content: bytes) -> None:
    """Raise UserError if the content of a Python file is not of the encoding that it declares, by default UTF-8."""
    _check_head(path, content[:_HEAD])
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        # A wrong byte in the first two lines, or an encoding that does not exist, which running the file tells.
        encoding = "utf-8"
    if encoding in ("utf-8", "utf-8-sig"):
        decode(path, content)


def _open_bytes(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _check_head(path: Path, head: bytes) -> None:
    """Raise UserError if a file starts like one of another encoding than UTF-8, or like one that is no text."""
    check_unpacked(path, head)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if head.startswith(mark):
            raise UserError(f"{path} is {encoding}: save it as UTF-8")
    if b"\0" in head:
        # Plain letters of UTF-16 have a zero byte each, which no text in UTF-8 has.
        raise UserError(f"{path} is UTF-16 or no text: save it as UTF-8")


def check_unpacked(path: Path, head: bytes) -> None:
    """Raise UserError if a file starts like one that is packed or a Parquet file."""
    for mark, kind in _PACKED.items():
        if head.startswith(mark):
            raise UserError(f"{path} is {kind}")


def _first_fault(path: Path, file: Iterable[bytes]) -> UserError:
    """Return the error for the first line of a file that is not UTF-8."""
    for number, line in enumerate(file, start=1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return _not_utf8(path, number, line[error.start])
    return UserError(f"{path} changed while it was read: run the command again")


def _not_utf8(path: Path, line: int, byte: int) -> UserError:
    return UserError(
        f"{path}, line {line}: byte 0x{byte:02x} is not UTF-8; the file is probably Latin-1 or Windows-1252: "
        "save it as UTF-8"
    )


def unreadable(path: Path, error: OSError) -> UserError:
    """Return the error for a file or folder that cannot be read."""
    return UserError(f"cannot read {path}: {error.strerror or error}")


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
    mend = "free space or name another folder" if error.errno in _FULL else "name another folder"
    return UserError(f"cannot write {path}: {error.strerror or error}; {mend}")


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    A new file has the permissions that the umask leaves, and one that replaces another keeps the other's. A link stays
    a link; a device or a pipe, such as /dev/null, is written to and stays what it is. Raises UserError if the folder
    cannot take the file.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            _replace(path.resolve(), data)
    except OSError as error:
        raise unwritable(path, error) from error


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    handle = _create(temporary)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if path.is_file():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def mode_of_new_files(folder: Path) -> int:
    """Return the permissions that the umask, or the folder's own rules, leave to a new file in a folder.

    A file is made for it and removed: asking for the umask would change it for other threads. Raises OSError if the
    folder cannot be written to.
    """
    probe = folder / f".{secrets.token_hex(8)}.part"
    handle = _create(probe)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink()


def _create(path: Path) -> int:
    """Create a file that is not there yet, and return its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder within the block. The system lets go of it when the process ends, however it does.

    Raises UserError if another command holds it, on this machine or, where the file system passes locks on, another;
    or if it cannot be written to. Warns where the file system knows no locks.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Old versions of the library give a lock their own permissions.
        lock = FileLock(folder / ".lock", mode=mode_of_new_files(folder))
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
