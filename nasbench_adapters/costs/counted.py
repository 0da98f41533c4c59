"""Parameters and multiply-adds, counted exactly for the network of a study.

torch is imported when the first number is counted.
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
        space: the search space.
        network: the network's skeleton, images and number of classes.
    """

    def __init__(self, space: SearchSpace, network: NetworkShape) -> None:
        self.space = space
        self.network = network
        self.skeleton = build_skeleton(space, network.skeleton)

    @property
    def origin(self) -> str:  # type: ignore[override]
        """Description of the network that is counted."""
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
        """Return the count of each architecture, float64."""
        rows = self.rows()
        if rows is not None:
            return additive_costs(self.space, rows, architectures)
        with self._buildable():
            return self._count_each(architectures).astype(np.float64)

    def rows(self) -> AdditiveRows | None:
        """Return the counts of operations; None if they depend on the whole cell."""
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
        """Raise UserError if the block cannot build networks of the space.

        A package can add a space with operations that archselect does not know.
        """
        try:
            yield
        except (KeyError, ValueError) as error:
            raise UserError(
                f"networks of space {self.space.name} cannot be built ({error}): use a cost from a table"
            ) from error

    @abstractmethod
    def _count_operations(self) -> OperationTable | None:
        """Return the count of every operation; None if they depend on the cell."""

    @abstractmethod
    def _count_each(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the count of each architecture, int64."""


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
    """The number of multiply-adds of a forward of one image.

    It counts convolutions and linear maps, like :mod:`.networks.flops`.
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
