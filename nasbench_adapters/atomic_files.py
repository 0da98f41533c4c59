"""How archselect writes files: whole or not at all, and through no link.

A study's folder may come from elsewhere, so nothing in it is written through a link. The
folder itself may be a link: that is its user's own choice. No torch here.
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
    _FLAGS,
    _opened,
    describe_kind,
)

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Errors of a file system that has no room left."""
TRIES = 10
"""How often a file's folder is made anew where other processes remove it while it is
empty.
"""

Made = TypeVar("Made")


def unwritable(path: Path, error: OSError) -> UserError:
    """What a file or folder that cannot be written to raises."""
    mend = (
        "free space or name another folder"
        if error.errno in _FULL
        else "name another folder"
    )
    return UserError(f"cannot write {path}: {error.strerror or error}; {mend}")


def write_atomically(path: Path, data: bytes, within: Path | None = None) -> None:
    """Write a file so that it is there whole or not at all.

    A new file has the permissions that the umask leaves, and one that replaces another
    keeps the other's. Where a user named the file, a link stays a link, and a device or
    a pipe, such as /dev/null, is written to and stays what it is.

    Args:
        path: of the file; its folder is made.
        data: the content.
        within: the folder of which a command fills in all; below it nothing is written
            through a link.

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
    """Return the file that a link leads to, or the path of what is no link.

    Raises OSError for links in a circle.
    """
    try:
        return path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet.

    Raises UserError if it is, or if its folder cannot take it.
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
    """Open a file of a folder that a command fills, to add to it; it is made if it is not there.

    Raises UserError where :func:`refuse_links` does, and for a file with a second name,
    which would change with it. Raises OSError if it cannot be written.
    """
    refuse_links(path, within)
    file = in_folder(
        path,
        lambda: _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _NO_LINK, "ab"),
    )
    if os.fstat(file.fileno()).st_nlink > 1:
        file.close()
        raise UserError(
            f"cannot write {path}: it has a second name, a hard link, that would change too; remove it"
        )
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
            raise UserError(
                f"cannot write {path}: {part} is {describe_kind(mode)} in the place of {wanted}; remove it"
            )


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
    """Make a folder that need not be missing.

    Raises FileNotFoundError if others remove it, or a parent, meanwhile.
    """
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


def read_new_file_mode(folder: Path) -> int:
    """Return the permissions that the umask, or the folder's own rules, leave to a new file in a folder.

    A file is made for it and removed: asking for the umask would change it for other
    threads. Raises OSError if the folder cannot be written to.
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
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a folder within the block.

    The system lets go of it when the process ends, however it does.

    Raises UserError if another command holds it, on this machine or, where the file
    system passes locks on, another; or if it cannot be written to. Warns where the file
    system knows no locks.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The library empties the file that it locks, and old versions give it
        # permissions of their own.
        with open_to_append(path, folder) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        lock = FileLock(path, mode=mode)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise UserError(
            f"another command is writing into {folder}: wait until it ends, or name another folder"
        ) from error
    except NotImplementedError:  # as Lustre is often mounted
        warnings.warn(
            f"{folder} knows no locks: see to it that one command at a time writes there",
            stacklevel=3,
        )
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()
