"""Threshold: keep the operation with the largest weight if it reaches a threshold.

Chu et al., FairDARTS, ECCV 2020, arXiv 1911.12126, and its released code.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.setting_types import NonNegative
from archselect.nasbench_adapters.space import NONE, Edge
from archselect.selectors.base import Selection, Selector, Task


class Threshold(Selector):
    """Keep the operation with the largest weight; `none` if the weight is too small.

    It is made for weights that do not compete, those of `activation = "sigmoid"`. The
    released code drops an edge whose largest weight is below the threshold. Here such
    an edge is decided for `none`, if architectures of the space may have it. In spaces
    whose nodes keep a fixed number of inputs, no architecture has fewer; there the
    strongest inputs are kept whatever their weights, as in `magnitude` (inferred).

    Settings:
        threshold: smallest weight of a selected operation; 0.85 in the released code.
    """

    name: ClassVar[str] = "threshold"
    summary: ClassVar[str] = (
        "the operation with the largest weight, if the weight reaches a threshold"
    )
    paper: ClassVar[str] = "Chu et al., FairDARTS, ECCV 2020, arXiv 1911.12126"
    formulation: ClassVar[int] = 1

    threshold: NonNegative = 0.85

    def select(self, task: Task) -> Selection:
        """Return the architecture of the weights that reach the threshold."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        weights = search.weights()
        with search.step():
            for edge in search.open_edges():
                by_choice = dict(zip(search.live(edge), weights[edge], strict=True))
                among = self._choose_among(edge, by_choice)
                search.decide(edge, weights[edge], among=among)
        return search.selection()

    def _choose_among(self, edge: Edge, weights: dict[int, float]) -> tuple[int, ...]:
        """Return the operations to choose from: all candidates, or only `none`.

        Args:
            edge: the edge to decide.
            weights: weight of each live operation.
        """
        candidates = edge.candidates
        nothing = tuple(k for k in candidates if edge.operations[k] == NONE)
        if nothing and max(weights[k] for k in candidates) < self.threshold:
            return nothing
        return candidates
