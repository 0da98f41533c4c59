"""The schedule of DARTS: step the alphas on every batch, or on every n-th batch."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.schedules.base import BATCH, Schedule


class EveryStep(Schedule):
    """Every `steps`-th batch of an epoch; 1 is DARTS."""

    name: ClassVar[str] = "every"

    def begin(self, memory: Memory) -> None:
        """Write nothing: this schedule has no state."""

    def is_due(self, memory: Memory) -> bool:
        """Return whether the index of the batch is due."""
        batch = int(memory[BATCH])
        return (batch + 1) % self.steps == 0

    def observe(self, grad_norm: Tensor, stepped: bool, memory: Memory) -> None:
        """Ignore the gradient, so that no batch waits for the device."""
