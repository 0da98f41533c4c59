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
    """Keep the operation with the largest weight on every edge.

    An operation's weight is the supernet's activation of its alpha, by default
    softmax(alpha). In spaces whose nodes keep a fixed number of inputs, a node keeps
    the inputs whose best operation has the largest weight, and `none` cannot be chosen.
    In other spaces it can. Ties go to the lower index.

    Settings:
        inputs: how a node chooses its inputs, if it keeps a fixed number of them:
            "strongest" is DARTS' rule. "joint" compares all operations that enter the
            node by one softmax of their alphas, whatever the activation, as LHD does
            (Zhang et al., ICML 2023). "random" is a control.
        most_skips: number of skips that the first cell type may keep (the normal cell
            in DARTS spaces). P-DARTS (Chen et al., ICCV 2019) allows 2 and removes
            those with the smallest weights. "all" is DARTS' rule.
    """

    name: ClassVar[str] = "magnitude"
    summary: ClassVar[str] = "keeps the operation with the largest weight on every edge"
    paper: ClassVar[str] = "Liu et al., DARTS, ICLR 2019, arXiv 1806.09055"
    formulation: ClassVar[int] = 1

    inputs: Literal["strongest", "joint", "random"] = "strongest"
    most_skips: MostSkips = "all"

    def model_post_init(self, _context: object) -> None:
        """Raise UserError for a limit of skips together with random inputs."""
        if self.inputs == "random" and self.most_skips != "all":
            raise UserError(
                'magnitude: most_skips does not work with inputs = "random": leave out one of the two'
            )

    def select(self, task: Task) -> Selection:
        """Return the architecture with the largest weights."""
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
