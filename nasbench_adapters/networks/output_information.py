"""IS-DARTS' information measure of the outputs of a supernet's operations.

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
    """An operation in a layer: indices of cell, edge and operation."""

    layer: int
    edge: int
    choice: int


class OutputInformation:
    """The mean of 3 (x - m)² / s⁶ over the outputs x of each operation.

    m and s are mean and standard deviation over the channels, at every position. The
    mean is over the channels and positions of an image, then over images, then over the
    layers of a cell type. A position with s = 0 has no value: it counts as infinite, as
    in the released code, or is left out.

    Args:
        supernet: the supernet, whose operations are watched in a forward.
        skips_flat: whether positions without a value are left out.
    """

    def __init__(self, supernet: Supernet, skips_flat: bool = False) -> None:
        self._supernet = supernet
        self._skips_flat = skips_flat
        self._by_place: dict[_Place, list[Tensor]] = defaultdict(list)

    def measure(self, batches: Iterable[Tensor], mixture: Mixture) -> Information:
        """Return the means over batches of images, with a forward under a mixture.

        An operation that is not computed, such as `none`, has infinity. The method
        waits for the device only once.

        Args:
            batches: batches of images, (batch, channels, height, width) each.
            mixture: mixture for the forward.
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
        """Record the values of an output, (batch, channels, height, width)."""
        values = information_of(out)
        if self._skips_flat:
            values = torch.where(values.isfinite(), values, torch.nan)
            by_image = values.nanmean((1, 2))
        else:
            by_image = values.nan_to_num(torch.inf, torch.inf).mean((1, 2))
        place = _Place(layer, operation.edge, operation.choice)
        self._by_place[place].append(by_image)

    def _averages(self) -> Information:
        """Return the means of all operations."""
        by_place = [torch.cat(parts).nanmean() for parts in self._by_place.values()]
        on_host: list[float] = torch.stack(by_place).tolist() if by_place else []
        layers: dict[tuple[int, int, int], list[float]] = defaultdict(list)
        types = [cell for cell, _ in self._supernet.cells()]
        for place, average in zip(self._by_place, on_host, strict=True):
            # Without any value the mean is not a number.
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
    """Return the mean; infinity if there are no values."""
    return sum(values) / len(values) if values else math.inf


def information_of(out: Tensor) -> Tensor:
    """Return the mean over the channels of 3 (x - m)² / s⁶, (batch, height, width).

    It is not a number, or infinite, where s is zero or almost zero.

    Args:
        out: the output x, (batch, channels, height, width).
    """
    values = out.double()
    mean = values.mean(1, keepdim=True)
    deviation = values.std(1, keepdim=True)
    each = 3 * (values - mean).square() / deviation.pow(6)
    return each.mean(1)
