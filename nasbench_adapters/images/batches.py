"""Image data on the device: halves, batches and augmentation.

Pixels stay on the device as uint8, and a batch is made there, all its images at once.
Random numbers are drawn on the CPU, from the caller's generator, so that a seed gives
the same numbers on every device. No function waits for the device or changes the global
random state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.dataset import ImageDataset
from archselect.nasbench_adapters.seeds import stream_seed

SPLITS = ("shuffled", "first")
PARTS = ("train", "valid", "test", "all")
PART_ALIASES = {"validation": "valid", "val": "valid"}
"""Other common names of parts, for hints."""
Batch = tuple[Tensor, Tensor]
"""A batch: images float32 (b, c, h, w) and labels int64 (b,)."""


class Images:
    """A data set on a device, with a `train` and a `valid` half of its training images.

    Args:
        dataset: The images.
        device: Device that keeps the images and makes the batches.
        split: "shuffled" divides by a random permutation; "first" divides in file
            order, as the released code of DARTS-PT does.
        split_seed: Seed of the permutation; without effect for "first".
        train_fraction: Share of the training images, rounded down, in the train half.
        limit: Number of images to use from each half; None uses all.

    Attributes:
        train_index: Numbers of the train half's images for :meth:`batch`: int64 (n,),
            on the device.
        valid_index: The same for the valid half.
        test_index: The same for the test images.

    Raises:
        UserError: The split is unknown, a half would be empty or smaller than the
            limit, or the images stay in their files (:mod:`.streamed`).
    """

    formulation: ClassVar[int] = 1
    """Number to raise when splits, batches or augmentation change on purpose.

    It is part of the ids of everything that depends on the images.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        device: torch.device,
        split: str = "shuffled",
        split_seed: int = 0,
        train_fraction: float = 0.5,
        limit: int | None = None,
    ) -> None:
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        if isinstance(dataset.train_images, np.memmap):
            raise UserError(
                f"data set '{dataset.name}' is too large for the device's memory: use it "
                "for training, not for a search"
            )
        count = len(dataset.train_images)
        train_count = int(count * train_fraction)
        _check_halves(dataset, train_count, train_fraction, limit)
        if split == "shuffled":
            self.split = f"shuffled by seed {split_seed}, fraction {train_fraction}"
            generator = torch.Generator().manual_seed(stream_seed("split", split_seed))
            order = torch.randperm(count, generator=generator)
        else:
            self.split = f"first, fraction {train_fraction}"
            order = torch.arange(count)
        self.dataset = dataset
        self.device = device
        self.train_index = order[:train_count][:limit].to(device)
        self.valid_index = order[train_count:][:limit].to(device)
        end = count + len(dataset.test_images)
        self.test_index = torch.arange(count, end, device=device)
        # Training and test images are in one tensor, so that one index covers all
        # parts.
        self._pixels = _join(dataset.train_images, dataset.test_images, device)
        self._labels = _join(dataset.train_labels, dataset.test_labels, device)
        self._mean = torch.tensor(dataset.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(dataset.std, device=device).view(-1, 1, 1)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of an image for a network: (channels, height, width)."""
        return self.dataset.image_shape

    def describe(self) -> dict[str, str | int]:
        """Return the values that determine the batches, by name.

        They are the data set, its checksum, the sizes of the halves, the split and the
        augmentation.
        """
        return {
            "name": self.dataset.name,
            "checksum": self.dataset.checksum,
            "train_images": len(self.train_index),
            "valid_images": len(self.valid_index),
            "split": self.split,
            "augment": self.dataset.augmentation,
        }

    def index(self, part: str) -> Tensor:
        """Return the image numbers of a part: "train", "valid", "test" or "all".

        "all" is both halves. Raises UserError, which suggests the nearest name, for
        another part.
        """
        if part not in PARTS:
            raise unknown("part of the images", part, PARTS, PART_ALIASES)
        if part == "all":
            return torch.cat([self.train_index, self.valid_index])
        indices = {
            "train": self.train_index,
            "valid": self.valid_index,
            "test": self.test_index,
        }
        return indices[part]

    def batch(
        self,
        index: Tensor,
        generator: torch.Generator | None = None,
        augment: bool = False,
        cutout: int = 0,
    ) -> Batch:
        """Return the images with some numbers, and their labels.

        Args:
            index: Image numbers, int64 (b,), on the device.
            generator: A CPU generator, for `augment` and `cutout`.
            augment: Whether to add a black border of `pad` pixels and crop at random,
                and, if the data set allows it, to flip at random.
            cutout: Side of a square at a random place that is set to the mean colour
                (DeVries and Taylor, arXiv:1708.04552); 0 for none.

        Returns:
            Images float32 (b, c, h, w), normalised, in channels-last memory format, and
            labels int64 (b,).
        """
        pixels = self._pixels[index]
        if (augment or cutout) and generator is None:
            raise ValueError("augmentation needs a generator")
        if augment:
            assert generator is not None
            pixels = self._augment(pixels, generator)
        images = pixels.permute(0, 3, 1, 2).float()
        images.div_(255).sub_(self._mean).div_(self._std)
        if cutout:
            assert generator is not None
            cut_out(images, cutout, generator)
        images = images.contiguous(memory_format=torch.channels_last)
        return images, self._labels[index]

    def epoch(
        self,
        part: str,
        batch_size: int,
        generator: torch.Generator,
        augment: bool = False,
        drop_last: bool = False,
        cutout: int = 0,
    ) -> Iterator[Batch]:
        """Return the batches of one pass over a part in random order.

        The last batch may be smaller, unless `drop_last` leaves it out.

        Raises UserError if the part is unknown or smaller than a batch.
        """
        index = self._index_for(part, batch_size)
        return self._shuffled(index, batch_size, generator, augment, drop_last, cutout)

    def endless(
        self,
        part: str,
        batch_size: int,
        generator: torch.Generator,
        augment: bool = False,
    ) -> Iterator[Batch]:
        """Return full batches from passes over a part, without end.

        Each pass has a new random order.

        Raises UserError if the part is unknown or smaller than a batch.
        """
        index = self._index_for(part, batch_size)

        def passes() -> Iterator[Batch]:
            while True:
                yield from self._shuffled(
                    index, batch_size, generator, augment, drop_last=True
                )

        return passes()

    def minibatch(
        self, part: str, size: int, generator: torch.Generator, augment: bool = False
    ) -> Batch:
        """Return `size` different random images of a part, and their labels.

        Raises UserError if the part is unknown or smaller than `size`.
        """
        index = self._index_for(part, size)
        chosen = torch.randperm(len(index), generator=generator)[:size]
        numbers = index[chosen.to(self.device, non_blocking=True)]
        return self.batch(numbers, generator, augment)

    def sequential(self, part: str, batch_size: int) -> Iterator[Batch]:
        """Return the batches of a part in order, without augmentation.

        The last batch may be smaller.

        Raises UserError if the part is unknown.
        """
        index = self.index(part)
        return (self.batch(chunk) for chunk in index.split(batch_size))

    def _index_for(self, part: str, batch_size: int) -> Tensor:
        """Return the image numbers of a part; check that it has enough images."""
        index = self.index(part)
        check_batch(batch_size, part, self.dataset, len(index))
        return index

    def _shuffled(
        self,
        index: Tensor,
        batch_size: int,
        generator: torch.Generator,
        augment: bool,
        drop_last: bool,
        cutout: int = 0,
    ) -> Iterator[Batch]:
        """Yield the batches of image numbers in random order."""
        order = torch.randperm(len(index), generator=generator)
        if drop_last:
            batches = len(order) // batch_size
            order = order[: batches * batch_size]
        shuffled = index[order.to(self.device, non_blocking=True)]
        for chunk in shuffled.split(batch_size):
            yield self.batch(chunk, generator, augment, cutout)

    def _augment(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Return uint8 images (b, h, w, c), cropped and flipped at random.

        One gather from the padded images does both.
        """
        count = len(pixels)
        size = self.dataset.image_size
        pad = self.dataset.pad
        corners = torch.randint(2 * pad + 1, (2, count), generator=generator)
        flips = torch.randint(1 + self.dataset.flip, (1, count), generator=generator)
        drawn = torch.cat([corners, flips]).to(self.device, non_blocking=True)
        top, left, flip = drawn[..., None]
        along = torch.arange(size, device=self.device)
        rows = top + along
        columns = left + torch.where(flip == 1, size - 1 - along, along)
        padded = F.pad(pixels, (0, 0, pad, pad, pad, pad))
        image = torch.arange(count, device=self.device)
        return padded[image[:, None, None], rows[:, :, None], columns[:, None, :]]


def check_batch(size: int, part: str, dataset: ImageDataset, count: int) -> None:
    """Raise UserError if a batch is larger than a part of `count` images."""
    if not 1 <= size <= count:
        raise UserError(
            f"a batch of {size} does not fit part '{part}' of '{dataset.name}', which has "
            f"{count} images; give 1 to {count}"
        )


def cut_out(images: Tensor, length: int, generator: torch.Generator) -> None:
    """Set a random square of each normalised image to zero, in place.

    As in the released code of DARTS, the square's centre can be any pixel, and the
    square extends `length // 2` pixels in each direction. So at a border the square can
    be partly outside the image.

    Args:
        images: (b, c, h, w), on any device.
        length: Side of the square in pixels.
        generator: A CPU generator. It draws a row for each image, then a column for
            each image.
    """
    count, _, height, width = images.shape
    rows = torch.randint(height, (count,), generator=generator)
    columns = torch.randint(width, (count,), generator=generator)
    centres = torch.stack([rows, columns]).to(images.device, non_blocking=True)

    def within(centre: Tensor, size: int) -> Tensor:
        """Return which rows, or columns, are in the square: bool (b, size)."""
        along = torch.arange(size, device=images.device) - centre[:, None]
        return (along >= -(length // 2)) & (along < length // 2)

    in_rows = within(centres[0], height)[:, None, :, None]
    in_columns = within(centres[1], width)[:, None, None, :]
    images.masked_fill_(in_rows & in_columns, 0)


def _check_halves(
    dataset: ImageDataset, train_count: int, train_fraction: float, limit: int | None
) -> None:
    """Raise UserError if a half would be empty, or smaller than the limit."""
    count = len(dataset.train_images)
    if not 0 < train_count < count:
        raise UserError(
            f"train_fraction {train_fraction} of {count} images of '{dataset.name}' "
            "leaves a half empty; give a number between 0 and 1"
        )
    smaller = min(train_count, count - train_count)
    if limit is not None and not 1 <= limit <= smaller:
        raise UserError(
            f"limit {limit} does not fit '{dataset.name}', whose smaller half has "
            f"{smaller} images; give 1 to {smaller}"
        )


def _join(train: np.ndarray, test: np.ndarray, device: torch.device) -> Tensor:
    """Return training and test arrays as one tensor on the device."""
    parts = [torch.as_tensor(train), torch.as_tensor(test)]
    return torch.cat(parts).to(device)
