"""The memory of one training step of a supernet, counted instead of measured.

It is a function of the supernet's structure and of which operations are live: the
forward that is counted runs on the CPU, on two images, wherever the supernet is.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from archselect.nasbench_adapters.networks.mixture import (
    Mixture,
    Support,
    live_support,
)
from archselect.nasbench_adapters.networks.network import Supernet
from archselect.nasbench_adapters.space import Decisions, SearchSpace, Skeleton

COUNTED_IMAGES = 2
"""The batch whose step is counted."""
COPIES_OF_WEIGHTS = 3
"""Value, gradient and momentum."""


class MemoryExceeded(Exception):
    """A training step needs more memory than it has.

    Args:
        needed, budget: in bytes.
    """

    def __init__(self, needed: int, budget: int) -> None:
        super().__init__(needed, budget)
        self.needed = needed
        self.budget = budget

    def __str__(self) -> str:
        needed = describe_bytes(self.needed)
        budget = describe_bytes(self.budget)
        if needed == budget:
            needed = f"{self.needed:,} bytes"
            budget = f"{self.budget:,}"
        return (
            f"a training step needs {needed}, has {budget}: take a smaller batch or "
            "supernet, or raise memory_budget"
        )


def require_memory(needed: int, budget: int) -> None:
    """Raise MemoryExceeded if so many bytes are more than a budget; 0 is no budget."""
    if budget and needed > budget:
        raise MemoryExceeded(needed, budget)


def describe_bytes(count: int) -> str:
    """Return a number of bytes in words."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        # Below a tenth of a unit the next one says more.
        if count >= 0.1 * 2**power:
            return f"{count / 2**power:.1f} {unit}"
    return f"{count} B"


class StepMemory(NamedTuple):
    """Bytes of one step.

    Attributes:
        saved: per image, what the forward keeps for the backward.
        weights: of what is live: values, gradients and momenta.
    """

    saved: float
    weights: int

    def total(self, batch_size: int) -> int:
        """Return the bytes of a step on a batch of so many images."""
        return round(self.saved * batch_size) + self.weights


class StepMemoryCounter:
    """Counts the memory of a supernet's steps, by which of its operations are live.

    It counts the storages that the forward keeps for the backward, each once, in
    float32 and layer by layer as the supernet is written, under a mixture with
    gradients: that is the larger of the steps of weights and alphas. To these it adds
    three times the live weights, on which the loss depends. It does not count what a
    step needs for a moment, nor what a device's libraries ask for.

    Args:
        space: of the supernet.
        skeleton: of the supernet.
        image_shape: (channels, height, width).
        classes: number of logits.
        normalised_sums, side_skips: see :class:`.networks.Supernet`.
    """

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        image_shape: tuple[int, int, int],
        classes: int,
        normalised_sums: bool = False,
        side_skips: bool = False,
    ) -> None:
        self._space = space
        self._side_skips = side_skips
        channels = image_shape[0]
        self._supernet = Supernet(
            space, skeleton, channels, classes, 0, normalised_sums, side_skips
        )
        self._supernet.train()
        self._images = torch.zeros(COUNTED_IMAGES, *image_shape)
        self._labels = torch.zeros(COUNTED_IMAGES, dtype=torch.long)
        self._known: dict[Support, StepMemory] = {}

    def count(self, decisions: Decisions) -> StepMemory:
        """Return the memory of a step under decisions."""
        support = live_support(self._space, decisions)
        if support not in self._known:
            self._known[support] = self._count(support)
        return self._known[support]

    def _count(self, support: Support) -> StepMemory:
        """Return the memory of a step with the same weight on all live operations."""
        tables = [torch.tensor(cell, dtype=torch.float32) for cell in support]
        mixture = Mixture(tuple(tables), support).leaf()
        if self._side_skips:
            mixture = mixture.beside(1.0)
        kept = _KeptStorages(self._supernet)
        with (
            torch.enable_grad(),
            torch.autograd.graph.saved_tensors_hooks(kept.note, _unchanged),
        ):
            logits = self._supernet(self._images, mixture)
            loss = F.cross_entropy(logits, self._labels)
        live = _bytes_of_live_weights(self._supernet, loss)
        return StepMemory(kept.bytes / COUNTED_IMAGES, COPIES_OF_WEIGHTS * live)


class _KeptStorages:
    """The storages that a forward keeps, apart from weights and buffers.

    Args:
        model: whose weights and buffers are left out.

    Attributes:
        bytes: of all storages noted, each once.
    """

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self._seen: set[int] = set()
        # The place of a storage that is freed may become that of another one.
        self._alive: list[torch.UntypedStorage] = []
        for tensor in (*model.parameters(), *model.buffers()):
            self._add(tensor.untyped_storage())

    def note(self, tensor: Tensor) -> Tensor:
        """Note a tensor that is kept, and return it."""
        storage = tensor.untyped_storage()
        if self._add(storage):
            self.bytes += storage.nbytes()
        return tensor

    def _add(self, storage: torch.UntypedStorage) -> bool:
        """Return whether a storage is seen for the first time."""
        place = storage.data_ptr()
        if place in self._seen:
            return False
        self._seen.add(place)
        self._alive.append(storage)
        return True


def _unchanged(tensor: Tensor) -> Tensor:
    return tensor


def _bytes_of_live_weights(model: nn.Module, loss: Tensor) -> int:
    """Return the bytes of the weights on which a loss depends."""
    reached = _leaves_of(loss)
    total = 0
    for weight in model.parameters():
        if id(weight) in reached:
            total += weight.numel() * weight.element_size()
    return total


def _leaves_of(loss: Tensor) -> set[int]:
    """Return the ids of the leaves in a loss' graph."""
    leaves = set()
    seen = {loss.grad_fn}
    waiting = [loss.grad_fn]
    while waiting:
        function = waiting.pop()
        assert function is not None
        # Only the functions at the graph's leaves have a variable.
        variable = getattr(function, "variable", None)
        if variable is not None:
            leaves.add(id(variable))
        for before, _ in function.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return leaves
