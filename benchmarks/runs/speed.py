"""How fast this machine trains and evaluates a supernet, measured in a few steps."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
import torch

from archselect.benchmarks.optimisers.supernets import TrainedSupernet, make_supernet
from archselect.benchmarks.runs.supernet_counter import SupernetCounter, random_images
from archselect.benchmarks.runs.task import SCORING_BATCH, SupernetTask
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.store.records import Counts
from archselect.nasbench_adapters.images.batches import Images

STEPS = 3
"""Steps of training that are timed, after a training that warms the device up."""
MOST_FLOPS = 1e10
"""Of a step or a forward that is timed; larger batches are cut to fewer images."""
FORWARD_AND_BACKWARD = 3
"""FLOPs of a forward with its backward, in forwards; see :class:`.Counts`."""


@dataclass(frozen=True)
class Speed:
    """FLOPs per second on one supernet.

    Attributes:
        training: of forwards with their backwards.
        forward: of forwards alone.
    """

    training: float
    forward: float

    def seconds(self, counts: Counts) -> float:
        """Return how long a phase takes.

        Every backward has a forward of the same size; the other forwards stand alone.
        """
        if not counts.flops:
            return 0.0
        alone = max(counts.forwards - counts.backwards, 0)
        trained = FORWARD_AND_BACKWARD * counts.backwards
        share = trained / max(trained + alone, 1)
        trained_flops = share * counts.flops
        alone_flops = counts.flops - trained_flops
        return trained_flops / self.training + alone_flops / self.forward


def measure_speed(counter: SupernetCounter, device: torch.device) -> Speed:
    """Return how fast a device is on a supernet with the batches of its recipe.

    A supernet that is not trained is as fast in training as forwards are.

    Args:
        counter: counter of the supernet.
        device: device that computes; on a CPU with the threads that torch is set to.

    Raises:
        MemoryExceeded: A step takes more than the recipe's budget.
    """
    optimiser = counter.recipe.build()
    per_image = counter.step.flops / 2 if optimiser.trains else 0.0
    batch = _fitting(counter.recipe.batch_size, per_image)
    # An untimed training first: it fills caches, and has a device make its kernels.
    _train(counter, device, batch, steps=1)
    with _Stopwatch(device) as watch:
        trained = _train(counter, device, batch, steps=STEPS)
    forward = _forward_speed(counter, device, trained)
    counts = trained.cost.counts.get("supernet", Counts())
    if not counts.flops:
        return Speed(forward, forward)
    seconds = trained.cost.times["supernet"].seconds * watch.share
    return Speed(counts.flops / seconds, forward)


class _Stopwatch:
    """Seconds of a block, as if this process had had its processor for itself.

    A study that runs alone is not slowed down by what else runs now, so a CPU's time is
    taken, and not the time that passes. Of other devices it is the time that passes.

    Attributes:
        seconds: duration of the block.
        share: share of the elapsed time in which this process computed.
    """

    def __init__(self, device: torch.device) -> None:
        self._is_cpu = device.type == "cpu"
        self.seconds = 0.0
        self.share = 1.0

    def __enter__(self) -> _Stopwatch:
        self._start = perf_counter()
        self._cpu_start = process_time()
        return self

    def __exit__(self, *_: object) -> None:
        passed = perf_counter() - self._start
        computed = process_time() - self._cpu_start
        if self._is_cpu:
            self.share = min(computed / passed, 1.0)
        self.seconds = passed * self.share


def _fitting(images: int, flops: float) -> int:
    """Return how many images of so many FLOPs each are measured, at most `images`."""
    if flops * images <= MOST_FLOPS:
        return images
    return max(2, int(MOST_FLOPS / flops))


def _train(
    counter: SupernetCounter, device: torch.device, batch: int, steps: int
) -> TrainedSupernet:
    """Return the supernet after so many steps of training."""
    recipe = counter.recipe.model_copy(
        update={"epochs": 1, "batch_size": batch, "trace": False}
    )
    return make_supernet(
        recipe,
        counter.space,
        counter.inputs,
        _images(counter, device, batch * steps),
        seed=0,
    )


def _images(counter: SupernetCounter, device: torch.device, count: int) -> Images:
    """Return random images of a supernet's shape, so many in each half."""
    dataset = random_images(counter.sizes, 2 * count)
    return Images(dataset, device, split="first")


def _forward_speed(
    counter: SupernetCounter, device: torch.device, trained: TrainedSupernet
) -> float:
    """Return the FLOPs per second of evaluations of a supernet."""
    mixture = counter.full_mixture
    per_image = counter.forward(mixture)
    count = _fitting(min(SCORING_BATCH, counter.valid_images), per_image)
    task = SupernetTask(
        counter.space,
        counter.recipe,
        counter.inputs,
        trained,
        _images(counter, device, count),
        PhaseClock(device),
        supernet_seed=0,
        selection_seed=0,
    )
    undecided = task.mixture(counter.space.undecided())
    task.evaluate(undecided)
    with _Stopwatch(device) as watch:
        for _ in range(STEPS):
            task.evaluate(undecided)  # it reads the result, and so waits for the device
    return STEPS * count * per_image / watch.seconds


def finish_time(seconds: list[float], workers: int) -> float:
    """Return when the last of some jobs ends, if each worker takes the next one.

    Args:
        seconds: duration of each job, in order.
        workers: number of workers.
    """
    ends = np.zeros(max(workers, 1))
    for job in seconds:
        ends[ends.argmin()] += job
    return float(ends.max())
