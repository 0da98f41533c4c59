"""A uniformly random architecture: the baseline for every selector.

Li and Talwalkar, UAI 2019.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class Random(Selector):
    """Draw one architecture with :meth:`.SearchSpace.sample`, without any score."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "one architecture drawn uniformly"
    paper: ClassVar[str] = "Li and Talwalkar, UAI 2019, arXiv 1902.07638"
    formulation: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset()

    def select(self, task: Task) -> Selection:
        """Return one random architecture."""
        architecture = task.space.sample(task.rng)
        return task.search().selection(architecture, uniform=True)
