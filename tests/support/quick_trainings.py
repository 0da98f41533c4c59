"""Final trainings that take seconds."""

from types import SimpleNamespace

import torch

from archselect.benchmarks.plan.jobs import (
    TrainingPlan,
    describe_training_data,
    load_training_dataset,
)
from archselect.benchmarks.plan.protocols import resolve_protocol
from archselect.nasbench_adapters.images.batches import Images

CPU = torch.device("cpu")


CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"


QUICK = {"epochs": 4, "batch_size": 16, "limit": 40, "drop_path": 0.5}


def made_training(
    cell=CELL,
    space="nb201",
    seed=0,
    protocol="tiny",
    data="digits",
    skeleton=None,
    **settings,
):
    """A job on the first digits, and their images."""
    resolved = resolve_protocol(protocol, space, settings, skeleton)
    dataset = load_training_dataset(data, resolved.settings, None)
    described = describe_training_data(dataset, resolved.settings)
    (job,) = TrainingPlan(space, resolved, data, described, (seed,)).jobs(cell)
    return SimpleNamespace(job=job, images=Images(dataset, CPU, split="first"))


def quick_training(**changes):
    """A training of few epochs of a network of two channels."""
    return made_training(**QUICK | {"skeleton": {"channels": 2}} | changes)
