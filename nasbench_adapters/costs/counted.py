"""Parameters and multiply-adds, counted exactly for the network of a study.

Torch is imported when the first one is counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from archselect.nasbench_adapters.costs.additive import additive_costs
from archselect.nasbench_adapters.costs.base import AdditiveRows, Cost, NetworkShape
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import (
    Architecture,
    SearchSpace,
    build_skeleton,
)

if TYPE_CHECKING:
    from archselect.nasbench_adapters.networks.parameters import OperationTable


class CountedCost(Cost):
    """A number that is counted for the stand-alone network of an architecture.

    Args:
        space: of the architectures.
        network: the network's skeleton, and the images and classes it is for.
    """

    def __init__(self, space: SearchSpace, network: NetworkShape) -> None:
        self.space = space
        self.network = network
        self.skeleton = build_skeleton(space, network.skeleton)

    @property
    def origin(self) -> str:  # type: ignore[override]
        """Network that is counted, in words."""
        settings = [f"{key} {value}" for key, value in self.network.skeleton.items()]
        channels, height, width = self.network.image_shape
        described = ", ".join(settings) or "default size"
        return (
            f"counted for stand-alone networks of {described}, images of {channels}×{height}×{width} and "
            f"{self.network.classes} classes"
        )

    def of(self, architecture: Architecture) -> float | None:
        """Return the count of an architecture; never None."""
        return float(self.of_many([architecture])[0])

    def of_many(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the counts of architectures: float64, one each."""
        rows = self.rows()
        if rows is not None:
            return additive_costs(self.space, rows, architectures)
        with self._buildable():
            return self._count_each(architectures).astype(np.float64)

    def rows(self) -> AdditiveRows | None:
        """Return the counts of operations; None where they depend on the whole cell."""
        return self._rows

    @cached_property
    def _rows(self) -> AdditiveRows | None:
        with self._buildable():
            table = self._count_operations()
        if table is None:
            return None
        tables = []
        for edges in table.counts:
            columns = max(map(len, edges), default=0)
            rows = np.zeros((len(edges), columns))
            for edge, counts in enumerate(edges):
                rows[edge, : len(counts)] = counts
            tables.append(rows)
        return AdditiveRows(float(table.fixed), tuple(tables))

    @contextmanager
    def _buildable(self) -> Iterator[None]:
        """Raise UserError, within the block, if networks of the space cannot be built.

        A package may add a space with operations that archselect does not know.
        """
        try:
            yield
        except (KeyError, ValueError) as error:
            raise UserError(
                f"networks of space {self.space.name} cannot be built ({error}): use a cost from a table"
            ) from error

    @abstractmethod
    def _count_operations(self) -> OperationTable | None:
        """Return the count of every operation; None where there is no such table."""

    @abstractmethod
    def _count_each(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the counts of architectures: int64, one each."""


class Parameters(CountedCost):
    """The number of parameters."""

    name = "params"
    unit = "parameters"

    def _count_operations(self) -> OperationTable | None:
        from archselect.nasbench_adapters.networks.parameters import parameter_table

        channels = self.network.image_shape[0]
        return parameter_table(
            self.space, self.skeleton, channels, self.network.classes
        )

    def _count_each(self, architectures: Sequence[Architecture]) -> np.ndarray:
        from archselect.nasbench_adapters.networks.parameters import count_parameters

        channels = self.network.image_shape[0]
        return count_parameters(
            self.space, architectures, self.skeleton, channels, self.network.classes
        )


class MultiplyAdds(CountedCost):
    """The number of multiply-adds of one image's forward.

    Convolutions and linear maps are counted, as by :mod:`.networks.flops`.
    """

    name = "macs"
    unit = "multiply-adds"

    def _count_operations(self) -> OperationTable | None:
        from archselect.nasbench_adapters.networks.multiply_adds import (
            multiply_add_table,
        )

        return multiply_add_table(
            self.space, self.skeleton, self.network.image_shape, self.network.classes
        )

    def _count_each(self, architectures: Sequence[Architecture]) -> np.ndarray:
        from archselect.nasbench_adapters.networks.multiply_adds import (
            count_multiply_adds,
        )

        return count_multiply_adds(
            self.space,
            architectures,
            self.skeleton,
            self.network.image_shape,
            self.network.classes,
        )
