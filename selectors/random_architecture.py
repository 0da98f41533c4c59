"""A uniformly random architecture: the baseline that every selector must beat.

Li and Talwalkar, UAI 2019.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class Random(Selector):
    """One architecture, drawn as the space draws one; no score is looked at."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "one architecture drawn uniformly"
    paper: ClassVar[str] = "Li and Talwalkar, UAI 2019, arXiv 1902.07638"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()

    def select(self, task: Task) -> Selection:
        """See :class:`Random`."""
        architecture = task.space.sample(task.rng)
        return task.search().selection(architecture, uniform=True)
