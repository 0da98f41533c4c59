"""Images that stay in their files, read batch by batch and cropped on the device.

They are too large for the device's memory, so threads read batches ahead.

Training crops are those of the ImageNet recipes: a random part of the image is resized
to the network's size, flipped at random, and changed in colour at random. Random
numbers are drawn on the CPU, from the caller's generator.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.batches import (
    Batch,
    Images,
    check_batch,
    cut_out,
)
from archselect.nasbench_adapters.images.colour import jitter_colours
from archselect.nasbench_adapters.images.dataset import ImageDataset, LabelledImages

READERS = 4
"""Number of batches to read ahead, each in a separate thread."""
SHOWN_PIXELS = 224
STORED_PIXELS = 256
"""Side of a stored image; a network gets 224 of it, as in the ImageNet recipes."""
AREA = (0.08, 1.0)
"""Range of the area of a random crop, as a share of the image's."""
RATIO = (3 / 4, 4 / 3)
"""Range of width by height of a random crop."""
TRIES = 10
"""Number of crops to draw until one is inside the image."""
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}
"""Settings of DARTS' released code for ImageNet."""


class _Read(NamedTuple):
    """A chunk being read: the numbers of its images, and their pixels."""

    rows: np.ndarray
    pixels: Future[np.ndarray]


class StreamedImages:
    """A data set whose images stay in their files.

    It has the methods of :class:`.batches.Images` that a final training needs.

    Args:
        dataset: Colour images.
        device: Device that makes the batches.
    """

    formulation: ClassVar[int] = 1
    """Formulation number, as for :class:`.batches.Images`."""

    def __init__(self, dataset: ImageDataset, device: torch.device) -> None:
        if dataset.channels != 3:
            raise UserError(
                f"data set '{dataset.name}': images that stay in their files must have 3 channels"
            )
        self.dataset = dataset
        self.device = device
        self.size = dataset.image_size * SHOWN_PIXELS // STORED_PIXELS
        self._mean = torch.tensor(dataset.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(dataset.std, device=device).view(-1, 1, 1)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of an image for a network: (channels, height, width)."""
        return self.dataset.channels, self.size, self.size

    def index(self, part: str) -> Tensor:
        """Return the image numbers of a part, on the CPU.

        Parts are "all", for the training images, and "test".
        """
        images, _ = self._part(part)
        return torch.arange(len(images))

    def batch(self, index: Tensor) -> Batch:
        """Return the centres of training images with some numbers, and their labels."""
        images, labels = self._part("all")
        rows = index.numpy()
        return self._centres(images[rows], labels[rows])

    def epoch(
        self,
        part: str,
        batch_size: int,
        generator: torch.Generator,
        augment: bool = False,
        drop_last: bool = False,
        cutout: int = 0,
    ) -> Iterator[Batch]:
        """Return the batches of one pass in random order (:meth:`.Images.epoch`)."""
        images, _ = self._part(part)
        check_batch(batch_size, part, self.dataset, len(images))
        return self._shuffled(part, batch_size, generator, augment, drop_last, cutout)

    def _shuffled(
        self,
        part: str,
        size: int,
        generator: torch.Generator,
        augment: bool,
        drop_last: bool,
        cutout: int,
    ) -> Iterator[Batch]:
        """Yield the batches of a part in random order."""
        count = len(self.index(part))
        order = torch.randperm(count, generator=generator)
        if drop_last:
            batches = count // size
            order = order[: batches * size]
        for pixels, labels in self._read(part, order.split(size)):
            batch = (
                self._augment(pixels, labels, generator)
                if augment
                else self._centres(pixels, labels)
            )
            if cutout:
                images, _ = batch
                cut_out(images, cutout, generator)
            yield batch

    def sequential(self, part: str, batch_size: int) -> Iterator[Batch]:
        """Yield the batches of a part in order, centres only, for evaluation.

        The last batch may be smaller.
        """
        for pixels, labels in self._read(part, self.index(part).split(batch_size)):
            yield self._centres(pixels, labels)

    def _part(self, part: str) -> LabelledImages:
        """Return the labels of a part, and its images, which stay in their files."""
        if part not in ("all", "test"):
            raise unknown(
                "part of images that stay in their files", part, ("all", "test")
            )
        dataset = self.dataset
        if part == "all":
            return LabelledImages(dataset.train_images, dataset.train_labels)
        return LabelledImages(dataset.test_images, dataset.test_labels)

    def _read(self, part: str, chunks: Sequence[Tensor]) -> Iterator[LabelledImages]:
        """Yield the images and labels of each chunk of numbers, and read ahead."""
        images, labels = self._part(part)
        rest = iter(chunks)
        with ThreadPoolExecutor(READERS) as pool:
            reads: deque[_Read] = deque()

            def read_ahead() -> None:
                for chunk in islice(rest, READERS - len(reads)):
                    rows = chunk.numpy()
                    reads.append(_Read(rows, pool.submit(np.take, images, rows, 0)))

            try:
                read_ahead()
                while reads:
                    read = reads.popleft()
                    yield LabelledImages(read.pixels.result(), labels[read.rows])
                    read_ahead()
            finally:
                pool.shutdown(cancel_futures=True)

    def _move(self, array: np.ndarray) -> Tensor:
        """Return an array as a tensor on the device."""
        tensor = torch.from_numpy(array)
        if self.device.type == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.device, non_blocking=True)

    def _to_device(self, pixels: np.ndarray, labels: np.ndarray) -> Batch:
        """Return images float32 (b, c, h, w) in 0..1, and labels int64 (b,)."""
        images = self._move(pixels).permute(0, 3, 1, 2).float()
        return images.div_(255), self._move(labels)

    def _centres(self, pixels: np.ndarray, labels: np.ndarray) -> Batch:
        """Return the centres of images, normalised."""
        images, targets = self._to_device(pixels, labels)
        start = (self.dataset.image_size - self.size) // 2
        shown = slice(start, start + self.size)
        return self._normalise(images[:, :, shown, shown]), targets

    def _augment(
        self, pixels: np.ndarray, labels: np.ndarray, generator: torch.Generator
    ) -> Batch:
        """Return random crops of images, changed in colour and normalised."""
        count = len(pixels)
        boxes = random_boxes(count, self.dataset.image_size, generator)
        flips = torch.randint(1 + self.dataset.flip, (count,), generator=generator)
        images, targets = self._to_device(pixels, labels)
        crops = resized_crops(
            images,
            boxes.to(self.device, non_blocking=True),
            flips.to(self.device, non_blocking=True),
            self.size,
        )
        coloured = jitter_colours(crops, generator, **JITTER)
        return self._normalise(coloured), targets

    def _normalise(self, images: Tensor) -> Tensor:
        normalised = (images - self._mean) / self._std
        return normalised.contiguous(memory_format=torch.channels_last)


def random_boxes(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return random boxes inside square images.

    They are drawn like torchvision's RandomResizedCrop: the area is uniform in
    :data:`AREA`, and the logarithm of width by height is uniform between the logarithms
    of :data:`RATIO`. Of ten such boxes, the first that fits into the image is taken; if
    none fits, the whole image.

    Args:
        count: Number of boxes.
        size: Side of the images in pixels.
        generator: A CPU generator.

    Returns:
        top, left, height and width of each box, int64 (count, 4), on the CPU.
    """
    tries = (TRIES, count)
    share = torch.empty(tries).uniform_(*AREA, generator=generator)
    area = size**2 * share
    log_ratio = torch.empty(tries).uniform_(*map(math.log, RATIO), generator=generator)
    ratio = log_ratio.exp()
    widths = (area * ratio).sqrt().round().long()
    heights = (area / ratio).sqrt().round().long()
    fits = (widths > 0) & (widths <= size) & (heights > 0) & (heights <= size)
    first = fits.int().argmax(dim=0, keepdim=True)
    any_fits = fits.any(dim=0)
    width = torch.where(any_fits, widths.gather(0, first)[0], size)
    height = torch.where(any_fits, heights.gather(0, first)[0], size)
    places = torch.rand(2, count, generator=generator)
    free = size + 1 - torch.stack([height, width])
    top, left = (places * free).long()
    return torch.stack([top, left, height, width], dim=1)


def resized_crops(images: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """Return boxes of images, resized bilinearly, and mirrored if the flip is 1.

    Args:
        images: Square images, (b, c, s, s).
        boxes: Top, left, height and width of each box, int64 (b, 4).
        flips: Whether to mirror each image, int64 (b,), 0 or 1.
        size: Side of the result in pixels. A larger box (at most by a factor of 8/7 in
            the ImageNet recipes) is sampled without smoothing.

    Returns:
        resized boxes, (b, c, size, size).
    """
    side = images.shape[-1]
    along = (torch.arange(size, device=images.device) + 0.5) / size
    across = torch.where(flips[:, None] == 1, 1 - along, along)

    def places(start: Tensor, length: Tensor, share: Tensor) -> Tensor:
        """Return the positions of the result's pixels, from -1 to 1 between the edges.

        None is beyond the centres of the box's outermost pixels.
        """
        first = start[:, None].float()
        extent = length[:, None].float()
        pixel = (first + share * extent).clamp(first + 0.5, first + extent - 0.5)
        return 2 * pixel / side - 1

    top, left, height, width = boxes.unbind(dim=1)
    rows = places(top, height, along)
    columns = places(left, width, across)
    shape = (len(images), size, size)
    grid = torch.stack(
        [columns[:, None, :].expand(shape), rows[:, :, None].expand(shape)], dim=-1
    )
    return F.grid_sample(
        images, grid, mode="bilinear", padding_mode="border", align_corners=False
    )


def is_streamed(dataset: ImageDataset) -> bool:
    """Return whether the images stay in their files."""
    return isinstance(dataset.train_images, np.memmap)


def training_images(
    dataset: ImageDataset, device: torch.device
) -> Images | StreamedImages:
    """Return all images of a data set for a final training.

    They are on the device, or stay in their files if they are memory-mapped.
    """
    if is_streamed(dataset):
        return StreamedImages(dataset, device)
    return Images(dataset, device, split="first")
