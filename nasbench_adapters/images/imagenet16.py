"""ImageNet16-120: the first 120 classes of ImageNet at 16x16 pixels.

Sources: Chrabaszcz et al., 2017; NAS-Bench-201. The files are `train_data_batch_1` to
`train_data_batch_10` and `val_data`. Each is a pickled dict: `data` is uint8 (n, 768),
the red, green and blue planes row by row, and `labels` has n numbers from 1 to 1000, of
which 1 to 120 are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import (
    ImageDataset,
    LabelledImages,
    make_dataset,
)
from archselect.nasbench_adapters.safe_pickle import read_pickle, to_whole_numbers

NAME = "ImageNet16-120"
FOLDER = "ImageNet16"
TRAIN = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST = ("val_data",)
CLASSES = 120
ALL_CLASSES = 1000
SIZE = 16
CHANNELS = 3
# The constants of NAS-Bench-201's training code.
MEAN = tuple(value / 255 for value in (122.68, 116.66, 104.01))
STD = tuple(value / 255 for value in (63.22, 61.26, 65.09))


def present(data_dir: Path) -> bool:
    """Return whether all files are in the data folder."""
    return not _find_missing(data_dir / FOLDER)


def _find_missing(folder: Path) -> list[str]:
    return [name for name in TRAIN + TEST if not (folder / name).is_file()]


def read(data_dir: Path) -> ImageDataset:
    """Return the data set of `data_dir`/ImageNet16.

    The test images are those of `val_data`. NAS-Bench-201's `x-valid` and `x-test` are
    two halves of them.

    Raises UserError if a file is missing or damaged, has another form, or asks for code
    to be run.
    """
    folder = data_dir / FOLDER
    missing = _find_missing(folder)
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}; put NAS-Bench-201's ImageNet16 files "
            "there"
        )
    return make_dataset(
        NAME,
        _read_files(folder, TRAIN),
        _read_files(folder, TEST),
        origin=f"downsampled ImageNet, 16x16, first {CLASSES} classes",
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        flip=True,
        pad=2,
    )


def _read_files(folder: Path, names: Iterable[str]) -> LabelledImages:
    parts = [_read_file(folder / name) for name in names]
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def _read_file(path: Path) -> LabelledImages:
    """Return the images of a file's first 120 classes.

    Images are uint8 (n, 16, 16, 3), labels int64 (n,) from 0.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
        raise UserError(
            f"{path} is not a dict with 'data' and 'labels'; put NAS-Bench-201's "
            "ImageNet16 file there"
        )
    data = content["data"]
    are_images = (
        isinstance(data, np.ndarray)
        and data.dtype == np.uint8
        and data.ndim == 2
        and data.shape[1] == CHANNELS * SIZE * SIZE
    )
    if not are_images:
        raise UserError(
            f"{path}: 'data' is not uint8 (images, 768); put the 16x16 version of the "
            "files there"
        )
    labels = _check_labels(path, content["labels"], len(data))
    is_kept = labels <= CLASSES
    planes = np.asarray(data)[is_kept].reshape(-1, CHANNELS, SIZE, SIZE)
    images = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
    return LabelledImages(images, labels[is_kept] - 1)


def _check_labels(path: Path, labels: object, count: int) -> np.ndarray:
    """Return the labels as int64 (count,), 1 to 1000.

    Raises UserError if they have another form.
    """
    numbers = to_whole_numbers(labels)
    if numbers.dtype.kind not in "iu" or numbers.shape != (count,):
        raise UserError(
            f"{path}: 'labels' is not {count} whole numbers, one per image; get the file "
            "again"
        )
    if count and not 1 <= numbers.min() <= numbers.max() <= ALL_CLASSES:
        raise UserError(
            f"{path}: labels go from {numbers.min()} to {numbers.max()}, not within "
            f"1..{ALL_CLASSES}; get the file again"
        )
    return numbers.astype(np.int64)
