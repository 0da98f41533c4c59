"""A selector of your own, to start from.

archselect check my_selector.py:MySelector                      # does it keep to the rules, on every space?
archselect run quickstart --selector my_selector.py:MySelector  # is it better than the built-in ones?
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Log, Scale, Selection, Selector, Task
from archselect.selectors.topology import keep_strongest


class MySelector(Selector):
    """Decides the edges in random order, each for the operation with which nwot scores the supernet highest."""

    name: ClassVar[str] = "my-selector"
    summary: ClassVar[str] = "the operation with which nwot scores the supernet highest"

    minibatch: int = 64  # a field with a default is a setting, which a study can change

    def select(self, task: Task) -> Selection:
        # Says what the scores are and which way is better: reports hold them against the truth.
        log = Log(operations=Scale("nwot with it alone", "higher"))
        decisions, strength = task.space.undecided(), {}
        edges = decisions.open_edges()
        # What is random is drawn from task.rng, so that the same seed gives the same architecture.
        for step, place in enumerate(task.rng.permutation(len(edges))):
            cell, edge = edges[place]
            batch = task.minibatch(self.minibatch)
            choices = range(len(task.space.cells[cell].operations[edge]))
            mixture = task.mixture(decisions)
            scores = task.proxies("nwot", [mixture.fixed(cell, edge, choice) for choice in choices], batch)
            best = log.scores(0, step, cell, edge, scores)  # notes them, and gives the index of the best
            log.decide(0, step, cell, edge, best)
            decisions = decisions.decide(cell, edge, best)
            strength[cell, edge] = scores[best]
        # Spaces such as DARTS keep two inputs of a node: those with the highest scores.
        return log.selection(keep_strongest(task.space, log, decisions, strength, step=len(edges)))
