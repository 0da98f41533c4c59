"""A selector of your own, to start from.

archselect check my_selector.py:MySelector                      # does it keep to the
rules, on every space? archselect run quickstart --selector my_selector.py:MySelector  #
is it better than the built-in ones?
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task


class MySelector(Selector):
    """Decides the edges in random order, each for the operation with which nwot scores the supernet highest."""

    name: ClassVar[str] = "my-selector"
    summary: ClassVar[str] = "the operation with which nwot scores the supernet highest"

    batch_size: int = (
        64  # a field with a default is a setting, which a study can change
    )

    def select(self, task: Task) -> Selection:
        # Says what the scores are called and which way is better: reports hold them
        # against the truth.
        search = task.search("nwot with it alone", better="higher")
        edges = list(search.open_edges())
        # What is random is drawn from task.rng, so that the same seed gives the same
        # architecture.
        for place in task.rng.permutation(len(edges)):
            edge = edges[place]
            # One mixture per operation of the edge: the supernet with that operation
            # alone on it.
            scores = task.proxies(
                "nwot", search.only(edge), task.minibatch(self.batch_size)
            )
            search.decide(edge, scores)  # keeps the operation with the best score
        # Spaces such as DARTS keep two inputs of a node: by themselves those with the
        # best scores.
        return search.selection()
