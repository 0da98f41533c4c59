"""RADARS-style: prune by sampled rewards until a step fits a budget, then tune.

Yan et al. (2021) prune operations by reinforcement learning until a promising sub-space
is left, then run a differentiable search in it. They published no code, and the paper
does not define reward, controller and rounds. All details here are inferred.
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
    """Close operations with low sampled rewards until a step fits; then tune.

    The paper gives no rule, so these are inferred. A round makes `samples` draws. A
    draw takes k operations per edge, without replacement, by softmax(theta), and one
    architecture from them. Its reward r adds rate · (r - b) (1[drawn] - P(drawn)) / sd
    to theta. b is a decaying mean of the rewards, sd their standard deviation so far,
    and P(drawn) is k softmax(theta), at most 1. If the step of a draw exceeds the
    budget, the edge with most drawn operations loses half of them, until the step fits.

    At the end of a round, every edge closes its operation with the smallest theta. If
    then every edge has a single operation and the step still does not fit, the best
    draw of the round that fits is kept instead. If no draw fits, up to `samples` new
    draws follow, and the first that fits is kept. When the queries are spent, theta no
    longer changes.

    The supernet needs a recipe that learns alphas, with `epochs = 0`. It is tuned, and
    the largest weights are selected. With a budget of the whole supernet nothing is
    closed.

    Settings:
        drawn: k, number of operations drawn per edge.
        samples: number of draws per round.
        rate: learning rate of theta.
        decay: decay of b.
        candidate: "query" takes the reward from the study's budget of queries.
            "supernet" measures the accuracy of the supernet after tuning it with only
            the architecture's operations.
        candidate_epochs: epochs of that tuning.
    """

    name: ClassVar[str] = "radars-style"
    summary: ClassVar[str] = (
        "closes operations by sampled rewards until a step fits a memory budget, then tunes (inferred)"
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
        """Return the architecture that is left after pruning and tuning."""
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
        """Train the policy on one round of draws.

        Return the decisions of the draw with the best reward among those whose step
        fits the budget; None if no step fits.
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
        """Return a draw whose step fits the budget, else of one operation per edge."""
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
        """Return the decisions of the first draw that fits; None if no draw does."""
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
