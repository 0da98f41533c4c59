"""What a schedule is: it says, for every batch, whether the alphas are stepped."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory

BATCH = "batch"
"""Name in the memory of the number of the present batch within its epoch, from 0."""


class Schedule(ABC):
    """Base of all schedules: immutable values.

    Args:
        steps: the setting `schedule_steps`, 1 or more.
        as_released: the setting of that name.
    """

    name: ClassVar[str]

    def __init__(self, steps: int = 1, as_released: bool = False) -> None:
        self.steps = steps
        self.as_released = as_released

    @abstractmethod
    def begin(self, memory: Memory) -> None:
        """Write what the schedule keeps into the memory of a new training."""

    @abstractmethod
    def is_due(self, memory: Memory) -> bool:
        """Return whether the alphas are stepped before the present batch's weights."""

    @abstractmethod
    def observe(self, grad_norm: Tensor, stepped: bool, memory: Memory) -> None:
        """Take note of a batch, after its gradient by the weights.

        Args:
            grad_norm: norm of that gradient before clipping, a scalar.
            stepped: whether the alphas were due.
            memory: of the training.
        """
