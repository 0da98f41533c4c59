"""The schedule that depends on the gradients of the weights (DARTS-PRIME)."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.schedules.base import Schedule


class InformedSchedule(Schedule):
    """Step the alphas while the weights' gradients are small: E < T (DARTS-PRIME).

    E is a moving average of the squared norm of the weights' gradient. T is multiplied
    by GROWTH^-steps after a step of the alphas, and by GROWTH without one. If E is
    stationary, one in 1 + `steps` batches has a step. The first batch has none. Every
    batch waits for the device once. Maile et al. 2021, arXiv 2106.11655, with the
    defaults of its released code.

    With `as_released`, the second batch's norm replaces the first in E, as in that
    code.
    """

    name: ClassVar[str] = "informed"

    SHARE: ClassVar[float] = 0.2
    """Share of the newest norm in E."""
    FIRST_THRESHOLD: ClassVar[float] = 1.0
    """T at the start."""
    GROWTH: ClassVar[float] = 1.05
    """Factor of T after a batch without a step of the alphas."""

    def begin(self, memory: Memory) -> None:
        """Write the initial E and T into the memory."""
        memory["gradient average"] = 0.0
        memory["gradients seen"] = 0.0
        memory["threshold"] = self.FIRST_THRESHOLD

    def is_due(self, memory: Memory) -> bool:
        """Return whether E is below T."""
        return 0 < float(memory["gradient average"]) < float(memory["threshold"])

    def observe(self, grad_norm: Tensor, stepped: bool, memory: Memory) -> None:
        """Update E and T. Waits for the device."""
        factor = self.GROWTH**-self.steps if stepped else self.GROWTH
        memory["threshold"] = memory["threshold"] * factor
        squared = float(grad_norm) ** 2
        seen = int(memory["gradients seen"])
        memory["gradients seen"] = float(seen + 1)
        begins = seen == 0 or (self.as_released and seen == 1)
        if begins:
            memory["gradient average"] = squared
            return
        old = (1 - self.SHARE) * memory["gradient average"]
        memory["gradient average"] = self.SHARE * squared + old
