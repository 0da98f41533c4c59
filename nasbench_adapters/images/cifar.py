"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), from the canonical archives: in binary form, or in that for Python.

In binary form a record is one label byte (CIFAR-100: the coarse label, then the fine
one), then 3 x 32 x 32 bytes: the red, green and blue planes, row by row. The form for
Python is what torchvision leaves in its folder: pickles of the same bytes and labels,
which are read only if their checksums are the canonical ones, by the restricted reader.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.images.fetch import Sums, fetch, verify
from archselect.nasbench_adapters.input_files import read_bytes, unreadable
from archselect.nasbench_adapters.safe_pickle import to_whole_numbers, unpickle

URL = "https://www.cs.toronto.edu/~kriz/"
URL_VARIABLE = "ARCHSELECT_CIFAR_URL"
SIZE, CHANNELS = 32, 3
LARGEST = 200_000_000
"""Bytes of the largest file that is read out of an archive; the largest true one,
CIFAR-100's, has 155 million.
"""


@dataclass(frozen=True)
class PythonForm:
    """A data set as torchvision keeps it: its archive and checksums, and the files in `folder` with their MD5s.

    Each file is a pickle of a table with `data` (n, 3072) and, under the key `labels`,
    n whole numbers.
    """

    archive: str
    sums: Sums
    folder: str
    train: tuple[tuple[str, str], ...]
    test: tuple[tuple[str, str], ...]
    labels: str


@dataclass(frozen=True)
class Cifar:
    """One of the two data sets: its archive and checksums, the files in it, the constants of its training images.

    `train` and `test` name files of `folder`, and how many images each holds. A record
    starts with `label_bytes` labels, of which the last is used. `python` is its other
    form.
    """

    name: str
    archive: str
    sums: Sums
    folder: str
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    label_bytes: int
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    python: PythonForm


CIFAR10 = Cifar(
    name="cifar10",
    archive="cifar-10-binary.tar.gz",
    sums=Sums(
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    folder="cifar-10-batches-bin",
    train=tuple((f"data_batch_{number}.bin", 10000) for number in range(1, 6)),
    test=(("test_batch.bin", 10000),),
    label_bytes=1,
    classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    python=PythonForm(
        archive="cifar-10-python.tar.gz",
        sums=Sums(
            md5="c58f30108f718f92721af3b95e74349a",
            sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
        folder="cifar-10-batches-py",
        train=(
            ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        test=(("test_batch", "40351d587109b95175f43aff81a1287e"),),
        labels="labels",
    ),
)
CIFAR100 = Cifar(
    name="cifar100",
    archive="cifar-100-binary.tar.gz",
    sums=Sums(
        md5="03b5dce01913d631647c71ecec9e9cb8",
        sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    ),
    folder="cifar-100-binary",
    train=(("train.bin", 50000),),
    test=(("test.bin", 10000),),
    label_bytes=2,
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    python=PythonForm(
        archive="cifar-100-python.tar.gz",
        sums=Sums(
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        ),
        folder="cifar-100-python",
        train=(("train", "16019d7e3df5f24257cddd939b257f8d"),),
        test=(("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        labels="fine_labels",
    ),
)


def present(source: Cifar, data_dir: Path) -> bool:
    """Tell whether the archive or the extracted folder, of either form, is in the data folder."""
    return any(
        (data_dir / form.archive).is_file() or (data_dir / form.folder).is_dir()
        for form in (source, source.python)
    )


def read(source: Cifar, data_dir: Path, url: str | None = None) -> ImageDataset:
    """Return the data set: out of the archive in `data_dir`, else the extracted folder there, else fetched into it.

    The form for Python is read where there is nothing of the binary form.

    Args:
        source: which one.
        data_dir: where the archive, or the folder, is or will be.
        url: the address that the archive's name is appended to; None takes the
            environment variable ARCHSELECT_CIFAR_URL, else the authors' site.

    Raises:
        UserError: the download fails, or the archive or a file of it is damaged,
            incomplete or another one.
    """
    binary = (data_dir / source.archive).is_file() or (
        data_dir / source.folder
    ).is_dir()
    if present(source, data_dir) and not binary:
        train, test = _read_python(source.python, data_dir)
        origin = f"{URL}{source.python.archive}"
    else:
        train, test = _read_binary(source, data_dir, url)
        origin = f"{URL}{source.archive}"
    return make_dataset(
        source.name,
        train,
        test,
        origin=origin,
        classes=source.classes,
        mean=source.mean,
        std=source.std,
        flip=True,
        pad=4,
    )


Images = tuple[np.ndarray, np.ndarray]
"""Images uint8 (n, 32, 32, 3) and labels int64 (n,)."""


def _read_binary(
    source: Cifar, data_dir: Path, url: str | None
) -> tuple[Images, Images]:
    """Return the images to train on and those to test on from the binary form, which is fetched if it is not there."""
    archive, folder = data_dir / source.archive, data_dir / source.folder
    if archive.is_file():
        verify(archive, source.sums)
    elif not folder.is_dir():
        fetch(
            archive,
            source.sums,
            url or os.environ.get(URL_VARIABLE) or URL,
            URL_VARIABLE,
        )
    files = (
        _from_archive(source, archive)
        if archive.is_file()
        else _from_folder(source, folder)
    )
    return _records(source, source.train, files), _records(source, source.test, files)


def _read_python(form: PythonForm, data_dir: Path) -> tuple[Images, Images]:
    """Return the images to train on and those to test on from torchvision's files."""
    archive, folder = data_dir / form.archive, data_dir / form.folder
    names = [name for name, _ in form.train + form.test]
    if archive.is_file():
        verify(archive, form.sums)
        files = _members(archive, form.folder, names)
        place = archive
    else:
        files = _files_in(folder, names)
        place = folder
    for name, md5 in form.train + form.test:
        if name not in files:
            raise UserError(
                f"{place} lacks {name}: get {form.archive} again, or delete {place} to have the data fetched"
            )
        found = hashlib.md5(files[name], usedforsecurity=False).hexdigest()
        if found != md5:
            raise UserError(
                f"{place / name} is damaged or another file: its MD5 is {found}, not {md5}; get {form.archive} again, "
                f"or delete {place} to have the data fetched"
            )
    tables = {name: unpickle(content, place / name) for name, content in files.items()}
    return _of_tables(form, form.train, tables, place), _of_tables(
        form, form.test, tables, place
    )


def _of_tables(
    form: PythonForm,
    names: tuple[tuple[str, str], ...],
    tables: dict[str, Any],
    place: Path,
) -> Images:
    """Return the images and labels of unpickled files, in order."""
    images = []
    labels = []
    pixels = CHANNELS * SIZE * SIZE
    for name, _ in names:
        table = tables[name] if isinstance(tables[name], dict) else {}
        data = table.get("data")
        numbers = to_whole_numbers(table.get(form.labels))
        if (
            not isinstance(data, np.ndarray)
            or data.dtype != np.uint8
            or numbers.dtype.kind != "i"
            or data.shape != (numbers.size, pixels)
        ):
            raise UserError(
                f"{place / name} does not hold images of {SIZE}x{SIZE} pixels and '{form.labels}'"
            )
        images.append(data.reshape(-1, CHANNELS, SIZE, SIZE).transpose(0, 2, 3, 1))
        labels.append(numbers)
    return np.ascontiguousarray(np.concatenate(images)), np.concatenate(labels).astype(
        np.int64
    )


def _from_archive(source: Cifar, archive: Path) -> dict[str, bytes]:
    return _complete(
        source,
        _members(
            archive, source.folder, [name for name, _ in source.train + source.test]
        ),
        archive,
    )


def _members(archive: Path, folder: str, names: Sequence[str]) -> dict[str, bytes]:
    """Return the wanted files of a folder in an archive, read straight out of it: nothing is extracted."""
    files = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                place, _, name = member.name.rpartition("/")
                if place == folder and name in names and member.isfile():
                    content = tar.extractfile(member)
                    assert content is not None  # a regular file has content
                    files[name] = content.read(LARGEST + 1)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(
            f"{archive} is damaged ({error}); delete it, and it will be fetched again"
        ) from error
    except OSError as error:
        raise unreadable(archive, error) from error
    return files


def _from_folder(source: Cifar, folder: Path) -> dict[str, bytes]:
    return _complete(
        source,
        _files_in(folder, [name for name, _ in source.train + source.test]),
        folder,
    )


def _files_in(folder: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the contents of the files of these names that are in a folder."""
    files = {}
    for name in names:
        try:
            files[name] = read_bytes(folder / name, LARGEST)
        except FileNotFoundError:
            continue  # the caller names what is missing
        except OSError as error:
            raise unreadable(folder / name, error) from error
    return files


def _complete(source: Cifar, files: dict[str, bytes], where: Path) -> dict[str, bytes]:
    """The files, if all are there and each has the size of its images."""
    for name, images in source.train + source.test:
        if name not in files:
            raise UserError(
                f"{where} lacks {name}; delete it, and {source.name} will be fetched again"
            )
        if len(files[name]) != _size(source, images):
            raise UserError(
                f"{where}: {name} does not hold {images} images, {_size(source, images)} bytes; "
                f"delete it, and {source.name} will be fetched again"
            )
    return files


def _size(source: Cifar, images: int) -> int:
    return images * (source.label_bytes + CHANNELS * SIZE * SIZE)


def _records(
    source: Cifar, names: tuple[tuple[str, int], ...], files: dict[str, bytes]
) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 (n, 32, 32, 3), labels int64 (n,)) of the files, in order."""
    content = np.frombuffer(b"".join(files[name] for name, _ in names), np.uint8)
    records = content.reshape(-1, _size(source, 1))
    planes = records[:, source.label_bytes :].reshape(-1, CHANNELS, SIZE, SIZE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return images, records[:, source.label_bytes - 1].astype(np.int64)
