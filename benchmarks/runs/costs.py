"""The costs of selected and scored architectures, for the record of a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archselect.benchmarks.plan.costs import PlannedCost
from archselect.benchmarks.runtime.same_inputs import check_same_cost
from archselect.benchmarks.store.records import ArchitectureCost, CostFit
from archselect.nasbench_adapters.costs.base import Cost
from archselect.nasbench_adapters.costs.opening import open_cost
from archselect.nasbench_adapters.space import SearchSpace
from archselect.selectors.base import Selection


class OpenCosts:
    """The costs that a process uses. Each is opened once."""

    def __init__(self) -> None:
        self._opened: dict[str, Cost] = {}

    def check(self, planned: Sequence[PlannedCost], space: SearchSpace) -> None:
        """Raise UserError if a cost changed since the command read it."""
        for cost in planned:
            here = self._open(cost, space)
            check_same_cost(cost.name, here.origin, cost.origin)

    def describe(
        self,
        planned: Sequence[PlannedCost],
        space: SearchSpace,
        selection: Selection,
    ) -> list[ArchitectureCost]:
        """Return every cost of the selected architecture and of the scored ones."""
        scored = [architecture for architecture, _ in selection.architecture_scores]
        costs = []
        for cost in planned:
            opened = self._open(cost, space)
            values = opened.of_many([selection.architecture, *scored])
            known = [None if np.isnan(value) else float(value) for value in values]
            costs.append(
                ArchitectureCost(
                    name=cost.name,
                    of=cost.of,
                    unit=opened.unit,
                    origin=opened.origin,
                    value=known[0],
                    scored=known[1:],
                    fit=_describe_fit(opened),
                )
            )
        return costs

    def _open(self, cost: PlannedCost, space: SearchSpace) -> Cost:
        """Return a cost; open it on the first call."""
        key = f"{space.name} {cost.of} {cost.network}"
        if key not in self._opened:
            self._opened[key] = open_cost(cost.of, space, cost.network)
        return self._opened[key]


def _describe_fit(cost: Cost) -> CostFit | None:
    """Return how well a fitted cost predicts; None for a cost that is not fitted."""
    fit = cost.fit
    return None if fit is None else CostFit(**fit._asdict())
