"""What a study will cost, before it runs: counted, not guessed.

A supernet's training is measured on one step of two images. A selector is really run,
on a task that answers every question at random and counts what answering would take,
FLOPs for the very mixtures it asks about. Hours follow from a device's throughput on
such networks, which is far below its peak, because their kernels are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from archselect.benchmarks.optimisers.supernets import make_supernet, new_supernet
from archselect.benchmarks.plan.study import (
    DataPart,
    SelectorPart,
    SpacePart,
    Study,
    SupernetPart,
    TrainPart,
    read_study,
)
from archselect.benchmarks.runs.task import SCORING_BATCH
from archselect.benchmarks.runtime.meter import Clock
from archselect.benchmarks.store.records import Counts
from archselect.nasbench_adapters.images import (
    DATASETS,
    data_folder,
    load_images,
    split_side,
)
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import (
    ImageDataset,
    check_side,
    make_dataset,
)
from archselect.nasbench_adapters.networks import (
    Mixture,
    Supernet,
    build_network,
    mixture_of,
    new_alphas,
    scoring,
)
from archselect.nasbench_adapters.networks.flops import ForwardCost
from archselect.nasbench_adapters.space import Architecture, Decisions, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.selectors.base import Evaluation, Minibatch, Task
from archselect.selectors.proxies import get_proxy
from archselect.selectors.proxies.base import Undefined

CPU = torch.device("cpu")
MEASURED = 2
"""Images that a proxy's counts are measured on, and then on one more."""
DAY = 24 * 3600.0

PUBLISHED = (
    "darts-pt-table2",
    "darts-pt (darts)",
    0.8 * DAY,
    "a GTX 1080 Ti (DARTS-PT, Table 2: 0.8 days of search)",
)
"""A search whose time on a device was published: study, label, seconds, device."""


@dataclass(frozen=True)
class Sizes:
    """What of a data set decides the cost: image shape, images of each part, classes."""

    channels: int
    side: int
    train: int
    test: int
    classes: int


KNOWN = {
    "cifar10": Sizes(3, 32, 50_000, 10_000, 10),
    "cifar100": Sizes(3, 32, 50_000, 10_000, 100),
    "svhn": Sizes(3, 32, 73_257, 26_032, 10),
    "ImageNet16-120": Sizes(3, 16, 151_700, 6_000, 120),
}
"""Sizes of data sets that need not be here to be reckoned with."""


@dataclass(frozen=True)
class Estimate:
    """What one run of a selector costs: making its supernet (shared by all selectors), selecting, training to the end.

    `training` is that of a random architecture, None where the study trains none.
    """

    space: str
    data: str
    label: str
    supernet_label: str
    supernet: Counts
    selection: Counts
    training: Counts | None


def estimate(study: Study, data_dir: Path | None = None) -> list[Estimate]:
    """One estimate per data set, space, and pair of selector and supernet.

    Raises UserError if the data are unknown.
    """
    found = []
    for data in study.data:
        sizes = _sizes(data.name, data_dir)
        for part in study.spaces:
            training = _training(part, data.train, sizes, data_dir)
            worlds = {
                s.label: World(part, data, s, sizes)
                for s in study.supernets
                if s.on(part, data)
            }
            for selector, supernet, label in study.pairs_on(part, data):
                world = worlds[supernet.label]
                found.append(
                    Estimate(
                        space=part.name,
                        data=data.name,
                        label=label,
                        supernet_label=supernet.label,
                        supernet=world.supernet_counts,
                        selection=world.select(selector),
                        training=training,
                    )
                )
    return found


def total(study: Study, estimates: Sequence[Estimate]) -> Counts:
    """All of a study: every supernet once, every selection, every training as if no two selections were the same."""
    supernets, selections = len(study.seeds.supernet), len(study.seeds.selection)
    shared = {(e.data, e.space, e.supernet_label): e.supernet for e in estimates}
    counts = Counts()
    for supernet in shared.values():
        counts = _plus(counts, supernet, supernets)
    for e in estimates:
        counts = _plus(counts, e.selection, supernets * selections)
        counts = _plus(counts, e.training or Counts(), supernets * selections)
    return counts


def published_throughput() -> tuple[float, str]:
    """FLOPs per second of a published search, counted by this module, and the device it ran on."""
    name, wanted, seconds, device = PUBLISHED
    study = read_study(name)
    (pair,) = (
        (selector, supernet)
        for selector, supernet, label in study.pairs()
        if label == wanted
    )
    selector, supernet = pair
    data = study.data[0]
    world = World(study.spaces[0], data, supernet, KNOWN[data.name])
    return (
        world.supernet_counts.flops + world.select(selector).flops
    ) / seconds, device


class World(Task):
    """A supernet on a data set as far as cost goes; also the task that a selector is run on.

    Args:
        part, data, recipe: of the study.
        sizes: of the data set.
    """

    def __init__(
        self, part: SpacePart, data: DataPart, recipe: SupernetPart, sizes: Sizes
    ) -> None:
        self.space: SearchSpace = get_space(part.name)
        self.part, self.recipe, self.sizes = part, recipe, sizes
        self.inputs = recipe.inputs(part.name, part.skeleton)
        half = int(sizes.train * data.train_fraction)
        self.halves = {
            name: min(count, data.limit or count)
            for name, count in (("train", half), ("valid", sizes.train - half))
        }
        self.images = Images(_blank(sizes), CPU, split="first")
        self.supernet: Supernet = new_supernet(
            self.space, self.inputs, self.images, seed=0
        )
        self.cost = ForwardCost(self.supernet, self.images.dataset.image_shape)
        self.alphas = new_alphas(self.space, torch.Generator().manual_seed(0), CPU)
        self._full = self.mixture(self.space.undecided())

    @cached_property
    def step(self) -> Counts:
        """One training step on two images, measured."""
        tiny = self.recipe.model_copy(
            update={"epochs": 1, "batch_size": 2, "trace": False}
        )
        images = Images(self.images.dataset, CPU, split="first", limit=2)
        counts = make_supernet(
            tiny, self.space, self.inputs, images, seed=0
        ).cost.counts
        steps = ceil(len(images.index(tiny.build().part)) / 2)
        return _scaled(counts.get("supernet", Counts()), 1 / steps, 1)

    def epochs(self, count: int, mixture: Mixture | None = None) -> Counts:
        """So many epochs of training, under the full mixture or one with decided edges."""
        part = self.recipe.build().part
        images = sum(self.halves.values()) if part == "all" else self.halves[part]
        steps = count * ceil(images / self.recipe.batch_size)
        share = 1.0 if mixture is None else self.cost(mixture) / self.cost(self._full)
        counts = _scaled(self.step, steps, self.recipe.batch_size / 2)
        return counts.model_copy(update={"flops": round(counts.flops * share)})

    @property
    def supernet_counts(self) -> Counts:
        """Making the supernet."""
        return (
            self.epochs(self.recipe.epochs) if self.recipe.build().trains else Counts()
        )

    def select(self, part: SelectorPart) -> Counts:
        """One selection."""
        self.counts, self.rng = Counts(), np.random.default_rng(0)
        self._answers = np.random.default_rng(1)
        self._proxies: dict[str, tuple[Counts, Counts]] = {}
        part.build().select(self)
        return self.counts

    def mixture(
        self, decisions: Decisions, alphas: Sequence[Tensor] | None = None
    ) -> Mixture:
        """See :meth:`.Task.mixture`."""
        return mixture_of(
            self.space, self.alphas if alphas is None else alphas, decisions
        )

    def new_alphas(self) -> tuple[Tensor, ...]:
        """See :meth:`.Task.new_alphas`."""
        return self.alphas

    def evaluate(
        self, mixture: Mixture, norm: str = "running", augment: bool = False
    ) -> Evaluation:
        """See :meth:`.Task.evaluate`."""
        images = self.halves["valid"]
        size = self.recipe.batch_size if norm == "batch" or augment else SCORING_BATCH
        self._count(
            Counts(
                forwards=ceil(images / size),
                images=images,
                flops=images * self.cost(mixture),
            )
        )
        return Evaluation(*self._answers.random(2).tolist())

    def evaluate_tuned(
        self,
        decisions: Decisions,
        epochs: int,
        learning_rate: float,
        norm: str = "running",
        augment: bool = False,
    ) -> Evaluation:
        """See :meth:`.Task.evaluate_tuned`."""
        self.tune(decisions, epochs, learning_rate)
        return self.evaluate(self.mixture(decisions), norm, augment)

    def minibatch(self, size: int) -> Minibatch:
        """See :meth:`.Task.minibatch`: one image, `size` times over without taking its room."""
        images, labels = self.images.batch(self.images.index("train")[:1])
        return Minibatch(images.expand(size, -1, -1, -1), labels.expand(size))

    def proxy(
        self, name: str, mixture: Mixture, batch: Minibatch, norm: str = "running"
    ) -> float:
        """See :meth:`.Task.proxy`."""
        self._count(
            self._of_proxy(
                name, self.cost(mixture) * len(batch.labels), len(batch.labels)
            )
        )
        return float(self._answers.random())

    def proxies(
        self,
        name: str,
        mixtures: Sequence[Mixture],
        batch: Minibatch,
        norm: str = "running",
    ) -> list[float]:
        """See :meth:`.Task.proxies`."""
        return [self.proxy(name, mixture, batch, norm) for mixture in mixtures]

    def proxy_of_network(
        self, name: str, architecture: Architecture, batches: int, size: int
    ) -> float:
        """See :meth:`.Task.proxy_of_network`."""
        flops = _network_flops(self.space, architecture, self.part, self.sizes)
        self._count(_scaled(self._of_proxy(name, flops * size, size), batches, 1))
        return float(self._answers.random())

    def tune(self, decisions: Decisions, epochs: int, learning_rate: float) -> None:
        """See :meth:`.Task.tune`."""
        self._count(self.epochs(epochs, self.mixture(decisions)))

    def _of_proxy(self, name: str, flops: int, images: int) -> Counts:
        """Return the counts of one scoring of `images` images, whose forward takes so many FLOPs.

        How often a proxy goes forward and back, and with how many images, is measured
        on two small batches. Both grow with the batch, or stay, as for synflow, which
        looks at one image of ones.
        """
        if name not in self._proxies:
            self._proxies[name] = (
                self._measured(name, MEASURED),
                self._measured(name, MEASURED + 1),
            )
        few, more = self._proxies[name]
        steps = images - MEASURED
        seen = few.images + steps * (more.images - few.images)
        spent = few.flops + steps * (more.flops - few.flops)
        share = spent / self.cost(self._full) / images
        return few.model_copy(update={"images": seen, "flops": round(share * flops)})

    def _measured(self, name: str, images: int) -> Counts:
        """Return the counts of a scoring of the whole supernet on so many images."""
        proxy = get_proxy(name)
        clock = Clock(CPU)
        clock.watch(self.supernet, self.images.dataset.image_shape)
        index = self.images.index("train")[:images]
        # Whether there is a score does not matter to what it takes.
        with (
            suppress(Undefined),
            clock.phase("score"),
            scoring(self.supernet, proxy.norm or "running"),
        ):
            proxy.score(
                self.supernet,
                lambda x: self.supernet(x, self._full),
                *self.images.batch(index),
            )
        return clock.counts().get("score", Counts())

    def _count(self, more: Counts) -> None:
        self.counts = _plus(self.counts, more)


def _sizes(name: str, data_dir: Path | None) -> Sizes:
    whole, side = split_side(name)
    if whole in KNOWN and not DATASETS[whole].present(data_folder(data_dir)):
        known = KNOWN[whole]
        check_side(whole, known.side, known.side if side is None else side)
        return known if side is None else replace(known, side=side)
    dataset = load_images(name, data_dir)
    return Sizes(
        dataset.channels,
        dataset.image_size,
        len(dataset.train_images),
        len(dataset.test_images),
        dataset.classes,
    )


def _blank(sizes: Sizes) -> ImageDataset:
    """A few random images of that shape."""
    pixels = np.random.default_rng(0).integers(
        0, 256, (8, sizes.side, sizes.side, sizes.channels), dtype=np.uint8
    )
    labels = np.arange(8) % sizes.classes
    return make_dataset(
        "blank",
        (pixels, labels),
        (pixels, labels),
        origin="random",
        classes=sizes.classes,
    )


SAMPLES = 5


def _training(
    part: SpacePart, trainings: Sequence[TrainPart], sizes: Sizes, data_dir: Path | None
) -> Counts | None:
    """Training one architecture to the end by every protocol and seed, the mean of a few random architectures."""
    counts = None
    space, rng = get_space(part.name), np.random.default_rng(0)
    architectures = [space.sample(rng) for _ in range(SAMPLES)]
    for train in trainings:
        resolved = train.resolve(part.name)
        settings, network = (
            resolved.settings,
            SpacePart(name=part.name, skeleton=resolved.skeleton),
        )
        of = sizes if train.data is None else _sizes(train.data, data_dir)
        flops = round(
            np.mean([_network_flops(space, a, network, of) for a in architectures])
        )
        images = min(of.train, settings.limit or of.train)
        steps = ceil(images / settings.batch_size) * settings.epochs
        tested = min(of.test, settings.limit or of.test) * settings.epochs
        once = Counts(
            forwards=steps,
            backwards=steps,
            images=images * settings.epochs + tested,
            flops=flops * (3 * images * settings.epochs + tested),
        )
        counts = _plus(counts or Counts(), once, len(train.seeds))
    return counts


def _network_flops(
    space: SearchSpace, architecture: Architecture, part: SpacePart, sizes: Sizes
) -> int:
    """FLOPs of an image's forward through the stand-alone network."""
    skeleton = space.skeleton(**part.skeleton)
    network = build_network(
        space, architecture, skeleton, sizes.channels, sizes.classes, seed=0
    )
    return ForwardCost(network, (sizes.channels, sizes.side, sizes.side))()


def _scaled(counts: Counts, times: float, images: float) -> Counts:
    """So many times the counts, on so many times the images each."""
    return Counts(
        forwards=round(counts.forwards * times),
        backwards=round(counts.backwards * times),
        images=round(counts.images * times * images),
        flops=round(counts.flops * times * images),
    )


def _plus(counts: Counts, more: Counts, times: int = 1) -> Counts:
    return Counts(
        **{
            name: getattr(counts, name) + times * getattr(more, name)
            for name in Counts.model_fields
        }
    )
