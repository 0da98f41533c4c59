"""Downloads of authors' files, verified by their MD5 and SHA-256."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pooch

from archselect.nasbench_adapters.atomic_files import in_folder, read_new_file_mode
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import open_plain, unreadable

CONNECT_TIMEOUT = 10
READ_TIMEOUT = 60
"""Seconds that a download waits for its server."""
BLOCK_BYTES = 1 << 20
"""Number of bytes to read at once."""


@dataclass(frozen=True)
class Sums:
    """The checksums of a file, in hexadecimal digits.

    The MD5 is the canonical one, which authors and other loaders publish. But somebody
    can make another file with the same MD5, so the SHA-256 decides. The SHA-256 sums
    here were computed from the files with these MD5s; they equal those in TensorFlow
    Datasets (binary CIFAR, SVHN) and Keras (CIFAR for Python).
    """

    md5: str
    sha256: str


def verify(path: Path, sums: Sums) -> None:
    """Raise UserError if a file has other checksums, or cannot be read."""
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    try:
        with open_plain(path) as file:
            while block := file.read(BLOCK_BYTES):
                md5.update(block)
                sha256.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    _check_sum(path, "MD5", md5.hexdigest(), sums.md5)
    _check_sum(path, "SHA-256", sha256.hexdigest(), sums.sha256)


def _check_sum(path: Path, name: str, digest: str, wanted: str) -> None:
    if digest != wanted:
        raise UserError(
            f"{path} is damaged or another file: its {name} is {digest}, not {wanted}; "
            "delete it, and it will be fetched again"
        )


def fetch(path: Path, sums: Sums, url: str, variable: str) -> None:
    """Download a file; it gets its name only when it is complete and verified.

    Args:
        path: Path of the file; its folder is created.
        sums: Checksums of the file.
        url: Address before the file's name.
        variable: Environment variable with the address of a mirror, for messages.

    Raises:
        UserError: The download fails, or the file has a wrong checksum.
    """
    address = f"{url.rstrip('/')}/{path.name}"
    new_folders = [folder for folder in path.parents if not folder.exists()]
    downloader = pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))

    def retrieve() -> None:
        pooch.retrieve(
            address,
            known_hash=f"sha256:{sums.sha256}",
            fname=path.name,
            path=path.parent,
            downloader=downloader,
        )

    try:
        # Another process whose download fails removes the folder while it is empty.
        in_folder(path, retrieve)
        # pooch makes downloads readable for their user only.
        path.chmod(read_new_file_mode(path.parent))
    # requests' errors are OSErrors; pooch raises ValueError for a wrong checksum.
    except (OSError, ValueError) as error:
        _remove_empty(new_folders)
        raise UserError(
            f"cannot fetch {address} ({_reason(error)}); fetch {path.name} by other means "
            f"and put it into {path.parent}, or name a mirror in {variable}"
        ) from error


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of the folders that are empty, in order."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _reason(error: Exception) -> str:
    """Return the reason of a failed download, for messages.

    It is the last clause of a network error, or the whole text of any other error.
    """
    # Errors of requests have a response, which is None if no server answered.
    is_of_network = hasattr(error, "response") and error.response is None
    if not is_of_network:
        return " ".join(str(error).split())
    inner = error.args[0] if error.args else error
    reason = str(getattr(inner, "reason", inner))
    _, _, clause = reason.rpartition(": ")
    return re.sub(r"\[Errno -?\d+\] ", "", " ".join(clause.split()))
