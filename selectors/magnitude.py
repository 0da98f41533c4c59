"""Magnitude: keep the operation with the largest architecture weight.

Liu et al., DARTS, ICLR 2019, section 2.4.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from archselect.nasbench_adapters.errors import UserError
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.discretisation import (
    MostSkips,
    drop_at_random,
    joint_weights,
    limit_skips,
)
from archselect.selectors.search import Search


class Magnitude(Selector):
    """The operation with the largest weight on every edge.

    An operation's weight is the supernet's activation of its alpha: softmax(alpha)
    where the recipe says nothing else.

    Where the space keeps a number of inputs per node, those whose best operation weighs
    most are kept, and `none` is no candidate; elsewhere `none` may win. Ties go to the
    lower index.

    Settings:
        inputs: which inputs such a node keeps: "strongest" is DARTS' rule. "joint"
            compares all operations that enter the node by one softmax of their alphas,
            as LHD does (Zhang et al., ICML 2023), whatever the activation was. "random"
            is a control.
        most_skips: skips that the first cell type may keep, in the DARTS spaces the
            normal cell: P-DARTS (Chen et al., ICCV 2019) allows 2 and takes the weakest
            away. "all" is DARTS' rule.
    """

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = (
        "the operation with the largest architecture weight on every edge"
    )
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    inputs: Literal["strongest", "joint", "random"] = "strongest"
    most_skips: MostSkips = "all"

    def model_post_init(self, _context: object) -> None:
        """Raise UserError for a limit of skips beside random inputs."""
        if self.inputs == "random" and self.most_skips != "all":
            raise UserError(
                'magnitude: most_skips limits the skips of the strongest inputs: leave out inputs = "random"'
            )

    def select(self, task: Task) -> Selection:
        """See :class:`Magnitude`."""
        is_joint = self.inputs == "joint"
        score = "softmax(alpha) of a node" if is_joint else f"{task.activation}(alpha)"
        search = task.search(score, better="higher")
        weights = (
            joint_weights(task.space, task.alphas) if is_joint else search.weights()
        )
        candidates = limit_skips(task.space, weights, self.most_skips)
        with search.step():
            for edge in search.open_edges():
                search.decide(edge, weights[edge], among=candidates[edge])
        if self.inputs == "random":
            drop_at_random(task, search)
        return search.selection()


def decide_by_magnitude(search: Search) -> None:
    """Decide every open edge for its live operation with the largest weight."""
    weights = search.weights()
    with search.step():
        for edge in search.open_edges():
            search.decide(edge, weights[edge], among=edge.candidates)
