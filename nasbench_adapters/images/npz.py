"""A reader of any data set in one `.npz` file.

Keys: `train_images` and `test_images`, uint8 (images, height, width, channels), square;
`train_labels` and `test_labels`, integers from 0. Optional: `classes`, their number or
their names (default: one more than the largest label); `mean` and `std`, per channel in
0..1 units (default: measured on the training images, to 4 digits); `flip`, whether a
horizontal flip keeps the class (default: yes); `pad`, pixels of the random crop's
padding (default: an eighth of the side).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.input_files import DAMAGED, unreadable

REQUIRED = ("train_images", "train_labels", "test_images", "test_labels")
OPTIONAL = ("classes", "mean", "std", "flip", "pad")


def read(path: Path) -> ImageDataset:
    """Return the data set in a `.npz` file; its name is the file's stem.

    Raises UserError if the file is missing or damaged, lacks a key, has an unknown key,
    or does not hold a valid data set.
    """
    arrays = _load(path)
    _check_keys(path, list(arrays))
    flip = _read_number(path, "flip", arrays, "biu")
    return make_dataset(
        path.stem,
        (arrays["train_images"], arrays["train_labels"]),
        (arrays["test_images"], arrays["test_labels"]),
        origin=f"the file {path.name}",
        classes=_read_classes(path, arrays),
        mean=_read_constants(path, "mean", arrays),
        std=_read_constants(path, "std", arrays),
        flip=True if flip is None else bool(flip),
        pad=_read_number(path, "pad", arrays, "iu"),
    )


def check(path: Path) -> None:
    """Raise UserError if the file is missing, is not an archive, or lacks a key.

    It reads none of the arrays.
    """
    _check_keys(path, _keys(path))


def _check_keys(path: Path, keys: Sequence[str]) -> None:
    missing = [key for key in REQUIRED if key not in keys]
    if missing:
        raise UserError(
            f"{path} lacks the keys {', '.join(missing)}; it must have "
            f"{', '.join(REQUIRED)}"
        )
    for key in keys:
        if key not in REQUIRED + OPTIONAL:
            raise unknown(f"key of {path}", key, REQUIRED + OPTIONAL)


def _keys(path: Path) -> list[str]:
    with _raising_user_errors(path), open_arrays(path) as file:
        return list(file)


def _load(path: Path) -> dict[str, np.ndarray]:
    with _raising_user_errors(path), open_arrays(path) as file:
        return dict(file)


@contextmanager
def _raising_user_errors(path: Path) -> Iterator[None]:
    """Turn errors of a missing or damaged file into a UserError that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"no file {path}; give the path of a .npz of images") from error
    except DAMAGED as error:
        raise UserError(
            f"{path} is not a readable .npz of plain arrays ({error}); write it again"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


def _read_classes(path: Path, arrays: Mapping[str, np.ndarray]) -> int | None:
    """Return the number of classes, from a number or a list of names.

    Returns None if there is no such key.
    """
    names = arrays.get("classes")
    if names is not None and names.ndim == 1:
        return len(names)
    return _read_number(path, "classes", arrays, "iu")


def _read_constants(
    path: Path, key: str, arrays: Mapping[str, np.ndarray]
) -> tuple[float, ...] | None:
    """Return one number per channel; None if there is no such key."""
    if key not in arrays:
        return None
    values = arrays[key]
    if values.dtype.kind not in "iuf" or values.ndim > 1:
        raise UserError(
            f"{path}: '{key}' is {values.dtype} {values.shape}; give one number per "
            "channel"
        )
    return tuple(float(number) for number in np.atleast_1d(values))


def _read_number(
    path: Path, key: str, arrays: Mapping[str, np.ndarray], kinds: str
) -> int | None:
    """Return a whole number; None if there is no such key.

    Args:
        path: Path of the file, for messages.
        key: Key of the number.
        arrays: The file's arrays.
        kinds: Kinds of numpy types that the number may have.
    """
    if key not in arrays:
        return None
    value = arrays[key]
    if value.dtype.kind not in kinds or value.size != 1:
        raise UserError(
            f"{path}: '{key}' is {value.dtype} {value.shape}; give one whole number"
        )
    return int(value.item())
