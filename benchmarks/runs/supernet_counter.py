"""Count the cost of a supernet on a data set, without the data set."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import NamedTuple

import numpy as np
import torch

from archselect.benchmarks.optimisers.supernets import make_supernet, new_supernet
from archselect.benchmarks.plan.parts import DataPart, SpacePart, SupernetPart
from archselect.benchmarks.runs.task import SCORING_BATCH
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import Counts
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import ImageDataset, make_dataset
from archselect.nasbench_adapters.networks import (
    Mixture,
    Supernet,
    build_network,
    mixture_of,
    new_alphas,
    scoring,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Undefined

CPU = torch.device("cpu")
MEASURED = 2
"""Number of images on which a proxy's counts are measured, first; then one more."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a data set that determine costs: image shape, images, classes."""

    channels: int
    side: int
    train: int
    test: int
    classes: int


class _ProxyCounts(NamedTuple):
    """The counts of a proxy on :data:`MEASURED` images, and on one more."""

    few: Counts
    more: Counts


class SupernetCounter:
    """Counts what it costs to make a supernet, to tune it, and to answer questions.

    Args:
        space, data, recipe: parts of a study.
        sizes: sizes of the data set.
    """

    def __init__(
        self,
        space: SpacePart,
        data: DataPart,
        recipe: SupernetPart,
        sizes: Sizes,
    ) -> None:
        self.space: SearchSpace = get_space(space.name)
        self.space_part = space
        self.recipe = recipe
        self.sizes = sizes
        self.inputs = recipe.inputs(space.name, space.skeleton)
        train_images = int(sizes.train * data.train_fraction)
        valid_images = sizes.train - train_images
        self.train_images = min(train_images, data.limit or train_images)
        self.valid_images = min(valid_images, data.limit or valid_images)
        self.images = Images(random_images(sizes), CPU, split="first")
        optimiser = recipe.build()
        self.activation = optimiser.build_activation()
        self.supernet: Supernet = new_supernet(
            self.space,
            self.inputs,
            self.images,
            0,
            self.activation,
            optimiser.side_skips,
        )
        generator = torch.Generator().manual_seed(0)
        self.alphas = new_alphas(self.space, generator, CPU)
        shape = self.images.dataset.image_shape
        self.forward = ForwardCost(self.supernet, shape)
        undecided = self.space.undecided()
        self.full_mixture = mixture_of(self.space, self.alphas, undecided)
        self._proxies: dict[str, _ProxyCounts] = {}

    @cached_property
    def step(self) -> Counts:
        """The counts of one training step on two images, measured."""
        tiny = self.recipe.model_copy(
            update={"epochs": 1, "batch_size": 2, "trace": False}
        )
        images = Images(self.images.dataset, CPU, split="first", limit=2)
        trained = make_supernet(tiny, self.space, self.inputs, images, seed=0)
        part = tiny.build().part
        steps = ceil(len(images.index(part)) / 2)
        counts = trained.cost.counts.get("supernet", Counts())
        return scale_counts(counts, 1 / steps)

    def count_making(self) -> Counts:
        """Return the cost of making the supernet."""
        if not self.recipe.build().trains:
            return Counts()
        return self.count_epochs(self.recipe.epochs)

    def count_epochs(self, epochs: int, mixture: Mixture | None = None) -> Counts:
        """Return the cost of some epochs of training, under a mixture if given."""
        steps = epochs * ceil(self._images_trained_on() / self.recipe.batch_size)
        images_per_step = self.recipe.batch_size / 2
        counts = scale_counts(self.step, steps, images_per_step)
        share = 1.0
        if mixture is not None:
            whole = self.forward(self.full_mixture)
            share = self.forward(mixture) / whole
        flops = round(counts.flops * share)
        return counts.model_copy(update={"flops": flops})

    def _images_trained_on(self) -> int:
        """Return the number of training images per epoch."""
        images_of_part = {
            "train": self.train_images,
            "valid": self.valid_images,
            "all": self.train_images + self.valid_images,
        }
        return images_of_part[self.recipe.build().part]

    def count_pass(self, mixture: Mixture) -> Counts:
        """Return the cost of one forward pass over all images of the recipe."""
        images = self._images_trained_on()
        return Counts(
            forwards=ceil(images / self.recipe.batch_size),
            images=images,
            flops=images * self.forward(mixture),
        )

    def count_evaluation(self, mixture: Mixture, norm: str, augment: bool) -> Counts:
        """Return the cost of :meth:`.Task.evaluate`."""
        in_training_batches = norm == "batch" or augment
        size = self.recipe.batch_size if in_training_batches else SCORING_BATCH
        images = self.valid_images
        return Counts(
            forwards=ceil(images / size),
            images=images,
            flops=images * self.forward(mixture),
        )

    def count_proxy(self, name: str, mixture: Mixture, images: int) -> Counts:
        """Return the cost of a proxy's score of the supernet on a number of images."""
        flops = self.forward(mixture) * images
        return self._count_proxy(name, flops, images)

    def count_proxy_of_network(
        self,
        name: str,
        architecture: Architecture,
        batches: int,
        size: int,
    ) -> Counts:
        """Return the cost of :meth:`.Task.proxy_of_network`."""
        flops = count_network_flops(
            self.space,
            architecture,
            self.space_part,
            self.sizes,
        )
        once = self._count_proxy(name, flops * size, size)
        return scale_counts(once, batches)

    def _count_proxy(self, name: str, flops: int, images: int) -> Counts:
        """Return the cost of one score whose forward pass takes a number of FLOPs.

        The numbers of forward and backward passes, and of images, are measured on two
        small batches. They either grow with the batch or are constant: synflow, for
        example, uses one image of ones.
        """
        if name not in self._proxies:
            few = self._measure_proxy(name, MEASURED)
            more = self._measure_proxy(name, MEASURED + 1)
            self._proxies[name] = _ProxyCounts(few, more)
        few, more = self._proxies[name]
        added = images - MEASURED
        images_seen = few.images + added * (more.images - few.images)
        flops_spent = few.flops + added * (more.flops - few.flops)
        share = flops_spent / self.forward(self.full_mixture) / images
        return few.model_copy(
            update={"images": images_seen, "flops": round(share * flops)}
        )

    def _measure_proxy(self, name: str, images: int) -> Counts:
        """Return the counts of a score of the whole supernet on a number of images."""
        proxy = get_proxy(name)
        clock = PhaseClock(CPU)
        clock.count_passes(self.supernet, self.images.dataset.image_shape)
        index = self.images.index("train")
        batch = self.images.batch(index[:images])

        def forward(x: torch.Tensor) -> torch.Tensor:
            return self.supernet(x, self.full_mixture)

        # If there is no score, the cost is the same.
        with (
            suppress(Undefined),
            clock.phase("score"),
            scoring(self.supernet, proxy.norm or "running"),
        ):
            proxy.score(self.supernet, forward, *batch)
        return clock.counts().get("score", Counts())


def count_network_flops(
    space: SearchSpace,
    architecture: Architecture,
    part: SpacePart,
    sizes: Sizes,
) -> int:
    """Return the FLOPs of one image's forward pass in the stand-alone network."""
    skeleton = space.skeleton(**part.skeleton)
    network = build_network(
        space,
        architecture,
        skeleton,
        sizes.channels,
        sizes.classes,
        seed=0,
    )
    image_shape = (sizes.channels, sizes.side, sizes.side)
    count_flops = ForwardCost(network, image_shape)
    return count_flops()


def random_images(sizes: Sizes, count: int = 8) -> ImageDataset:
    """Return some random images of the given shape."""
    shape = (count, sizes.side, sizes.side, sizes.channels)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    labels = np.arange(count) % sizes.classes
    return make_dataset(
        "blank",
        (pixels, labels),
        (pixels, labels),
        origin="random",
        classes=sizes.classes,
    )


def scale_counts(counts: Counts, times: float, images: float = 1) -> Counts:
    """Return the counts of repeated work, with a multiple of the images each."""
    return Counts(
        forwards=round(counts.forwards * times),
        backwards=round(counts.backwards * times),
        images=round(counts.images * times * images),
        flops=round(counts.flops * times * images),
    )


def add_counts(counts: Counts, more: Counts, times: int = 1) -> Counts:
    """Return the sum of counts and a multiple of other counts."""
    return Counts(
        forwards=counts.forwards + times * more.forwards,
        backwards=counts.backwards + times * more.backwards,
        images=counts.images + times * more.images,
        flops=counts.flops + times * more.flops,
    )
