"""The penalty of latency-aware search: the expected cost under the weights.

Xu et al. 2020, arXiv 2001.06392. The paper does not give layers, encoding and weights:
the form here is archselect's own (docs/fidelity.md).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import ConfigDict
from torch import Tensor

from archselect.benchmarks.optimisers.mixture_cost import MixtureCost
from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.setting_types import NonNegative


class ExpectedCost(Penalty):
    """cost_weight · (c(a) - min) / (max - min), for a cost c and the weights a.

    Minimum and maximum are over the cells of the space, so the weight has no unit.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )

    name: ClassVar[str] = "expected-cost"
    summary: ClassVar[str] = "cost of the mixture, as a share of the space's range"
    setting: ClassVar[str] = 'cost, such as "params", and cost_weight'

    cost: MixtureCost
    cost_weight: NonNegative

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty."""
        cost = self.cost(view.tables)
        low, high = self.cost.limits
        return self.cost_weight * (cost - low) / (high - low)
