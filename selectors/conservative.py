"""AGNN's conservative controller under a budget of queries: small steps that it learns.

Zhou et al., "Auto-GNN", Frontiers in Big Data 2022, here on tables and for every space.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from archselect.nasbench_adapters.moves import Move, genes, moves, moves_of_gene
from archselect.nasbench_adapters.setting_types import Count
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.selectors.base import REWARDS, Selection, Selector, Task
from archselect.selectors.search import Search

TEMPERATURE = 5.0
"""By which the preferences for a gene's options are divided before the softmax."""
LEARNING_RATE = 0.5
MOST_ADVANTAGE = 5.0
"""At which the difference of two rewards is cut off, above and below."""


class Change(NamedTuple):
    """A move that the controller drew.

    Attributes:
        move: the gene, the option and the architecture that it leads to.
        probabilities: of all options of the gene when it was drawn, (options,).
    """

    move: Move
    probabilities: np.ndarray


class Conservative(Selector):
    """Change the best architecture so far by one gene; learn from what it gains.

    The incumbent is random at first. Then, until the budget is spent: pick genes at
    random, those more often of whose options the controller is less sure; draw an
    option for each; query the changed architecture; reinforce the drawn options by the
    difference of its reward and the incumbent's; make it the incumbent if that is above
    zero. The best of all that were queried is selected.

    A class of the paper is a gene (:mod:`archselect.nasbench_adapters.moves`). The
    paper has a recurrent network propose options; here each gene has one table of
    preferences, which does not look at the other genes. An option that the incumbent
    has, or that leads to no valid architecture, is not drawn.

    Settings:
        classes_per_move: genes that are changed at once.
        restarts: whether to start again, from a random architecture and with what the
            controller learned, once as many changes in a row as there are neighbours
            were known before and are not better. The paper does not; the search then
            ends there.
    """

    name: ClassVar[str] = "conservative"
    summary: ClassVar[str] = (
        "AGNN's controller: learns which gene of the incumbent to change, and to what"
    )
    paper: ClassVar[str] = "Zhou et al., Auto-GNN, 2022, arXiv 1909.03184"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})

    classes_per_move: Count = 1
    restarts: bool = True

    def select(self, task: Task) -> Selection:
        """See :class:`Conservative`."""
        search = task.search()
        controller = Controller(task.space, task.rng)
        with search.spending():
            self._climb(search, controller)
            while self.restarts:
                self._climb(search, controller)
        return search.selection(search.best_architecture())

    def _climb(self, search: Search, controller: Controller) -> None:
        """Improve a random architecture until no change of it is new."""
        incumbent = search.draw()
        reward = search.query(incumbent)
        near = moves(search.space, incumbent)
        stale = 0
        while stale < len(near):
            changes = controller.propose(near, self.classes_per_move)
            changed = changes[-1].move.architecture
            left = search.queries.left
            advantage = search.query(changed) - reward
            controller.reinforce(changes, advantage)
            stale = 0 if search.queries.left < left else stale + 1
            if advantage > 0:
                incumbent = changed
                reward += advantage
                near = moves(search.space, incumbent)
                stale = 0


class Controller:
    """Preferences for the options of every gene, learned by REINFORCE.

    Args:
        space: whose genes they are.
        rng: for draws.
    """

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._preferences = [np.zeros(len(gene.options)) for gene in genes(space)]

    def propose(self, near: list[Move], most: int) -> list[Change]:
        """Return changes of an architecture, each of the one before.

        Args:
            near: every move from the architecture, one or more.
            most: changes at most; fewer if there are fewer genes to change.
        """
        open_genes = sorted({move.gene for move in near})
        weights = _softmax(np.array([self._doubt(gene) for gene in open_genes]))
        count = min(most, len(open_genes))
        picked = self._rng.choice(open_genes, count, replace=False, p=weights)
        first, *others = picked.tolist()
        changes = [self._draw([move for move in near if move.gene == first])]
        for gene in others:
            architecture = changes[-1].move.architecture
            possible = moves_of_gene(self._space, architecture, gene)
            if possible:
                changes.append(self._draw(possible))
        return changes

    def reinforce(self, changes: list[Change], advantage: float) -> None:
        """Move preferences to the drawn options, or away if the reward fell.

        Args:
            changes: that were made together.
            advantage: the reward with them minus that without.
        """
        step = LEARNING_RATE * np.clip(advantage, -MOST_ADVANTAGE, MOST_ADVANTAGE)
        for move, probabilities in changes:
            gradient = -probabilities
            gradient[move.option] += 1
            self._preferences[move.gene] += step * gradient

    def _doubt(self, gene: int) -> float:
        """Return the entropy of a gene's options, as a share of the largest."""
        probabilities = _softmax(self._preferences[gene] / TEMPERATURE)
        entropy = -float(probabilities @ np.log(probabilities))
        return entropy / float(np.log(len(probabilities)))

    def _draw(self, possible: list[Move]) -> Change:
        """Return one of the moves of a gene, drawn by the preference for its option."""
        preferences = self._preferences[possible[0].gene]
        options = sorted({move.option for move in possible})
        probabilities = np.zeros(len(preferences))
        probabilities[options] = _softmax(preferences[options] / TEMPERATURE)
        option = int(self._rng.choice(len(preferences), p=probabilities))
        leading = [move for move in possible if move.option == option]
        move = leading[int(self._rng.integers(len(leading)))]
        return Change(move, probabilities)


def _softmax(values: np.ndarray) -> np.ndarray:
    exponentials = np.exp(values - values.max())
    return exponentials / exponentials.sum()
