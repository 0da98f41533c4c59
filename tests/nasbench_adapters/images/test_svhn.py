"""SVHN out of synthetic MATLAB files: labels, where they may lie, their download from a local server, and damage."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from support.svhn_files import COUNTS, content, known_file, write_svhn

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.dataset import ImageDataset
from archselect.nasbench_adapters.images.svhn import (
    TEST,
    TRAIN,
    SvhnFile,
    present,
    read,
)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no mirror of the environment stands between the tests and the local server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ARCHSELECT_SVHN_URL", raising=False)


class SvhnHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(folder that is served, its address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(SvhnHandler, directory=str(folder))
    ) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def check(dataset: ImageDataset) -> None:
    """The data set is the made-up one."""
    for name, images, labels in (
        ("train_32x32.mat", dataset.train_images, dataset.train_labels),
        ("test_32x32.mat", dataset.test_images, dataset.test_labels),
    ):
        np.testing.assert_array_equal(images, content(name)[0])
        np.testing.assert_array_equal(labels, content(name)[1])
    assert (dataset.name, dataset.classes, dataset.pad, dataset.flip) == (
        "svhn",
        10,
        4,
        True,
    )


def test_out_of_the_folder(tmp_path: Path) -> None:
    files = [write_svhn(tmp_path, name) for name in COUNTS]
    assert present(tmp_path)
    check(read(tmp_path, None, *files))


def test_fetched_once(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = server
    files = [write_svhn(folder, name) for name in COUNTS]
    data_dir = tmp_path / "new" / "data"
    assert not present(data_dir)
    monkeypatch.setenv("ARCHSELECT_SVHN_URL", url.rstrip("/"))
    check(read(data_dir, None, *files))
    for name in COUNTS:
        (folder / name).unlink()
    assert present(data_dir)
    check(read(data_dir, None, *files))


def test_a_failing_download_says_what_to_put_where(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    for url in (server[1], "http://127.0.0.1:9/"):
        with pytest.raises(
            UserError, match=r"fetch train_32x32\.mat by other means and put it into"
        ) as caught:
            read(tmp_path / "data", url)
        assert str(tmp_path / "data") in str(caught.value) and "\n" not in str(
            caught.value
        )
    assert "ARCHSELECT_SVHN_URL" in str(caught.value)
    assert not present(tmp_path / "data")


def test_another_file_is_not_read_at_all(tmp_path: Path) -> None:
    """What has another MD5 than the authors' is not parsed."""
    for name in COUNTS:
        write_svhn(tmp_path, name)
    with pytest.raises(
        UserError,
        match=rf"train_32x32\.mat is damaged or another file.*not {TRAIN.sums.md5}; delete it",
    ):
        load_images("svhn", tmp_path)
    assert present(tmp_path)


WRONG: dict[str, Callable[[Path], SvhnFile]] = {
    "another order": lambda folder: write_svhn(
        folder, TRAIN.name, X=content(TRAIN.name)[0]
    ),
    "floats": lambda folder: write_svhn(
        folder, TRAIN.name, X=content(TRAIN.name)[0].transpose(1, 2, 3, 0) / 255
    ),
    "texts": lambda folder: write_svhn(
        folder, TRAIN.name, y=np.array([["one"]] * 12, dtype=object)
    ),
    "fewer labels": lambda folder: write_svhn(
        folder, TRAIN.name, y=np.ones((3, 1), np.uint8)
    ),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_file_of_something_else(tmp_path: Path, how: str) -> None:
    train = WRONG[how](tmp_path)
    with pytest.raises(
        UserError, match=r"does not hold 'X' and 'y' of 12 images; delete it"
    ):
        read(tmp_path, None, train, write_svhn(tmp_path, TEST.name))


@pytest.mark.parametrize(
    "data", [b"", b"no MATLAB file", b"MATLAB 5.0 MAT-file" + b"\x00" * 200]
)
def test_a_damaged_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / TRAIN.name).write_bytes(data)
    with pytest.raises(
        UserError, match=r"train_32x32\.mat (is not a MATLAB file|does not hold)"
    ) as caught:
        read(tmp_path, None, known_file(tmp_path, TRAIN.name))
    assert "\n" not in str(caught.value)


def test_a_truncated_file(tmp_path: Path) -> None:
    write_svhn(tmp_path, TRAIN.name)
    path = tmp_path / TRAIN.name
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UserError, match="is not a MATLAB file of images"):
        read(tmp_path, None, known_file(tmp_path, TRAIN.name))
