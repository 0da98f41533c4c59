"""RADARS-style: prune by sampled rewards until a step fits a memory, then tune.

Yan et al. (2021) say that reinforcement learning prunes operations until a promising
sub-space is left, in which differentiable search runs. They published no code, and
reward, controller and rounds are not readable: all of it here is inferred.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import ClassVar, Literal

from archselect.nasbench_adapters.setting_types import (
    Batches,
    EpochsFromOne,
    Positive,
    Share,
)
from archselect.nasbench_adapters.space import Architecture, Decisions
from archselect.nasbench_adapters.sub_space import sample_within
from archselect.selectors.base import REWARDS, SUPERNET, Selection, Task
from archselect.selectors.memory_pruning import MemoryPruning, close_least, has_choices
from archselect.selectors.policy import Draw, Policy, decisions_of
from archselect.selectors.search import Search


class RadarsStyle(MemoryPruning):
    """Close what samples of a policy do worse with, until a step fits; then tune.

    Inferred: the paper names no rule. In a round, each of `samples` draws k operations
    without replacement on every edge by softmax(theta), and an architecture of them.
    Its reward r moves theta by rate · (r - b) (1[drawn] - P(drawn)) / sd, where b is a
    decaying mean of rewards, sd their standard deviation so far, and P(drawn) is k
    softmax(theta), at most 1. A draw whose step does not fit the budget halves its
    operations on the edge that has most. A round ends with the operation of least theta
    closed on every edge. Where that leaves single operations which do not fit, the
    round's fitting draw with the best reward stays in their place; without one, the
    first that fits of as many draws again. Once the queries are spent theta stays.

    The supernet is one that learns alphas, made with `epochs = 0`; it is tuned, and
    read by magnitude. With a budget of the whole supernet nothing is closed.

    Settings:
        drawn: k, operations drawn per edge.
        samples: per round.
        rate: of theta.
        decay: of b.
        candidate: "query" asks for the reward under the study's budget of queries;
            "supernet" measures the accuracy that the supernet would have after tuning
            with the architecture alone.
        candidate_epochs: of that tuning.
    """

    name: ClassVar[str] = "radars-style"
    summary: ClassVar[str] = (
        "closes operations by sampled rewards until a step fits a memory, then tunes (inferred)"
    )
    paper: ClassVar[str] = (
        "in the style of Yan et al., RADARS, 2021, arXiv 2109.05691; details inferred"
    )
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({SUPERNET, REWARDS})
    small: ClassVar[Mapping[str, object]] = {"tune_epochs": 1, "samples": 2}

    drawn: Batches = 2
    samples: Batches = 25
    rate: Positive = 0.1
    decay: Share = 0.9
    candidate: Literal["query", "supernet"] = "query"
    candidate_epochs: EpochsFromOne = 1

    def select(self, task: Task) -> Selection:
        """See :class:`RadarsStyle`."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        budget = self.bytes_of_budget(task)
        policy = Policy(search, self.rate, self.decay)
        while task.memory(search.decisions) > budget:
            best = self._explore(task, search, policy, budget)
            closed = close_least(search.decisions, policy.worths(search))
            if not has_choices(search, closed) and task.memory(closed) > budget:
                best = best or self._find_fitting(task, search, policy, budget)
                closed = best or closed
            self.close_round(task, search, closed)
        return self.tune_and_read(task, search, budget)

    def _explore(
        self, task: Task, search: Search, policy: Policy, budget: int
    ) -> Decisions | None:
        """Have the policy learn from a round of samples.

        Return what is live in the draw with the best reward, of those whose step fits
        the budget; None without one.
        """
        best: Decisions | None = None
        most = -math.inf
        with search.spending():
            for _ in range(self.samples):
                draw = self._draw(task, search, policy, budget)
                within = decisions_of(search, draw)
                architecture = sample_within(task.space, within, task.rng)
                reward = self._reward(task, search, architecture)
                policy.learn(search, draw, reward)
                if reward > most and task.memory(within) <= budget:
                    best, most = within, reward
        return best

    def _draw(self, task: Task, search: Search, policy: Policy, budget: int) -> Draw:
        """Return a draw whose step fits the budget, or of one operation per edge."""
        draw: Draw = {}
        for edge in search.open_edges():
            draw[edge] = policy.draw(search, edge, self.drawn, task.rng)
        smaller = [draw]
        while any(len(drawn) > 1 for drawn in draw.values()):
            largest = max(draw, key=lambda edge: len(draw[edge]))
            half = len(draw[largest]) // 2
            draw = {**draw, largest: draw[largest][:half]}
            smaller.append(draw)

        def fits(draw: Draw) -> bool:
            return task.memory(decisions_of(search, draw)) <= budget

        # Fewer operations never take more memory.
        first = bisect_left(smaller, True, key=fits)
        return smaller[min(first, len(smaller) - 1)]

    def _find_fitting(
        self, task: Task, search: Search, policy: Policy, budget: int
    ) -> Decisions | None:
        """Return what is live in the first draw that fits; None if none does."""
        for _ in range(self.samples):
            draw = self._draw(task, search, policy, budget)
            within = decisions_of(search, draw)
            if task.memory(within) <= budget:
                return within
        return None

    def _reward(self, task: Task, search: Search, architecture: Architecture) -> float:
        """Return the reward of an architecture; more is better."""
        if self.candidate == "query":
            return search.query(architecture)
        alone = Decisions.of(architecture)
        tuned = task.evaluate_tuned(alone, self.candidate_epochs, self.learning_rate)
        return tuned.accuracy
