"""The memory of one training step of a supernet, counted instead of measured.

It depends only on the supernet's structure and its live operations. To count, it runs a
forward with two images on the CPU, wherever the supernet is.
"""

from __future__ import annotations

from dataclasses import replace
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
"""Batch size of the counted step."""
COPIES_OF_WEIGHTS = 3
"""Number of copies of each weight: value, gradient and momentum."""


class MemoryExceeded(Exception):
    """A training step needs more memory than the budget.

    Args:
        needed, budget: memory in bytes.
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
            f"a training step needs {needed}, but the budget is {budget}: take a smaller "
            "batch or supernet, or raise memory_budget"
        )


def require_memory(needed: int, budget: int) -> None:
    """Raise MemoryExceeded if the needed bytes exceed a budget; 0 means no budget."""
    if budget and needed > budget:
        raise MemoryExceeded(needed, budget)


def describe_bytes(count: int) -> str:
    """Return a number of bytes with a unit, such as "1.5 GiB"."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        # Below a tenth of a unit, use the next smaller one.
        if count >= 0.1 * 2**power:
            return f"{count / 2**power:.1f} {unit}"
    return f"{count} B"


class StepMemory(NamedTuple):
    """Memory of one step in bytes.

    Attributes:
        saved: tensors that the forward keeps for the backward, per image.
        weights: values, gradients and momenta of the live weights.
    """

    saved: float
    weights: int

    def total(self, batch_size: int) -> int:
        """Return the bytes of a step with a batch size."""
        return round(self.saved * batch_size) + self.weights


class StepMemoryCounter:
    """Counter of the memory of a supernet's steps, given its live operations.

    It counts the storages that the forward keeps for the backward, each once, in
    float32, for the layer-by-layer forward, under a mixture with gradients. That step
    needs more memory than a step of the weights alone. It adds three times the live
    weights, those on which the loss depends. It does not count temporary memory, nor
    the memory of a device's libraries.

    Args:
        space: space of the supernet.
        skeleton: skeleton of the supernet.
        image_shape: shape of an image, (channels, height, width).
        classes: number of classes.
        normalised_sums, side_skips, channel_divisor: as in :class:`.networks.Supernet`.
        weighs_edges: whether mixtures weigh edges (:class:`.PartialEdgeSoftmax`).
    """

    def __init__(
        self,
        space: SearchSpace,
        skeleton: Skeleton,
        image_shape: tuple[int, int, int],
        classes: int,
        normalised_sums: bool = False,
        side_skips: bool = False,
        channel_divisor: int = 1,
        weighs_edges: bool = False,
    ) -> None:
        self._space = space
        self._side_skips = side_skips
        self._weighs_edges = weighs_edges
        channels = image_shape[0]
        self._supernet = Supernet(
            space,
            skeleton,
            channels,
            classes,
            0,
            normalised_sums,
            side_skips,
            channel_divisor,
        )
        self._supernet.train()
        self._images = torch.zeros(COUNTED_IMAGES, *image_shape)
        self._labels = torch.zeros(COUNTED_IMAGES, dtype=torch.long)
        self._known: dict[Support, StepMemory] = {}

    def count(self, decisions: Decisions) -> StepMemory:
        """Return the memory of a step under some decisions."""
        support = live_support(self._space, decisions)
        if support not in self._known:
            self._known[support] = self._count(support)
        return self._known[support]

    def _count(self, support: Support) -> StepMemory:
        """Return the memory of a step with equal weights on all live operations."""
        tables = [torch.tensor(cell, dtype=torch.float32) for cell in support]
        mixture = Mixture(tuple(tables), support).leaf()
        if self._weighs_edges:
            ones = [torch.ones(len(table), requires_grad=True) for table in tables]
            mixture = replace(mixture, edge_weights=tuple(ones))
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
    """The storages that a forward keeps, without weights and buffers.

    Args:
        model: the model whose weights and buffers are left out.

    Attributes:
        bytes: size of all counted storages, each counted once.
    """

    def __init__(self, model: nn.Module) -> None:
        self.bytes = 0
        self._seen: set[int] = set()
        # Keep storages alive, so that no other storage gets their address.
        self._alive: list[torch.UntypedStorage] = []
        for tensor in (*model.parameters(), *model.buffers()):
            self._add(tensor.untyped_storage())

    def note(self, tensor: Tensor) -> Tensor:
        """Count a tensor that is kept, and return it."""
        storage = tensor.untyped_storage()
        if self._add(storage):
            self.bytes += storage.nbytes()
        return tensor

    def _add(self, storage: torch.UntypedStorage) -> bool:
        """Return whether a storage is new."""
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
        # Only functions at the leaves of the graph have a variable.
        variable = getattr(function, "variable", None)
        if variable is not None:
            leaves.add(id(variable))
        for before, _ in function.next_functions:
            if before is not None and before not in seen:
                seen.add(before)
                waiting.append(before)
    return leaves
