"""The settings that every optimiser has."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from archselect.benchmarks.store.facts import Settings
from archselect.nasbench_adapters.networks import Execution
from archselect.nasbench_adapters.setting_types import (
    BatchSize,
    Bytes,
    Epochs,
    NonNegative,
    Positive,
    Share,
)


class CommonSettings(BaseModel):
    """Settings of every way of training.

    The defaults are DARTS-PT's on NAS-Bench-201 (its code and appendix A.4.1).

    Settings:
        epochs: passes over the part of the images that is trained on.
        batch_size: of both halves, also while DARTS-PT scores in batch mode and tunes.
        learning_rate, learning_rate_min: SGD, cosine per epoch.
        momentum, weight_decay, grad_clip: SGD; clip by total norm, 0 for none.
        alpha_learning_rate, alpha_weight_decay, alpha_beta1, alpha_beta2: Adam.
        alpha_scale, alpha_mean: initial alphas are the first times normal, plus the
            second.
        alpha_grad_clip: of the alphas' gradient by total norm, 0 for none.
        augment: whether both halves are augmented (released code: yes).
        batches: "epoch" shuffles the images once per epoch; "resampled" draws every
            batch independently, as the released code's `next(iter(loader))` does.
        precision: "float32", or autocast to "bf16": the weights and what is normalised
            stay in float32.
        execution: how forwards and backwards are run: "eager", or from the second batch
            on "cuda-graphs" (on a CUDA device; also for DARTS-PT's scores by the
            batch's statistics) or "compiled" (torch.compile; while the supernet is
            trained and tuned). The second order's forwards at moved weights are eager.
            Making a graph or code is part of the phase that it falls in.
        memory_budget: bytes that a training step can take, 0 for any number. A training
            whose step would take more, by :class:`.StepMemoryCounter`, does not begin.
        trace: whether probabilities, costs and losses are recorded epoch by epoch
            (:mod:`.store.traces`). It changes no number, and takes some time.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: Epochs = 100
    batch_size: BatchSize = 64
    learning_rate: Positive = 0.025
    learning_rate_min: NonNegative = 0.001
    momentum: Share = 0.9
    weight_decay: NonNegative = 3e-4
    grad_clip: NonNegative = 5.0
    alpha_learning_rate: Positive = 3e-4
    alpha_weight_decay: NonNegative = 1e-3
    alpha_beta1: Share = 0.5
    alpha_beta2: Share = 0.999
    alpha_scale: NonNegative = 1e-3
    alpha_mean: float = 0.0
    alpha_grad_clip: NonNegative = 0.0
    augment: bool = True
    batches: Literal["epoch", "resampled"] = "epoch"
    precision: Literal["float32", "bf16"] = "float32"
    execution: Execution = "eager"
    memory_budget: Bytes = 0
    trace: bool = False

    def settings(self) -> Settings:
        """Return the settings that a supernet made this way depends on.

        They are for its record and its hash. A budget that is not given is none of
        them: the ids of supernets without one stay.
        """
        settings = {name: getattr(self, name) for name in type(self).model_fields}
        if not self.memory_budget:
            del settings["memory_budget"]
        return settings
