"""Random search under a budget: the best of so many random architectures.

Li and Talwalkar, UAI 2019.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import REWARDS, Selection, Selector, Task


class RandomSearch(Selector):
    """Architectures drawn as the space draws one; the best by reward is selected."""

    name: ClassVar[str] = "random-search"
    summary: ClassVar[str] = "the best by reward of random architectures"
    paper: ClassVar[str] = "Li and Talwalkar, UAI 2019, arXiv 1902.07638"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset({REWARDS})
    queries_pool: ClassVar[bool] = True

    def select(self, task: Task) -> Selection:
        """See :class:`RandomSearch`."""
        search = task.search()
        with search.spending():
            while True:
                search.query(search.draw())
        return search.selection(search.best_architecture())
