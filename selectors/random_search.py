"""Random search under a budget: keep the best of the random architectures queried.

Li and Talwalkar, UAI 2019.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import REWARDS, Selection, Selector, Task


class RandomSearch(Selector):
    """Query random architectures and select the one with the best reward.

    :meth:`~archselect.selectors.search.Search.draw` draws them.
    """

    name: ClassVar[str] = "random-search"
    summary: ClassVar[str] = "queries random architectures and keeps the best"
    paper: ClassVar[str] = "Li and Talwalkar, UAI 2019, arXiv 1902.07638"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})
    queries_pool: ClassVar[bool] = True

    def select(self, task: Task) -> Selection:
        """Return the best of the random architectures that the budget allows."""
        search = task.search()
        with search.spending():
            while True:
                search.query(search.draw())
        return search.selection(search.best_architecture())
