"""A selector, a predictor, a proxy and a space, declared in this package's pyproject.toml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from archselect.nasbench_adapters.space import Architecture
from archselect.nasbench_adapters.spaces.darts import EDGES, S2
from archselect.selectors.base import Selection, Selector, Task
from archselect.selectors.predictors.base import Predictor
from archselect.selectors.proxies.base import Domain, Forward, Proxy


class FirstOperation(Selector):
    """The first operation of every edge, and the first edges of every node."""

    name: ClassVar[str] = "first-operation"
    summary: ClassVar[str] = "the first operation of every edge"

    def select(self, task: Task) -> Selection:
        """See :class:`FirstOperation`."""
        search = task.search()
        for edge in search.open_edges():
            search.decide(edge, operation=0)
        return search.selection()


class Mean(Predictor):
    """The mean of the examples, whatever the architecture."""

    name: ClassVar[str] = "mean"
    summary: ClassVar[str] = "the mean of the examples"

    def fit(
        self, architectures: Sequence[Architecture], values: np.ndarray, steps: int
    ) -> None:
        """See :meth:`Predictor.fit`."""
        self._mean = float(values.mean())

    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """See :meth:`Predictor.predict`."""
        return np.full(len(architectures), self._mean)


def mean_weight(
    model: nn.Module, forward: Forward, images: Tensor, labels: Tensor
) -> float:
    """The mean size of all parameters."""
    sizes = [parameter.detach().abs().mean() for parameter in model.parameters()]
    return float(sum(sizes) / len(sizes))


MEAN_WEIGHT = Proxy(
    name="mean-weight",
    summary="mean size of the parameters",
    paper="none",
    better="higher",
    score=mean_weight,
    domain=Domain(
        needs="parameters",
        values="non-negative",
        undefined="the parameters are not finite",
        equal="no",
        because="it also reads parameters without effect",
    ),
)


class DilatedS2(S2):
    """S2 with dilated convolutions."""

    name = "s2-dilated"
    summary = "S2 with dilated in place of separable convolutions"
    operations = ((("skip_connect", "dil_conv_3x3"),) * len(EDGES),) * 2
