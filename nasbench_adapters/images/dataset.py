"""An image data set as plain arrays. No torch here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from archselect.nasbench_adapters.errors import UserError

SAMPLED = 1000
"""Images of a memory-mapped array that its checksum looks at."""


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images in memory, or memory-mapped.

    Made by :func:`make_dataset`, which checks them.

    Attributes:
        name: as given to `load_images`, or the stem of the file's name.
        train_images: uint8 (n, h, w, c), 0 to 255, h = w.
        train_labels: int64 (n,), 0 to classes - 1.
        test_images: uint8 (m, h, w, c).
        test_labels: int64 (m,).
        classes: number of classes.
        mean: per channel, of the training images as 0 to 1.
        std: per channel, in the same unit.
        flip: whether a horizontal flip keeps the class, so that augmentation may flip.
        pad: pixels of black padding of augmentation's random crop.
        origin: where the images come from, in words.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    flip: bool
    pad: int
    origin: str

    @property
    def image_size(self) -> int:
        """Height, and width, in pixels."""
        return int(self.train_images.shape[1])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.train_images.shape[3])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image as a network sees it."""
        return self.channels, self.image_size, self.image_size

    @property
    def augmentation(self) -> str:
        """What augmentation does, in words; see :class:`.batches.Images` and :class:`.streamed.StreamedImages`."""
        flip = ", flip" if self.flip else ""
        if isinstance(self.train_images, np.memmap):
            return f"random resized crop{flip}, colour jitter"
        return f"crop {self.pad}{flip}"

    @cached_property
    def checksum(self) -> str:
        """16 hexadecimal digits: the SHA-256 of images, labels, class count, mean and std, cut short.

        Of images that stay in their files about a thousand, evenly spaced, stand for
        all.
        """
        digest = hashlib.sha256(repr((self.classes, self.mean, self.std)).encode())
        for array in (
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
        ):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            step = max(1, len(array) // SAMPLED) if isinstance(array, np.memmap) else 1
            digest.update(np.ascontiguousarray(array[::step]).data)
        return digest.hexdigest()[:16]


def make_dataset(
    name: str,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    *,
    origin: str,
    classes: int | None = None,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
    flip: bool = True,
    pad: int | None = None,
) -> ImageDataset:
    """A data set whose arrays have been checked.

    Args:
        name: what messages and records call it.
        train: uint8 images (n, h, w, c) with h = w, and integer labels (n,).
        test: the same for the test images, (m, h, w, c) and (m,).
        origin: where the images come from, in words.
        classes: None takes one more than the largest label.
        mean: per channel, in 0..1 units; None measures it on the training images, to 4
            digits.
        std: the same.
        flip: see :class:`ImageDataset`.
        pad: see :class:`ImageDataset`; None takes an eighth of the side, as the usual 4
            on CIFAR's 32 pixels.

    Raises:
        UserError: an array has another shape or type, a label is out of range, or a
            constant does not fit.
    """
    train_images, train_labels = _checked(name, "training", *train)
    test_images, test_labels = _checked(name, "test", *test)
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UserError(
            f"data set '{name}': training images are {train_images.shape[1:]} and test images "
            f"{test_images.shape[1:]} (height, width, channels); give both the same shape"
        )
    largest = max(int(train_labels.max()), int(test_labels.max()))
    if classes is None:
        classes = largest + 1
    smallest = min(int(train_labels.min()), int(test_labels.min()))
    if smallest < 0 or largest >= classes:
        raise UserError(
            f"data set '{name}': labels go from {smallest} to {largest}; they must lie in 0..{classes - 1} "
            f"for {classes} classes"
        )
    if classes < 2:
        raise UserError(f"data set '{name}' has {classes} class; give at least 2")
    size, channels = train_images.shape[2:]
    if pad is None:
        pad = size // 8
    if not 0 <= pad < size:
        raise UserError(
            f"data set '{name}': pad is {pad}; it must lie in 0..{size - 1}"
        )
    if mean is None or std is None:
        measured_mean, measured_std = _moments(train_images)
        mean = measured_mean if mean is None else mean
        std = measured_std if std is None else std
    mean, std = (
        tuple(float(value) for value in mean),
        tuple(float(value) for value in std),
    )
    if len(mean) != channels or not all(0 <= value <= 1 for value in mean):
        raise UserError(
            f"data set '{name}': mean is {mean}; give {channels} numbers in 0..1, one per channel"
        )
    if len(std) != channels or not all(0 < value <= 1 for value in std):
        raise UserError(
            f"data set '{name}': std is {std}; give {channels} numbers above 0 and up to 1, one per channel"
        )
    return ImageDataset(
        name,
        train_images,
        train_labels,
        test_images,
        test_labels,
        classes,
        mean,
        std,
        flip,
        pad,
        origin,
    )


def average_down(dataset: ImageDataset, side: int) -> ImageDataset:
    """The data set with every image averaged down to `side` pixels, rounded to whole numbers; for small worlds.

    Mean, std and padding are those of the small images. Raises UserError unless `side`
    divides the images' side.
    """
    size = dataset.image_size
    check_side(dataset.name, size, side)

    def small(images: np.ndarray) -> np.ndarray:
        cells = images.astype(np.float32).reshape(
            len(images), side, size // side, side, size // side, -1
        )
        return np.rint(cells.mean(axis=(2, 4))).astype(np.uint8)

    return make_dataset(
        f"{dataset.name}@{side}",
        (small(dataset.train_images), dataset.train_labels),
        (small(dataset.test_images), dataset.test_labels),
        origin=f"{dataset.origin}, averaged down to {side}x{side} pixels",
        classes=dataset.classes,
        flip=dataset.flip,
    )


def check_side(name: str, size: int, side: int) -> None:
    """Raise UserError unless images of a data set, of `size` pixels each way, can be averaged down to `side`."""
    if not 0 < side <= size or size % side:
        fits = ", ".join(str(d) for d in range(2, size) if size % d == 0)
        raise UserError(
            f"data set '{name}': {size} pixels cannot be averaged down to {side}; {fits} would do"
        )


def _checked(
    name: str, part: str, images: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The images as given and the labels as int64."""
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(
            f"data set '{name}': {part} images are {images.dtype} {images.shape}; "
            "they must be uint8 (images, height, width, channels)"
        )
    if 0 in images.shape or images.shape[1] != images.shape[2]:
        raise UserError(
            f"data set '{name}': {part} images are {images.shape}; give square images, at least one"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise UserError(
            f"data set '{name}': {part} labels are {labels.dtype} {labels.shape}; "
            f"they must be integers ({len(images)},), one per image"
        )
    return images, labels.astype(np.int64)


def _moments(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel in 0..1 units, to 4 digits, from a histogram."""
    levels = np.arange(256) / 255
    means, deviations = [], []
    for channel in range(images.shape[3]):
        weight = (
            np.bincount(images[..., channel].ravel(), minlength=256)
            / images[..., 0].size
        )
        mean = float(weight @ levels)
        means.append(round(mean, 4))
        deviations.append(round(float(weight @ (levels - mean) ** 2) ** 0.5, 4))
    return tuple(means), tuple(deviations)
