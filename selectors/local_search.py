"""Local search under a budget of queries: step to the first better neighbour.

White et al., UAI 2021, the variant that queries until it finds an improvement.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.moves import neighbours
from archselect.nasbench_adapters.space import Architecture
from archselect.selectors.base import REWARDS, Selection, Selector, Task
from archselect.selectors.search import Search


class LocalSearch(Selector):
    """Climb from random architectures to local optima.

    From a random architecture: query its neighbours in random order, and go to the
    first that has a better reward; if none has, start again from another random
    architecture. Neighbours are one move away: see
    :mod:`archselect.nasbench_adapters.moves`. The best of all that were queried is
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
        """See :class:`LocalSearch`."""
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
        """Return the first better one in random order; None at a local optimum."""
        reward = search.query(incumbent)
        near = neighbours(task.space, incumbent)
        for place in task.rng.permutation(len(near)):
            neighbour = near[place]
            if search.query(neighbour) > reward:
                return neighbour
        return None
