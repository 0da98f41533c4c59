"""Atomic writers of files: no partial files, and no writing through links.

Somebody else may have made a study's folder, so no file in it is written through a
link. The folder itself may be a link, because its user chose it. This file does not
import torch.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from filelock import FileLock, Timeout

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import (
    OPEN_FLAGS,
    describe_kind,
    open_plain_with,
)

_NO_SPACE_ERRORS = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a file system without free space."""
_CREATE_FLAGS = os.O_CREAT | os.O_EXCL | os.O_WRONLY | OPEN_FLAGS
"""Flags that create a file, and fail if there is one of this name."""
_APPEND_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
"""Flags that open a file to append to it, and fail if it is a link."""
_NEW_FILE_MODE = 0o666
"""Permissions of a new file, before the umask removes some."""
TRIES = 10
"""Attempts to create a file whose empty folder other processes keep removing."""

Made = TypeVar("Made")


def unwritable(path: Path, error: OSError) -> UserError:
    """Return the error for a file or folder that cannot be written to."""
    advice = "name another folder"
    if error.errno in _NO_SPACE_ERRORS:
        advice = f"free space or {advice}"
    return UserError(f"cannot write {path}: {error.strerror or error}; {advice}")


def write_atomically(path: Path, data: bytes, within: Path | None = None) -> None:
    """Write a file atomically: there is never a partial file.

    A new file has the permissions that the umask leaves. A file that replaces another
    one keeps the permissions of that one. If a user named the file, a link stays a
    link, and a device or a pipe such as /dev/null is written to and not replaced.

    Args:
        path: Path of the file; its folder is created.
        data: Content of the file.
        within: Folder that a command fills. Below it, nothing is written through a
            link.

    Raises:
        UserError: The folder cannot take the file.
    """
    try:
        if within is not None:
            refuse_links(path, within)
            _replace(path, data)
        elif path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            _replace(_follow_link(path), data)
    except OSError as error:
        raise unwritable(path, error) from error


def _follow_link(path: Path) -> Path:
    """Return the target of a link, or the path itself if it is not a link.

    Raises OSError for links in a circle.
    """
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not exist yet.

    Raises UserError if it exists, or if its folder cannot take it.
    """
    try:
        handle = in_folder(path, lambda: _create(path))
    except FileExistsError as error:
        raise UserError(
            f"{path} is there already: choose another name, or remove it"
        ) from error
    except OSError as error:
        raise unwritable(path, error) from error
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def open_to_append(path: Path, within: Path) -> IO[bytes]:
    """Open a file to append to it, and create it if needed.

    Args:
        path: Path of the file.
        within: Folder that a command fills; the file is in it.

    Raises:
        UserError: The path leads through a link (:func:`refuse_links`), or the file has
            a second hard link, which would change too.
        OSError: The file cannot be written.
    """
    refuse_links(path, within)
    file = in_folder(path, lambda: open_plain_with(path, _APPEND_FLAGS, "ab"))
    if os.fstat(file.fileno()).st_nlink > 1:
        file.close()
        raise UserError(
            f"cannot write {path}: it has a second hard link, which would change too; "
            "remove one of the two"
        )
    return file


def refuse_links(path: Path, within: Path) -> None:
    """Raise UserError if a path leads through a link, or not to a plain file.

    Args:
        path: Path of the file; parts that do not exist are fine.
        within: Folder whose own path may be a link.
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
        _check_part(path, part, mode)


def _check_part(path: Path, part: Path, mode: int) -> None:
    """Raise UserError unless one part of a path is a folder, or the file itself."""
    if stat.S_ISLNK(mode):
        raise UserError(
            f"cannot write {path}: {part} is a link, and archselect does not write "
            "through links; replace it by its target, or remove it"
        )
    if part == path:
        wanted = "a file"
        is_wanted = stat.S_ISREG(mode)
    else:
        wanted = "a folder"
        is_wanted = stat.S_ISDIR(mode)
    if not is_wanted:
        raise UserError(
            f"cannot write {path}: {part} is {describe_kind(mode)}, not {wanted}; "
            "remove it"
        )


def in_folder(path: Path, make: Callable[[], Made]) -> Made:
    """Create a file's folder, then the file by `make`, and return what `make` returns.

    Does both again if another process removes the empty folder between the two steps.
    """
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            _make_folder(path.parent)
            return make()
    _make_folder(path.parent)
    return make()


def _make_folder(folder: Path) -> None:
    """Create a folder if it does not exist.

    Raises FileNotFoundError if another process removes it, or a parent, at the same
    time.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        if not os.path.lexists(folder):
            raise FileNotFoundError(*error.args) from error
        raise


def _replace(path: Path, data: bytes) -> None:
    """Write a temporary file, and rename it to the path."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    handle = in_folder(temporary, lambda: _create(temporary))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _copy_permissions(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _copy_permissions(old: Path, new: Path) -> None:
    """Give a file the permissions of the file that it will replace, if that exists."""
    with suppress(FileNotFoundError):
        mode = old.stat().st_mode
        if stat.S_ISREG(mode):
            new.chmod(stat.S_IMODE(mode))


def read_new_file_mode(folder: Path) -> int:
    """Return the permissions that a new file in a folder gets.

    They depend on the umask and on the folder's rules. This function creates a file and
    removes it, because reading the umask would change it for other threads. Raises
    OSError if the folder cannot be written to.
    """
    probe = folder / f".{secrets.token_hex(8)}.part"
    handle = _create(probe)
    try:
        return stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink(missing_ok=True)


def _create(path: Path) -> int:
    """Create a file that does not exist yet, and return its descriptor."""
    return os.open(path, _CREATE_FLAGS, _NEW_FILE_MODE)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder inside the block, so that no other command writes into it.

    The operating system releases the lock when the process ends, for whatever reason.
    Warns if the file system has no locks.

    Raises:
        UserError: Another command has locked the folder, on this machine or, if the
            file system shares locks, on another one; or the folder cannot be written
            to.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The library empties the file that it locks, and old versions change its
        # permissions.
        with open_to_append(path, folder) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        lock = FileLock(path, mode=mode)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another command is writing into {folder}: wait until it ends, or name "
            "another folder"
        ) from error
    except NotImplementedError:  # such as on many Lustre file systems
        warnings.warn(
            f"the file system of {folder} has no locks: let only one command at a time write there",
            stacklevel=3,
        )
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
