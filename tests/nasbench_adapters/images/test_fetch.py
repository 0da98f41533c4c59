"""Files are known by MD5 and SHA-256, and fetched by several processes at once."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import cifar, svhn
from archselect.nasbench_adapters.images.fetch import Sums, fetch, verify

CONTENT = b"images"
MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OF_DATA_SETS = [
    cifar.CIFAR10.sums,
    cifar.CIFAR100.sums,
    cifar.CIFAR10.python.sums,
    cifar.CIFAR100.python.sums,
    svhn.TRAIN.sums,
    svhn.TEST.sums,
]


def test_both_checksums_count(tmp_path: Path) -> None:
    """A file of the canonical MD5 that is another one, as can be made on purpose, is refused too."""
    path = tmp_path / "a.mat"
    path.write_bytes(CONTENT)
    verify(path, Sums(MD5, SHA256))
    for sums, name in (
        (Sums("0" * 32, SHA256), "MD5"),
        (Sums(MD5, "0" * 64), "SHA-256"),
    ):
        with pytest.raises(
            UserError,
            match=rf"a\.mat is damaged or another file: its {name} is \w+, not 0+; delete it",
        ):
            verify(path, sums)


def test_checksums_are_of_the_right_form() -> None:
    assert len(
        {sums.md5 for sums in OF_DATA_SETS} | {sums.sha256 for sums in OF_DATA_SETS}
    ) == 2 * len(OF_DATA_SETS)
    for sums in OF_DATA_SETS:
        assert (
            len(bytes.fromhex(sums.md5)) == 16 and len(bytes.fromhex(sums.sha256)) == 32
        )


def test_authors_are_asked_over_a_connection_that_proves_who_they_are() -> None:
    for url in (cifar.URL, svhn.URL):
        assert urlsplit(url).scheme == "https"


def test_a_folder_that_another_process_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose own download failed, just before this one's begins."""
    folder = tmp_path / "new" / "data"
    removed = []

    def retrieve(
        address: str, known_hash: str, fname: str, path: Path, downloader: object
    ) -> None:
        if not removed:
            path.rmdir()
            removed.append(path)
        (path / fname).write_bytes(CONTENT)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    fetch(
        folder / "a.mat",
        Sums(MD5, SHA256),
        "https://example.org",
        "ARCHSELECT_SVHN_URL",
    )
    assert (folder / "a.mat").read_bytes() == CONTENT and removed == [folder]
