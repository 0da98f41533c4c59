"""Image data on the device: halves, batches and augmentation.

Pixels stay on the device as uint8, and everything done to a batch is done there, to all
its images at once. Random numbers are drawn on the CPU, from the caller's generator, so
that a seed means the same on every device; nothing here waits for the device or touches
the global random state.
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


class Images:
    """A data set on a device, its training images divided into a `train` and a `valid` half.

    Args:
        dataset: the images.
        device: where they are kept, and where batches are made.
        split: "shuffled" divides by a permutation seeded by `split_seed`; "first" in
            file order, as the released code of DARTS-PT does.
        split_seed: seed of the permutation; of no effect with "first".
        train_fraction: share of the training images, rounded down, that goes into the
            train half.
        limit: how many images of each half are used; None uses all.

    Attributes:
        train_index: int64 (images of the half,), on the device; numbers an image for
            :meth:`batch`.
        valid_index: the same for the valid half.
        test_index: the same for the test images.

    Raises:
        UserError: the split is unknown, a half would be empty or smaller than the
            limit, or the images stay in their files (see :mod:`.streamed`).
    """

    formulation: ClassVar[int] = 1
    """Raised when splits, batches or augmentation change on purpose; part of the ids of
    what is made of the images.
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
                f"data set '{dataset.name}' is too large to be kept on the device: train on it, do not search on it"
            )
        count = len(dataset.train_images)
        train = int(count * train_fraction)
        if not 0 < train < count:
            raise UserError(
                f"train_fraction {train_fraction} of {count} images of '{dataset.name}' leaves a half empty; "
                "give a number between 0 and 1"
            )
        smaller = min(train, count - train)
        if limit is not None and not 1 <= limit <= smaller:
            raise UserError(
                f"limit {limit} does not fit '{dataset.name}', whose smaller half has {smaller} images; "
                f"give 1 to {smaller}"
            )
        self.dataset = dataset
        self.device = device
        self.split = f"first, fraction {train_fraction}"
        order = torch.arange(count)
        if split == "shuffled":
            self.split = f"shuffled by seed {split_seed}, fraction {train_fraction}"
            generator = torch.Generator().manual_seed(stream_seed("split", split_seed))
            order = torch.randperm(count, generator=generator)
        self.train_index = order[:train][:limit].to(device)
        self.valid_index = order[train:][:limit].to(device)
        self.test_index = torch.arange(
            count, count + len(dataset.test_images), device=device
        )
        # Training and test images lie in one tensor, so that one index serves every
        # part.
        self._pixels = _joined(dataset.train_images, dataset.test_images, device)
        self._labels = _joined(dataset.train_labels, dataset.test_labels, device)
        self._mean = torch.tensor(dataset.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(dataset.std, device=device).view(-1, 1, 1)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image as a network sees it."""
        return self.dataset.image_shape

    def describe(self) -> dict[str, str | int]:
        """What determines the batches: data set, checksum, sizes of the halves, split, augmentation."""
        return {
            "name": self.dataset.name,
            "checksum": self.dataset.checksum,
            "train_images": len(self.train_index),
            "valid_images": len(self.valid_index),
            "split": self.split,
            "augment": self.dataset.augmentation,
        }

    def index(self, part: str) -> Tensor:
        """The image numbers of a part: "train", "valid", "test", or "all", which is both halves.

        Raises UserError, with the nearest name, for another one.
        """
        if part == "all":
            return torch.cat([self.train_index, self.valid_index])
        if part not in PARTS:
            raise unknown(
                "part of the images",
                part,
                PARTS,
                {"validation": "valid", "val": "valid"},
            )
        return {
            "train": self.train_index,
            "valid": self.valid_index,
            "test": self.test_index,
        }[part]

    def batch(
        self,
        index: Tensor,
        generator: torch.Generator | None = None,
        augment: bool = False,
        cutout: int = 0,
    ) -> tuple[Tensor, Tensor]:
        """The images of these numbers, and their labels.

        Args:
            index: int64 (b,), on the device.
            generator: a CPU generator; needed to augment and to cut out.
            augment: crop at random out of the image within a black border of `pad`
                pixels and, where the data set allows it, flip at random.
            cutout: side of the square set to the mean colour at a random place (DeVries
                and Taylor, arXiv:1708.04552); 0 for none. See :func:`cut_out`.

        Returns:
            float32 (b, c, h, w), normalised, in channels-last memory format, and int64
            (b,).
        """
        pixels = self._pixels[index]
        if (augment or cutout) and generator is None:
            raise ValueError("augmentation needs a generator")
        if augment:
            assert generator is not None
            pixels = self._augmented(pixels, generator)
        images = (
            pixels.permute(0, 3, 1, 2)
            .float()
            .div_(255)
            .sub_(self._mean)
            .div_(self._std)
        )
        if cutout:
            assert generator is not None
            cut_out(images, cutout, generator)
        return images.contiguous(memory_format=torch.channels_last), self._labels[index]

    def epoch(
        self,
        part: str,
        batch_size: int,
        generator: torch.Generator,
        augment: bool = False,
        drop_last: bool = False,
        cutout: int = 0,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over a part in random order; the last batch may be smaller, unless it is dropped.

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
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Pass after pass over a part, each in another random order, in full batches only, without end.

        Raises UserError if the part is unknown or smaller than a batch.
        """
        index = self._index_for(part, batch_size)

        def passes() -> Iterator[tuple[Tensor, Tensor]]:
            while True:
                yield from self._shuffled(
                    index, batch_size, generator, augment, drop_last=True
                )

        return passes()

    def minibatch(
        self, part: str, size: int, generator: torch.Generator, augment: bool = False
    ) -> tuple[Tensor, Tensor]:
        """`size` different images of a part, drawn at random.

        Raises UserError if the part is unknown or smaller than `size`.
        """
        index = self._index_for(part, size)
        chosen = torch.randperm(len(index), generator=generator)[:size]
        return self.batch(
            index[chosen.to(self.device, non_blocking=True)], generator, augment
        )

    def sequential(self, part: str, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """A part in order, as it is, for evaluation; the last batch, or the only one, may be smaller.

        Raises UserError if the part is unknown.
        """
        index = self.index(part)
        return (self.batch(chunk) for chunk in index.split(batch_size))

    def _index_for(self, part: str, batch_size: int) -> Tensor:
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
    ) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(index), generator=generator)
        if drop_last:
            order = order[: len(order) // batch_size * batch_size]
        for chunk in index[order.to(self.device, non_blocking=True)].split(batch_size):
            yield self.batch(chunk, generator, augment, cutout)

    def _augmented(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Random crop and flip of uint8 (b, h, w, c), by one gather out of the padded images."""
        count, size, pad = len(pixels), self.dataset.image_size, self.dataset.pad
        corners = torch.randint(2 * pad + 1, (2, count), generator=generator)
        flips = torch.randint(1 + self.dataset.flip, (1, count), generator=generator)
        top, left, flip = torch.cat([corners, flips]).to(
            self.device, non_blocking=True
        )[..., None]
        along = torch.arange(size, device=self.device)
        rows = top + along
        columns = left + torch.where(flip == 1, size - 1 - along, along)
        padded = F.pad(pixels, (0, 0, pad, pad, pad, pad))
        image = torch.arange(count, device=self.device)
        return padded[image[:, None, None], rows[:, :, None], columns[:, None, :]]


def check_batch(size: int, part: str, dataset: ImageDataset, count: int) -> None:
    """Raises UserError unless a part of `count` images has a batch of that size."""
    if not 1 <= size <= count:
        raise UserError(
            f"a batch of {size} does not fit part '{part}' of '{dataset.name}', which has "
            f"{count} images; give 1 to {count}"
        )


def cut_out(images: Tensor, length: int, generator: torch.Generator) -> None:
    """Set a square of each normalised image to zero, in place, where the image has it.

    As in the released code of DARTS the square's centre is any pixel, and it goes
    `length // 2` pixels from there in either direction, so at the borders less than a
    square is cut out.

    Args:
        images: (b, c, h, w), on any device.
        length: side of the square in pixels.
        generator: a CPU generator; two numbers are drawn per image, all rows before all
            columns.
    """
    count, _, height, width = images.shape
    rows = torch.randint(height, (count,), generator=generator)
    columns = torch.randint(width, (count,), generator=generator)
    centres = torch.stack([rows, columns]).to(images.device, non_blocking=True)

    def within(centre: Tensor, size: int) -> Tensor:
        """bool (b, size)"""
        along = torch.arange(size, device=images.device) - centre[:, None]
        return (along >= -(length // 2)) & (along < length // 2)

    hole = (
        within(centres[0], height)[:, None, :, None]
        & within(centres[1], width)[:, None, None, :]
    )
    images.masked_fill_(hole, 0)


def _joined(train: object, test: object, device: torch.device) -> Tensor:
    return torch.cat([torch.as_tensor(train), torch.as_tensor(test)]).to(device)
