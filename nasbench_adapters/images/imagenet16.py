"""ImageNet16-120: the first 120 classes of ImageNet at 16x16 pixels (Chrabaszcz et al., 2017; NAS-Bench-201).

Files `train_data_batch_1` to `train_data_batch_10` and `val_data`, each a pickled dict:
`data` is uint8 (n, 768), the red, green and blue planes row by row, and `labels` has n
numbers from 1 to 1000, of which 1 to 120 are kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.safe_pickle import read_pickle, to_whole_numbers

NAME = "ImageNet16-120"
FOLDER = "ImageNet16"
TRAIN = tuple(f"train_data_batch_{number}" for number in range(1, 11))
TEST = ("val_data",)
CLASSES, ALL_CLASSES = 120, 1000
SIZE, CHANNELS = 16, 3
# The constants of NAS-Bench-201's own training code.
MEAN = tuple(value / 255 for value in (122.68, 116.66, 104.01))
STD = tuple(value / 255 for value in (63.22, 61.26, 65.09))


def present(data_dir: Path) -> bool:
    """Whether all files are in the data folder."""
    return all((data_dir / FOLDER / name).is_file() for name in TRAIN + TEST)


def read(data_dir: Path) -> ImageDataset:
    """The data set out of `data_dir`/ImageNet16.

    `val_data` gives the test images. NAS-Bench-201's `x-valid` and `x-test` are two
    halves of it.

    Raises UserError if a file is missing, damaged, holds something else, or asks to run
    anything.
    """
    folder = data_dir / FOLDER
    if missing := [name for name in TRAIN + TEST if not (folder / name).is_file()]:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}; put NAS-Bench-201's ImageNet16 files there"
        )
    return make_dataset(
        NAME,
        _joined([_read_file(folder / name) for name in TRAIN]),
        _joined([_read_file(folder / name) for name in TEST]),
        origin=f"downsampled ImageNet, 16x16, first {CLASSES} classes",
        classes=CLASSES,
        mean=MEAN,
        std=STD,
        flip=True,
        pad=2,
    )


def _read_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 (n, 16, 16, 3), labels int64 (n,)) of one file's images of the first 120 classes."""
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"data", "labels"} <= content.keys():
        raise UserError(
            f"{path} is not a dict with 'data' and 'labels'; put NAS-Bench-201's ImageNet16 file there"
        )
    data, labels = content["data"], content["labels"]
    if not (
        isinstance(data, np.ndarray)
        and data.dtype == np.uint8
        and data.ndim == 2
        and data.shape[1] == CHANNELS * SIZE * SIZE
    ):
        raise UserError(
            f"{path}: 'data' is not uint8 (images, 768); put the 16x16 version of the files there"
        )
    numbers = _labels(path, labels, len(data))
    kept = numbers <= CLASSES
    planes = np.asarray(data)[kept].reshape(-1, CHANNELS, SIZE, SIZE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), numbers[kept] - 1


def _labels(path: Path, labels: object, count: int) -> np.ndarray:
    """The labels as int64 (count,), 1 to 1000."""
    numbers = to_whole_numbers(labels)
    if numbers.dtype.kind not in "iu" or numbers.shape != (count,):
        raise UserError(
            f"{path}: 'labels' is not {count} whole numbers, one per image; get the file again"
        )
    if count and not 1 <= numbers.min() <= numbers.max() <= ALL_CLASSES:
        raise UserError(
            f"{path}: labels go from {numbers.min()} to {numbers.max()}, not within 1..{ALL_CLASSES}; "
            "get the file again"
        )
    return numbers.astype(np.int64)


def _joined(
    parts: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(labels)
