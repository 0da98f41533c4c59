"""Files fetched from where their authors keep them, and known by their MD5 and SHA-256."""

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

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds
BLOCK = 1 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Sums:
    """The checksums of a file, in hexadecimal digits.

    The MD5 is the canonical one, which authors and other loaders name. Files of one MD5
    can be made on purpose, so the SHA-256 decides. Those of archselect's data sets are
    of the files of these MD5s; TensorFlow Datasets (binary CIFAR, SVHN) and Keras
    (CIFAR for Python) name the same.
    """

    md5: str
    sha256: str


def verify(path: Path, sums: Sums) -> None:
    """Raise UserError if a file is another one than that of the checksums, or cannot be read."""
    md5 = hashlib.md5(usedforsecurity=False)
    sha256 = hashlib.sha256()
    try:
        with open_plain(path) as file:
            while block := file.read(BLOCK):
                md5.update(block)
                sha256.update(block)
    except OSError as error:
        raise unreadable(path, error) from error
    for name, found, wanted in (
        ("MD5", md5, sums.md5),
        ("SHA-256", sha256, sums.sha256),
    ):
        if found.hexdigest() != wanted:
            raise UserError(
                f"{path} is damaged or another file: its {name} is {found.hexdigest()}, not {wanted}; delete it, and "
                "it will be fetched again"
            )


def fetch(path: Path, sums: Sums, url: str, variable: str) -> None:
    """Fetch a file; it appears under its name only once it is complete and verified.

    Args:
        path: where it is kept; its folder is made.
        sums: of the file.
        url: the address that the file's name is appended to.
        variable: of the environment, which a user may set to the address of a mirror.

    Raises:
        UserError: it cannot be had, or is another file.
    """
    address = f"{url.rstrip('/')}/{path.name}"
    made = [folder for folder in path.parents if not folder.exists()]

    def retrieve() -> None:
        pooch.retrieve(
            address,
            known_hash=f"sha256:{sums.sha256}",
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)),
        )

    try:
        # Another process whose download fails removes the folder while it is empty.
        in_folder(path, retrieve)
        # pooch leaves what it fetches readable for its user alone.
        path.chmod(read_new_file_mode(path.parent))
    # requests' errors are OSErrors; pooch raises ValueError on another checksum.
    except (OSError, ValueError) as error:
        _remove_empty(made)
        raise UserError(
            f"cannot fetch {address} ({_reason(error)}); fetch {path.name} by other means and put it into "
            f"{path.parent}, or name a mirror in {variable}"
        ) from error


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove those of some folders that are there and empty, in their order."""
    for folder in folders:
        with suppress(OSError):
            folder.rmdir()


def _reason(error: Exception) -> str:
    """Return why a download failed: of an error of the network its last clause, of another one the whole."""
    # Errors of requests have a response, which is None where no server answered.
    is_of_network = hasattr(error, "response") and error.response is None
    if not is_of_network:
        return " ".join(str(error).split())
    inner = error.args[0] if error.args else error
    clause = str(getattr(inner, "reason", inner)).rpartition(": ")[2]
    return re.sub(r"\[Errno -?\d+\] ", "", " ".join(clause.split()))
