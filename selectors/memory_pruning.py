"""The base of selectors that close operations to fit a memory budget, then tune."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.networks.step_memory import describe_bytes
from archselect.nasbench_adapters.setting_types import (
    EpochsFromOne,
    NonNegative,
    Positive,
)
from archselect.nasbench_adapters.space import Decisions, Edge
from archselect.nasbench_adapters.sub_space import live_candidates
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.magnitude import decide_by_magnitude
from archselect.selectors.search import Search
from archselect.selectors.selection import SubSpace

Worths = Mapping[Edge, dict[int, float]]
"""For each open edge, a value per live operation; the lowest is closed first."""


class MemoryPruning(Selector):
    """Base of selectors that close operations until a step fits a budget, then tune.

    Settings:
        budget: memory of one training step (:meth:`.Task.memory`), in bytes; a value
            up to 1 is a share of the whole supernet's memory.
        tune_epochs: epochs of training for the operations that are left, weights and
            alphas.
        learning_rate, learning_rate_min: learning rate of the weights at the start and
            at the end, with a cosine per epoch between them.
    """

    small: ClassVar[Mapping[str, object]] = {"tune_epochs": 1}

    budget: Positive = 0.8
    tune_epochs: EpochsFromOne = 50
    learning_rate: Positive = 0.025
    learning_rate_min: NonNegative = 0.001

    def bytes_of_budget(self, task: Task) -> int:
        """Return the budget in bytes."""
        if self.budget > 1:
            return int(self.budget)
        return int(self.budget * task.memory(task.space.undecided()))

    def close_round(self, task: Task, search: Search, closed: Decisions) -> None:
        """Close every operation that is closed in the decisions `closed`.

        Raises ValueError if it closes nothing: less memory is not possible.
        """
        if closed == search.decisions:
            needed = describe_bytes(task.memory(closed))
            budget = describe_bytes(self.bytes_of_budget(task))
            raise ValueError(
                f"with one operation on every edge a step still needs {needed}, and the "
                f"budget is {budget}: give a larger budget"
            )
        for edge in search.open_edges():
            kept = closed.live(edge)
            for choice in search.live(edge):
                if choice not in kept:
                    search.close(edge, choice)

    def tune_and_read(self, task: Task, search: Search, budget: int) -> Selection:
        """Train the remaining operations, and keep those with the largest weights.

        Args:
            task: trains the supernet.
            search: the search, in which operations are closed.
            budget: memory budget in bytes, for the record.

        Raises UserError if the training does not change the alphas.
        """
        tuned = search.decisions
        initial = search.weights()
        for epoch in range(self.tune_epochs):
            task.tune(tuned, 1, self._learning_rate(epoch))
        has_choice = any(True for _ in search.open_edges())
        if has_choice and search.weights() == initial:
            raise UserError(
                f"{self.name} needs a supernet whose recipe learns alphas: set "
                'recipe = "darts" and epochs = 0'
            )
        decide_by_magnitude(search)
        return search.selection(sub_space=SubSpace(tuned, budget))

    def _learning_rate(self, epoch: int) -> float:
        """Return the weights' learning rate in an epoch of the cosine schedule."""
        cosine = math.cos(math.pi * epoch / self.tune_epochs)
        span = self.learning_rate - self.learning_rate_min
        return self.learning_rate_min + span * (1 + cosine) / 2


def close_least(decisions: Decisions, worths: Worths) -> Decisions:
    """Return decisions that close the operation with the lowest value on every edge.

    Ties close the operation with the higher index. The last operation of an edge stays.
    Where nodes drop inputs, `none` stays, too: no architecture has it, and it takes no
    memory.

    Args:
        decisions: which operations are live.
        worths: values of the operations of all open edges.
    """
    for edge, worth in worths.items():
        if len(worth) > 1:
            least = min(reversed(worth), key=lambda choice: worth[choice])
            decisions = decisions.close(edge, least)
    return decisions


def has_choices(search: Search, decisions: Decisions) -> bool:
    """Return whether any edge still has several operations to choose from."""
    open_edges = search.space.open_edges(decisions)
    return any(len(live_candidates(decisions, edge)) > 1 for edge in open_edges)
