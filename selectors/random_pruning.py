"""Random pruning: close random operations until a step fits a budget, then tune.

It is the control for searches that choose which operations to close.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.sub_space import live_candidates
from archselect.selectors.base import Selection, Task
from archselect.selectors.memory_pruning import MemoryPruning, Worths, close_least
from archselect.selectors.search import Search


class RandomPruning(MemoryPruning):
    """Close one random operation on every edge per round, until a step fits; then tune.

    :class:`.MemoryPruning` has the settings.
    """

    name: ClassVar[str] = "random-pruning"
    summary: ClassVar[str] = (
        "closes random operations until a step fits a memory budget, then tunes: a control"
    )
    formulation: ClassVar[int] = 1

    def select(self, task: Task) -> Selection:
        """Return the architecture that is left after random closings and tuning."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        budget = self.bytes_of_budget(task)
        while task.memory(search.decisions) > budget:
            worths = _draw_worths(task, search)
            closed = close_least(search.decisions, worths)
            self.close_round(task, search, closed)
        return self.tune_and_read(task, search, budget)


def _draw_worths(task: Task, search: Search) -> Worths:
    """Return a random value for every live operation."""
    worths = {}
    for edge in search.open_edges():
        live = live_candidates(search.decisions, edge)
        drawn = task.rng.random(len(live)).tolist()
        worths[edge] = dict(zip(live, drawn, strict=True))
    return worths
