"""Threshold: the operation with the largest weight, where that reaches a threshold.

Chu et al., FairDARTS, ECCV 2020, arXiv 1911.12126, and its released code.
"""

from __future__ import annotations

from typing import ClassVar

from archselect.nasbench_adapters.setting_types import NonNegative
from archselect.nasbench_adapters.space import NONE, Edge
from archselect.selectors.base import Selection, Selector, Task


class Threshold(Selector):
    """The largest weight of every edge decides it, or `none` where that is too small.

    It is for weights that do not compete: those of `activation = "sigmoid"`. The
    released code leaves an edge out whose largest weight is below the threshold. Here
    such an edge is decided for `none` where architectures may have it. Spaces whose
    nodes keep a number of inputs have no architecture with fewer: there the strongest
    are kept, whatever they weigh, as by `magnitude` (inferred).

    Settings:
        threshold: the least weight of an operation that is selected; 0.85 in the
            released code.
    """

    name: ClassVar[str] = "threshold"
    summary: ClassVar[str] = (
        "the largest weight on every edge if it reaches a threshold"
    )
    paper: ClassVar[str] = "Chu et al., FairDARTS, ECCV 2020, arXiv 1911.12126"
    formulation: ClassVar[int] = 1

    threshold: NonNegative = 0.85

    def select(self, task: Task) -> Selection:
        """See :class:`Threshold`."""
        search = task.search(f"{task.activation}(alpha)", better="higher")
        weights = search.weights()
        with search.step():
            for edge in search.open_edges():
                by_choice = dict(zip(search.live(edge), weights[edge], strict=True))
                among = self._choose_among(edge, by_choice)
                search.decide(edge, weights[edge], among=among)
        return search.selection()

    def _choose_among(self, edge: Edge, weights: dict[int, float]) -> tuple[int, ...]:
        """Return the operations of which the one with the largest weight is selected.

        Args:
            edge: of the operations.
            weights: by operation.
        """
        candidates = edge.candidates
        nothing = tuple(k for k in candidates if edge.operations[k] == NONE)
        if nothing and max(weights[k] for k in candidates) < self.threshold:
            return nothing
        return candidates
