"""CIFAR out of a synthetic archive: its records, where it may lie, its download from a local server, and damage."""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.cifar import (
    CIFAR10,
    CIFAR100,
    BinaryFile,
    Cifar,
    PythonFile,
    PythonForm,
    present,
    read,
)
from archselect.nasbench_adapters.images.fetch import Sums

COUNT = 7


def records(source: Cifar, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(images, labels) of one made-up file."""
    rng = np.random.default_rng(list(name.encode()))
    images = rng.integers(0, 256, (COUNT, 32, 32, 3), dtype=np.uint8)
    return images, rng.integers(0, source.classes, COUNT)


def content(source: Cifar, name: str) -> bytes:
    """One made-up file, written pixel by pixel."""
    out = bytearray()
    for image, label in zip(*records(source, name), strict=True):
        out += bytes([20] * (source.label_bytes - 1) + [int(label)])
        for channel in range(3):
            for row in range(32):
                out += bytes(int(image[row, column, channel]) for column in range(32))
    return bytes(out)


def shrunk(source: Cifar) -> Cifar:
    """The data set with few images in each file."""
    return replace(
        source,
        train=tuple(BinaryFile(file.name, COUNT) for file in source.train),
        test=tuple(BinaryFile(file.name, COUNT) for file in source.test),
    )


def archive_of(source: Cifar, files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def files_of(source: Cifar) -> dict[str, bytes]:
    names = [name for name, _ in source.train + source.test]
    return {f"{source.folder}/readme.html": b"<html>"} | {
        f"{source.folder}/{name}": content(source, name) for name in names
    }


def with_md5(source: Cifar, archive: bytes) -> Cifar:
    return replace(source, sums=sums_of(archive))


def sums_of(content: bytes) -> Sums:
    return Sums(
        hashlib.md5(content, usedforsecurity=False).hexdigest(),
        hashlib.sha256(content).hexdigest(),
    )


@pytest.fixture(params=[CIFAR10, CIFAR100], ids=lambda source: source.name)
def source(request: pytest.FixtureRequest) -> Cifar:
    return shrunk(request.param)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no mirror of the environment stands between the tests and the local server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ARCHSELECT_CIFAR_URL", raising=False)


class CifarHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(folder that is served, its address)."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(CifarHandler, directory=str(folder))
    ) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


def check(source: Cifar, data_dir: Path, url: str | None = None) -> None:
    """The data set that is read is the made-up one."""
    dataset = read(source, data_dir, url)
    for names, images, labels in (
        (source.train, dataset.train_images, dataset.train_labels),
        (source.test, dataset.test_images, dataset.test_labels),
    ):
        expected = [records(source, name) for name, _ in names]
        np.testing.assert_array_equal(images, np.concatenate([i for i, _ in expected]))
        np.testing.assert_array_equal(labels, np.concatenate([y for _, y in expected]))
    assert (dataset.name, dataset.classes, dataset.mean) == (
        source.name,
        source.classes,
        source.mean,
    )
    assert (dataset.flip, dataset.pad) == (True, 4)


def python_files(source: Cifar) -> dict[str, bytes]:
    """The same images as pickles in torchvision's folder, written as Python 2 did: texts of 8 bits as Latin-1."""
    form = source.python
    files = {"meta": pickle.dumps({"label_names": ["a"]}, protocol=2)}
    for (name, _), (binary, _) in zip(
        form.train + form.test, source.train + source.test, strict=True
    ):
        images, labels = records(source, binary)
        data = images.transpose(0, 3, 1, 2).reshape(COUNT, -1)
        table = {
            "batch_label": name,
            form.labels: labels.tolist(),
            "coarse_labels": [20] * COUNT,
            "data": data,
        }
        files[name] = pickle.dumps(table, protocol=2)
    return {f"{form.folder}/{name}": content for name, content in files.items()}


def with_python_md5(
    source: Cifar, files: dict[str, bytes], archive: bytes = b""
) -> Cifar:
    """The data set, whose canonical files for Python are these."""

    form = source.python

    def known(file: PythonFile) -> PythonFile:
        content = files[f"{form.folder}/{file.name}"]
        return PythonFile(file.name, sums_of(content).md5)

    changed: PythonForm = replace(
        form,
        sums=sums_of(archive),
        train=tuple(map(known, form.train)),
        test=tuple(map(known, form.test)),
    )
    return replace(source, python=changed)


def lay_out(files: dict[str, bytes], data_dir: Path) -> None:
    for name, data in files.items():
        path = data_dir / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def test_out_of_torchvisions_folder(source: Cifar, tmp_path: Path) -> None:
    files = python_files(source)
    assert not present(source, tmp_path)
    lay_out(files, tmp_path)
    assert present(source, tmp_path)
    check(with_python_md5(source, files), tmp_path)


def test_out_of_torchvisions_archive(source: Cifar, tmp_path: Path) -> None:
    files = python_files(source)
    archive = archive_of(source, files)
    (tmp_path / source.python.archive).write_bytes(archive)
    assert present(source, tmp_path)
    check(with_python_md5(source, files, archive), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [source.python.archive]


def test_both_forms_are_the_same_data_set(source: Cifar, tmp_path: Path) -> None:
    files = python_files(source)
    for folder, form in (("binary", files_of(source)), ("python", files)):
        (tmp_path / folder).mkdir()
        lay_out(form, tmp_path / folder)
    known = with_python_md5(source, files)
    binary, python = (read(known, tmp_path / folder) for folder in ("binary", "python"))
    assert binary.checksum == python.checksum
    assert (binary.origin, python.origin) == (
        f"https://www.cs.toronto.edu/~kriz/{source.archive}",
        f"https://www.cs.toronto.edu/~kriz/{source.python.archive}",
    )


def test_torchvisions_files_are_read_only_if_they_are_the_canonical_ones(
    source: Cifar, tmp_path: Path
) -> None:
    """Not those of the tests, nor one that asks for code to be run, whose pickle is not even opened."""
    lay_out(python_files(source), tmp_path)
    name, md5 = source.python.train[0]
    with pytest.raises(
        UserError, match=f"{name} is damaged or another file: its MD5 is .*, not {md5}"
    ):
        read(source, tmp_path)
    (tmp_path / source.python.archive).write_bytes(b"no archive")
    with pytest.raises(UserError, match=f"its MD5 is .*, not {source.python.sums.md5}"):
        read(source, tmp_path)


def test_a_pickle_that_asks_for_code_is_refused_even_with_the_right_md5(
    source: Cifar, tmp_path: Path
) -> None:
    files = python_files(source)
    name = f"{source.python.folder}/{source.python.test[0][0]}"
    files[name] = b"cos\nsystem\n(S'touch made'\ntR."
    lay_out(files, tmp_path)
    with pytest.raises(UserError, match=r"is refused: it asks for os\.system"):
        read(with_python_md5(source, files), tmp_path)


@pytest.mark.parametrize("change", ["labels", "data", "table", "shape"])
def test_pickles_of_another_shape(source: Cifar, tmp_path: Path, change: str) -> None:
    files = python_files(source)
    name = f"{source.python.folder}/{source.python.test[0][0]}"
    table = pickle.loads(files[name])  # noqa: S301 (written above)
    if change == "labels":
        del table[source.python.labels]
    elif change == "data":
        table["data"] = table["data"].tolist()
    elif change == "shape":
        table["data"] = table["data"][:-1]
    files[name] = pickle.dumps([] if change == "table" else table, protocol=2)
    lay_out(files, tmp_path)
    with pytest.raises(UserError, match="does not hold images of 32x32 pixels"):
        read(with_python_md5(source, files), tmp_path)


def test_a_missing_file_of_torchvisions(source: Cifar, tmp_path: Path) -> None:
    lay_out(python_files(source), tmp_path)
    name = source.python.test[0][0]
    (tmp_path / source.python.folder / name).unlink()
    with pytest.raises(
        UserError, match=f"lacks {name}: get {source.python.archive} again"
    ):
        read(with_python_md5(source, python_files(source)), tmp_path)


def nowhere(source: Cifar, data_dir: Path) -> str:
    """What is said when nothing answers."""
    with pytest.raises(UserError) as caught:
        read(source, data_dir, "http://127.0.0.1:9/")
    return str(caught.value)


def test_out_of_the_archive(source: Cifar, tmp_path: Path) -> None:
    archive = archive_of(source, files_of(source))
    (tmp_path / source.archive).write_bytes(archive)
    check(with_md5(source, archive), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [
        source.archive
    ]  # nothing was extracted


def test_out_of_the_folder(source: Cifar, tmp_path: Path) -> None:
    for name, data in files_of(source).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    check(source, tmp_path)


def test_fetched_once(source: Cifar, server: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = server
    archive = archive_of(source, files_of(source))
    (folder / source.archive).write_bytes(archive)
    data_dir = tmp_path / "new" / "data"
    source = with_md5(source, archive)
    assert not present(source, data_dir)
    check(source, data_dir, url)
    assert present(source, data_dir)
    (folder / source.archive).unlink()
    check(source, data_dir, url)


def test_the_mirror_of_the_environment(
    source: Cifar,
    server: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, url = server
    archive = archive_of(source, files_of(source))
    (folder / source.archive).write_bytes(archive)
    monkeypatch.setenv("ARCHSELECT_CIFAR_URL", url.rstrip("/"))
    check(with_md5(source, archive), tmp_path / "data")


def test_a_failing_download_says_what_to_put_where(
    server: tuple[Path, str], tmp_path: Path
) -> None:
    _, url = server
    data_dir = tmp_path / "data"
    with pytest.raises(UserError, match="404") as caught:
        read(CIFAR10, data_dir, url)
    for message in (str(caught.value), nowhere(CIFAR10, data_dir)):
        assert (
            "cifar-10-binary.tar.gz" in message
            and str(data_dir) in message
            and "\n" not in message
        )
    assert not present(CIFAR10, data_dir)


def test_a_failed_download_leaves_no_folder_and_says_why_in_a_clause(
    tmp_path: Path,
) -> None:
    message = nowhere(CIFAR10, tmp_path / "new" / "data")
    assert "(Connection refused)" in message
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "data").mkdir()
    nowhere(CIFAR10, tmp_path / "data")
    assert (tmp_path / "data").is_dir()


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot fetch" in nowhere(CIFAR10, tmp_path / "file" / "data")


def test_another_archive_is_not_kept(server: tuple[Path, str], tmp_path: Path) -> None:
    folder, url = server
    (folder / CIFAR10.archive).write_bytes(b"something else")
    with pytest.raises(UserError, match="put it into"):
        read(CIFAR10, tmp_path / "data", url)
    assert not (tmp_path / "data").exists()


def test_a_users_archive_with_another_checksum_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / CIFAR10.archive
    path.write_bytes(b"something else")
    with pytest.raises(
        UserError,
        match=r"its MD5 is .*, not c32a1d4ab5d03f1284b67883e8d87530; delete it",
    ):
        read(CIFAR10, tmp_path)
    assert path.read_bytes() == b"something else"


def test_damaged_archives(source: Cifar, tmp_path: Path) -> None:
    files = files_of(source)
    name = f"{source.folder}/{source.test[0][0]}"
    whole = archive_of(source, files)
    without = {path: data for path, data in files.items() if path != name}
    outside = without | {f"../{name}": files[name]}
    for message, archive in (
        ("is damaged", whole[: len(whole) // 2]),
        ("is damaged", b"no archive at all"),
        (f"lacks {source.test[0][0]}", archive_of(source, without)),
        (f"lacks {source.test[0][0]}", archive_of(source, outside)),
        (
            "does not hold 7 images",
            archive_of(source, files | {name: files[name][:-1]}),
        ),
        (
            "does not hold 7 images",
            archive_of(source, files | {name: files[name] + b"more"}),
        ),
    ):
        (tmp_path / source.archive).write_bytes(archive)
        with pytest.raises(UserError, match=message) as caught:
            read(with_md5(source, archive), tmp_path)
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [source.archive]


def test_damaged_folders(source: Cifar, tmp_path: Path) -> None:
    folder = tmp_path / source.folder
    folder.mkdir()
    with pytest.raises(UserError, match=f"lacks {source.train[0][0]}"):
        read(source, tmp_path)
    for name, data in files_of(source).items():
        (tmp_path / name).write_bytes(data)
    path = folder / source.test[0][0]
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(UserError, match="does not hold 7 images"):
        read(source, tmp_path)


def test_a_label_out_of_range(tmp_path: Path) -> None:
    source = shrunk(CIFAR10)
    files = files_of(source)
    name = f"{source.folder}/test_batch.bin"
    archive = archive_of(source, files | {name: b"\x0a" + files[name][1:]})
    (tmp_path / source.archive).write_bytes(archive)
    with pytest.raises(
        UserError, match=r"labels go from 0 to 10; they must lie in 0\.\.9"
    ):
        read(with_md5(source, archive), tmp_path)
