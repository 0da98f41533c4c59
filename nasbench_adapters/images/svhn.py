"""SVHN (Netzer et al., 2011): cropped digits of house numbers, at 32x32 pixels.

They are in two MATLAB files of the authors. A file has `X`, uint8 (32, 32, 3, n), and
`y`, (n, 1), digits 1 to 9 and 10 for the digit 0. The checksums of the files are
verified before anything in them is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import (
    ImageDataset,
    LabelledImages,
    make_dataset,
)
from archselect.nasbench_adapters.images.fetch import Sums, fetch, verify
from archselect.nasbench_adapters.input_files import DAMAGED

URL = "https://ufldl.stanford.edu/housenumbers/"
URL_VARIABLE = "ARCHSELECT_SVHN_URL"
SIZE = 32
CHANNELS = 3
CLASSES = 10
# The constants of DARTS-PT's released code.
MEAN = (0.4377, 0.4438, 0.4728)
STD = (0.1980, 0.2010, 0.1970)


@dataclass(frozen=True)
class SvhnFile:
    """A file: its name, its checksums, and its number of images."""

    name: str
    sums: Sums
    images: int


TRAIN = SvhnFile(
    name="train_32x32.mat",
    sums=Sums(
        md5="e26dedcc434d2e4c54c9b2d4a06d8373",
        sha256="435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
    ),
    images=73257,
)
TEST = SvhnFile(
    name="test_32x32.mat",
    sums=Sums(
        md5="eb5a983be6a315427106f1b164d9cef3",
        sha256="cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
    ),
    images=26032,
)


def present(data_dir: Path) -> bool:
    """Return whether both files are in the data folder."""
    return all((data_dir / file.name).is_file() for file in (TRAIN, TEST))


def read(
    data_dir: Path,
    url: str | None = None,
    train: SvhnFile = TRAIN,
    test: SvhnFile = TEST,
) -> ImageDataset:
    """Return the data set; download files that are not in the data folder.

    The papers train on the 73,257 images of the training file. The 531,131 easier
    images of a third file are not used. Augmentation flips, as DARTS-PT's released code
    does for this data set, although a flipped digit is not a digit.

    Args:
        data_dir: Folder for the files.
        url: Address before a file's name; None takes the environment variable
            ARCHSELECT_SVHN_URL, or else the authors' site.
        train: File of the training images.
        test: File of the test images.

    Raises:
        UserError: A download fails, or a file is damaged or has a wrong checksum.
    """
    return make_dataset(
        "svhn",
        _read_file(data_dir, train, url),
        _read_file(data_dir, test, url),
        origin=f"{URL}{TRAIN.name} and {TEST.name}",
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        flip=True,
        pad=4,
    )


def _read_file(data_dir: Path, file: SvhnFile, url: str | None) -> LabelledImages:
    """Return the images uint8 (n, 32, 32, 3) and labels int64 (n,) of a file."""
    path = data_dir / file.name
    if path.is_file():
        verify(path, file.sums)
    else:
        fetch(path, file.sums, url or os.environ.get(URL_VARIABLE) or URL, URL_VARIABLE)
    content = _read_matlab_file(path)
    images: Any = content.get("X")
    labels: Any = content.get("y")
    is_as_expected = (
        isinstance(images, np.ndarray)
        and isinstance(labels, np.ndarray)
        and images.dtype == np.uint8
        and images.shape == (SIZE, SIZE, CHANNELS, file.images)
        and labels.dtype.kind in "iu"
        and labels.shape == (file.images, 1)
    )
    if not is_as_expected:
        raise UserError(
            f"{path} does not hold 'X' and 'y' of {file.images} images; delete it, and "
            "it will be fetched again"
        )
    image_first = np.ascontiguousarray(images.transpose(3, 0, 1, 2))
    digits = labels[:, 0].astype(np.int64) % 10
    return LabelledImages(image_first, digits)


def _read_matlab_file(path: Path) -> dict[str, Any]:
    """Return the variables `X` and `y` of a MATLAB file, if it has them.

    Raises UserError if it cannot be read, or is not a MATLAB file.
    """
    from scipy.io import loadmat  # takes a while to import
    from scipy.io.matlab import MatReadError

    try:
        content: dict[str, Any] = loadmat(path, variable_names=("X", "y"))
    except (OSError, MatReadError, *DAMAGED) as error:
        # The reader reports the end of a file as an OSError without an errno.
        if isinstance(error, OSError) and error.errno:
            raise UserError(f"cannot read {path}: {error.strerror}") from error
        raise UserError(
            f"{path} is not a MATLAB file of images ({error}); delete it, and it will be "
            "fetched again"
        ) from error
    return content
