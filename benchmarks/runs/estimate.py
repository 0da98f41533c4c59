"""Estimate what a study will cost before it runs.

The cost of training a supernet is measured on one step with two images. A selector
really runs, but on a task that answers every question at random and counts what the
answer would cost, with the FLOPs of the mixtures in question. Times follow from the
throughput of a device on such networks. It is far below the device's peak, because the
kernels are small. :mod:`.speed` measures it on this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from archselect.benchmarks.plan.graph_rewards import count_queries
from archselect.benchmarks.plan.parts import DataPart, SpacePart, TrainPart
from archselect.benchmarks.plan.reading import read_study
from archselect.benchmarks.plan.study import Study
from archselect.benchmarks.runs.counting_task import count_selection
from archselect.benchmarks.runs.speed import Speed, finish_time, measure_speed
from archselect.benchmarks.runs.supernet_counter import (
    Sizes,
    SupernetCounter,
    add_counts,
    count_network_flops,
)
from archselect.benchmarks.store.facts import Settings
from archselect.benchmarks.store.records import Counts
from archselect.nasbench_adapters.images import (
    DATASETS,
    data_folder,
    load_images,
    split_side,
)
from archselect.nasbench_adapters.images.dataset import check_side
from archselect.nasbench_adapters.spaces import get_space

DAY = 24 * 3600.0
SAMPLES = 5
"""Number of random architectures whose mean cost stands for a final training."""

KNOWN_SIZES = {
    "cifar10": Sizes(3, 32, 50_000, 10_000, 10),
    "cifar100": Sizes(3, 32, 50_000, 10_000, 100),
    "svhn": Sizes(3, 32, 73_257, 26_032, 10),
    "ImageNet16-120": Sizes(3, 16, 151_700, 6_000, 120),
}
"""Sizes of data sets that an estimate can use without their images."""


class _PublishedSearch(NamedTuple):
    """A search with a published time on a device."""

    study: str
    label: str
    seconds: float
    device: str


PUBLISHED = _PublishedSearch(
    study="darts-pt-table2",
    label="darts-pt (darts)",
    seconds=0.8 * DAY,
    device="a GTX 1080 Ti (DARTS-PT, Table 2: 0.8 days of search)",
)


@dataclass(frozen=True)
class Estimate:
    """The cost of one run of a selector.

    Attributes:
        space, data, label, supernet_label: names of the run; the last is empty if the
            selector reads no supernet.
        supernet: cost of making the supernet, which all selectors share.
        selection: cost of the selection.
        training: cost of training a random architecture to the end; None if the study
            has no final training.
        speed: speed of the device on the supernet; None if it was not measured.
    """

    space: str
    data: str
    label: str
    supernet_label: str
    supernet: Counts
    selection: Counts
    training: Counts | None
    speed: Speed | None = None


class Throughput(NamedTuple):
    """Floating-point operations per second, and the device that reaches them."""

    flops_per_second: float
    device: str


def estimate_study(
    study: Study,
    data_dir: Path | None = None,
    device: torch.device | None = None,
) -> list[Estimate]:
    """Return one estimate per data set, space, and pair of selector and supernet.

    Args:
        study: study to estimate.
        data_dir: folder of the data sets; None for the user's data folder.
        device: device whose speed is measured on every supernet; None to measure none.

    Raises UserError if a data set is unknown.
    """
    estimates = []
    for data in study.data:
        sizes = None
        if study.reads_images(data):
            sizes = _find_sizes(data.name, data_dir)
        for space in study.spaces:
            estimates += _estimate_runs(study, data, space, sizes, data_dir, device)
    return estimates


def _estimate_runs(
    study: Study,
    data: DataPart,
    space: SpacePart,
    sizes: Sizes | None,
    data_dir: Path | None,
    device: torch.device | None,
) -> list[Estimate]:
    """Return the estimates of a study on one data set and space.

    Args:
        sizes: sizes of the images; None if no images are read.
        device: device whose speed is measured; None to measure none.
    """
    training = None
    counters = {}
    speeds: dict[str, Speed] = {}
    if sizes is not None:
        training = _count_training(space, data.train, sizes, data_dir)
        for supernet in study.supernets:
            if supernet.is_trained_on(space, data):
                counter = SupernetCounter(space, data, supernet, sizes)
                counters[supernet.label] = counter
                if device is not None:
                    speeds[supernet.label] = measure_speed(counter, device)
    estimates = []
    for pair in study.pairs_on(space, data):
        label = pair.supernet.label if pair.supernet else ""
        made = Counts()
        selection = count_queries(data) if pair.selector.queries else Counts()
        if pair.supernet is not None:
            counter = counters[label]
            made = counter.count_making()
            selection = count_selection(pair.selector.build(), counter, data)
        estimates.append(
            Estimate(
                space=space.name,
                data=data.name,
                label=pair.label,
                supernet_label=label,
                supernet=made,
                selection=selection,
                training=training,
                speed=speeds.get(label),
            )
        )
    return estimates


def total_seconds(
    study: Study, estimates: Sequence[Estimate], other: Speed, workers: int
) -> float:
    """Return how many seconds a whole study takes.

    It makes all supernets first, then the runs, then the final trainings.

    Args:
        study: study to estimate.
        estimates: its estimates.
        other: speed to assume where none was measured.
        workers: number of workers that compute at the same time.
    """
    supernet_seeds = len(study.seeds.supernet)
    runs = supernet_seeds * len(study.seeds.selection)
    supernets: dict[tuple[str, str, str], float] = {}
    selections: list[float] = []
    trainings: list[float] = []
    for estimate in estimates:
        speed = estimate.speed or other
        supernet = (estimate.data, estimate.space, estimate.supernet_label)
        supernets[supernet] = speed.seconds(estimate.supernet)
        selections += [speed.seconds(estimate.selection)] * runs
        trainings += [speed.seconds(estimate.training or Counts())] * runs
    made = list(supernets.values()) * supernet_seeds
    steps = (made, selections, trainings)
    return sum(finish_time(seconds, workers) for seconds in steps)


def total_counts(study: Study, estimates: Sequence[Estimate]) -> Counts:
    """Return what a whole study costs.

    Every supernet counts once. Trainings count as if all selections were different.
    """
    supernets = len(study.seeds.supernet)
    runs = supernets * len(study.seeds.selection)
    shared = {
        (estimate.data, estimate.space, estimate.supernet_label): estimate.supernet
        for estimate in estimates
    }
    counts = Counts()
    for supernet in shared.values():
        counts = add_counts(counts, supernet, supernets)
    for estimate in estimates:
        counts = add_counts(counts, estimate.selection, runs)
        counts = add_counts(counts, estimate.training or Counts(), runs)
    return counts


def published_throughput() -> Throughput:
    """Return the throughput of a published search, from its time and our FLOPs."""
    study = read_study(PUBLISHED.study)
    pairs = {pair.label: pair for pair in study.pairs()}
    pair = pairs[PUBLISHED.label]
    assert pair.supernet is not None
    space = study.spaces[0]
    data = study.data[0]
    sizes = KNOWN_SIZES[data.name]
    counter = SupernetCounter(space, data, pair.supernet, sizes)
    supernet = counter.count_making()
    selection = count_selection(pair.selector.build(), counter, data)
    flops = supernet.flops + selection.flops
    return Throughput(flops / PUBLISHED.seconds, PUBLISHED.device)


def _find_sizes(name: str, data_dir: Path | None) -> Sizes:
    """Return the sizes of a data set; read its images only if they are unknown."""
    dataset_name, side = split_side(name)
    is_known = dataset_name in KNOWN_SIZES
    if is_known and not DATASETS[dataset_name].present(data_folder(data_dir)):
        known = KNOWN_SIZES[dataset_name]
        if side is None:
            side = known.side
        check_side(dataset_name, known.side, side)
        return replace(known, side=side)
    dataset = load_images(name, data_dir)
    return Sizes(
        dataset.channels,
        dataset.image_size,
        len(dataset.train_images),
        len(dataset.test_images),
        dataset.classes,
    )


def _count_training(
    space: SpacePart,
    trainings: Sequence[TrainPart],
    sizes: Sizes,
    data_dir: Path | None,
) -> Counts | None:
    """Return the cost of training one architecture with every protocol and seed.

    Returns None if there is no protocol.
    """
    if not trainings:
        return None
    counts = Counts()
    for train in trainings:
        sizes_for_training = (
            sizes if train.data is None else _find_sizes(train.data, data_dir)
        )
        once = _count_one_training(space, train, sizes_for_training)
        counts = add_counts(counts, once, len(train.seeds))
    return counts


def _count_one_training(space: SpacePart, train: TrainPart, sizes: Sizes) -> Counts:
    """Return the mean cost of one training, over a few random architectures."""
    protocol = train.resolve(space.name)
    settings = protocol.settings
    flops = _mean_network_flops(space.name, protocol.skeleton, sizes)
    train_images = min(sizes.train, settings.limit or sizes.train)
    test_images = min(sizes.test, settings.limit or sizes.test)
    steps = ceil(train_images / settings.batch_size) * settings.epochs
    trained = train_images * settings.epochs
    tested = test_images * settings.epochs
    return Counts(
        forwards=steps,
        backwards=steps,
        images=trained + tested,
        flops=flops * (3 * trained + tested),
    )


def _mean_network_flops(name: str, skeleton: Settings, sizes: Sizes) -> int:
    """Return the mean FLOPs of one image's forward pass in random networks."""
    space = get_space(name)
    rng = np.random.default_rng(0)
    network = SpacePart(name=name, skeleton=skeleton)
    flops = [
        count_network_flops(space, space.sample(rng), network, sizes)
        for _ in range(SAMPLES)
    ]
    return round(np.mean(flops))
