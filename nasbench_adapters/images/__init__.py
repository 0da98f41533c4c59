"""Image data sets by name: which there are, and how to get them.

Only `batches`, `streamed` and `colour` need torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images import (
    cifar,
    digits,
    imagenet,
    imagenet16,
    npz,
    svhn,
)
from archselect.nasbench_adapters.images.dataset import ImageDataset, average_down
from archselect.nasbench_adapters.input_files import expand

__all__ = [
    "DATASETS",
    "DatasetSource",
    "ImageDataset",
    "check_images",
    "data_folder",
    "download_size",
    "load_images",
    "split_side",
]

DATA_VARIABLE = "ARCHSELECT_DATA"
MEBIBYTE = 2**20
_AVERAGED_DOWN = re.compile(r"(.*)@([0-9]{1,4})", re.ASCII | re.DOTALL)
"""Name of a data set, with the side to which its images are averaged down."""


@dataclass(frozen=True)
class DatasetSource:
    """Facts about a data set that are known before it is read.

    Attributes:
        name: Name for :func:`load_images`.
        summary: Description of the images in one line.
        size: Size on disk, or of the download.
        licence: Licence and source.
        how: Instructions to get it.
        present: `present(data_dir)` returns whether it can be read without a download.
        read: `read(data_dir)` returns the data set, or raises UserError.
        address: Where it is published; empty if it comes with a package.
        download: Bytes to download if it is missing; 0 if it cannot be downloaded.
    """

    name: str
    summary: str
    size: str
    licence: str
    how: str
    present: Callable[[Path], bool]
    read: Callable[[Path], ImageDataset]
    address: str = ""
    download: int = 0


def _digits_are_present(_: Path) -> bool:
    return True


def _read_digits(_: Path) -> ImageDataset:
    return digits.read()


DATASETS = {
    source.name: source
    for source in (
        DatasetSource(
            name="digits",
            summary="1,797 grey 8x8 images of handwritten digits, 10 classes; 1,200 to train",
            size="nothing to fetch",
            licence="UCI Optical Recognition of Handwritten Digits (CC BY 4.0), within scikit-learn",
            how="comes with scikit-learn",
            present=_digits_are_present,
            read=_read_digits,
        ),
        DatasetSource(
            name="cifar10",
            summary="60,000 colour 32x32 images, 10 classes; 50,000 to train",
            size="162 MiB to download",
            licence="Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html; no licence stated",
            how=f"fetched at first use, or put {cifar.CIFAR10.archive} or torchvision's folder into the data folder",
            present=partial(cifar.present, cifar.CIFAR10),
            read=partial(cifar.read, cifar.CIFAR10),
            address=cifar.URL,
            download=162 * MEBIBYTE,
        ),
        DatasetSource(
            name="cifar100",
            summary="60,000 colour 32x32 images, 100 classes; 50,000 to train",
            size="161 MiB to download",
            licence="Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html; no licence stated",
            how=f"fetched at first use, or put {cifar.CIFAR100.archive} or torchvision's folder into the data folder",
            present=partial(cifar.present, cifar.CIFAR100),
            read=partial(cifar.read, cifar.CIFAR100),
            address=cifar.URL,
            download=161 * MEBIBYTE,
        ),
        DatasetSource(
            name="svhn",
            summary="99,289 colour 32x32 images of house numbers, 10 classes; 73,257 to train",
            size="235 MiB to download",
            licence="Netzer et al. 2011, ufldl.stanford.edu/housenumbers; for non-commercial use",
            how=f"fetched at first use, or put {svhn.TRAIN.name} and {svhn.TEST.name} into the data folder",
            present=svhn.present,
            read=svhn.read,
            address=svhn.URL,
            download=235 * MEBIBYTE,
        ),
        DatasetSource(
            name=imagenet16.NAME,
            summary="157,700 colour 16x16 images, 120 classes; 151,700 to train",
            size="about 1 GB on disk",
            licence="terms of ImageNet: non-commercial research (Chrabaszcz et al. 2017, image-net.org)",
            how=(
                "get NAS-Bench-201's ImageNet16 files and put "
                f"{imagenet16.TRAIN[0]} to 10 and {imagenet16.TEST[0]} into {imagenet16.FOLDER}/ "
                "of the data folder"
            ),
            present=imagenet16.present,
            read=imagenet16.read,
            address="https://github.com/D-X-Y/AutoDL-Projects",
        ),
        DatasetSource(
            name=imagenet.NAME,
            summary="1,331,167 colour 256x256 images, 1,000 classes; 1,281,167 to train; to train on, not to search on",
            size="262 GB on disk",
            licence="terms of ImageNet: non-commercial research (image-net.org)",
            how=f"write it once into {imagenet.FOLDER}/ of the data folder: {imagenet.HOW}",
            present=imagenet.present,
            read=imagenet.read,
            address="https://www.image-net.org",
        ),
    )
}


DATASET_ALIASES = {
    "imagenet16": imagenet16.NAME,
    "c10": "cifar10",
    "c100": "cifar100",
    "imagenet-1k": imagenet.NAME,
}
"""Other common names of data sets, for hints; other spellings, such as `CIFAR-10`, need
no entry.
"""


def data_folder(data_dir: Path | None = None) -> Path:
    """Return the folder of data sets.

    It is `data_dir`, else the environment variable ARCHSELECT_DATA, else the user's
    data folder.
    """
    given = data_dir or os.environ.get(DATA_VARIABLE)
    return expand(given or platformdirs.user_data_dir("archselect"))


def split_side(name: str) -> tuple[str, int | None]:
    """Return the data set and the side in a name: ("cifar10", 16) for "cifar10@16".

    The side is None if the images keep their size.
    """
    match = _AVERAGED_DOWN.fullmatch(name)
    if match is None:
        return name, None
    return match[1], int(match[2])


def check_images(name: str, data_dir: Path | None = None) -> None:
    """Raise UserError if a data set is unknown, or missing and not to be downloaded.

    It reads no images.

    Args:
        name: As for :func:`load_images`.
        data_dir: As for :func:`load_images`.
    """
    whole, side = split_side(name)
    if side is not None:
        check_images(whole, data_dir)
        return
    if name.endswith(".npz"):
        npz.check(expand(name))
        return
    if name not in DATASETS:
        raise _unknown(name)
    source = DATASETS[name]
    if not source.download and not source.present(data_folder(data_dir)):
        raise UserError(
            f"data set '{name}' is not in {data_folder(data_dir)}: {source.how} (from {source.address}, {source.size})"
        )


def download_size(name: str, data_dir: Path | None = None) -> int:
    """Return the number of bytes that reading a data set would download.

    It is 0 for a file, and for a data set in the data folder.
    """
    whole, _ = split_side(name)
    source = DATASETS.get(whole)
    if source is None or source.present(data_folder(data_dir)):
        return 0
    return source.download


def _unknown(name: str) -> UserError:
    return unknown("data set (or path of a .npz)", name, DATASETS, DATASET_ALIASES)


def load_images(name: str, data_dir: Path | None = None) -> ImageDataset:
    """Return the data set with a name, or in a `.npz` file (:mod:`.images.npz`).

    Args:
        name: A name of :data:`DATASETS`, or a path that ends in `.npz`. With "@16" at
            its end, images are averaged down to 16x16 pixels.
        data_dir: Folder of files and downloads (:func:`data_folder`).

    Raises:
        UserError: The name is unknown; or the data set is not in the data folder and
            cannot be fetched; or it is damaged.
    """
    whole, side = split_side(name)
    if side is not None:
        return average_down(load_images(whole, data_dir), side)
    if name.endswith(".npz"):
        return npz.read(expand(name))
    if name not in DATASETS:
        raise _unknown(name)
    return DATASETS[name].read(data_folder(data_dir))
