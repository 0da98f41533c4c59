"""The base class of penalties: terms of the alphas' loss, not of the weights' loss.

Each penalty is a file. It is an immutable value; settings are fields with defaults::

    class Entropy(Penalty):
        name: ClassVar[str] = "entropy"
        summary: ClassVar[str] = "entropy of every edge's weights"

        def __call__(self, view: AlphaView) -> Tensor:
            total = view.zero()
            for table in view.tables:
                total = total - torch.xlogy(table, table).sum()
            return total

A study names your own penalty as `penalty = "my_penalty.py:Entropy"`, and sets its
weight as `penalty_weight`. An installed package declares penalties in the entry-point
group `archselect.penalties`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from archselect.benchmarks.optimisers.memory import Memory
from archselect.nasbench_adapters.networks.activation import Activation
from archselect.nasbench_adapters.networks.discrete import strongest
from archselect.nasbench_adapters.networks.mixture import (
    close_alphas,
    closed_mask,
    decided_tables,
)
from archselect.nasbench_adapters.space import Decisions, SearchSpace


class AlphaView:
    """The state of a training that a penalty can read.

    Args:
        space: space of the alphas.
        activation: function from alphas to weights.
        decisions: decided edges; their weights are constant and one-hot.
        alphas: alphas of the training, as the activation takes them.
        clock: share of the training that is done, in (0, 1] (:attr:`.Trainer.clock`).
        progress: share of the epochs that are done (:attr:`.Trainer.progress`).
        memory: memory of the training.

    Attributes:
        alphas: alphas of the operations, (edges, operations) per cell type.
        tables: weights of the operations, (edges, operations) per cell type, with
            gradients to the alphas.
    """

    def __init__(
        self,
        space: SearchSpace,
        activation: Activation,
        decisions: Decisions,
        alphas: Sequence[Tensor],
        clock: float,
        progress: float,
        memory: Memory,
    ) -> None:
        self.space = space
        self.alphas = activation.operation_alphas(alphas)
        self.clock = clock
        self.progress = progress
        self.memory = memory
        self._activation = activation
        self._decisions = decisions
        self.tables = self.activate(self.alphas)
        self._edge_weights = activation.edge_weights(space, alphas)

    def activate(self, alphas: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the tables of weights of some operations' alphas."""
        live = close_alphas(alphas, self._decisions)
        tables = self._activation.tables(self.space, live)
        return decided_tables(tables, self._decisions)

    @cached_property
    def discrete(self) -> tuple[Tensor, ...]:
        """The architecture that `magnitude` would select, one-hot; no gradients."""
        if self._edge_weights is None:
            return strongest(self.space, self.tables)
        weighed = []
        for table, weights in zip(self.tables, self._edge_weights, strict=True):
            weighed.append(table * weights[:, None])
        return strongest(self.space, weighed)

    @cached_property
    def operations(self) -> tuple[Tensor, ...]:
        """Masks of operations that have a weight, (edges, operations) per cell type.

        Closed operations have none.
        """
        masks = []
        for index, (cell, alpha) in enumerate(
            zip(self.space.cells, self.alphas, strict=True)
        ):
            edges, columns = alpha.shape
            mask = self._activation.weighed(cell, columns, alpha.device)
            if self._decisions.closed:
                closed = self._decisions.closed
                mask = mask & ~closed_mask(closed, index, edges, columns, alpha.device)
            masks.append(mask)
        return tuple(masks)

    @cached_property
    def alive(self) -> tuple[Tensor, ...]:
        """Masks of the operations that are alive, (edges, operations) per cell type."""
        living = self._activation.living(close_alphas(self.alphas, self._decisions))
        return self.operations if living is None else tuple(living)

    def tensor(self, name: str) -> Tensor:
        """Return a tensor of the memory."""
        value = self.memory[name]
        assert isinstance(value, Tensor)
        return value

    def number(self, name: str) -> float:
        """Return a number of the memory."""
        value = self.memory[name]
        assert isinstance(value, float)
        return value

    def zero(self) -> Tensor:
        """Return a scalar zero on the alphas' device."""
        return torch.zeros((), device=self.alphas[0].device)


class Penalty(BaseModel, ABC):
    """Base of all penalties; fields are settings.

    Attributes:
        name: name of the penalty.
        summary: what it adds to the loss, in one line.
        setting: setting with which a study chooses it, if not `penalty`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: ClassVar[str]
    summary: ClassVar[str]
    setting: ClassVar[str] = ""

    def begin(self, view: AlphaView) -> None:
        """Write the initial state of the penalty into the memory of a new training."""

    @abstractmethod
    def __call__(self, view: AlphaView) -> Tensor:
        """Return the term of the alphas' loss, a scalar with a gradient."""

    def finish_step(self, view: AlphaView) -> None:
        """Update the state of the penalty, after a step of the alphas."""
