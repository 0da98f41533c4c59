"""A policy over the operations of edges that learns from sampled rewards.

It uses REINFORCE with a baseline (Williams 1992) and one softmax per edge.
"""

from __future__ import annotations

import numpy as np

from archselect.nasbench_adapters.space import Decisions, Edge
from archselect.nasbench_adapters.sub_space import live_candidates
from archselect.selectors.memory_pruning import Worths
from archselect.selectors.search import Search

Draw = dict[Edge, list[int]]
"""For each open edge, the operations drawn without replacement, in order."""


class Policy:
    """Preferences theta of the live operations of open edges.

    Args:
        search: knows the live operations.
        rate: learning rate of theta.
        decay: decay of the running mean of the rewards.
    """

    def __init__(self, search: Search, rate: float, decay: float) -> None:
        self._rate = rate
        self._decay = decay
        self._rewards: list[float] = []
        self._baseline = 0.0
        self._theta: dict[Edge, np.ndarray] = {}
        for edge in search.open_edges():
            self._theta[edge] = np.zeros(len(edge.operations))

    def draw(
        self, search: Search, edge: Edge, count: int, rng: np.random.Generator
    ) -> list[int]:
        """Return live operations drawn without replacement by softmax(theta).

        An edge with at most `count` live operations gives all of them.
        """
        live = live_candidates(search.decisions, edge)
        # Gumbel trick: the largest values of theta plus noise are such a draw.
        noisy = self._theta[edge][live] + rng.gumbel(size=len(live))
        order = np.argsort(-noisy)[:count]
        return [live[place] for place in order.tolist()]

    def learn(self, search: Search, draw: Draw, reward: float) -> None:
        """Update theta with the reward of a draw (rule in :class:`.RadarsStyle`)."""
        if not self._rewards:
            self._baseline = reward
        self._rewards.append(reward)
        # Equal rewards have a deviation of zero. Their advantage is zero, too.
        deviation = float(np.std(self._rewards)) or 1.0
        step = self._rate * (reward - self._baseline) / deviation
        for edge, drawn in draw.items():
            live = live_candidates(search.decisions, edge)
            is_drawn = np.isin(live, drawn)
            probability = self._probabilities(edge, live, len(drawn))
            self._theta[edge][live] += step * (is_drawn - probability)
        kept = self._decay * self._baseline
        self._baseline = kept + (1 - self._decay) * reward

    def _probabilities(self, edge: Edge, live: list[int], count: int) -> np.ndarray:
        """Return each live operation's approximate probability in a draw of `count`."""
        theta = self._theta[edge][live]
        powers = np.exp(theta - theta.max())
        return np.minimum(count * powers / powers.sum(), 1.0)

    def worths(self, search: Search) -> Worths:
        """Return theta of the live operations of open edges."""
        worths = {}
        for edge in search.open_edges():
            live = live_candidates(search.decisions, edge)
            values = self._theta[edge][live].tolist()
            worths[edge] = dict(zip(live, values, strict=True))
        return worths


def decisions_of(search: Search, draw: Draw) -> Decisions:
    """Return the search's decisions, with all operations closed that are not drawn."""
    decisions = search.decisions
    for edge, drawn in draw.items():
        for choice in live_candidates(decisions, edge):
            if choice not in drawn:
                decisions = decisions.close(edge, choice)
    return decisions
