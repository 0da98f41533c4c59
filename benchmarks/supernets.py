"""Supernets by recipe: untrained, trained as in DARTS (first order), or trained with frozen architecture weights.

A supernet is trained once per (recipe, data, seed) and kept under the hash of all that determines it, so that every
selector is compared on the very same weights.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.benchmarks.clock import Clock, PeakMemory
from archselect.benchmarks.machine import machine
from archselect.benchmarks.records import (
    Counts,
    DataInputs,
    Fact,
    Machine,
    Settings,
    SupernetInputs,
    Time,
    content_id,
)
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.files import DAMAGED, write_atomically
from archselect.nasbench_adapters.images.batches import Images
from archselect.nasbench_adapters.networks import Supernet, mixture_of, new_alphas
from archselect.nasbench_adapters.space import Decisions, SearchSpace
from archselect.nasbench_adapters.streams import stream_seed

RECIPES: dict[str, str] = {
    "untrained": "initial weights and alphas",
    "darts": "weights and alphas by turns, first order (Liu et al., ICLR 2019)",
    "blank": "weights alone, alphas stay as drawn (Wang et al., ICLR 2021)",
}


class Recipe(BaseModel):
    """How a supernet is made. The defaults are DARTS-PT's on NAS-Bench-201 (its released code and appendix A.4.1).

    Settings:
        recipe: "untrained", "darts" (one alpha step on a validation batch before each weight step) or "blank".
        epochs: passes over the training half.
        batch_size: of both halves, also while DARTS-PT scores in batch mode and tunes.
        learning_rate, learning_rate_min: SGD, cosine per epoch.
        momentum, weight_decay, grad_clip: SGD; clip by total norm, 0 for none.
        alpha_learning_rate, alpha_weight_decay, alpha_beta1, alpha_beta2: Adam.
        alpha_scale: initial alphas are this times normal.
        augment: whether both halves are augmented (released code: yes).
        batches: "epoch" shuffles the training half once per epoch; "resampled" draws every batch afresh, as the
            released code's `next(iter(loader))` does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    recipe: Literal["untrained", "darts", "blank"]
    epochs: int = Field(100, ge=0)
    batch_size: int = Field(64, ge=2)
    learning_rate: float = Field(0.025, gt=0)
    learning_rate_min: float = Field(0.001, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    grad_clip: float = Field(5.0, ge=0)
    alpha_learning_rate: float = Field(3e-4, gt=0)
    alpha_weight_decay: float = Field(1e-3, ge=0)
    alpha_beta1: float = Field(0.5, ge=0, lt=1)
    alpha_beta2: float = Field(0.999, ge=0, lt=1)
    alpha_scale: float = Field(1e-3, ge=0)
    augment: bool = True
    batches: Literal["epoch", "resampled"] = "epoch"

    @property
    def learns_alphas(self) -> bool:
        """Whether training moves the architecture weights."""
        return self.recipe == "darts"

    def settings(self) -> Settings:
        """The settings that matter: for an untrained supernet those of its start and of tuning it."""
        matter = [name for name in Recipe.model_fields if name != "recipe"]
        if self.recipe == "untrained":
            matter = ["alpha_scale", "augment", "batch_size", "batches", "grad_clip", "momentum", "weight_decay"]
        return {name: getattr(self, name) for name in matter}


class Trainer:
    """Trains a supernet and its alphas in place. One object, so that optimiser states live on between calls.

    Args:
        recipe: the settings.
        space: of the supernet.
        supernet: moved in place.
        alphas: leaf tensors that require gradients; moved in place if the recipe learns them.
        images: the two halves.
        seed: of the order of batches and of augmentation.
        learning_rate: of the weights; defaults to the recipe's.
    """

    def __init__(
        self,
        recipe: Recipe,
        space: SearchSpace,
        supernet: Supernet,
        alphas: tuple[Tensor, ...],
        images: Images,
        seed: int,
        learning_rate: float | None = None,
    ) -> None:
        self.recipe, self.space, self.supernet, self.alphas, self.images = (
            recipe,
            space,
            supernet,
            alphas,
            images,
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.weight_optimizer = torch.optim.SGD(
            supernet.parameters(),
            learning_rate or recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        self.alpha_optimizer = torch.optim.Adam(
            alphas,
            recipe.alpha_learning_rate,
            betas=(recipe.alpha_beta1, recipe.alpha_beta2),
            weight_decay=recipe.alpha_weight_decay,
        )

    def epoch(self, decisions: Decisions) -> None:
        """One pass over the training half with the decided edges fixed."""
        self.supernet.train()
        valid = self.images.endless("valid", self.recipe.batch_size, self.generator, self.recipe.augment)
        for x, y in self._training_batches():
            if self.recipe.learns_alphas:
                x_valid, y_valid = next(valid)
                loss = F.cross_entropy(self.supernet(x_valid, self._mixture(decisions)), y_valid)
                for alpha, gradient in zip(self.alphas, torch.autograd.grad(loss, self.alphas), strict=True):
                    alpha.grad = gradient
                self.alpha_optimizer.step()
            with torch.no_grad():
                mixture = self._mixture(decisions)
            loss = F.cross_entropy(self.supernet(x, mixture), y)
            self.weight_optimizer.zero_grad()
            loss.backward()
            if self.recipe.grad_clip:
                nn.utils.clip_grad_norm_(self.supernet.parameters(), self.recipe.grad_clip)
            self.weight_optimizer.step()

    def _mixture(self, decisions: Decisions) -> Any:
        return mixture_of(self.space, self.alphas, decisions)

    def _training_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        size, augment = self.recipe.batch_size, self.recipe.augment
        if self.recipe.batches == "epoch":
            yield from self.images.epoch("train", size, self.generator, augment)
        else:
            for _ in range(-(-len(self.images.train_index) // size)):
                yield self.images.minibatch("train", size, self.generator, augment)


class SupernetCost(Fact):
    """What making a supernet cost, kept beside its weights."""

    times: dict[str, Time]
    counts: dict[str, Counts]
    peak_memory: int
    machine: Machine


@dataclass(frozen=True)
class TrainedSupernet:
    """A supernet's weights, alphas and state of the alphas' optimiser (None if untrained), and what they cost."""

    weights: dict[str, Tensor]
    alphas: tuple[Tensor, ...]
    alpha_optimizer: dict[str, Any] | None
    cost: SupernetCost


def new_supernet(space: SearchSpace, inputs: SupernetInputs, images: Images, seed: int) -> Supernet:
    """The supernet with the initial weights of that seed, on the images' device, channels last."""
    skeleton = space.skeleton(**inputs.skeleton)
    dataset = images.dataset
    supernet = Supernet(space, skeleton, dataset.channels, dataset.classes, stream_seed("supernet weights", seed))
    return supernet.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def make_supernet(
    recipe: Recipe,
    space: SearchSpace,
    inputs: SupernetInputs,
    images: Images,
    seed: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> TrainedSupernet:
    """Initialise and, if the recipe says so, train a supernet. `advance` is told (epochs done, epochs in all)."""
    clock, memory = Clock(images.device), PeakMemory(images.device)
    supernet = new_supernet(space, inputs, images, seed)
    clock.watch(supernet, images.dataset.image_shape)
    generator = torch.Generator().manual_seed(stream_seed("supernet alphas", seed))
    alphas = tuple(alpha.requires_grad_() for alpha in new_alphas(space, generator, images.device, recipe.alpha_scale))
    alpha_optimizer = None
    if recipe.recipe != "untrained":
        trainer = Trainer(recipe, space, supernet, alphas, images, stream_seed("supernet batches", seed))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            trainer.weight_optimizer, max(recipe.epochs, 1), recipe.learning_rate_min
        )
        with clock.phase("supernet"):
            for done in range(recipe.epochs):
                trainer.epoch(space.undecided())
                schedule.step()
                advance(done + 1, recipe.epochs)
        alpha_optimizer = trainer.alpha_optimizer.state_dict()
    cost = SupernetCost(
        times=clock.times(), counts=clock.counts(), peak_memory=memory.read(), machine=machine(images.device)
    )
    return TrainedSupernet(
        {name: value.cpu() for name, value in supernet.state_dict().items()},
        tuple(alpha.detach().cpu() for alpha in alphas),
        alpha_optimizer,
        cost,
    )


def supernet_id(space: str, inputs: SupernetInputs, data: DataInputs, seed: int, code_version: str) -> str:
    """The name of a supernet: the hash of all that determines it."""
    return content_id(
        {
            "space": space,
            "supernet": inputs.model_dump(mode="json"),
            "data": data.model_dump(mode="json"),
            "seed": seed,
            "code_version": code_version,
        }
    )


def save_supernet(path: Path, trained: TrainedSupernet) -> None:
    """Write a supernet atomically, a SHA-256 before the torch file. Raises UserError if the folder cannot take it."""
    buffer = io.BytesIO()
    torch.save(
        {
            "weights": trained.weights,
            "alphas": list(trained.alphas),
            "alpha_optimizer": trained.alpha_optimizer,
            "cost": trained.cost.model_dump_json(),
        },
        buffer,
    )
    content = buffer.getvalue()
    write_atomically(path, hashlib.sha256(content).digest() + content)


def load_supernet(path: Path) -> TrainedSupernet:
    """Read a supernet back; nothing in the file is executed. Raises UserError if it is damaged."""
    try:
        digest, file = (whole := path.read_bytes())[:32], whole[32:]
        if hashlib.sha256(file).digest() != digest:
            raise ValueError("checksum")
        content = torch.load(io.BytesIO(file), map_location="cpu", weights_only=True)
        return TrainedSupernet(
            content["weights"],
            tuple(content["alphas"]),
            content["alpha_optimizer"],
            SupernetCost.model_validate_json(content["cost"]),
        )
    except (OSError, *DAMAGED, pickle.UnpicklingError) as error:
        raise UserError(f"{path} is not a supernet of ours or is damaged: remove it and run again") from error
