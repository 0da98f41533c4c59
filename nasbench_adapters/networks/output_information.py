"""How much information the outputs of a supernet's operations have (IS-DARTS).

He et al., AAAI 2024, arXiv 2312.12648, and its released code.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from archselect.nasbench_adapters.networks.mixture import Mixture
from archselect.nasbench_adapters.networks.network import PlacedOperation, Supernet

Information = list[list[list[float]]]
"""Values by cell type, edge and operation."""


class _Place(NamedTuple):
    """An operation in a layer: index of the cell among the cells, edge and choice."""

    layer: int
    edge: int
    choice: int


class OutputInformation:
    """Averages 3 (x - m)² / s⁶ of operations' outputs x.

    m and s are mean and standard deviation over the channels, at every position. The
    average is over the channels and positions of an image, then over images, then over
    the layers of a cell type. Where s is zero there is no value: the position counts as
    infinite, as in the released code, or is left out.

    Args:
        supernet: whose operations are listened to while it goes forward.
        skips_flat: whether positions without a value are left out.
    """

    def __init__(self, supernet: Supernet, skips_flat: bool = False) -> None:
        self._supernet = supernet
        self._skips_flat = skips_flat
        self._by_place: dict[_Place, list[Tensor]] = defaultdict(list)

    def measure(self, batches: Iterable[Tensor], mixture: Mixture) -> Information:
        """Return the averages over batches of images that go forward under a mixture.

        An operation that is not computed, such as `none`, has infinity. It waits for
        the device, once.

        Args:
            batches: (batch, channels, height, width) each.
            mixture: of the supernet.
        """
        self._by_place.clear()
        modules = [module for _, module in self._supernet.cells()]
        for layer, module in enumerate(modules):
            module.listener = partial(self._hear, layer)
        try:
            for images in batches:
                self._supernet(images, mixture)
        finally:
            for module in modules:
                module.listener = None
        return self._averages()

    def _hear(self, layer: int, operation: PlacedOperation, out: Tensor) -> None:
        """Note the values of an output's images, (batch, channels, height, width)."""
        values = information_of(out)
        if self._skips_flat:
            values = torch.where(values.isfinite(), values, torch.nan)
            by_image = values.nanmean((1, 2))
        else:
            by_image = values.nan_to_num(torch.inf, torch.inf).mean((1, 2))
        place = _Place(layer, operation.edge, operation.choice)
        self._by_place[place].append(by_image)

    def _averages(self) -> Information:
        """Return the averages of all operations."""
        by_place = [torch.cat(parts).nanmean() for parts in self._by_place.values()]
        on_host: list[float] = torch.stack(by_place).tolist() if by_place else []
        layers: dict[tuple[int, int, int], list[float]] = defaultdict(list)
        types = [cell for cell, _ in self._supernet.cells()]
        for place, average in zip(self._by_place, on_host, strict=True):
            # An image without a value has none of the average either.
            value = math.inf if math.isnan(average) else average
            layers[types[place.layer], place.edge, place.choice].append(value)
        by_cell = []
        for edges in self._supernet.space.edges:
            by_edge = []
            for edge in edges:
                places = [(edge.cell, edge.index, choice) for choice in edge.choices]
                by_edge.append([_mean(layers[place]) for place in places])
            by_cell.append(by_edge)
        return by_cell


def _mean(values: list[float]) -> float:
    """Return the mean; infinity without a value."""
    return sum(values) / len(values) if values else math.inf


def information_of(out: Tensor) -> Tensor:
    """Return the mean over the channels of 3 (x - m)² / s⁶, (batch, height, width).

    It is not a number, or infinite, where s is zero or nearly so.

    Args:
        out: x, (batch, channels, height, width).
    """
    values = out.double()
    mean = values.mean(1, keepdim=True)
    deviation = values.std(1, keepdim=True)
    each = 3 * (values - mean).square() / deviation.pow(6)
    return each.mean(1)
