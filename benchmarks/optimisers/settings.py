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

    The defaults are those of DARTS-PT on NAS-Bench-201 (its code and appendix A.4.1).

    Settings:
        epochs: passes over the part of the images that is trained on.
        batch_size: batch size of both halves; also for DARTS-PT's scores in batch mode
            and for tuning.
        learning_rate, learning_rate_min: learning rate of SGD, on a cosine per epoch.
        momentum, weight_decay: settings of SGD.
        grad_clip: maximal norm of the weights' gradient; 0 for no clipping.
        alpha_learning_rate, alpha_weight_decay, alpha_beta1, alpha_beta2: settings of
            Adam for the alphas.
        alpha_scale, alpha_mean: standard deviation and mean of the initial alphas,
            which are normal.
        alpha_grad_clip: maximal norm of the alphas' gradient; 0 for no clipping.
        augment: whether both halves are augmented (released code: yes).
        batches: "epoch" shuffles the images once per epoch; "resampled" draws every
            batch independently, as the released code's `next(iter(loader))` does.
        precision: "float32", or autocast to "bf16"; weights and normalisation stay in
            float32.
        execution: how forward and backward passes run: "eager", or, from the second
            batch, "cuda-graphs" (on a CUDA device; also for DARTS-PT's scores with
            batch statistics) or "compiled" (torch.compile; in training and tuning).
            Passes of the second order at moved weights are always eager. The time to
            capture or compile belongs to the phase in which it happens.
        memory_budget: maximal bytes of a training step; 0 for no limit. A training
            whose step needs more, by :class:`.StepMemoryCounter`, does not start.
        trace: whether to record probabilities, costs and losses in every epoch
            (:mod:`.store.traces`). This changes no number, but takes some time.
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
        """Return the settings that determine a supernet.

        They enter its record and its hash. Without a memory budget, that setting is
        left out, so that ids of older supernets do not change.
        """
        settings = {name: getattr(self, name) for name in type(self).model_fields}
        if not self.memory_budget:
            del settings["memory_budget"]
        return settings
