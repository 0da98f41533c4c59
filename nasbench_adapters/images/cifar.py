"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), from the canonical archives in binary form: no pickle is read.

A record is one label byte (CIFAR-100: the coarse label, then the fine one), then 3 x 32 x 32 bytes: the red,
green and blue planes, row by row.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.images.fetch import fetch, verify

URL = "https://www.cs.toronto.edu/~kriz/"
URL_VARIABLE = "ARCHSELECT_CIFAR_URL"
SIZE, CHANNELS = 32, 3


@dataclass(frozen=True)
class Cifar:
    """One of the two data sets: its archive and MD5, the files in it, the constants of its training images.

    `train` and `test` name files of `folder`, and how many images each holds. A record starts with
    `label_bytes` labels, of which the last is used.
    """

    name: str
    archive: str
    md5: str
    folder: str
    train: tuple[tuple[str, int], ...]
    test: tuple[tuple[str, int], ...]
    label_bytes: int
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR10 = Cifar(
    name="cifar10",
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    train=tuple((f"data_batch_{number}.bin", 10000) for number in range(1, 6)),
    test=(("test_batch.bin", 10000),),
    label_bytes=1,
    classes=10,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
)
CIFAR100 = Cifar(
    name="cifar100",
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
    folder="cifar-100-binary",
    train=(("train.bin", 50000),),
    test=(("test.bin", 10000),),
    label_bytes=2,
    classes=100,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
)


def present(source: Cifar, data_dir: Path) -> bool:
    """Whether the archive or the extracted folder is in the data folder."""
    return (data_dir / source.archive).is_file() or (data_dir / source.folder).is_dir()


def read(source: Cifar, data_dir: Path, url: str | None = None) -> ImageDataset:
    """The data set: out of the archive in `data_dir`, else the extracted folder there, else fetched into it.

    Args:
        source: which one.
        data_dir: where the archive, or the folder, is or will be.
        url: the address that the archive's name is appended to; None takes the environment variable
            ARCHSELECT_CIFAR_URL, else the authors' site.

    Raises:
        UserError: the download fails, or the archive or a file of it is damaged, incomplete or another one.
    """
    archive, folder = data_dir / source.archive, data_dir / source.folder
    if archive.is_file():
        verify(archive, source.md5)
    elif not folder.is_dir():
        fetch(archive, source.md5, url or os.environ.get(URL_VARIABLE) or URL, URL_VARIABLE)
    files = _from_archive(source, archive) if archive.is_file() else _from_folder(source, folder)
    return make_dataset(
        source.name,
        _records(source, source.train, files),
        _records(source, source.test, files),
        origin=f"{URL}{source.archive}",
        classes=source.classes,
        mean=source.mean,
        std=source.std,
        flip=True,
        pad=4,
    )


def _from_archive(source: Cifar, archive: Path) -> dict[str, bytes]:
    """The wanted files, read straight out of the archive: nothing is extracted."""
    wanted = dict(source.train + source.test)
    files = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                if folder == source.folder and name in wanted and member.isfile():
                    content = tar.extractfile(member)
                    assert content is not None  # a regular file has content
                    files[name] = content.read(_size(source, wanted[name]) + 1)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(f"{archive} is damaged ({error}); delete it, and it will be fetched again") from error
    except OSError as error:
        raise UserError(f"cannot read {archive}: {error.strerror or error}") from error
    return _complete(source, files, archive)


def _from_folder(source: Cifar, folder: Path) -> dict[str, bytes]:
    files = {}
    for name, _ in source.train + source.test:
        try:
            files[name] = (folder / name).read_bytes()
        except FileNotFoundError:
            continue  # _complete names what is missing
        except OSError as error:
            raise UserError(f"cannot read {folder / name}: {error.strerror or error}") from error
    return _complete(source, files, folder)


def _complete(source: Cifar, files: dict[str, bytes], where: Path) -> dict[str, bytes]:
    """The files, if all are there and each has the size of its images."""
    for name, images in source.train + source.test:
        if name not in files:
            raise UserError(f"{where} lacks {name}; delete it, and {source.name} will be fetched again")
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
