"""Small computations, one per component, whose results tell whether the numbers that it produces have changed.

    python -m support.golden        # writes tests/support/golden.json anew

`tests/support/golden.json` has the results by component and formulation number. They
are computed in float64 where the code allows it, so that processors and numbers of
threads differ by far less than :data:`TOLERANCE`.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from archselect.benchmarks.optimisers.registry import OPTIMISERS
from archselect.benchmarks.optimisers.supernets import (
    Recipe,
    make_supernet,
    new_supernet,
)
from archselect.benchmarks.plan.jobs import (
    TrainingPlan,
    describe_training_data,
    load_training_dataset,
)
from archselect.benchmarks.plan.protocols import resolve_protocol
from archselect.benchmarks.runs.task import SupernetTask
from archselect.benchmarks.runs.training import train_network
from archselect.benchmarks.runtime import formulations
from archselect.benchmarks.runtime.meter import PhaseClock
from archselect.benchmarks.scoring.inputs import scoring_inputs
from archselect.benchmarks.scoring.populations import populate
from archselect.benchmarks.scoring.scorer import Scorer
from archselect.nasbench_adapters import networks
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.images import load_images
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.images.dataset import make_dataset
from archselect.nasbench_adapters.images.streamed import StreamedImages
from archselect.nasbench_adapters.networks import (
    FoldedSupernet,
    FusedSupernet,
    build_network,
    mixture_of,
    scoring,
)
from archselect.nasbench_adapters.networks.operations import Noise
from archselect.nasbench_adapters.spaces import SPACES, get_space
from archselect.selectors.proxies import PROXIES
from archselect.selectors.registry import SELECTORS
from support.query_task import query_task

PATH = Path(__file__).with_name("golden.json")
COMMAND = "python -m support.golden"
TOLERANCE = 1e-6
"""Largest relative difference of a number that is taken for rounding."""
SINGLE = 1e-4
"""The same where the code itself computes in float32."""
CELL = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
SKELETON = {"channels": 2, "cells": 1, "reduction": "pool"}
CPU = torch.device("cpu")

Result = dict[str, list[float] | list[str]]


@dataclass(frozen=True)
class Component:
    """A component by name: its formulation number, and the computation that stands for it."""

    formulation: int
    compute: Callable[[], Result]
    tolerance: float = TOLERANCE

    def key(self, name: str) -> str:
        """The key of its result in the file."""
        return f"{name}, formulation {self.formulation}"

    def result(self) -> Result:
        """What the computation gives."""
        with double():
            return self.compute()


@contextmanager
def double() -> Iterator[None]:
    """Within it networks are made in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class Exact(Images):
    """Images whose batches are float64."""

    def batch(self, *arguments, **options):
        """See :meth:`.Images.batch`."""
        images, labels = super().batch(*arguments, **options)
        return images.double(), labels


def digits(limit: int = 32) -> Exact:
    """The first digits."""
    return Exact(load_images("digits"), CPU, split="first", limit=limit)


def summary(*tensors: torch.Tensor) -> list[float]:
    """Of each tensor its sum, weighted so that places count, and the root of its sum of squares."""
    found = []
    for tensor in tensors:
        flat = tensor.detach().double().flatten()
        weights = torch.cos(torch.arange(len(flat), dtype=torch.float64)) + 2
        found += [float((weights * flat).sum()), float(flat.norm())]
    return found


def joined(tensors) -> torch.Tensor:
    """All numbers of some tensors in a row."""
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors])


def small_skeleton(space) -> dict[str, object]:
    """The settings of a small network that the space's skeleton has."""
    chosen: dict[str, object] = {}
    for name, value in {
        "channels": 4,
        "cells": 1,
        "layers": 3,
        "stacks": 1,
        "modules": 1,
        "reduction": "pool",
        "resolution": 32,
    }.items():
        try:
            space.skeleton(**{**chosen, name: value})
        except UserError:
            continue
        chosen[name] = value
    return chosen


@cache
def supernet_of(recipe: str, epochs: int):
    """A recipe, its inputs, and a supernet of nb201 that it made."""
    settings = {"recipe": recipe, "batch_size": 16, "alpha_scale": 0.5}
    settings |= OPTIMISER_SETTINGS.get(recipe, {})
    how = Recipe.model_validate(
        settings if recipe == "untrained" else {**settings, "epochs": epochs}
    )
    inputs = how.inputs("nb201", dict(SKELETON))
    return how, inputs, make_supernet(how, get_space("nb201"), inputs, digits(), seed=0)


OPTIMISER_SETTINGS = {
    "oles": {"every": 1},
    "pc-darts": {"channel_divisor": 2, "warmup_epochs": 0},
}
"""Settings with which a short training shows what an optimiser does."""
OPTIMISER_EPOCHS = {"oles": 2, "lambda-darts": 3}
"""Epochs of such a training, where one is too short."""


def optimiser(name: str) -> Result:
    """Weights and alphas after one epoch, or some."""
    _, _, made = supernet_of(name, OPTIMISER_EPOCHS.get(name, 1))
    weights = [
        value for key, value in made.weights.items() if value.is_floating_point()
    ]
    return {"alphas": summary(*made.alphas), "weights": summary(joined(weights))}


SELECTOR_SETTINGS = {
    "darts-pt": ("darts", 1, {"tune_epochs": 1, "score": "loss"}),
    "magnitude": ("darts", 1, {}),
    "threshold": ("darts", 1, {"threshold": 0.3}),
    "sgas": (
        "darts",
        0,
        {"warmup_epochs": 1, "interval": 1, "closing_epochs": 0, "history": 2},
    ),
    "is-darts": (
        "equal",
        0,
        {"epochs": 2, "shrinks": 2, "interval": 1, "augment": False},
    ),
    "operation-scores": ("untrained", 0, {"batch_size": 16, "rescore": False}),
    "zero-cost-pt": (
        "untrained",
        0,
        {"iterations": 2, "batch_size": 16, "validation_batches": 1, "proxy": "snip"},
    ),
    "zero-cost-pt-macro": (
        "untrained",
        0,
        {"iterations": 2, "batch_size": 16, "validation_batches": 1, "proxy": "snip"},
    ),
    "random": ("untrained", 0, {}),
    "random-pruning": ("darts", 0, {"budget": 0.6, "tune_epochs": 1}),
    "radars-style": (
        "darts",
        0,
        {"budget": 0.6, "tune_epochs": 1, "samples": 2, "candidate": "supernet"},
    ),
}


QUERY_SETTINGS = {
    "random-search": {},
    "evolution": {"population": 4, "tournament": 2},
    "local-search": {},
    "conservative": {},
    "predictor-search": {"first": 6, "batch": 3},
    "seminas": {
        "labels": 6,
        "new": 3,
        "pseudo": 20,
        "pretrain_epochs": 20,
        "epochs": 2,
    },
}
"""Settings of the selectors that query rewards and read no supernet."""
BUDGET = 12


def made_up_reward(cell) -> float:
    """A number without ties, of which nothing is lost in float64."""
    (choices,) = cell.choices
    return float(sum((k + 2) * 7**k * choice for k, choice in enumerate(choices)) % 997)


def selector(name: str) -> Result:
    """What it selects, and all scores that it looked at."""
    space = get_space("nb201")
    if name in QUERY_SETTINGS:
        settings = QUERY_SETTINGS[name]
        task = query_task(space, made_up_reward, BUDGET)
    else:
        recipe, epochs, settings = SELECTOR_SETTINGS[name]
        how, inputs, made = supernet_of(recipe, epochs)
        task = SupernetTask(space, how, inputs, made, digits(), PhaseClock(CPU), 0, 0)
    selection = SELECTORS[name](**settings).select(task)
    return {
        "architecture": [space.format(selection.architecture)],
        "operation scores": [score.value for score in selection.operation_scores],
        "architecture scores": [value for _, value in selection.architecture_scores],
    }


def proxy(name: str) -> Result:
    """The scores of two cells."""
    space, images = get_space("nb201"), digits()
    found = []
    for text in (CELL, CELL.replace("avg_pool_3x3", "none")):
        network = build_network(
            space, space.parse(text), space.skeleton(channels=4, cells=1), 1, 10, seed=0
        )
        batch = images.minibatch("train", 16, torch.Generator().manual_seed(0))
        with scoring(network, PROXIES[name].norm or "running"):
            found.append(PROXIES[name].score(network, network, *batch))
    return {"scores": found}


def space(name: str) -> Result:
    """Drawn architectures and their classes, and what a network and the supernet give."""
    found = get_space(name)
    rng = np.random.default_rng(0)
    drawn = [found.sample(rng) for _ in range(3)]
    texts = [found.format(own) for own in drawn]
    if name == "nbgraph":
        return drawn_alone(found, drawn)
    skeleton = small_skeleton(found)
    images, _ = digits().batch(torch.arange(4))
    # Noise is a hash of all bits of its input, so one rounding makes it another one: it
    # has a component of its own.
    quiet = texts[0].replace("noise", "sep_conv_3x3")
    network = build_network(
        found, found.parse(quiet), found.skeleton(**skeleton), 1, 10, seed=0
    ).eval()
    result: Result = {
        "architectures": texts,
        "classes": [found.format(found.canonical(own)) for own in drawn],
        "network": summary(network(images), joined(network.parameters())),
    }
    if not found.has_supernet:
        return result
    decisions = found.undecided()
    inputs = Recipe.model_validate({"recipe": "untrained"}).inputs(name, skeleton)
    supernet = new_supernet(found, inputs, digits(), 0).eval()
    alphas = networks.new_alphas(found, torch.Generator().manual_seed(0), CPU, 1.0)
    mixture = without_noise(found, mixture_of(found, alphas, decisions))
    return result | {"supernet": summary(supernet(images, mixture))}


def drawn_alone(found, drawn) -> Result:
    """Drawn architectures and their classes, of a space without networks."""
    return {
        "architectures": [found.format(own) for own in drawn],
        "classes": [found.format(found.canonical(own)) for own in drawn],
    }


def without_noise(found, mixture):
    """The mixture without the operation `noise` on any edge."""
    for edges in found.edges:
        for edge in edges:
            if "noise" in edge.operations:
                mixture = mixture.without(
                    edge.cell, edge.index, edge.operations.index("noise")
                )
    return mixture


def noise() -> Result:
    """The operation `noise` of numbers that every processor has."""
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float64).view(2, 3, 8, 8)
    return {"noise": summary(Noise(stride=1)(images), Noise(stride=2, place=3)(images))}


def network() -> Result:
    """What a supernet gives in each of its forms, and its gradients."""
    _, inputs, _ = supernet_of("untrained", 0)
    found = get_space("nb201")
    supernet = new_supernet(found, inputs, digits(), 1)
    alphas = networks.new_alphas(found, torch.Generator().manual_seed(1), CPU, 1.0)
    mixture = mixture_of(found, alphas, found.undecided())
    images, labels = digits().batch(torch.arange(8))
    supernet.train()
    logits = FusedSupernet(supernet)(images, mixture)
    torch.nn.functional.cross_entropy(logits, labels).backward()
    gradients = [own.grad for own in supernet.parameters() if own.grad is not None]
    supernet.eval()
    with torch.no_grad():
        folded = FoldedSupernet(supernet)(images, mixture)
        plain = supernet(images, mixture)
    return {
        "fused": summary(logits),
        "gradients": summary(joined(gradients)),
        "folded": summary(folded, plain),
    }


def images() -> Result:
    """Batches: plain, augmented, with a square cut out, in the order of an epoch; and a shuffled split."""
    flipped = make_dataset("made-up", *made_up(8, 16), origin="made up")
    found = Exact(flipped, CPU, split="shuffled", split_seed=3)
    generator = torch.Generator().manual_seed(0)
    batches = [
        found.batch(found.train_index),
        found.batch(found.valid_index, generator, True, cutout=4),
    ]
    batches += [
        *found.epoch("train", 3, generator, True),
        found.minibatch("valid", 3, generator),
    ]
    return {"batches": [value for pair in batches for value in summary(*pair)]}


def streamed() -> Result:
    """Augmented batches and centres of images that stay in a file."""
    train, test = made_up(6, 32)
    torch.set_default_dtype(torch.float32)  # crops are resized in it
    with tempfile.TemporaryDirectory() as folder:
        mapped = np.memmap(
            Path(folder, "images"), dtype=np.uint8, mode="w+", shape=train[0].shape
        )
        mapped[:] = train[0]
        dataset = make_dataset("made-up", train, test, origin="made up")
        object.__setattr__(dataset, "train_images", mapped)
        found = StreamedImages(dataset, CPU)
        batches = list(
            found.epoch(
                "all", 3, torch.Generator().manual_seed(0), augment=True, cutout=4
            )
        )
        batches.append(found.batch(torch.arange(2)))
        return {"batches": [value for pair in batches for value in summary(*pair)]}


def made_up(
    count: int, side: int
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Training and test images in colour, with labels."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2 * count, side, side, 3), dtype=np.uint8)
    labels = np.arange(2 * count) % 2
    return (pixels[:count], labels[:count]), (pixels[count:], labels[count:])


def score() -> Result:
    """The scores of two cells as `archselect score` has them."""
    population = populate(get_space("nb201"), "sample:2", seed=0)
    names = ["snip", "l2_norm", "flops"]
    inputs = scoring_inputs(
        population,
        names,
        data="digits",
        skeleton=dict(SKELETON),
        batch_size=8,
        batches=2,
    )
    scorer = Scorer(inputs, digits())
    found = [scorer.score(text, seed=0) for text in population.architectures]
    return {
        "scores": [
            float(scores[name].value or math.nan) for scores in found for name in names
        ]
    }


def training() -> Result:
    """What two epochs of a final training measure."""
    resolved = resolve_protocol(
        "tiny", "nb201", {"epochs": 2, "batch_size": 16, "limit": 32}, {"channels": 2}
    )
    dataset = load_training_dataset("digits", resolved.settings, None)
    described = describe_training_data(dataset, resolved.settings)
    (job,) = TrainingPlan("nb201", resolved, "digits", described, (0,)).jobs(CELL)
    with tempfile.TemporaryDirectory() as folder:
        trained = train_network(
            job, Exact(dataset, CPU, split="first"), Path(folder, "checkpoint.pt")
        )
    losses = [
        value
        for epoch in trained.epochs
        for value in (epoch.train_loss, epoch.test_loss)
    ]
    return {"losses": losses, "sizes": [trained.parameters, trained.flops]}


def components() -> dict[str, Component]:
    """Every component by name."""
    found = {
        f"selector {name}": Component(kind.formulation, partial(selector, name))
        for name, kind in SELECTORS.items()
    }
    found |= {
        f"optimiser {n}": Component(kind.formulation, partial(optimiser, n))
        for n, kind in OPTIMISERS.items()
    }
    found |= {
        f"proxy {name}": Component(own.formulation, partial(proxy, name))
        for name, own in PROXIES.items()
    }
    found |= {
        f"space {name}": Component(kind.formulation, partial(space, name))
        for name, kind in SPACES.items()
    }
    return found | {
        "network": Component(networks.FORMULATION, network),
        "noise": Component(networks.FORMULATION, noise, SINGLE),
        "images": Component(Images.formulation, images),
        "streamed images": Component(StreamedImages.formulation, streamed, SINGLE),
        "scoring": Component(formulations.SCORING, score),
        "training": Component(formulations.TRAINING, training, SINGLE),
    }


def agree(found: Result, kept: Result, tolerance: float) -> bool:
    """Whether two results are the same but for rounding."""
    if found.keys() != kept.keys():
        return False
    return all(_close(found[key], kept[key], tolerance) for key in found)


def _close(found: list, kept: list, tolerance: float) -> bool:
    if len(found) != len(kept):
        return False
    if found and isinstance(found[0], str):
        return found == kept
    return bool(np.allclose(found, kept, rtol=tolerance, atol=1e-9, equal_nan=True))


def read() -> dict[str, Result]:
    """The file."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def complaint(
    name: str, component: Component, found: Result, kept: dict[str, Result]
) -> str | None:
    """What is wrong with a component's result; None if nothing is."""
    if component.key(name) not in kept:
        return f"there is no golden result of {component.key(name)}: write the golden file anew with `{COMMAND}`"
    if not agree(found, kept[component.key(name)], component.tolerance):
        return (
            f"the numbers of {name} have changed: if that is meant, raise `formulation` of {name} and write the golden "
            f"file anew with `{COMMAND}`"
        )
    return None


def write() -> None:
    """Write the file; exit with what is wrong if a number changed under the same formulation."""
    kept = read() if PATH.is_file() else {}
    every = components()
    found = {
        component.key(name): component.result() for name, component in every.items()
    }
    for name, component in every.items():
        if component.key(name) in kept and (
            fault := complaint(name, component, found[component.key(name)], kept)
        ):
            sys.exit(fault)
    # What agrees stays as it was, to the last digit.
    written = {key: kept.get(key, result) for key, result in found.items()}
    PATH.write_text(
        json.dumps(written, indent=1, sort_keys=True) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    write()
