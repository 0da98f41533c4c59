"""Images too many for the device: read from their files batch by batch, in threads, and cropped on the device.

Training crops are those of the ImageNet recipes: a random part of the image resized to
the network's size, flipped and changed in colour at random. Random numbers are drawn on
the CPU, from the caller's generator.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.images.batches import Images, check_batch, cut_out
from archselect.nasbench_adapters.images.colour import jitter_colours
from archselect.nasbench_adapters.images.dataset import ImageDataset

READERS = 4
"""Batches that are read ahead, each in a thread of its own."""
SHOWN = 224, 256
"""A network sees 224 of an image's 256 pixels, as in the ImageNet recipes."""
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Of a random crop: share of the image's area, width by height, and how often one is
drawn until it lies within.
"""
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}
"""As in DARTS' released code for ImageNet."""


class StreamedImages:
    """A data set whose images stay in their files; see :class:`.batches.Images` for what it shares with it.

    Args:
        dataset: colour images.
        device: where batches are made.
    """

    formulation: ClassVar[int] = 1
    """As of :class:`.batches.Images`."""

    def __init__(self, dataset: ImageDataset, device: torch.device) -> None:
        if dataset.channels != 3:
            raise UserError(
                f"data set '{dataset.name}': images that stay in their files must have 3 channels"
            )
        self.dataset, self.device = dataset, device
        self.size = dataset.image_size * SHOWN[0] // SHOWN[1]
        self._mean = torch.tensor(dataset.mean, device=device).view(-1, 1, 1)
        self._std = torch.tensor(dataset.std, device=device).view(-1, 1, 1)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image as a network sees it."""
        return self.dataset.channels, self.size, self.size

    def index(self, part: str) -> Tensor:
        """The image numbers of a part, "all" for the training images or "test", on the CPU."""
        images, _ = self._part(part)
        return torch.arange(len(images))

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Training images of these numbers, centres only, and their labels."""
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
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over a part in random order; see :meth:`.Images.epoch`."""
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
    ) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.index(part)), generator=generator)
        if drop_last:
            order = order[: len(order) // size * size]
        for pixels, labels in self._read(part, order.split(size)):
            x, y = (
                self._augmented(pixels, labels, generator)
                if augment
                else self._centres(pixels, labels)
            )
            if cutout:
                cut_out(x, cutout, generator)
            yield x, y

    def sequential(self, part: str, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """A part in order, centres only, for evaluation; the last batch may be smaller."""
        for pixels, labels in self._read(part, self.index(part).split(batch_size)):
            yield self._centres(pixels, labels)

    def _part(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        if part not in ("all", "test"):
            raise unknown(
                "part of images that stay in their files", part, ("all", "test")
            )
        dataset = self.dataset
        return (
            (dataset.train_images, dataset.train_labels)
            if part == "all"
            else (dataset.test_images, dataset.test_labels)
        )

    def _read(
        self, part: str, chunks: Sequence[Tensor]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The images and labels of each chunk, read ahead."""
        images, labels = self._part(part)
        rest = iter(chunks)
        with ThreadPoolExecutor(READERS) as pool:
            waiting: deque[tuple[Tensor, Future[np.ndarray]]] = deque()
            try:
                while True:
                    while (
                        len(waiting) < READERS
                        and (chunk := next(rest, None)) is not None
                    ):
                        waiting.append(
                            (chunk, pool.submit(np.take, images, chunk.numpy(), 0))
                        )
                    if not waiting:
                        return
                    chunk, pixels = waiting.popleft()
                    yield pixels.result(), labels[chunk.numpy()]
            finally:
                pool.shutdown(cancel_futures=True)

    def _to_device(
        self, pixels: np.ndarray, labels: np.ndarray
    ) -> tuple[Tensor, Tensor]:
        """float32 (b, c, h, w) in 0..1, and int64 (b,)."""
        tensors = torch.from_numpy(pixels), torch.from_numpy(labels)
        if self.device.type == "cuda":
            tensors = tensors[0].pin_memory(), tensors[1].pin_memory()
        x, y = (tensor.to(self.device, non_blocking=True) for tensor in tensors)
        return x.permute(0, 3, 1, 2).float().div_(255), y

    def _centres(self, pixels: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        x, y = self._to_device(pixels, labels)
        edge = (self.dataset.image_size - self.size) // 2
        return self._normalised(
            x[:, :, edge : edge + self.size, edge : edge + self.size]
        ), y

    def _augmented(
        self, pixels: np.ndarray, labels: np.ndarray, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        boxes = random_boxes(len(pixels), self.dataset.image_size, generator)
        flips = torch.randint(
            1 + self.dataset.flip, (len(pixels),), generator=generator
        )
        x, y = self._to_device(pixels, labels)
        boxes, flips = (
            drawn.to(self.device, non_blocking=True) for drawn in (boxes, flips)
        )
        crops = resized_crops(x, boxes, flips, self.size)
        return self._normalised(jitter_colours(crops, generator, **JITTER)), y

    def _normalised(self, images: Tensor) -> Tensor:
        return ((images - self._mean) / self._std).contiguous(
            memory_format=torch.channels_last
        )


def random_boxes(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Boxes (top, left, height, width) within square images, drawn as torchvision's RandomResizedCrop does.

    Its area is uniform in AREA, the logarithm of its width by height uniform in that of
    RATIO; of ten such boxes the first that fits into the image is taken, or else the
    whole image.

    Returns:
        int64 (count, 4), on the CPU.
    """
    area = size**2 * torch.empty(TRIES, count).uniform_(*AREA, generator=generator)
    ratio = (
        torch.empty(TRIES, count)
        .uniform_(*map(math.log, RATIO), generator=generator)
        .exp()
    )
    width, height = (
        (area * ratio).sqrt().round().long(),
        (area / ratio).sqrt().round().long(),
    )
    fits = (width > 0) & (width <= size) & (height > 0) & (height <= size)
    first = fits.int().argmax(dim=0, keepdim=True)
    fitting = fits.any(dim=0)
    width, height = (
        torch.where(fitting, side.gather(0, first)[0], size) for side in (width, height)
    )
    places = torch.rand(2, count, generator=generator)
    top, left = (places * (size + 1 - torch.stack([height, width]))).long()
    return torch.stack([top, left, height, width], dim=1)


def resized_crops(images: Tensor, boxes: Tensor, flips: Tensor, size: int) -> Tensor:
    """The boxes of images, resized bilinearly, those with flip 1 mirrored.

    Args:
        images: (b, c, s, s).
        boxes: int64 (b, 4): top, left, height, width.
        flips: int64 (b,), 0 or 1.
        size: of the result in pixels. Where a box is larger (at most by 8/7 in the
            ImageNet recipes) it is sampled without smoothing.

    Returns:
        (b, c, size, size)
    """
    side = images.shape[-1]
    along = (torch.arange(size, device=images.device) + 0.5) / size
    across = torch.where(flips[:, None] == 1, 1 - along, along)

    def places(start: Tensor, length: Tensor, share: Tensor) -> Tensor:
        """Where the result's pixels lie in the image, within the box's outermost pixels, from -1 to 1 by its edges."""
        start, length = start[:, None].float(), length[:, None].float()
        pixel = (start + share * length).clamp(start + 0.5, start + length - 0.5)
        return 2 * pixel / side - 1

    top, left, height, width = boxes.unbind(dim=1)
    rows, columns = places(top, height, along), places(left, width, across)
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
    """All images of a data set for a training to the end: on the device, or from their files where they stay there."""
    if is_streamed(dataset):
        return StreamedImages(dataset, device)
    return Images(dataset, device, split="first")
