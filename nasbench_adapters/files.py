"""How files are read and written: texts of people, whole files or none, folders that one command writes. No torch.

Only plain files are read: a pipe or a device could keep a reader waiting, or have no end. In a study's folder, which
may have been received from elsewhere, nothing is written through a link. The folder itself may be a link: that is its
user's own choice.
"""

from __future__ import annotations

import bz2
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
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import UnionType
from typing import IO, TypeVar

from filelock import FileLock, Timeout

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.limits import (
    MOST_JSON_BYTES,
    MOST_UNPACKED_BYTES,
    most_unpacked,
    refuse_bytes,
    too_much_unpacked,
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
TRIES = 10
"""How often a file's folder is made anew where other processes remove it while it is empty."""

Made = TypeVar("Made")
Unpack = Callable[[IO[bytes]], gzip.GzipFile | bz2.BZ2File]


def expand(path: Path | str) -> Path:
    """Return a path with `~` and `~name` at its start replaced by that user's home folder.

    Raises UserError if there is no such user or home folder, or if the text can be the name of no file.
    """
    try:
        expanded = Path(path).expanduser()
        os.lstat(expanded)
    except RuntimeError as error:
        raise UserError(f"cannot tell which folder {path} is: write the path without '~'") from error
    except ValueError as error:
        raise UserError(f"{str(path)!r} cannot be the name of a file: write another one") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise UserError(f"{str(path)!r} is too long to be the name of a file: write a shorter one") from error
    return expanded


def open_plain(path: Path) -> IO[bytes]:
    """Open a plain file, or a link to one, to be read. Raises OSError for a pipe, a device or a folder, too."""
    return _opened(path, os.O_RDONLY, "rb")


def _opened(path: Path, flags: int, mode: str) -> IO[bytes]:
    """Open a plain file. Raises OSError if it is none; nothing is waited for, read or written then."""
    handle = os.open(path, flags | _WITHOUT_WAITING, 0o666)
    found = os.fstat(handle).st_mode
    if stat.S_ISREG(found):
        return os.fdopen(handle, mode)
    os.close(handle)
    if stat.S_ISDIR(found):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, f"it is {kind_of(found)} and no file")


def kind_of(mode: int) -> str:
    """Return in words what `st_mode` says that something is: "a link"."""
    return _KINDS.get(stat.S_IFMT(mode), "a file")


def read_bytes(path: Path, most: int = MOST_JSON_BYTES) -> bytes:
    """Return the content of a plain file.

    Raises UserError if the file has more bytes than `most`, and OSError if it cannot be read, or is no plain file.
    """
    with open_plain(path) as file:
        size = os.fstat(file.fileno()).st_size
        refuse_bytes(path, size, most)
        content = file.read(size + 1)
        if len(content) > size:  # it grows while it is read
            content += file.read(most + 1 - len(content))
    refuse_bytes(path, len(content), most)
    return content


def read_text(path: Path, most: int = MOST_JSON_BYTES) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark and with a line feed as every line's end.

    Raises UserError if the file cannot be read, has more bytes than `most`, or another encoding.
    """
    try:
        content = read_bytes(path, most)
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
        # A wrong byte in the first two lines, or an encoding that does not exist, which running the file tells.
        encoding = "utf-8"
    if encoding in ("utf-8", "utf-8-sig"):
        decode(path, content)


def open_bytes(path: Path) -> IO[bytes]:
    """Open a plain file (unpacked if its name ends in `.gz`) to be read. Raises OSError as :func:`open_plain` does."""
    return open_unpacked(path, lambda file: gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else open_plain(path)


def open_unpacked(path: Path, unpack: Unpack, always: int = MOST_UNPACKED_BYTES) -> IO[bytes]:
    """Open what a packed file unpacks to.

    Args:
        path: of the file.
        unpack: opens what an open file of the kind unpacks to.
        always: bytes that it may unpack to however small it is.

    Raises OSError if it cannot be read, or is no plain file. Reading raises UserError, naming the file, once it unpacks
    to more than :func:`.limits.most_unpacked` says.
    """
    return io.BufferedReader(_Unpacked(path, open_plain(path), unpack, always), 1 << 16)


class _Unpacked(io.RawIOBase):
    """The bytes that a packed file unpacks to, counted."""

    def __init__(self, path: Path, file: IO[bytes], unpack: Unpack, always: int) -> None:
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
        """Fill a buffer; how many bytes there were. Raises UserError if those are too many in all."""
        content = self._content.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise too_much_unpacked(self._path, self._packed, self._most)
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        """Close the file, too."""
        self._content.close()
        self._file.close()
        super().close()


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


def write_atomically(path: Path, data: bytes, within: Path | None = None) -> None:
    """Write a file so that it is there whole or not at all.

    A new file has the permissions that the umask leaves, and one that replaces another keeps the other's. Where a user
    named the file, a link stays a link, and a device or a pipe, such as /dev/null, is written to and stays what it is.

    Args:
        path: of the file; its folder is made.
        data: the content.
        within: the folder of which a command fills in all; below it nothing is written through a link.

    Raises UserError if the folder cannot take the file.
    """
    try:
        if within is not None:
            refuse_links(path, within)
            _replace(path, data)
        elif path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(_target(path), data)
    except OSError as error:
        raise unwritable(path, error) from error


def _target(path: Path) -> Path:
    """Return the file that a link leads to, or the path of what is no link. Raises OSError for links in a circle."""
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet. Raises UserError if it is, or if its folder cannot take it."""
    try:
        handle = in_folder(path, lambda: _create(path))
    except FileExistsError as error:
        raise UserError(f"{path} is there already: choose another name, or remove it") from error
    except OSError as error:
        raise unwritable(path, error) from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def open_to_append(path: Path, within: Path) -> IO[bytes]:
    """Open a file of a folder that a command fills, to add to it; it is made if it is not there.

    Raises UserError where :func:`refuse_links` does, and for a file with a second name, which would change with it.
    Raises OSError if it cannot be written.
    """
    refuse_links(path, within)
    file = in_folder(path, lambda: _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK, "ab"))
    if os.fstat(file.fileno()).st_nlink > 1:
        file.close()
        raise UserError(f"cannot write {path}: it has a second name, a hard link, that would change too; remove it")
    return file


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def refuse_links(path: Path, within: Path) -> None:
    """Raise UserError if writing a file would write through a link, or into something that is no plain file.

    Args:
        path: of the file; what is not there is fine.
        within: the folder whose own path may be a link.
    """
    parts = path.relative_to(within).parts
    for length in range(1, len(parts) + 1):
        part = within.joinpath(*parts[:length])
        try:
            mode = os.lstat(part).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise unwritable(part, error) from error
        if stat.S_ISLNK(mode):
            raise UserError(
                f"cannot write {path}: {part} is a link, through which nothing is written; put what it leads to there, "
                "or remove it"
            )
        if not (stat.S_ISREG(mode) if part == path else stat.S_ISDIR(mode)):
            wanted = "a file" if part == path else "a folder"
            raise UserError(f"cannot write {path}: {part} is {kind_of(mode)} in the place of {wanted}; remove it")


def in_folder(path: Path, make: Callable[[], Made]) -> Made:
    """Make the folder of a file, then the file, and return what makes it.

    Does both again where another process removes the empty folder in between.
    """
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            _make_folder(path.parent)
            return make()
    _make_folder(path.parent)
    return make()


def _make_folder(folder: Path) -> None:
    """Make a folder that need not be missing. Raises FileNotFoundError if others remove it, or a parent, meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if not os.path.lexists(folder):
            raise FileNotFoundError(*error.args) from error
        raise


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    handle = in_folder(temporary, lambda: _create(temporary))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _keep_permissions(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _keep_permissions(old: Path, new: Path) -> None:
    """Give a file the permissions of the one that it will replace, if there is one (any more)."""
    with suppress(FileNotFoundError):
        found = old.stat().st_mode
        if stat.S_ISREG(found):
            new.chmod(stat.S_IMODE(found))


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
        probe.unlink(missing_ok=True)


def _create(path: Path) -> int:
    """Create a file that is not there yet, and return its descriptor."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _FLAGS, 0o666)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder within the block. The system lets go of it when the process ends, however it does.

    Raises UserError if another command holds it, on this machine or, where the file system passes locks on, another;
    or if it cannot be written to. Warns where the file system knows no locks.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The library empties the file that it locks, and old versions give it permissions of their own.
        with open_to_append(path, folder) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        lock = FileLock(path, mode=mode)
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
