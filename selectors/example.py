"""A selector of your own, to start from.

Check that it keeps the rules on every space, and compare it with the built-in ones::

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
        """See :class:`MySelector`."""
        # Says what the scores are called and which way is better: reports compare them
        # with the ground truth.
        search = task.search("nwot with it alone", better="higher")
        edges = list(search.open_edges())
        # What is random is drawn from task.rng, so that the same seed gives the same
        # architecture.
        for place in task.rng.permutation(len(edges)):
            edge = edges[place]
            # One mixture per operation of the edge: the supernet with that operation
            # alone on it.
            mixtures = search.only(edge)
            batch = task.minibatch(self.batch_size)
            scores = task.proxies("nwot", mixtures, batch)
            # Keeps the operation with the best score.
            search.decide(edge, scores)
        # In spaces such as DARTS a node keeps two inputs: those with the best scores.
        return search.selection()
