"""Magnitude: keep the operation with the largest architecture weight (Liu et al., DARTS, ICLR 2019, section 2.4)."""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Log, Scale, Selection, Selector, Task


class Magnitude(Selector):
    """On every edge the operation with the largest softmax(alpha); `none` may win where the space allows it."""

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = "the operation with the largest architecture weight on every edge"
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"

    def select(self, task: Task) -> Selection:
        """See :class:`Magnitude`."""
        log = Log(operations=Scale("softmax(alpha)", "higher"))
        decisions = task.space.undecided()
        weights = [rows.tolist() for rows in task.mixture(decisions).weights]
        for step, (cell, edge) in enumerate(decisions.open_edges()):
            allowed = len(task.space.cells[cell].operations[edge])
            best = log.scores(0, step, cell, edge, weights[cell][edge][:allowed])
            log.decide(0, step, cell, edge, best)
            decisions = decisions.decide(cell, edge, best)
        return log.selection(decisions.architecture())
