"""A small selector that you can copy and change.

Check it on every space, then compare it with the built-in selectors::

    archselect check my_selector.py:MySelector
    archselect run quickstart --selector my_selector.py:MySelector
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class MySelector(Selector):
    """Decide edges in random order, each for the operation that nwot scores highest."""

    name: ClassVar[str] = "my-selector"
    summary: ClassVar[str] = "the operation with which nwot scores the supernet highest"

    # A field with a default is a setting, which a study can change.
    batch_size: int = 64

    def select(self, task: Task) -> Selection:
        """Return the architecture that nwot selects, edge by edge."""
        # Names the scores, and says that higher ones are better: reports compare them
        # with the ground truth.
        search = task.search("nwot with it alone", better="higher")
        edges = list(search.open_edges())
        # Draw every random number from task.rng, so that the same seed gives the same
        # architecture.
        for place in task.rng.permutation(len(edges)):
            edge = edges[place]
            # One mixture per operation of the edge: each leaves the supernet only that
            # operation on the edge.
            mixtures = search.only(edge)
            batch = task.minibatch(self.batch_size)
            scores = task.proxies("nwot", mixtures, batch)
            # Keep the operation with the best score.
            search.decide(edge, scores)
        # In spaces such as DARTS each node keeps two inputs, those with the best
        # scores.
        return search.selection()
