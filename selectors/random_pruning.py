"""Random pruning: close operations at random until a step fits a memory, then tune.

The control of searches that choose what to close.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.sub_space import live_candidates
from archselect.selectors.base import Selection, Task
from archselect.selectors.memory_pruning import MemoryPruning, Worths, close_least
from archselect.selectors.search import Search


class RandomPruning(MemoryPruning):
    """A round closes one random operation on every edge; see :class:`MemoryPruning`."""

    name: ClassVar[str] = "random-pruning"
    summary: ClassVar[str] = (
        "closes random operations until a step fits a memory, then tunes: a control"
    )
    formulation: ClassVar[int] = 1

    def select(self, task: Task) -> Selection:
        """See :class:`RandomPruning`."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        budget = self.bytes_of_budget(task)
        while task.memory(search.decisions) > budget:
            worths = _draw_worths(task, search)
            closed = close_least(search.decisions, worths)
            self.close_round(task, search, closed)
        return self.tune_and_read(task, search, budget)


def _draw_worths(task: Task, search: Search) -> Worths:
    """Return what every operation is worth, drawn at random."""
    worths = {}
    for edge in search.open_edges():
        live = live_candidates(search.decisions, edge)
        drawn = task.rng.random(len(live)).tolist()
        worths[edge] = dict(zip(live, drawn, strict=True))
    return worths
