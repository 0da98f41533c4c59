"""A trainer on a tiny supernet of nb201 and digits, in double precision where numbers are compared."""

import pytest
import torch

from archselect.benchmarks.optimisers.trainer import Batch, Trainer
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import Supernet
from archselect.nasbench_adapters.spaces import get_space

SKELETONS = {
    "nb201": {"channels": 2, "cells": 1, "reduction": "pool"},
    "darts-none": {"channels": 8, "layers": 3},
    "s1": {"channels": 2, "layers": 3},
    "s3": {"channels": 2, "layers": 3},
    "nb1shot1-1": {"channels": 4, "cells": 1},
}


@pytest.fixture(scope="session")
def halves():
    """24 training and 32 validation digits: the two halves differ in number."""
    images = Images(load_images("digits"), torch.device("cpu"), split="first", limit=32)
    images.train_index = images.train_index[:24]
    return images


@pytest.fixture
def new_trainer(halves):
    """`new_trainer(optimiser, space, dtype, scale)`: every call gives the same supernet, alphas and batches anew."""

    def make(optimiser, space="nb201", dtype=torch.float32, scale=1.0):
        space = get_space(space)
        activation = optimiser.build_activation()
        skeleton = space.skeleton(**SKELETONS[space.name])
        supernet = Supernet(
            space,
            skeleton,
            halves.dataset.channels,
            halves.dataset.classes,
            seed=0,
            normalised_sums=activation.normalised_sums,
            side_skips=optimiser.side_skips,
            channel_divisor=activation.channel_divisor,
        ).to(dtype)
        generator = torch.Generator().manual_seed(1)
        alphas = optimiser.model_copy(update={"alpha_scale": scale}).new_alphas(
            space, generator, torch.device("cpu")
        )
        alphas = tuple(alpha.to(dtype).requires_grad_() for alpha in alphas)
        return Trainer(
            optimiser,
            space,
            supernet,
            alphas,
            halves,
            seed=2,
            skeleton=SKELETONS[space.name],
        )

    return make


@pytest.fixture
def batch(halves):
    """`batch(part, dtype)`: the part's first 16 images."""

    def make(part, dtype=torch.float32):
        images, labels = halves.batch(halves.index(part)[:16])
        return Batch(images.to(dtype), labels, part)

    return make
