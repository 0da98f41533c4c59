"""Local search under a budget of queries: step to the first better neighbour.

White et al., UAI 2021; the variant that stops at the first better neighbour.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.moves import neighbours
from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.base import REWARDS, Selection, Selector, Task
from archselect.selectors.search import Search


class LocalSearch(Selector):
    """Climb from random architectures to local optima.

    Start from a random architecture. Query its neighbours in random order, and go to
    the first one with a better reward. If no neighbour is better, start again from
    another random architecture. Neighbours differ by one move
    (:mod:`archselect.nasbench_adapters.moves`). The best architecture of all queries is
    selected.
    """

    name: ClassVar[str] = "local-search"
    summary: ClassVar[str] = (
        "steps to the first better neighbour, and restarts at local optima"
    )
    paper: ClassVar[str] = "White et al., UAI 2021, arXiv 2005.02960"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})

    def select(self, task: Task) -> Selection:
        """Return the best architecture found by climbing until the budget is spent."""
        search = task.search()
        with search.spending():
            while True:
                incumbent: Architecture | None = search.draw()
                while incumbent is not None:
                    incumbent = self._first_better_neighbour(task, search, incumbent)
        return search.selection(search.best_architecture())

    def _first_better_neighbour(
        self, task: Task, search: Search, incumbent: Architecture
    ) -> Architecture | None:
        """Return the first better neighbour in random order; None if none is better."""
        reward = search.query(incumbent)
        near = neighbours(task.space, incumbent)
        for place in task.rng.permutation(len(near)):
            neighbour = near[place]
            if search.query(neighbour) > reward:
                return neighbour
        return None
