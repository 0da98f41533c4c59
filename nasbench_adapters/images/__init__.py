"""Image data sets by name: what there is, whether it is here, how to get it. Only
`batches`, `streamed` and `colour` need torch.
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
_SMALL = re.compile(r"(.*)@([0-9]{1,4})", re.ASCII | re.DOTALL)
"""A data set, and the side that its images are averaged down to."""


@dataclass(frozen=True)
class DatasetSource:
    """What is known of a data set before it is read.

    Attributes:
        name: what `load_images` calls it.
        summary: one line: what the images are.
        size: what it takes on disk, or to download.
        licence: licence and source.
        how: how to get it.
        present: `present(data_dir)`: whether it can be read without a download.
        read: `read(data_dir)`: the data set; raises UserError where it cannot be had.
        download: bytes that are fetched where it is absent; 0 if it is not fetched.
    """

    name: str
    summary: str
    size: str
    licence: str
    how: str
    present: Callable[[Path], bool]
    read: Callable[[Path], ImageDataset]
    download: int = 0


DATASETS = {
    source.name: source
    for source in (
        DatasetSource(
            name="digits",
            summary="1,797 grey 8x8 images of handwritten digits, 10 classes; 1,200 to train",
            size="nothing to fetch",
            licence="UCI Optical Recognition of Handwritten Digits (CC BY 4.0), within scikit-learn",
            how="comes with scikit-learn",
            present=lambda data_dir: True,
            read=lambda data_dir: digits.read(),
        ),
        DatasetSource(
            name="cifar10",
            summary="60,000 colour 32x32 images, 10 classes; 50,000 to train",
            size="162 MiB to download",
            licence="Krizhevsky 2009, cs.toronto.edu/~kriz/cifar.html; no licence stated",
            how=f"fetched at first use, or put {cifar.CIFAR10.archive} or torchvision's folder into the data folder",
            present=partial(cifar.present, cifar.CIFAR10),
            read=partial(cifar.read, cifar.CIFAR10),
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
            download=235 * MEBIBYTE,
        ),
        DatasetSource(
            name=imagenet16.NAME,
            summary="157,700 colour 16x16 images, 120 classes; 151,700 to train",
            size="about 1 GB on disk",
            licence="terms of ImageNet: non-commercial research (Chrabaszcz et al. 2017, image-net.org)",
            how=(
                "get NAS-Bench-201's ImageNet16 files (github.com/D-X-Y/AutoDL-Projects links them) and put "
                f"{imagenet16.TRAIN[0]} to 10 and {imagenet16.TEST[0]} into {imagenet16.FOLDER}/ "
                "of the data folder"
            ),
            present=imagenet16.present,
            read=imagenet16.read,
        ),
        DatasetSource(
            name=imagenet.NAME,
            summary="1,331,167 colour 256x256 images, 1,000 classes; 1,281,167 to train; to train on, not to search on",
            size="262 GB on disk",
            licence="terms of ImageNet: non-commercial research (image-net.org)",
            how=f"write it once into {imagenet.FOLDER}/ of the data folder: {imagenet.HOW}",
            present=imagenet.present,
            read=imagenet.read,
        ),
    )
}


DATASET_ALIASES = {
    "imagenet16": imagenet16.NAME,
    "c10": "cifar10",
    "c100": "cifar100",
    "imagenet-1k": imagenet.NAME,
}
"""Other usual names of data sets, for hints; other spellings, such as `CIFAR-10`, need
no entry.
"""


def data_folder(data_dir: Path | None = None) -> Path:
    """Where data sets are: `data_dir`, else the variable ARCHSELECT_DATA, else the user's data folder."""
    given = data_dir or os.environ.get(DATA_VARIABLE)
    return expand(given or platformdirs.user_data_dir("archselect"))


def split_side(name: str) -> tuple[str, int | None]:
    """Return the data set that a name such as "cifar10@16" names, and the side of its images; None for their own."""
    small = _SMALL.fullmatch(name)
    return (small[1], int(small[2])) if small else (name, None)


def check_images(name: str, data_dir: Path | None = None) -> None:
    """Raise UserError if a data set is unknown, or neither here nor to be fetched.

    Reads no images.

    Args:
        name, data_dir: as for :func:`load_images`.
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
            f"data set '{name}' is not in {data_folder(data_dir)}: {source.how}"
        )


def download_size(name: str, data_dir: Path | None = None) -> int:
    """Return the bytes that reading a data set would fetch; 0 for a file, and for what is here."""
    source = DATASETS.get(split_side(name)[0])
    if source is None or source.present(data_folder(data_dir)):
        return 0
    return source.download


def _unknown(name: str) -> UserError:
    return unknown("data set (or path of a .npz)", name, DATASETS, DATASET_ALIASES)


def load_images(name: str, data_dir: Path | None = None) -> ImageDataset:
    """The data set of that name, or of a `.npz` file (see :mod:`archselect.nasbench_adapters.images.npz`).

    Args:
        name: a name of :data:`DATASETS`, or a path that ends in `.npz`; with "@16"
            behind it, its images averaged down to 16x16 pixels.
        data_dir: where files are looked for and downloads are kept; see
            :func:`data_folder`.

    Raises:
        UserError: the name is unknown, or the data set is not here and cannot be
            fetched, or it is damaged.
    """
    whole, side = split_side(name)
    if side is not None:
        return average_down(load_images(whole, data_dir), side)
    if name.endswith(".npz"):
        return npz.read(expand(name))
    if name not in DATASETS:
        raise _unknown(name)
    return DATASETS[name].read(data_folder(data_dir))
