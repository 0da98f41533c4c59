"""What recording a trace costs: epochs with it and without, by turns.

Both train the same weights.
"""

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

import pytest
import torch

from archselect.benchmarks.optimisers.recorder import Recorder
from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import make_dataset
from archselect.nasbench_adapters.networks import Supernet
from archselect.nasbench_adapters.spaces import get_space

ROUNDS = 7


@dataclass(frozen=True)
class Setting:
    """The size of a supernet, and the images that it is trained on."""

    skeleton: dict[str, int]
    side: int
    batch_size: int
    images: int


SETTINGS = {
    # The smallest step, and the papers' size.
    "minimal": Setting({"channels": 8, "layers": 4}, 8, 32, 400),
    "nb201": Setting({}, 32, 64, 128),
}


@pytest.fixture
def trainer_of(device):
    """Return `trainer_of(optimiser, space)`, which trains on random images."""

    def make(name, space_name):
        setting = SETTINGS[space_name]
        count = setting.images
        space = get_space(space_name)
        generator = torch.Generator().manual_seed(0)
        shape = (2 * count, setting.side, setting.side, 3)
        pixels = torch.randint(
            256, shape, generator=generator, dtype=torch.uint8
        ).numpy()
        labels = torch.randint(10, (2 * count,), generator=generator).numpy()
        dataset = make_dataset(
            "random",
            (pixels, labels),
            (pixels[:10], labels[:10]),
            origin="random",
            classes=10,
        )
        images = Images(dataset, device, split="first")
        optimiser = OPTIMISERS[name](batch_size=setting.batch_size)
        supernet = Supernet(space, space.skeleton(**setting.skeleton), 3, 10, 0)
        supernet = supernet.to(device, memory_format=torch.channels_last)
        alphas = optimiser.new_alphas(space, generator, device)
        alphas = tuple(alpha.requires_grad_() for alpha in alphas)
        return Trainer(optimiser, space, supernet, alphas, images, seed=0, skeleton={})

    return make


@pytest.mark.benchmark(group="tracing: one epoch, with a trace")
@pytest.mark.parametrize("space", SETTINGS)
@pytest.mark.parametrize("name", ["dsnas", "spos", "darts"])
def test_tracing(benchmark, trainer_of, device, name, space):
    """Note the median of traced over plain of neighbouring epochs; we aim below 1.1."""
    plain = trainer_of(name, space)
    traced = trainer_of(name, space)
    traced.recorder = Recorder(traced)
    times = []

    def epoch(trainer):
        start = perf_counter()
        trainer.epoch(trainer.space.undecided(), progress=0.0)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return perf_counter() - start

    def work():
        times.append((epoch(plain), epoch(traced)))

    benchmark.pedantic(work, rounds=ROUNDS, warmup_rounds=1)
    ratios = [traced / plain for plain, traced in times[1:]]
    ratios += [traced / plain for (_, traced), (plain, _) in pairwise(times[1:])]
    benchmark.extra_info["ratio"] = median(ratios)
    for one, other in zip(
        plain.supernet.parameters(), traced.supernet.parameters(), strict=True
    ):
        assert torch.equal(one, other)
