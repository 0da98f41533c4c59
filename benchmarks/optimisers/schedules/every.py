"""The schedule of DARTS: every batch, or every so many."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.schedules.base import BATCH, Schedule


class EveryStep(Schedule):
    """Every `steps`-th batch of an epoch: DARTS for 1."""

    name: ClassVar[str] = "every"

    def begin(self, memory: Memory) -> None:
        """Keep nothing."""

    def is_due(self, memory: Memory) -> bool:
        """See :class:`EveryStep`."""
        batch = int(memory[BATCH])
        return (batch + 1) % self.steps == 0

    def observe(self, grad_norm: Tensor, stepped: bool, memory: Memory) -> None:
        """Take note of nothing, so that no batch waits for the device."""
