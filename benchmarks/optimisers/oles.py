"""OLES: DARTS that freezes the weights of operations that begin to overfit.

Jiang et al., NeurIPS 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from archselect.benchmarks.optimisers.darts import Darts
from archselect.benchmarks.optimisers.gradient_match import (
    WeightedOperation,
    join_gradients,
    match_gradients,
    weighted_operations,
    weights_of,
)
from archselect.benchmarks.optimisers.memory import Memory
from archselect.benchmarks.optimisers.trainer import Batch, Trainer


class Oles(Darts):
    """DARTS, but the weights of an operation stay frozen once it overfits.

    Here, an operation is one operation of an edge in one layer. At each step of the
    alphas, the gradient of its weights on the validation batch is compared, by cosine,
    with their gradient at the last step on a training batch. After every `every`
    comparisons, the operation is frozen if the mean cosine is below the threshold. Its
    running statistics are still updated. An operation that one of these passes did not
    compute is not judged.

    `as_released` follows the released code: gradients are not cleared before the
    validation batch, so the training gradient is part of both sides; `every` + 1
    cosines are summed and divided by `every`; and the cosine is the mean, over an
    operation's weights, of the mean of the cosines along the output channels.

    The CPU waits for the device only once in `every` comparisons.

    Settings:
        threshold: mean cosine below which an operation is frozen (released: 0.4).
        every: number of comparisons before operations are judged (released: 20).
    """

    name: ClassVar[str] = "oles"
    summary: ClassVar[str] = "as darts, with operations frozen when they overfit"
    paper: ClassVar[str] = "Jiang et al., OLES, NeurIPS 2023"
    formulation: ClassVar[int] = 1

    # Other levels and orders have no second gradient of the same weights.
    level: Literal["bi"] = "bi"
    order: Literal[1] = 1
    threshold: float = Field(0.4, ge=-1, le=1)
    every: PositiveInt = 20

    def begin(self, trainer: Trainer) -> None:
        """Write the initial state of the comparisons into the memory."""
        operations = weighted_operations(trainer.supernet)
        gradient = torch.zeros_like(join_gradients(weights_of(operations)))
        memory = trainer.memory
        memory["training gradient"] = gradient
        memory["training gradient known"] = 0.0
        memory["cosines"] = gradient.new_zeros(len(operations))
        memory["comparisons"] = 0.0
        for operation in operations:
            memory[f"frozen {operation.name}"] = 0.0

    def train_weights(self, trainer: Trainer, batch: Batch, recorded: bool) -> None:
        """Update the weights of operations that are not frozen."""
        loss = trainer.loss(batch, self.weight_mixture(trainer), recorded=recorded)
        trainer.backward(loss)
        operations = weighted_operations(trainer.supernet)
        for operation in operations:
            if trainer.memory[f"frozen {operation.name}"]:
                for weight in operation.weights:
                    weight.grad = None
        trainer.descend()
        gradient = join_gradients(weights_of(operations))
        trainer.memory["training gradient"] = gradient
        trainer.memory["training gradient known"] = 1.0

    def alpha_gradients(
        self, trainer: Trainer, train: Batch, valid: Batch
    ) -> tuple[Tensor, ...]:
        """Return the alphas' gradient, and compare the gradients of the weights."""
        del train
        operations = weighted_operations(trainer.supernet)
        loss = trainer.loss(valid, trainer.mixture())
        leaves = [*trainer.alphas, *weights_of(operations)]
        slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
        count = len(trainer.alphas)
        if trainer.memory["training gradient known"]:
            self._compare(trainer.memory, operations, slopes[count:])
        gradients = []
        for alpha, slope in zip(trainer.alphas, slopes[:count], strict=True):
            gradients.append(torch.zeros_like(alpha) if slope is None else slope)
        return tuple(gradients)

    def _compare(
        self,
        memory: Memory,
        operations: Sequence[WeightedOperation],
        slopes: Sequence[Tensor | None],
    ) -> None:
        """Compare both gradients of each operation; judge operations if it is time."""
        trained = memory["training gradient"]
        assert isinstance(trained, Tensor)
        cosines = match_gradients(operations, slopes, trained, self.as_released)
        sums = torch.as_tensor(memory["cosines"]) + cosines
        memory["cosines"] = sums
        memory["comparisons"] = float(memory["comparisons"]) + 1
        if memory["comparisons"] < self.every + self.as_released:
            return
        means = (sums / self.every).tolist()
        for operation, mean in zip(operations, means, strict=True):
            if mean < self.threshold:
                memory[f"frozen {operation.name}"] = 1.0
        memory["cosines"] = torch.zeros_like(sums)
        memory["comparisons"] = 0.0
