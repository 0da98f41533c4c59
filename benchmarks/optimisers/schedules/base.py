"""The base class of schedules, which decide for every batch whether alphas step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory

BATCH = "batch"
"""Name in the memory for the index of the current batch in its epoch, from 0."""


class Schedule(ABC):
    """Base of all schedules, which are immutable values.

    Args:
        steps: setting `schedule_steps`, at least 1.
        as_released: setting `as_released`.
    """

    name: ClassVar[str]

    def __init__(self, steps: int = 1, as_released: bool = False) -> None:
        self.steps = steps
        self.as_released = as_released

    @abstractmethod
    def begin(self, memory: Memory) -> None:
        """Write the initial state of the schedule into the memory of a new training."""

    @abstractmethod
    def is_due(self, memory: Memory) -> bool:
        """Return whether the alphas are stepped before the weights on this batch."""

    @abstractmethod
    def observe(self, grad_norm: Tensor, stepped: bool, memory: Memory) -> None:
        """Update the state after the gradient by the weights on a batch.

        Args:
            grad_norm: norm of that gradient before clipping, a scalar.
            stepped: whether the alphas were stepped.
            memory: memory of the training.
        """
