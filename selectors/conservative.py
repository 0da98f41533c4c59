"""AGNN's conservative controller: learn which small changes improve an architecture.

Zhou et al., "Auto-GNN", Frontiers in Big Data 2022. Here it works in every space.
"""

from __future__ import annotations

import math
from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.moves import Move, genes, moves, moves_of_gene
from archselect.nasbench_adapters.setting_types import Count
from archselect.selectors.base import REWARDS, Selection, Selector, Task
from archselect.selectors.search import Search

TEMPERATURE = 5.0
"""Temperature of the softmax over the preferences for a gene's options."""
LEARNING_RATE = 0.5
MOST_GAIN = 5.0
"""Limit for the gain or loss in reward, in per cent; larger values are clipped."""


class Change(NamedTuple):
    """A move, and the probabilities of its gene's options when it was drawn."""

    move: Move
    probabilities: np.ndarray


class Conservative(Selector):
    """Change a few genes of the best architecture so far, and learn from the gain.

    Start from a random architecture, the incumbent. Repeat until the budget is spent:
    draw genes, with higher probability if the entropy of their options is high; draw an
    option for each gene; query the changed architecture; reinforce the options by the
    gain in reward, in per cent; keep the changed architecture if it is better. The best
    architecture of all queries is selected.

    A gene (:mod:`archselect.nasbench_adapters.moves`) is what the paper calls a class.
    In the paper a recurrent network proposes options; here every gene has a table of
    preferences. It never draws the incumbent's option, nor one that leads to an invalid
    architecture.

    Settings:
        classes_per_move: number of genes changed at once.
        restarts: whether to restart with a random architecture and a new controller
            after as many proposals in a row as the incumbent has neighbours, all
            queried before and not better. In the paper the search ends there.
    """

    name: ClassVar[str] = "conservative"
    summary: ClassVar[str] = "AGNN: learns which small changes improve an architecture"
    paper: ClassVar[str] = "Zhou et al., Auto-GNN, 2022, arXiv 1909.03184"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})

    classes_per_move: Count = 1
    restarts: bool = True

    def select(self, task: Task) -> Selection:
        """Return the best architecture found until the budget is spent."""
        search = task.search()
        with search.spending():
            self._climb(task, search)
            while self.restarts:
                self._climb(task, search)
        return search.selection(search.best_architecture())

    def _climb(self, task: Task, search: Search) -> None:
        """Improve a random architecture until the search is stuck."""
        controller = Controller(task)
        incumbent = search.draw()
        best_reward = search.query(incumbent)
        near = moves(task.space, incumbent)
        stale = 0
        while stale < len(near):
            changes = controller.propose(near, self.classes_per_move)
            changed = changes[-1].move.architecture
            left = search.queries.left
            reward = search.query(changed)
            controller.reinforce(changes, reward - best_reward)
            stale = 0 if search.queries.left < left else stale + 1
            if reward > best_reward:
                best_reward = reward
                near = moves(task.space, changed)
                stale = 0


class Controller:
    """Preferences for the options of a space's genes, learned by REINFORCE."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._preferences = [np.zeros(len(gene.options)) for gene in genes(task.space)]

    def propose(self, near: list[Move], most: int) -> list[Change]:
        """Return changes to make one after the other, each of another gene.

        Args:
            near: every move from an architecture, at least one.
            most: largest number of changes; fewer if too few genes can change.
        """
        open_genes = sorted({move.gene for move in near})
        weights = _softmax(np.array([self._doubt(gene) for gene in open_genes]))
        count = min(most, len(open_genes))
        picked = self._task.rng.choice(open_genes, count, replace=False, p=weights)
        first, *others = picked.tolist()
        changes = [self._draw([move for move in near if move.gene == first])]
        for gene in others:
            architecture = changes[-1].move.architecture
            possible = moves_of_gene(self._task.space, architecture, gene)
            if possible:
                changes.append(self._draw(possible))
        return changes

    def reinforce(self, changes: list[Change], gain: float) -> None:
        """Prefer the drawn options more after a gain, and less after a loss.

        Args:
            changes: the changes that were made.
            gain: gain in reward, in per cent; negative for a loss.
        """
        step = LEARNING_RATE * np.clip(gain, -MOST_GAIN, MOST_GAIN)
        for move, probabilities in changes:
            drawn = np.eye(len(probabilities))[move.option]
            self._preferences[move.gene] += step * (drawn - probabilities)

    def _doubt(self, gene: int) -> float:
        """Return the entropy of a gene's options, divided by the largest possible."""
        probabilities = _softmax(self._preferences[gene] / TEMPERATURE)
        logarithms = np.log(np.maximum(probabilities, np.finfo(float).tiny))
        return -float(probabilities @ logarithms) / math.log(len(probabilities))

    def _draw(self, possible: list[Move]) -> Change:
        """Return a random move of a gene, drawn by the preferences for its options."""
        preferences = self._preferences[possible[0].gene]
        options = sorted({move.option for move in possible})
        probabilities = np.zeros(len(preferences))
        probabilities[options] = _softmax(preferences[options] / TEMPERATURE)
        option = int(self._task.rng.choice(len(preferences), p=probabilities))
        leading = [move for move in possible if move.option == option]
        return Change(self._task.pick(leading), probabilities)


def _softmax(values: np.ndarray) -> np.ndarray:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()
