"""What a way of training a supernet is: one formulation for all of them.

A supernet gives a loss L(w, W) on a batch, from its weights w and the mixture W, which comes from the architecture
weights, the alphas. An optimiser's `step` says, for every batch of `part`: which mixture goes forward, how the alphas'
gradient is had, what is updated and in which order. It reads like its paper's update rule in one file, and knows
nothing of epochs, devices, checkpoints or files. Settings are fields with defaults::

    class SingleLevel(Optimiser):
        name: ClassVar[str] = "single-level"
        summary: ClassVar[str] = "weights and alphas together, from one gradient on all training images"

        @property
        def part(self) -> str:
            return "all"

        def step(self, trainer: Trainer, batch: Batch) -> None:
            gradients = trainer.step_weights(trainer.loss(batch, trainer.mixture()), also=trainer.alphas)
            trainer.step_alphas(gradients)

One of your own is a file, `recipe = "my_optimiser.py:MyOptimiser"` in a study, or declared by an installed package
under the entry-point group `archselect.optimisers`. It keeps nothing from one step to the next: what lives on, and is
kept where a training is interrupted, is the trainer's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from archselect.benchmarks.records import Settings
from archselect.nasbench_adapters.limits import MOST_EPOCHS, MOST_IMAGES_AT_ONCE
from archselect.nasbench_adapters.networks import Execution, new_alphas
from archselect.nasbench_adapters.space import SearchSpace

if TYPE_CHECKING:
    from archselect.benchmarks.optimisers.trainer import Trainer


class Batch(NamedTuple):
    """A batch of images, on the supernet's device.

    Attributes:
        images: (batch, channels, height, width), normalised.
        labels: (batch,).
        part: of the data that they are of: "train", "valid" or "all".
    """

    images: Tensor
    labels: Tensor
    part: str


class CommonSettings(BaseModel):
    """Settings of every way of training. The defaults are DARTS-PT's on NAS-Bench-201 (its code and appendix A.4.1).

    Settings:
        epochs: passes over the part of the images that is trained on.
        batch_size: of both halves, also while DARTS-PT scores in batch mode and tunes.
        learning_rate, learning_rate_min: SGD, cosine per epoch.
        momentum, weight_decay, grad_clip: SGD; clip by total norm, 0 for none.
        alpha_learning_rate, alpha_weight_decay, alpha_beta1, alpha_beta2: Adam.
        alpha_scale, alpha_mean: initial alphas are the first times normal, plus the second.
        alpha_grad_clip: of the alphas' gradient by total norm, 0 for none.
        augment: whether both halves are augmented (released code: yes).
        batches: "epoch" shuffles the images once per epoch; "resampled" draws every batch afresh, as the released
            code's `next(iter(loader))` does.
        precision: "float32", or autocast to "bf16": the weights and what is normalised stay in float32.
        execution: how forwards and backwards are run: "eager", or from the second batch on "cuda-graphs" (on a CUDA
            device; also for DARTS-PT's scores by the batch's statistics) or "compiled" (torch.compile; while the
            supernet is trained and tuned). The second order's forwards at moved weights are eager. Making a graph or
            code is part of the phase that it falls in.
        trace: whether probabilities, costs and losses are recorded epoch by epoch (:mod:`.benchmarks.traces`). It
            changes no number, and takes some time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: int = Field(100, ge=0, le=MOST_EPOCHS)
    batch_size: int = Field(64, ge=2, le=MOST_IMAGES_AT_ONCE)
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
    alpha_mean: float = 0.0
    alpha_grad_clip: float = Field(0.0, ge=0)
    augment: bool = True
    batches: Literal["epoch", "resampled"] = "epoch"
    precision: Literal["float32", "bf16"] = "float32"
    execution: Execution = "eager"
    trace: bool = False


USUAL = {"alpha_mean": 0.0, "alpha_grad_clip": 0.0, "precision": "float32", "execution": "eager", "trace": False}
"""Settings that a record leaves out where they have these values."""


class Optimiser(CommonSettings, ABC):
    """Base of all ways of training a supernet: an immutable value; fields are settings.

    Attributes:
        name, summary, paper: what it is called, what it does in a line, and its source.
        part: of the images, whose batches `step` is given: "train", or "all" for both halves.
        searched: part of the images from which the alphas' gradient is had, for traces.
        trains: whether a supernet is trained at all before a selector reads it.
        formulation: raised when the numbers that the optimiser produces change on purpose; part of a supernet's id.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    paper: ClassVar[str] = ""
    trains: ClassVar[bool] = True
    formulation: ClassVar[int] = 1

    @property
    def part(self) -> str:
        """See :class:`Optimiser`."""
        return "train"

    @property
    def searched(self) -> str:
        """See :class:`Optimiser`."""
        return self.part

    @abstractmethod
    def step(self, trainer: Trainer, batch: Batch) -> None:
        """Update weights and alphas, or some of them, for one batch of `part`. Also tunes a supernet for a selector."""

    def new_alphas(self, space: SearchSpace, generator: torch.Generator, device: torch.device) -> tuple[Tensor, ...]:
        """Return initial architecture weights, one (edges, operations) tensor per cell type."""
        noise = new_alphas(space, generator, device, self.alpha_scale)
        return tuple(self.alpha_mean + alpha for alpha in noise)

    def settings(self) -> Settings:
        """Return the settings that a supernet made this way depends on, for its record and its hash.

        Those of :data:`USUAL` are among them where they have other values than there.
        """
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if name not in USUAL or USUAL[name] != value}
