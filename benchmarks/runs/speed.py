"""Measure in a few steps how fast this machine trains and evaluates a supernet."""

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
"""Number of timed training steps, after a training that warms up the device."""
MOST_FLOPS = 1e10
"""The maximal FLOPs of a timed step; larger batches are cut to fewer images."""
FORWARD_AND_BACKWARD = 3
"""FLOPs of a forward and backward pass, in forward passes (:class:`.Counts`)."""


@dataclass(frozen=True)
class Speed:
    """FLOPs per second on one supernet.

    Attributes:
        training: speed of forward and backward passes together.
        forward: speed of forward passes alone.
    """

    training: float
    forward: float

    def seconds(self, counts: Counts) -> float:
        """Return how long a phase takes.

        Every backward pass has a forward pass of the same size; other forward passes
        are separate.
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

    For an untrained supernet, both speeds are those of forward passes.

    Args:
        counter: counter of the supernet.
        device: device that computes; on a CPU, with the threads that torch uses.
    """
    optimiser = counter.recipe.build()
    per_image = counter.step.flops / 2 if optimiser.trains else 0.0
    batch = _fitting(counter.recipe.batch_size, per_image)
    # Train once without timing: it fills caches, and the device loads its kernels.
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
    """Seconds of a block, as if no other process had used the processor.

    A study that runs alone is not slowed down by other processes of the present, so the
    CPU time is measured, not the elapsed time. On other devices it is the elapsed time.

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
    """Return how many images to measure, at most `images`, by the FLOPs of each."""
    if flops * images <= MOST_FLOPS:
        return images
    return max(2, int(MOST_FLOPS / flops))


def _train(
    counter: SupernetCounter, device: torch.device, batch: int, steps: int
) -> TrainedSupernet:
    """Return the supernet after a number of training steps."""
    recipe = counter.recipe.model_copy(
        update={"epochs": 1, "batch_size": batch, "trace": False, "memory_budget": 0}
    )
    return make_supernet(
        recipe,
        counter.space,
        counter.inputs,
        _images(counter, device, batch * steps),
        seed=0,
    )


def _images(counter: SupernetCounter, device: torch.device, count: int) -> Images:
    """Return random images of a supernet's shape, `count` in each half."""
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
