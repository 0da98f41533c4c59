"""An image data set as plain arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from archselect.nasbench_adapters.errors import UserError

SAMPLED = 1000
"""Number of images of a memory-mapped array that its checksum covers."""


class LabelledImages(NamedTuple):
    """Images with their labels.

    Attributes:
        images: uint8 (n, h, w, c).
        labels: Whole numbers (n,).
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Labelled images in memory, or memory-mapped.

    :func:`make_dataset` checks the values and creates it.

    Attributes:
        name: Name as given to `load_images`, or the stem of the file's name.
        train_images: uint8 (n, h, w, c), 0 to 255, h = w.
        train_labels: int64 (n,), 0 to classes - 1.
        test_images: uint8 (m, h, w, c).
        test_labels: int64 (m,).
        classes: Number of classes.
        mean: Mean of the training images per channel, in 0..1 units.
        std: Standard deviation per channel, in the same unit.
        flip: Whether a horizontal flip keeps the class, so that augmentation may flip.
        pad: Pixels of black padding for the random crop of the augmentation.
        origin: Description of the source of the images.
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
        """Height and width in pixels."""
        return int(self.train_images.shape[1])

    @property
    def channels(self) -> int:
        """Number of channels: 1 for grey, 3 for colour."""
        return int(self.train_images.shape[3])

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of an image for a network: (channels, height, width)."""
        return self.channels, self.image_size, self.image_size

    @property
    def augmentation(self) -> str:
        """Description of the augmentation.

        :class:`.batches.Images` and :class:`.streamed.StreamedImages` carry it out.
        """
        flip = ", flip" if self.flip else ""
        if isinstance(self.train_images, np.memmap):
            return f"random resized crop{flip}, colour jitter"
        return f"crop {self.pad}{flip}"

    @cached_property
    def checksum(self) -> str:
        """Checksum of 16 hexadecimal digits: the start of a SHA-256.

        It covers images, labels, number of classes, mean and std. For images that stay
        in their files, it covers about a thousand evenly spaced ones.
        """
        constants = (self.classes, self.mean, self.std)
        digest = hashlib.sha256(repr(constants).encode())
        arrays = (
            self.train_images,
            self.train_labels,
            self.test_images,
            self.test_labels,
        )
        for array in arrays:
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
    """Return a data set after checking its arrays.

    Args:
        name: Name in messages and records.
        train: uint8 images (n, h, w, c) with h = w, and integer labels (n,).
        test: The same for the test images, (m, h, w, c) and (m,).
        origin: Description of the source of the images.
        classes: Number of classes; None takes one more than the largest label.
        mean: Mean per channel, in 0..1 units; None measures it on the training images,
            to 4 digits.
        std: Standard deviation per channel, in the same units; None measures it, too.
        flip: Whether a horizontal flip keeps the class.
        pad: Pixels of black padding for the random crop; None takes an eighth of the
            side, which is the usual 4 for CIFAR's 32 pixels.

    Raises:
        UserError: An array has a wrong shape or type, a label is out of range, or
            `mean`, `std` or `pad` is invalid.
    """
    train = _check_arrays(name, "training", *train)
    test = _check_arrays(name, "test", *test)
    _check_same_shape(name, train, test)
    size, channels = train.images.shape[2:]
    classes = _check_classes(name, train, test, classes)
    pad = _check_pad(name, size, pad)
    if mean is None or std is None:
        measured = _measure_moments(train.images)
        mean = measured.mean if mean is None else mean
        std = measured.std if std is None else std
    mean = tuple(float(value) for value in mean)
    std = tuple(float(value) for value in std)
    _check_moments(name, channels, mean, std)
    return ImageDataset(
        name=name,
        train_images=train.images,
        train_labels=train.labels,
        test_images=test.images,
        test_labels=test.labels,
        classes=classes,
        mean=mean,
        std=std,
        flip=flip,
        pad=pad,
        origin=origin,
    )


def average_down(dataset: ImageDataset, side: int) -> ImageDataset:
    """Return the data set with every image averaged down to `side` pixels.

    Pixels are rounded to whole numbers; mean, std and padding are those of the small
    images. Raises UserError unless `side` divides the images' side.
    """
    size = dataset.image_size
    check_side(dataset.name, size, side)
    block = size // side

    def shrink(images: np.ndarray) -> np.ndarray:
        pixels = images.astype(np.float32)
        blocks = pixels.reshape(len(images), side, block, side, block, -1)
        return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)

    return make_dataset(
        f"{dataset.name}@{side}",
        (shrink(dataset.train_images), dataset.train_labels),
        (shrink(dataset.test_images), dataset.test_labels),
        origin=f"{dataset.origin}, averaged down to {side}x{side} pixels",
        classes=dataset.classes,
        flip=dataset.flip,
    )


def check_side(name: str, size: int, side: int) -> None:
    """Raise UserError unless images can be averaged down to a side of `side` pixels.

    Args:
        name: Name of the data set.
        size: Side of its images in pixels.
        side: Wanted side in pixels.
    """
    if 0 < side <= size and size % side == 0:
        return
    divisors = [str(number) for number in range(2, size) if size % number == 0]
    raise UserError(
        f"data set '{name}': {size} pixels cannot be averaged down to {side}; "
        f"take one of {', '.join(divisors)}"
    )


def _check_arrays(
    name: str, part: str, images: np.ndarray, labels: np.ndarray
) -> LabelledImages:
    """Return the images unchanged and the labels as int64, after checking them."""
    if images.dtype != np.uint8 or images.ndim != 4:
        raise UserError(
            f"data set '{name}': {part} images are {images.dtype} {images.shape}; "
            "they must be uint8 (images, height, width, channels)"
        )
    if 0 in images.shape or images.shape[1] != images.shape[2]:
        raise UserError(
            f"data set '{name}': {part} images are {images.shape}; give square images, "
            "at least one"
        )
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
        raise UserError(
            f"data set '{name}': {part} labels are {labels.dtype} {labels.shape}; "
            f"they must be integers ({len(images)},), one per image"
        )
    return LabelledImages(images, labels.astype(np.int64))


def _check_same_shape(name: str, train: LabelledImages, test: LabelledImages) -> None:
    train_shape = train.images.shape[1:]
    test_shape = test.images.shape[1:]
    if train_shape != test_shape:
        raise UserError(
            f"data set '{name}': training images are {train_shape} and test images "
            f"{test_shape} (height, width, channels); give both the same shape"
        )


def _check_classes(
    name: str, train: LabelledImages, test: LabelledImages, classes: int | None
) -> int:
    """Return the number of classes, after checking the labels against it."""
    labels = np.concatenate([train.labels, test.labels])
    smallest = int(labels.min())
    largest = int(labels.max())
    if classes is None:
        classes = largest + 1
    if smallest < 0 or largest >= classes:
        raise UserError(
            f"data set '{name}': labels go from {smallest} to {largest}; they must lie "
            f"in 0..{classes - 1} for {classes} classes"
        )
    if classes < 2:
        raise UserError(f"data set '{name}' has {classes} class; give at least 2")
    return classes


def _check_pad(name: str, size: int, pad: int | None) -> int:
    """Return the padding, by default an eighth of the side, after checking it."""
    if pad is None:
        pad = size // 8
    if not 0 <= pad < size:
        raise UserError(
            f"data set '{name}': pad is {pad}; it must lie in 0..{size - 1}"
        )
    return pad


def _check_moments(
    name: str, channels: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    """Raise UserError unless each channel has a valid mean and standard deviation."""
    if len(mean) != channels or not all(0 <= value <= 1 for value in mean):
        raise UserError(
            f"data set '{name}': mean is {mean}; give {channels} numbers in 0..1, one "
            "per channel"
        )
    if len(std) != channels or not all(0 < value <= 1 for value in std):
        raise UserError(
            f"data set '{name}': std is {std}; give {channels} numbers above 0 and up "
            "to 1, one per channel"
        )


class _Moments(NamedTuple):
    """Mean and standard deviation per channel, in 0..1 units."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def _measure_moments(images: np.ndarray) -> _Moments:
    """Return mean and standard deviation per channel to 4 digits, from histograms."""
    levels = np.arange(256) / 255
    pixels = images[..., 0].size
    means = []
    deviations = []
    for channel in range(images.shape[3]):
        counts = np.bincount(images[..., channel].ravel(), minlength=256)
        weight = counts / pixels
        mean = float(weight @ levels)
        variance = float(weight @ (levels - mean) ** 2)
        means.append(round(mean, 4))
        deviations.append(round(variance**0.5, 4))
    return _Moments(tuple(means), tuple(deviations))
