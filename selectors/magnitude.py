"""Magnitude: keep the operation with the largest architecture weight.

Liu et al., DARTS, ICLR 2019, section 2.4.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.search import Search


class Magnitude(Selector):
    """The operation with the largest weight on every edge.

    An operation's weight is the supernet's activation of its alpha: softmax(alpha)
    where the recipe says nothing else.

    Where the space keeps a number of inputs per node, those whose best operation weighs
    most are kept, and `none` is no candidate; elsewhere `none` may win. Ties go to the
    lower index.
    """

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = (
        "the operation with the largest architecture weight on every edge"
    )
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    def select(self, task: Task) -> Selection:
        """See :class:`Magnitude`."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        decide_by_magnitude(search)
        return search.selection()


def decide_by_magnitude(search: Search) -> None:
    """Decide every open edge for its live operation with the largest weight."""
    weights = search.weights()
    with search.step():
        for edge in search.open_edges():
            search.decide(edge, weights[edge], among=edge.candidates)
