"""ImageNet (ILSVRC 2012) as memory-mapped arrays, which are read batch by batch.

The images are too large for the device. The data folder has four files in `imagenet/`:
`train_images.npy` and `val_images.npy`, uint8 (n, 256, 256, 3), and `train_labels.npy`
and `val_labels.npy`, whole numbers 0 to 999. All 1,281,167 and 50,000 images take 262
GB. A part of the classes or images, or another side than 256, also works.

To write the files once from the original pictures, number the 1,000 training folders in
the order of their names. Open each picture (for example with Pillow), convert it to
RGB, resize it so that its shorter side is 256, and keep the central 256x256. Store it
in `numpy.lib.format.open_memmap("train_images.npy", "w+", numpy.uint8, (1281167, 256,
256, 3))`, with the pictures in random order. Random crops cannot reach pixels outside
the central square. DARTS' code crops from the whole picture, Zero-Cost-PT's from a
picture stored at 256 pixels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.input_files import DAMAGED, unreadable

NAME = "ImageNet"
FOLDER = "imagenet"
FILES = ("train_images.npy", "train_labels.npy", "val_images.npy", "val_labels.npy")
HOW = f"'python -m pydoc {__name__}' says how"
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def present(data_dir: Path) -> bool:
    """Return whether all files are in the data folder."""
    return not _find_missing(data_dir / FOLDER)


def _find_missing(folder: Path) -> list[str]:
    return [name for name in FILES if not (folder / name).is_file()]


def read(data_dir: Path) -> ImageDataset:
    """Return the data set, whose images stay in their files.

    The test images are those of `val_*`. Raises UserError if a file is missing, damaged
    or not a valid array.
    """
    folder = data_dir / FOLDER
    missing = _find_missing(folder)
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}: ImageNet cannot be downloaded; write "
            f"it once as arrays: {HOW}"
        )
    arrays = [_open_array(folder / name) for name in FILES]
    train_images, train_labels, val_images, val_labels = arrays
    return make_dataset(
        NAME,
        (train_images, np.asarray(train_labels)),
        (val_images, np.asarray(val_labels)),
        origin="ILSVRC 2012, central squares, by the user",
        mean=MEAN,
        std=STD,
        flip=True,
        pad=0,
    )


def _open_array(path: Path) -> np.ndarray:
    try:
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED as error:
        raise UserError(
            f"{path} is not a readable .npy of a plain array ({error}); write it again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    return array
