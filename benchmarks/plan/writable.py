"""Checks that a folder or a file can be written, before anything is computed for it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from archselect.nasbench_adapters.atomic_files import unwritable
from archselect.nasbench_adapters.errors import UserError

LEAST_FREE = 50 * 2**20
"""Bytes that must be free where a command writes.

They suffice for records, reports and small supernets.
"""


def check_writable(path: Path, needed: int | None = None) -> None:
    """Raise UserError unless a folder can be written or created, and has free space.

    Creates nothing.

    Args:
        path: the folder.
        needed: bytes that must be free; :data:`LEAST_FREE` if None.
    """
    if needed is None:
        needed = LEAST_FREE
    existing = path.absolute()
    while not os.path.lexists(existing):
        existing = existing.parent
    if not existing.is_dir():
        raise unwritable(path, _os_error(errno.ENOTDIR))
    if not os.access(existing, os.W_OK | os.X_OK):
        number = errno.EROFS if _is_read_only(existing) else errno.EACCES
        raise unwritable(path, _os_error(number))
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:  # for example, another process has just removed it
        raise unwritable(path, error) from error
    if free < needed:
        raise UserError(
            f"cannot write {path}: {free / 2**20:,.0f} MiB are free, {needed / 2**20:,.0f} MiB are needed; "
            "free space or name another folder"
        )


def _is_read_only(folder: Path) -> bool:
    """Return whether a folder is on a read-only file system."""
    return hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def check_file_writable(path: Path) -> None:
    """Raise UserError unless a file can be written. Creates nothing."""
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
    if path.exists() and not os.access(path, os.W_OK):
        raise UserError(
            f"cannot write {path}: {os.strerror(errno.EACCES)}; name another file"
        )
    check_writable(path.parent, 0)


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
