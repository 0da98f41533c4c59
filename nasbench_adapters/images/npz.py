"""Any data set as one `.npz` file.

Keys: `train_images` and `test_images`, uint8 (images, height, width, channels), square;
`train_labels` and
`test_labels`, integers from 0. Optional: `classes`, their number or their names
(default: one more than the largest label); `mean` and `std`, per channel in 0..1 units
(default: measured on the training images, to 4 digits); `flip`, whether a horizontal
flip keeps the class (default: yes); `pad`, pixels of the random crop's padding
(default: an eighth of the side).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.input_files import DAMAGED

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("classes", "mean", "std", "flip", "pad")


def read(path: Path) -> ImageDataset:
    """The data set of a `.npz` file, named by the file's stem.

    Raises UserError if the file is absent or damaged, lacks a key, has an unknown one,
    or holds no data set.
    """
    arrays = _load(path)
    _check_keys(path, list(arrays))
    return make_dataset(
        path.stem,
        (arrays["train_images"], arrays["train_labels"]),
        (arrays["test_images"], arrays["test_labels"]),
        origin=f"the file {path.name}",
        classes=_classes(path, arrays["classes"]) if "classes" in arrays else None,
        mean=_constants(path, "mean", arrays["mean"]) if "mean" in arrays else None,
        std=_constants(path, "std", arrays["std"]) if "std" in arrays else None,
        flip=bool(_scalar(path, "flip", arrays["flip"], "biu"))
        if "flip" in arrays
        else True,
        pad=_scalar(path, "pad", arrays["pad"], "iu") if "pad" in arrays else None,
    )


def check(path: Path) -> None:
    """Raise UserError if the file is absent, is no archive of arrays, or lacks a key.

    Reads none of its arrays.
    """
    _check_keys(path, _keys(path))


def _check_keys(path: Path, keys: Sequence[str]) -> None:
    if missing := [key for key in REQUIRED if key not in keys]:
        raise UserError(
            f"{path} lacks the keys {', '.join(missing)}; it must have {', '.join(REQUIRED)}"
        )
    for key in keys:
        if key not in REQUIRED + OPTIONAL:
            raise unknown(f"key of {path}", key, REQUIRED + OPTIONAL)


def _keys(path: Path) -> list[str]:
    with _readable(path), open_arrays(path) as file:
        return list(file)


def _load(path: Path) -> dict[str, np.ndarray]:
    with _readable(path), open_arrays(path) as file:
        return dict(file)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what a file raises that is missing or damaged into a UserError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"no file {path}; give the path of a .npz of images") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is no readable .npz of plain arrays ({error}); write it anew"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def _classes(path: Path, value: np.ndarray) -> int:
    """The number of classes, given as such or as the list of their names."""
    return len(value) if value.ndim == 1 else _scalar(path, "classes", value, "iu")


def _constants(path: Path, key: str, value: np.ndarray) -> tuple[float, ...]:
    if value.dtype.kind not in "iuf" or value.ndim > 1:
        raise UserError(
            f"{path}: '{key}' is {value.dtype} {value.shape}; give one number per channel"
        )
    return tuple(float(number) for number in np.atleast_1d(value))


def _scalar(path: Path, key: str, value: np.ndarray, kinds: str) -> int:
    if value.dtype.kind not in kinds or value.size != 1:
        raise UserError(
            f"{path}: '{key}' is {value.dtype} {value.shape}; give one whole number"
        )
    return int(value.item())
