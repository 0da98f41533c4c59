"""SDARTS-RS: DARTS whose weights are trained under randomly perturbed mixtures.

Chen and Hsieh, ICML 2020.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.trainer import Trainer
from archselect.nasbench_adapters.networks import Mixture
from archselect.nasbench_adapters.setting_types import NonNegative


class SdartsRS(Darts):
    """DARTS with w ← w - η ∇_w L_train(w, P(softmax(α) + δ)), δ uniform in ±ε.

    The alphas' step is not perturbed. P clips to [0, 1]. If the activation's weights
    sum to one, P then rescales every edge to sum to one; an edge with no positive entry
    gets 1 for its largest entry. Entries that are zero before (on decided and dropped
    edges, or of operations that an edge does not have) stay zero. In epoch e of E,
    counted from 0, ε = epsilon_first + (epsilon - epsilon_first) e / E; while a
    selector tunes, ε is `epsilon`.

    The released code does not compute an operation that was clipped to zero, so that
    its weights do not change in that step. Here, they are computed and decay: a check
    for zeros would make every step wait for the device.

    Settings:
        epsilon_first, epsilon: radius of the perturbation in the first epoch, and the
            radius to which it grows.
    """

    name: ClassVar[str] = "sdarts-rs"
    summary: ClassVar[str] = (
        "as darts, with the mixture perturbed at random in the weights' step"
    )
    paper: ClassVar[str] = "Chen and Hsieh, SDARTS, ICML 2020, arXiv 2002.05283"
    formulation: ClassVar[int] = 1

    epsilon_first: NonNegative = 0.03
    epsilon: NonNegative = 0.3

    def weight_mixture(self, trainer: Trainer) -> Mixture:
        """Return the perturbed mixture, without gradient."""
        growth = (self.epsilon - self.epsilon_first) * trainer.progress
        radius = self.epsilon_first + growth
        mixture = super().weight_mixture(trainer)
        rescales = trainer.activation.sums_to_one
        return perturb(mixture, radius, trainer.generator, rescales)


def perturb(
    mixture: Mixture,
    radius: float,
    generator: torch.Generator,
    rescales: bool = True,
) -> Mixture:
    """Return the perturbed mixture P(W + δ) of :class:`SdartsRS`.

    The support does not change.

    Args:
        mixture: W.
        radius: δ is uniform within plus and minus this value.
        generator: generator of the draw, on the CPU.
        rescales: whether edges sum to one; otherwise P only clips.
    """
    first = mixture.weights[0]
    sizes = [table.numel() for table in mixture.weights]
    uniform = torch.rand(sum(sizes), generator=generator)
    draws = (2 * uniform - 1) * radius
    on_device = draws.to(first.device, first.dtype, non_blocking=True)
    noises = on_device.split(sizes)
    weights = []
    for table, noise in zip(mixture.weights, noises, strict=True):
        noise = noise.view_as(table)
        perturbed = _project(table, noise) if rescales else _clip(table, noise)
        weights.append(perturbed)
    return Mixture(tuple(weights), mixture.support)


def _clip(table: Tensor, noise: Tensor) -> Tensor:
    """Return W + δ clipped to [0, 1]; zeros of W stay zero."""
    moved = (table + noise).clamp(0, 1)
    return moved.masked_fill(table == 0, 0)


def _project(table: Tensor, noise: Tensor) -> Tensor:
    """Return P(W + δ) of one cell type's table (edges, operations)."""
    is_zero = table == 0
    moved = table + noise
    moved = moved.masked_fill(is_zero, -torch.inf)
    place = moved.argmax(-1, keepdim=True)
    largest = torch.zeros_like(table)
    largest.scatter_(-1, place, 1)
    clipped = moved.clamp(0, 1)
    total = clipped.sum(-1, keepdim=True)
    has_any = total > 0
    projected = torch.where(has_any, clipped / total, largest)
    return projected.masked_fill(is_zero, 0)
