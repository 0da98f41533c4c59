"""The folder of a site: list, write and remove the files of archselect in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from archselect.benchmarks.store.facts import Fact, read_fact, write_fact
from archselect.nasbench_adapters.atomic_files import (
    refuse_links,
    unwritable,
    write_atomically,
)
from archselect.nasbench_adapters.errors import Faults, UserError

MANIFEST = "site.json"
"""The file that lists the files of a site."""
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"
SitePath = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
"""The path of a file within a site. It cannot lead out of the site."""


class SiteFiles(Fact):
    """The files of a site that archselect has written, with their SHA-256."""

    schema_version: Literal[1] = 1
    made_by: Literal["archselect site"] = "archselect site"
    files: dict[SitePath, str] = Field(default_factory=dict)


class SiteFolder:
    """A folder that holds a site, or nothing yet.

    Raises UserError for a folder with files that no site has.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files = _read_files(root)

    def refuse_foreign(self, paths: Iterable[str]) -> None:
        """Raise UserError for a path with a file that archselect has not written."""
        faults = Faults()
        for path in paths:
            target = self.root / path
            with faults.collect():
                refuse_links(target, self.root)
                if target.exists() and path not in self._files:
                    raise UserError(
                        f"{target} is not a file of archselect site: move it, or name another folder with --out"
                    )
        faults.raise_any()

    def write(self, texts: Mapping[str, str]) -> list[Path]:
        """Write the files of a site, and remove those of the site before it.

        A file of the site before it that someone has changed stays.

        Args:
            texts: text of each file, by path within the site.

        Returns:
            the old files that stay because someone has changed them.

        Raises:
            UserError: a file that is not ours is in the way, or the folder cannot be
                written to. In the first case nothing is written.
        """
        self.refuse_foreign(texts)
        hashes = {path: _hash(text.encode()) for path, text in texts.items()}
        stale = {
            path: digest for path, digest in self._files.items() if path not in texts
        }
        # First the list, so that after an interruption all files are known as ours.
        self._write_manifest(stale | hashes)
        for path, text in texts.items():
            write_atomically(self.root / path, text.encode(), self.root)
        kept = [
            path for path, digest in stale.items() if not self._remove(path, digest)
        ]
        self._write_manifest(hashes)
        return [self.root / path for path in kept]

    def _write_manifest(self, hashes: Mapping[str, str]) -> None:
        files = {path: hashes[path] for path in sorted(hashes)}
        write_fact(self.root / MANIFEST, SiteFiles(files=files), self.root)
        self._files = files

    def _remove(self, path: str, digest: str) -> bool:
        """Remove a file of ours; return False if it is no longer as we wrote it."""
        target = self.root / path
        try:
            refuse_links(target, self.root)
        except UserError:
            return False
        try:
            if _hash(target.read_bytes()) != digest:
                return False
            target.unlink()
        except FileNotFoundError:
            return True
        except OSError as error:
            raise unwritable(target, error) from error
        for folder in target.parents:
            if folder == self.root:
                break
            with suppress(OSError):  # it is not empty
                folder.rmdir()
        return True


def _read_files(root: Path) -> dict[str, str]:
    """Return the files that a site's list names; none if there is no site yet."""
    manifest = root / MANIFEST
    if manifest.is_file():
        remedy = "name another folder with --out"
        return dict(read_fact(manifest, SiteFiles, remedy).files)
    if root.exists() and not root.is_dir():
        raise UserError(f"{root} is not a folder: name another one with --out")
    if root.is_dir() and any(root.iterdir()):
        raise UserError(
            f"{root} holds files, but no site of archselect: name an empty or a new folder with --out"
        )
    return {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
