"""The zero-one loss of FairDARTS, which drives weights away from one half.

Chu et al., ECCV 2020, arXiv 1911.12126, and its released code.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from archselect.benchmarks.optimisers.penalties.base import AlphaView, Penalty
from archselect.nasbench_adapters.setting_types import NonNegative


class ZeroOne(Penalty):
    """-zero_one · mean of (a - 1/2)², over the operations of all cell types.

    It is meant for weights a from 0 to 1 that do not compete, such as the sigmoid's.
    The released code also adds it to the weights' loss, where it has no effect.

    Settings:
        zero_one: weight of the loss; 10 in the released code.
        norm: "l2" as above, or "l1": the mean distance of a from 1/2.
    """

    name: ClassVar[str] = "zero-one"
    summary: ClassVar[str] = "drives the weights away from one half"
    setting: ClassVar[str] = "zero_one"

    zero_one: NonNegative = 10.0
    norm: Literal["l2", "l1"] = "l2"

    def __call__(self, view: AlphaView) -> Tensor:
        """Return the penalty, over all cell types."""
        total = view.zero()
        count = view.zero()
        for table, is_operation in zip(view.tables, view.operations, strict=True):
            distance = (table - 0.5).abs()
            if self.norm == "l2":
                distance = distance.square()
            total = total + torch.where(is_operation, distance, 0).sum()
            count = count + is_operation.sum()
        return -self.zero_one * total / count
