"""DARTS-: DARTS with an extra skip beside every edge, whose weight falls to zero.

Chu et al., ICLR 2021.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from archselect.benchmarks.optimisers.darts import Darts
from archselect.nasbench_adapters.setting_types import NonNegative


class DartsMinus(Darts):
    """DARTS on a supernet whose edges give Σ_o a_o(α) o(x) + β skip(x).

    The extra skip takes over the role that skip connections have in the training of
    deep networks, so that the skip among the operations competes fairly (sections 3.2
    and 3.3). In epoch e of E, counted from 0, β is β_0 times 1 - e/E ("linear") or
    (1 + cos(π e/E)) / 2 ("cosine"). For a selector, β is 0, even while it tunes. On an
    edge that halves the image size, the skip is a factorised reduction with its own
    weights, as in the released code.

    The released script uses the linear schedule. The released code also offers a
    constant β, a slower cosine, and 1x1 convolutions instead of the skip; they are left
    out here.

    Settings:
        side_beta: β_0.
        side_schedule: how β falls.
    """

    name: ClassVar[str] = "darts-minus"
    summary: ClassVar[str] = (
        "as darts, with an extra skip beside every edge that fades out"
    )
    paper: ClassVar[str] = "Chu et al., DARTS-, ICLR 2021, arXiv 2009.01027"
    formulation: ClassVar[int] = 1
    side_skips: ClassVar[bool] = True

    side_beta: NonNegative = 1.0
    side_schedule: Literal["linear", "cosine"] = "linear"

    def side_weight(self, progress: float) -> float:
        """Return β, the weight of the extra skips."""
        if self.side_schedule == "linear":
            return self.side_beta * (1 - progress)
        return self.side_beta * (1 + math.cos(math.pi * progress)) / 2
