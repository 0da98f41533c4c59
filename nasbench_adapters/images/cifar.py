"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) from their canonical archives.

There is an archive in binary form and one for Python. In binary form a record is one
label byte (for CIFAR-100 two: the coarse label, then the fine one), then 3 x 32 x 32
bytes: the red, green and blue planes, row by row. The form for Python is that of
torchvision's folder: pickles of the same bytes and labels. The safe reader reads them,
and only if their checksums are the canonical ones.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import (
    ImageDataset,
    LabelledImages,
    make_dataset,
)
from archselect.nasbench_adapters.images.fetch import Sums, fetch, verify
from archselect.nasbench_adapters.input_files import read_bytes, unreadable
from archselect.nasbench_adapters.safe_pickle import to_whole_numbers, unpickle

URL = "https://www.cs.toronto.edu/~kriz/"
URL_VARIABLE = "ARCHSELECT_CIFAR_URL"
SIZE = 32
CHANNELS = 3
PIXEL_BYTES = CHANNELS * SIZE * SIZE
LARGEST = 200_000_000
"""Largest number of bytes of a file in an archive.

The largest real file, of CIFAR-100, has 155 million.
"""


class BinaryFile(NamedTuple):
    """A file in binary form: its name and its number of images."""

    name: str
    images: int


class PythonFile(NamedTuple):
    """A file in the form for Python: its name and its MD5."""

    name: str
    md5: str


@dataclass(frozen=True)
class PythonForm:
    """A data set in torchvision's form.

    Each file is a pickle of a dictionary with `data` (n, 3072) and n labels.

    Attributes:
        archive: Name of the archive.
        sums: Checksums of the archive.
        folder: Folder of the files.
        train: Files of the training images.
        test: Files of the test images.
        labels: Key of the labels, which are whole numbers.
    """

    archive: str
    sums: Sums
    folder: str
    train: tuple[PythonFile, ...]
    test: tuple[PythonFile, ...]
    labels: str


@dataclass(frozen=True)
class Cifar:
    """One of the two data sets.

    Attributes:
        name: Name of the data set.
        archive: Name of the archive in binary form.
        sums: Checksums of that archive.
        folder: Folder of the files in binary form.
        train: Files of the training images.
        test: Files of the test images.
        label_bytes: Labels at the start of a record, a byte each; the last one is used.
        classes: Number of classes.
        mean: Mean of the training images per channel, in 0..1 units.
        std: Standard deviation per channel, in 0..1 units.
        python: The other form of the data set.
    """

    name: str
    archive: str
    sums: Sums
    folder: str
    train: tuple[BinaryFile, ...]
    test: tuple[BinaryFile, ...]
    label_bytes: int
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    python: PythonForm

    @property
    def record_bytes(self) -> int:
        """Bytes of a record: an image with its labels."""
        return self.label_bytes + PIXEL_BYTES


CIFAR10 = Cifar(
    name="cifar10",
    archive="cifar-10-binary.tar.gz",
    sums=Sums(
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    ),
    folder="cifar-10-batches-bin",
    train=tuple(
        BinaryFile(f"data_batch_{number}.bin", 10000) for number in range(1, 6)
    ),
    test=(BinaryFile("test_batch.bin", 10000),),
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
            PythonFile("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            PythonFile("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            PythonFile("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            PythonFile("data_batch_4", "634d18415352ddfa80567beed471001a"),
            PythonFile("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        test=(PythonFile("test_batch", "40351d587109b95175f43aff81a1287e"),),
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
    train=(BinaryFile("train.bin", 50000),),
    test=(BinaryFile("test.bin", 10000),),
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
        train=(PythonFile("train", "16019d7e3df5f24257cddd939b257f8d"),),
        test=(PythonFile("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
        labels="fine_labels",
    ),
)


def present(source: Cifar, data_dir: Path) -> bool:
    """Return whether an archive or a folder, of either form, is in the data folder."""
    return _is_there(source, data_dir) or _is_there(source.python, data_dir)


def _is_there(form: Cifar | PythonForm, data_dir: Path) -> bool:
    return (data_dir / form.archive).is_file() or (data_dir / form.folder).is_dir()


def read(source: Cifar, data_dir: Path, url: str | None = None) -> ImageDataset:
    """Return the data set; download it if it is not in the data folder.

    In the data folder, an archive comes before an extracted folder. The form for Python
    is read if there is nothing in binary form.

    Args:
        source: The data set.
        data_dir: Folder for the archive or the extracted folder.
        url: Address before the archive's name; None takes the environment variable
            ARCHSELECT_CIFAR_URL, or else the authors' site.

    Raises:
        UserError: The download fails, or the archive or a file in it is damaged,
            incomplete or has a wrong checksum.
    """
    is_binary_there = _is_there(source, data_dir)
    if not is_binary_there and _is_there(source.python, data_dir):
        train, test = _read_python(source.python, data_dir)
        archive = source.python.archive
    else:
        train, test = _read_binary(source, data_dir, url)
        archive = source.archive
    return make_dataset(
        source.name,
        train,
        test,
        origin=f"{URL}{archive}",
        classes=source.classes,
        mean=source.mean,
        std=source.std,
        flip=True,
        pad=4,
    )


def _read_binary(
    source: Cifar, data_dir: Path, url: str | None
) -> tuple[LabelledImages, LabelledImages]:
    """Return the training and the test images of the binary form.

    The archive is downloaded if nothing in this form is in the data folder.
    """
    archive = data_dir / source.archive
    folder = data_dir / source.folder
    if archive.is_file():
        verify(archive, source.sums)
    elif not folder.is_dir():
        address = url or os.environ.get(URL_VARIABLE) or URL
        fetch(archive, source.sums, address, URL_VARIABLE)
    names = [file.name for file in source.train + source.test]
    if archive.is_file():
        place = archive
        files = _read_members(archive, source.folder, names)
    else:
        place = folder
        files = _read_files(folder, names)
    _check_complete(source, files, place)
    train = _parse_records(source, source.train, files)
    test = _parse_records(source, source.test, files)
    return train, test


def _read_python(
    form: PythonForm, data_dir: Path
) -> tuple[LabelledImages, LabelledImages]:
    """Return the training and the test images of torchvision's files."""
    archive = data_dir / form.archive
    folder = data_dir / form.folder
    names = [file.name for file in form.train + form.test]
    if archive.is_file():
        verify(archive, form.sums)
        place = archive
        files = _read_members(archive, form.folder, names)
    else:
        place = folder
        files = _read_files(folder, names)
    _check_python_files(form, files, place)
    tables = {name: unpickle(content, place / name) for name, content in files.items()}
    train = _parse_tables(form, form.train, tables, place)
    test = _parse_tables(form, form.test, tables, place)
    return train, test


def _check_python_files(form: PythonForm, files: dict[str, bytes], place: Path) -> None:
    """Raise UserError if a file is missing, or has another checksum."""
    for file in form.train + form.test:
        if file.name not in files:
            raise UserError(
                f"{place} lacks {file.name}: get {form.archive} again, or delete "
                f"{place} to have the data fetched"
            )
        md5 = hashlib.md5(files[file.name], usedforsecurity=False).hexdigest()
        if md5 != file.md5:
            raise UserError(
                f"{place / file.name} is damaged or another file: its MD5 is {md5}, not "
                f"{file.md5}; get {form.archive} again, or delete {place} to have the "
                "data fetched"
            )


def _parse_tables(
    form: PythonForm,
    wanted: tuple[PythonFile, ...],
    tables: dict[str, Any],
    place: Path,
) -> LabelledImages:
    """Return the images and labels of unpickled files, in order."""
    images = []
    labels = []
    for file in wanted:
        table = tables[file.name]
        if not isinstance(table, dict):
            table = {}
        data: Any = table.get("data")
        numbers = to_whole_numbers(table.get(form.labels))
        are_images = (
            isinstance(data, np.ndarray)
            and data.dtype == np.uint8
            and data.shape == (numbers.size, PIXEL_BYTES)
        )
        if not are_images or numbers.dtype.kind != "i":
            raise UserError(
                f"{place / file.name} does not hold images of {SIZE}x{SIZE} pixels and "
                f"'{form.labels}'"
            )
        images.append(_planes_to_images(data))
        labels.append(numbers)
    return LabelledImages(
        np.ascontiguousarray(np.concatenate(images)),
        np.concatenate(labels).astype(np.int64),
    )


def _planes_to_images(data: np.ndarray) -> np.ndarray:
    """Return colour planes (n, 3072) as images (n, 32, 32, 3)."""
    return data.reshape(-1, CHANNELS, SIZE, SIZE).transpose(0, 2, 3, 1)


def _read_members(archive: Path, folder: str, names: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of files of a folder in an archive, without extracting it."""
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


def _read_files(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the contents of the files that exist in a folder."""
    files = {}
    for name in names:
        try:
            files[name] = read_bytes(folder / name, LARGEST)
        except FileNotFoundError:
            continue  # the caller reports missing files
        except OSError as error:
            raise unreadable(folder / name, error) from error
    return files


def _check_complete(source: Cifar, files: dict[str, bytes], place: Path) -> None:
    """Raise UserError unless all files exist, each with the size of its images."""
    for file in source.train + source.test:
        if file.name not in files:
            raise UserError(
                f"{place} lacks {file.name}; delete it, and {source.name} will be "
                "fetched again"
            )
        size = file.images * source.record_bytes
        if len(files[file.name]) != size:
            raise UserError(
                f"{place}: {file.name} does not hold {file.images} images, {size} bytes; "
                f"delete it, and {source.name} will be fetched again"
            )


def _parse_records(
    source: Cifar, wanted: tuple[BinaryFile, ...], files: dict[str, bytes]
) -> LabelledImages:
    """Return the images and labels of files in binary form, in order."""
    content = b"".join(files[file.name] for file in wanted)
    records = np.frombuffer(content, np.uint8).reshape(-1, source.record_bytes)
    planes = records[:, source.label_bytes :]
    labels = records[:, source.label_bytes - 1]
    return LabelledImages(
        np.ascontiguousarray(_planes_to_images(planes)), labels.astype(np.int64)
    )
