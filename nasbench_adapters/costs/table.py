"""Tables of costs: measured numbers of architectures of one space.

The file is one `.npz` without pickles (:mod:`..truth.sealed_arrays`) with these arrays:

* `header`: JSON text (:mod:`.table_header`).
* `choices`: the architectures in lexicographic order, (architectures, edges) of int8
  (:mod:`..truth.choices`).
* `column0`, `column1`, …: one number per architecture, float32, NaN for a missing one.

Opening a table reads only the header. An array is read, and compared with its checksum,
when it is first needed. This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.costs.table_header import (
    KIND,
    SCHEMA,
    CostColumn,
    column_array,
    columns_of_header,
    damaged,
    read_header,
)
from archselect.nasbench_adapters.errors import UserError, unknown
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space
from archselect.nasbench_adapters.truth.choices import (
    check_choices,
    row_bytes,
    unflatten,
)
from archselect.nasbench_adapters.truth.sealed_arrays import (
    UNREADABLE,
    creator,
    digest,
    digest_all,
    encode_header,
    seal,
    write_arrays,
)

NEAR_ZERO = 0.1
"""Costs below this share of their column's median count as missing.

Exporters remove operations without effect, so that almost nothing is left to measure in
a disconnected cell.
"""
LARGEST_COST = 1e30


class Gaps(NamedTuple):
    """Numbers of architectures without a usable cost in a column.

    Attributes:
        absent: number of architectures without a number.
        near_zero: number of architectures with a cost below :data:`NEAR_ZERO` times the
            median.
        size: number of architectures of the space; if no complete tables of the space
            exist, number of stored ones.
    """

    absent: int
    near_zero: int
    size: int

    @property
    def total(self) -> int:
        """Number of architectures without a usable cost."""
        return self.absent + self.near_zero

    def describe(self) -> str:
        """Return a description of the gaps; empty if there are none."""
        parts = []
        if self.absent:
            parts.append(f"{self.absent:,} of {self.size:,} architectures are missing")
        if self.near_zero:
            parts.append(
                f"{self.near_zero:,} near zero (below a tenth of the median) count as missing"
            )
        return " and ".join(parts)


class CostTable:
    """Costs of architectures of one space.

    :meth:`build` makes a table from arrays, :meth:`open` reads one.

    Attributes:
        name: name of the table.
        space: the search space.
        columns: columns in order.
        origin: who measured the costs.
        licence: licence of the data.
        checksum: SHA-256 of the content, without the name and the version that wrote
            it.
    """

    def __init__(
        self,
        header: dict[str, Any],
        arrays: dict[str, np.ndarray],
        path: Path | None = None,
    ) -> None:
        self._header = header
        self._arrays = arrays
        self._path = path
        self.name: str = header["name"]
        self.space: SearchSpace = get_space(header["space"])
        self.origin: str = header["origin"]
        self.licence: str = header["licence"]
        self.checksum: str = header["checksum"]
        self.columns: list[CostColumn] = columns_of_header(header)

    def __repr__(self) -> str:
        names = ", ".join(column.name for column in self.columns)
        return f"<CostTable {self.name}: {len(self)} of {self.space.name}, {names}>"

    def __len__(self) -> int:
        return int(self._header["architectures"])

    @classmethod
    def build(
        cls,
        *,
        name: str,
        space: str,
        choices: np.ndarray,
        columns: Mapping[CostColumn, np.ndarray],
        origin: str,
        licence: str,
    ) -> CostTable:
        """Return a table made from arrays.

        Args:
            name: name of the table.
            space: name of the search space.
            choices: architectures in the form of :mod:`..truth.choices`,
                (architectures, edges) of int8.
            columns: for each column, one number per architecture, NaN for a missing
                one.
            origin, licence: origin and licence of the costs.

        Raises:
            UserError: if a row of `choices` is not an architecture of the space or
                occurs twice; if a column has another length, no number, or a number
                that is negative or not finite.
        """
        choices = np.ascontiguousarray(choices, dtype=np.int8)
        check_choices(get_space(space), choices)
        order = np.lexsort(choices.T[::-1])
        arrays = {"choices": np.ascontiguousarray(choices[order])}
        described = []
        for index, (column, values) in enumerate(columns.items()):
            stored = _check_values(column.name, values, len(choices))
            arrays[column_array(index)] = np.ascontiguousarray(stored[order])
            described.append(column._asdict())
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "kind": KIND,
            "name": name,
            "space": space,
            "origin": origin,
            "licence": licence,
            "created_by": creator(),
            "architectures": len(choices),
            "columns": described,
            "arrays": digest_all(arrays),
        }
        return cls(seal(header), arrays)

    @classmethod
    def open(cls, path: Path | str) -> CostTable:
        """Return the table in a file.

        Raises UserError if the file is missing, damaged or foreign.
        """
        path = Path(path)
        return cls(read_header(path), {}, path)

    def save(self, path: Path | str) -> None:
        """Write the table atomically: there is never a partial file.

        Raises UserError if the folder cannot be written to.
        """
        arrays = {name: self._array(name) for name in self._header["arrays"]}
        write_arrays(path, {"header": encode_header(self._header), **arrays})

    def column(self, name: str) -> CostColumn:
        """Return a column.

        Raises UserError, which suggests the nearest name, if there is no such column.
        """
        return self.columns[self._column_index(name)]

    def _column_index(self, name: str) -> int:
        names = [column.name for column in self.columns]
        if name not in names:
            raise unknown(f"column of cost table '{self.name}'", name, names)
        return names.index(name)

    @property
    def architectures(self) -> np.ndarray:
        """Stored architectures, (architectures, edges), in lexicographic order."""
        return self._array("choices")

    def stored(self, name: str) -> np.ndarray:
        """Return all measured numbers of a column.

        Returns:
            one number per stored architecture, float64, NaN for a missing one.

        Raises:
            UserError: if there is no such column.
        """
        array = self._array(column_array(self._column_index(name)))
        return array.astype(np.float64)

    def values(self, name: str) -> np.ndarray:
        """Return the usable costs of a column.

        Returns:
            one cost per stored architecture, float64, NaN if it is missing or near
            zero.

        Raises:
            UserError: if there is no such column.
        """
        stored = self.stored(name)
        threshold = NEAR_ZERO * float(np.nanmedian(stored))
        return np.where(stored < threshold, np.nan, stored)

    def gaps(self, name: str) -> Gaps:
        """Return how many architectures have no usable cost in a column.

        Raises UserError if there is no such column.
        """
        present = int(np.isfinite(self.stored(name)).sum())
        usable = int(np.isfinite(self.values(name)).sum())
        size = self.space.size if self.space.whole_tables else len(self)
        return Gaps(size - present, present - usable, size)

    def rows_of(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the row of each architecture, int64, -1 if it is not stored."""
        rows = [self._rows.get(row_bytes(each), -1) for each in architectures]
        return np.array(rows, dtype=np.int64)

    @cached_property
    def classes(self) -> np.ndarray:
        """Number of each stored architecture's class of equal functions, int64."""
        numbers: dict[Architecture, int] = {}
        classes = []
        for row in self.architectures:
            representative = self.space.canonical(unflatten(self.space, row))
            classes.append(numbers.setdefault(representative, len(numbers)))
        return np.array(classes, dtype=np.int64)

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        """Rows of the stored architectures, by the bytes of their choices."""
        return {row.tobytes(): index for index, row in enumerate(self.architectures)}

    def describe(self, name: str) -> str:
        """Return a description of a column's source and gaps.

        Raises UserError if there is no such column.
        """
        column = self.column(name)
        device = f", measured on {column.device}" if column.device else ""
        gaps = self.gaps(name).describe()
        return (
            f"table '{self.name}', column {column.name}{device}; {self.origin}; licence: {self.licence}; "
            f"checksum {self.checksum[:16]}{'; ' if gaps else ''}{gaps}"
        )

    def _array(self, name: str) -> np.ndarray:
        """Return an array; read it from the file and check it when first needed.

        Raises UserError if it is damaged.
        """
        if name not in self._arrays:
            self._arrays[name] = self._read(name)
        return self._arrays[name]

    def _read(self, name: str) -> np.ndarray:
        assert self._path is not None
        try:
            with open_arrays(self._path) as file:
                array = file[name]
        except UNREADABLE as error:
            raise damaged(self._path) from error
        if digest(array) != self._header["arrays"][name] or not self._fits(name, array):
            raise damaged(self._path)
        return array

    def _fits(self, name: str, array: np.ndarray) -> bool:
        """Return whether an array is valid under its name.

        A valid digest does not prove this, because anyone can compute one.
        """
        if name != "choices":
            is_column = array.dtype == np.float32 and array.shape == (len(self),)
            return is_column and _are_costs(array)
        try:
            check_choices(self.space, array)
        except UserError:
            return False
        return array.dtype == np.int8 and len(array) == len(self)


def _check_values(name: str, values: np.ndarray, count: int) -> np.ndarray:
    """Return a column's costs as float32.

    Raises UserError unless there is one valid cost per architecture.
    """
    values = np.asarray(values)
    if values.shape != (count,):
        raise UserError(
            f"column {name} has the shape {values.shape}: give one number for each of {count:,} architectures"
        )
    if np.isinf(values).any() or (values < 0).any() or (values > LARGEST_COST).any():
        bad = int((np.isinf(values) | (values < 0) | (values > LARGEST_COST)).sum())
        raise UserError(
            f"column {name} has {bad:,} numbers that are negative or not finite: remove them"
        )
    if np.isnan(values).all():
        raise UserError(f"column {name} has no number: leave it out")
    return values.astype(np.float32)


def _are_costs(array: np.ndarray) -> bool:
    """Return whether numbers are valid costs, and not all of them missing."""
    present = array[~np.isnan(array)]
    if not len(present):
        return False
    return bool((present >= 0).all() and (present <= LARGEST_COST).all())
