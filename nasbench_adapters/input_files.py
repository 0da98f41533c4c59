"""How archselect reads the files of users: encodings, sizes and kinds.

What cannot be read is a :class:`.UserError` of one line. Only plain files are read: a pipe
or a device could keep a reader waiting, or have no end. No torch here.
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
"""What the readers of pickles, of torch's files and of numpy's archives raise on
damaged bytes, besides OSError.
"""

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
_HEAD = 256
"""Bytes at the start of a file that show which encoding it has."""
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is no plain file, in words."""
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_WITHOUT_WAITING = _FLAGS | getattr(os, "O_NONBLOCK", 0)
"""How a file is opened so that a pipe in its place does not wait for another end."""
Unpack = Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File]


def expand(path: Path | str) -> Path:
    """Return a path with `~` and `~name` at its start replaced by that user's home folder.

    Raises UserError if there is no such user or home folder, or if the text can be the
    name of no file.
    """
    try:
        expanded = Path(path).expanduser()
        os.lstat(expanded)
    except RuntimeError as error:
        raise UserError(
            f"cannot tell which folder {path} is: write the path without '~'"
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
    """Open a plain file, or a link to one, to be read.

    Raises OSError for a pipe, a device or a folder, too.
    """
    return _opened(path, os.O_RDONLY, "rb")


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a plain file.

    Raises OSError if it is none; nothing is waited for, read or written then.
    """
    handle = os.open(path, flags | _WITHOUT_WAITING, 0o666)
    found = os.fstat(handle).st_mode
    if stat.S_ISREG(found):
        return os.fdopen(handle, mode)
    os.close(handle)
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, f"it is {describe_kind(found)} and no file")


def describe_kind(mode: int) -> str:
    """Return in words what `st_mode` says that something is: "a link"."""
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def read_bytes(path: Path, most: int = MOST_JSON_BYTES) -> bytes:
    """Return the content of a plain file.

    Raises UserError if the file has more bytes than `most`, and OSError if it cannot be
    read, or is no plain file.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_byte_count(path, size, most)
        content = file.read(size + 1)
        if len(content) > size:  # it grows while it is read
            content += file.read(most + 1 - len(content))
    check_byte_count(path, len(content), most)
    return content


def read_text(path: Path, most: int = MOST_JSON_BYTES) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark and with a line feed as every line's end.

    Raises UserError if the file cannot be read, has more bytes than `most`, or another
    encoding.
    """
    try:
        content = read_bytes(path, most)
    except OSError as error:
        raise unreadable(path, error) from error
    return decode(path, content)


def decode(path: Path, content: bytes) -> str:
    """Return the bytes of a file as :func:`read_text` does.

    Raises UserError if they are not UTF-8.
    """
    _check_head(path, content[:_HEAD])
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(
            path, content.count(b"\n", 0, error.start) + 1, content[error.start]
        ) from error
    return io.StringIO(text, newline=None).read()


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 file (unpacked if its name ends in `.gz`) to be read piece by piece, without a byte-order mark.

    Raises UserError if the file has another encoding, also where reading within the
    block shows it.
    """
    with open_bytes(path) as file:
        _check_head(path, file.read(_HEAD))
    with io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            with open_bytes(path) as file:
                raise _first_fault(path, file) from error


def check_python(path: Path, content: bytes) -> None:
    """Raise UserError if the content of a Python file is not of the encoding that it declares, by default UTF-8."""
    _check_head(path, content[:_HEAD])
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        # A wrong byte in the first two lines, or an encoding that does not exist, which
        # running the file tells.
        encoding = "utf-8"
    if encoding in ("utf-8", "utf-8-sig"):
        decode(path, content)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain file (unpacked if its name ends in `.gz`) to be read.

    Raises OSError as :func:`open_plain` does.
    """
    return (
        open_unpacked(path, lambda file: gzip.GzipFile(fileobj=file))
        if path.suffix == ".gz"
        else open_plain(path)
    )


def open_unpacked(
    path: Path, unpack: Unpack, always: int = MOST_UNPACKED_BYTES
) -> IO[bytes]:
    """Open what a packed file unpacks to.

    Args:
        path: of the file.
        unpack: opens what an open file of the kind unpacks to.
        always: bytes that it may unpack to however small it is.

    Raises OSError if it cannot be read, or is no plain file. Reading raises UserError,
    naming the file, once it unpacks to more than :func:`.limits.most_unpacked` says.
    """
    return io.BufferedReader(_Unpacked(path, open_plain(path), unpack, always), 1 << 16)


class _Unpacked(io.RawIOBase):
    """The bytes that a packed file unpacks to, counted."""

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
        """It is."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer; how many bytes there were.

        Raises UserError if those are too many in all.
        """
        content = self._content.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise unpacked_too_large(self._path, self._packed, self._most)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file, too."""
        self._content.close()
        self._file.close()
        super().close()


def _check_head(path: Path, head: bytes) -> None:
    """Raise UserError if a file starts like one of another encoding than UTF-8, or like one that is no text."""
    check_not_packed(path, head)
    for mark, encoding in _OTHER_ENCODINGS.items():
        if head.startswith(mark):
            raise UserError(f"{path} is {encoding}: save it as UTF-8")
    if b"\0" in head:
        # Plain letters of UTF-16 have a zero byte each, which no text in UTF-8 has.
        raise UserError(f"{path} is UTF-16 or no text: save it as UTF-8")


def check_not_packed(path: Path, head: bytes) -> None:
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


def check_value_types(values: object, kinds: Mapping[str, type | UnionType]) -> None:
    """Raises ValueError unless the values, of JSON, are a table that has all of these keys, each of its type."""
    if not isinstance(values, dict):
        raise ValueError("no table of values")
    for key, kind in kinds.items():
        value = values.get(key)
        if not isinstance(value, kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(f"its '{key}' is {value!r}")
