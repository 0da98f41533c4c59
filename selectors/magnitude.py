"""Magnitude: keep the operation with the largest architecture weight (Liu et al., DARTS, ICLR 2019, section 2.4)."""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.space import Edge
from archselect.selectors.base import Log, Scale, Selection, Selector, Task
from archselect.selectors.topology import keep_strongest


class Magnitude(Selector):
    """On every edge the operation with the largest softmax(alpha), and on every node the edges with the largest.

    Where the space keeps a number of inputs per node, those whose best operation weighs most are kept, and `none` is
    no candidate; elsewhere `none` may win. Ties go to the lower index.
    """

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = "the operation with the largest architecture weight on every edge"
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    def select(self, task: Task) -> Selection:
        """See :class:`Magnitude`."""
        log = Log(operations=Scale("softmax(alpha)", "higher"))
        space, decisions = task.space, task.space.undecided()
        weights = [rows.tolist() for rows in task.mixture(decisions).weights]
        strength: dict[Edge, float] = {}
        for c, edge in decisions.open_edges():
            cell, row = space.cells[c], weights[c][edge]
            log.scores(0, 0, c, edge, row[: len(cell.operations[edge])])
            best = max(cell.candidates(edge), key=row.__getitem__)
            log.decide(0, 0, c, edge, best)
            decisions = decisions.decide(c, edge, best)
            strength[c, edge] = row[best]
        return log.selection(keep_strongest(space, log, decisions, strength, step=0))
