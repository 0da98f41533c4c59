"""Files fetched from where their authors keep them, and known by their MD5."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pooch

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import mode_of_new_files

CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds


def verify(path: Path, md5: str) -> None:
    """Raises UserError if a file is another one than that of the MD5."""
    try:
        found = pooch.file_hash(str(path), alg="md5")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    if found != md5:
        raise UserError(
            f"{path} is damaged or another file: its MD5 is {found}, not {md5}; delete it, and it will be fetched again"
        )


def fetch(path: Path, md5: str, url: str, variable: str) -> None:
    """Fetch a file; it appears under its name only once it is complete and verified.

    Args:
        path: where it is kept; its folder is made.
        md5: of the file.
        url: the address that the file's name is appended to.
        variable: of the environment, which a user may set to the address of a mirror.

    Raises:
        UserError: it cannot be had, or is another file.
    """
    address = f"{url.rstrip('/')}/{path.name}"
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            address,
            known_hash=f"md5:{md5}",
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)),
        )
        # pooch leaves what it fetches readable for its user alone.
        path.chmod(mode_of_new_files(path.parent))
    # requests' errors are OSErrors; pooch raises ValueError on another MD5.
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
