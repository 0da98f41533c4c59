"""Readers for users' files, which first check encoding, size and kind.

A file that cannot be read raises a :class:`.UserError` of one line. Only plain files
are read, because a pipe or a device could block the reader or never end. This file does
not import torch.
"""

from __future__ import annotations

import bz2
import codecs
import errno
import gzip
import io
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import IO

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import (
    MOST_JSON_BYTES,
    MOST_UNPACKED_BYTES,
    check_byte_count,
    most_unpacked,
    unpacked_too_large,
)

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
"""Errors, besides OSError, that damaged bytes cause.

The readers of pickles, of torch's files and of numpy's archives raise them.
"""

_OTHER_ENCODINGS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""First bytes of files in these encodings; longer marks come first."""
_PACKED = {
    b"\x1f\x8b": "packed with gzip: unpack it, or give it a name that ends in .gz",
    b"PK\x03\x04": "a zip archive: unpack it",
    b"PAR1": "a Parquet file: give it a name that ends in .parquet",
}
"""First bytes of files that are not text, with the kind of file and the fix."""
_HEAD_BYTES = 256
"""Bytes at the start of a file that show its encoding."""
_BLOCK_BYTES = 1 << 16
"""Bytes of an unpacked file that are buffered."""
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""Names of the kinds of files that are not plain files."""
OPEN_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags with which every file is opened."""
_NO_WAIT_FLAGS = OPEN_FLAGS | getattr(os, "O_NONBLOCK", 0)
"""Flags with which opening a pipe does not wait for its other end."""
Unpack = Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File]
"""A function that opens the content of an open packed file."""


def expand(path: Path | str) -> Path:
    """Return a path in which `~` or `~name` at the start is the user's home folder.

    Raises UserError if there is no such user or home folder, or if the text cannot be
    the name of a file.
    """
    try:
        expanded = Path(path).expanduser()
        os.lstat(expanded)
    except RuntimeError as error:
        raise UserError(
            f"cannot find the home folder of {path}: write the path without '~'"
        ) from error
    except ValueError as error:
        raise UserError(
            f"{str(path)!r} cannot be the name of a file: write another one"
        ) from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(
                f"{str(path)!r} is too long to be the name of a file: write a shorter one"
            ) from error
    return expanded


def open_plain(path: Path) -> IO[bytes]:
    """Open a plain file, or a link to one, to read it.

    Raises OSError if it cannot be opened, or is a pipe, a device or a folder.
    """
    return open_plain_with(path, os.O_RDONLY, "rb")


def open_plain_with(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a plain file with flags of :func:`os.open` and a mode of :func:`open`.

    Raises OSError, without waiting, reading or writing, if it is not a plain file.
    """
    handle = os.open(path, flags | _NO_WAIT_FLAGS, 0o666)
    file_mode = os.fstat(handle).st_mode
    if stat.S_ISREG(file_mode):
        return os.fdopen(handle, mode)
    os.close(handle)
    if stat.S_ISDIR(file_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, f"it is {describe_kind(file_mode)}, not a file")


def describe_kind(mode: int) -> str:
    """Return the name of a file's kind, such as "a link", from its `st_mode`."""
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def read_bytes(path: Path, most: int = MOST_JSON_BYTES) -> bytes:
    """Return the content of a plain file.

    Raises UserError if the file has more bytes than `most`, and OSError if it cannot be
    read, or is not a plain file.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_byte_count(path, size, most)
        content = file.read(size + 1)
        grows = len(content) > size
        if grows:
            content += file.read(most + 1 - len(content))
    check_byte_count(path, len(content), most)
    return content


def read_text(path: Path, most: int = MOST_JSON_BYTES) -> str:
    """Return the text of a UTF-8 file, without byte-order mark, with LF line ends.

    Raises UserError if the file cannot be read, has more bytes than `most`, or has
    another encoding.
    """
    try:
        content = read_bytes(path, most)
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """Return the bytes of a file as text, in the form of :func:`read_text`.

    Raises UserError if they are not UTF-8.
    """
    _check_head(path, content[:_HEAD_BYTES])
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = 1 + content.count(b"\n", 0, error.start)
        raise _not_utf8(path, line, content[error.start]) from error
    return io.StringIO(text, newline=None).read()


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 file, without its byte-order mark, to read it piece by piece.

    A file whose name ends in `.gz` is unpacked. Raises UserError if the file has
    another encoding, even if that is found only during reading in the block.
    """
    with open_bytes(path) as file:
        _check_head(path, file.read(_HEAD_BYTES))
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            with open_bytes(path) as file:
                raise _first_fault(path, file) from error


def check_python(path: Path, content: bytes) -> None:
    """Raise UserError if a Python file does not have the encoding that it declares.

    Without a declaration it must be UTF-8.
    """
    _check_head(path, content[:_HEAD_BYTES])
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        # A wrong byte in the first two lines, or an unknown encoding. Running the file
        # reports an unknown encoding.
        encoding = "utf-8"
    if encoding in ("utf-8", "utf-8-sig"):
        decode(path, content)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain file to read it; unpack it if its name ends in `.gz`.

    Raises OSError like :func:`open_plain`.
    """
    if path.suffix == ".gz":
        return open_unpacked(path, _open_gzip)
    return open_plain(path)


def _open_gzip(file: IO[bytes]) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=file)


def open_unpacked(
    path: Path, unpack: Unpack, always: int = MOST_UNPACKED_BYTES
) -> IO[bytes]:
    """Open the content of a packed file.

    Args:
        path: Path of the file.
        unpack: Function that opens the content of an open file of this kind.
        always: Bytes that the content may have even if the file is small.

    Raises:
        OSError: The file cannot be read, or is not a plain file.
        UserError: Reading has unpacked more bytes than :func:`.limits.most_unpacked`
            allows. The message names the file.
    """
    content = _UnpackedFile(path, open_plain(path), unpack, always)
    return io.BufferedReader(content, _BLOCK_BYTES)


class _UnpackedFile(io.RawIOBase):
    """The content of a packed file, which counts the bytes that are read."""

    def __init__(
        self, path: Path, file: IO[bytes], unpack: Unpack, always: int
    ) -> None:
        self._path = path
        self._file = file
        self._packed = os.fstat(file.fileno()).st_size
        self._most = most_unpacked(self._packed, always)
        self._left = self._most
        self._content = unpack(file)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, and return the number of bytes that were read.

        Raises UserError if the content has too many bytes in total.
        """
        content = self._content.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise unpacked_too_large(self._path, self._packed, self._most)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the content and the packed file."""
        self._content.close()
        self._file.close()
        super().close()


def _check_head(path: Path, head: bytes) -> None:
    """Raise UserError if a file's first bytes show another encoding, or no text."""
    check_not_packed(path, head)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if head.startswith(mark):
            raise UserError(f"{path} is {encoding}: save it as UTF-8")
    if b"\0" in head:
        # ASCII letters in UTF-16 have a zero byte each; text in UTF-8 has none.
        raise UserError(f"{path} is UTF-16 or not text: save it as UTF-8")


def check_not_packed(path: Path, head: bytes) -> None:
    """Raise UserError if a file's first bytes show a packed or a Parquet file."""
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


def check_value_types(values: object, kinds: Mapping[str, type | UnionType]) -> None:
    """Raise ValueError unless values of JSON are a table of these keys and types."""
    if not isinstance(values, dict):
        raise ValueError("it is not a table of values")
    for key, kind in kinds.items():
        value = values.get(key)
        # In Python a boolean is also a whole number.
        is_unwanted_boolean = isinstance(value, bool) and kind is not bool
        if is_unwanted_boolean or not isinstance(value, kind):
            raise ValueError(f"its '{key}' is {value!r}")
