"""The table of accuracies, into which every source is converted once.

The file is one `.npz` (:mod:`.sealed_arrays`) with these arrays:

* `header`: JSON text (:mod:`.table_header`).
* `choices`: the architectures, (architectures, edges) of int8 (:mod:`.choices`).
* `column0`, `column1`, …: accuracies, (architectures, trials), one array per data set,
  split and number of epochs (:mod:`.packed_accuracies`).
* `members` and `member_rows`, in some files: all architectures whose accuracy the table
  knows, and the row with the accuracies of each.

Opening a table reads only the header. An array is read, and compared with its checksum,
when it is first needed. This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space, registry
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShotSpace
from archselect.nasbench_adapters.truth.choices import (
    are_choices,
    check_choices,
    check_representatives,
    operation_counts,
    row_bytes,
    unflatten,
)
from archselect.nasbench_adapters.truth.column_names import missing_column
from archselect.nasbench_adapters.truth.ground_truth import (
    DECIMALS,
    MEASURED,
    Column,
    ColumnKey,
    CoveredArchitectures,
    Extent,
    Provenance,
    Trials,
    covers_space,
)
from archselect.nasbench_adapters.truth.packed_accuracies import pack, unpack
from archselect.nasbench_adapters.truth.sealed_arrays import (
    UNREADABLE,
    creator,
    decode_header,
    digest,
    digest_all,
    encode_header,
    header_checksum,
    seal,
    write_arrays,
)
from archselect.nasbench_adapters.truth.table_header import (
    COLUMN_ARRAY,
    SCHEMA,
    check_header,
    column_array,
    columns_of_header,
    damaged,
    read_header,
)


class ColumnData(NamedTuple):
    """The trials of a column.

    Attributes:
        seeds: seeds of the trials.
        accuracies: accuracies in per cent, (architectures, trials), NaN for a missing
            trial.
    """

    seeds: Sequence[str]
    accuracies: np.ndarray


class TruthTable:
    """Accuracies of architectures of one space: a :class:`.ground_truth.GroundTruth`.

    :meth:`build` makes a table from arrays, :meth:`open` reads one.

    Attributes:
        name: name of the table.
        space: the search space.
        columns: all columns of the table, in order.
        origin: who measured the accuracies, and the source file.
        provenance: MEASURED, or PREDICTED if a surrogate gave the accuracies.
        licence: licence of the data.
        canonical_only: whether it stores only the representative of each class of equal
            functions, for the whole class.
        details: further details, as JSON values; for example the settings of the
            trainings.
        checksum: SHA-256 of the content, without the name and the version that wrote
            it.
        predicts: False, because it knows stored architectures only.
        agreement: None, because it predicts nothing.
    """

    predicts = False
    agreement = None

    def __init__(
        self,
        header: dict[str, Any],
        arrays: dict[str, np.ndarray],
        path: Path | None = None,
    ) -> None:
        self._header = header
        self._arrays = arrays
        self._path = path
        self._means: dict[ColumnKey, np.ndarray] = {}
        self.name: str = header["name"]
        self.space: SearchSpace = get_space(header["space"])
        self.origin: str = header["origin"]
        self.provenance: Provenance = header.get("provenance", MEASURED)
        self.licence: str = header["licence"]
        self.canonical_only: bool = header["canonical_only"]
        self.details: dict[str, Any] = header["details"]
        self.checksum: str = header["checksum"]
        self.columns: list[Column] = columns_of_header(header)
        self._column_indices = {
            column.key: index for index, column in enumerate(self.columns)
        }

    def __repr__(self) -> str:
        coverage = f"{len(self)} architectures of {self.space.name}"
        return f"<TruthTable {self.name}: {coverage}, {self.describe_columns()}>"

    def __len__(self) -> int:
        return int(self._header["architectures"])

    @classmethod
    def build(
        cls,
        *,
        name: str,
        space: str,
        choices: np.ndarray,
        columns: Mapping[ColumnKey, ColumnData],
        origin: str,
        licence: str,
        canonical_only: bool = False,
        details: Mapping[str, Any] | None = None,
        members: CoveredArchitectures | None = None,
        provenance: Provenance = MEASURED,
    ) -> TruthTable:
        """Return a table made from arrays.

        Args:
            name: name of the table.
            space: name of the search space.
            choices: architectures in the form of :mod:`.choices`, (architectures,
                edges) of int8.
            columns: trials of each column.
            origin, licence: origin and licence of the accuracies.
            canonical_only: whether each row is the representative of its class.
            details: further details, as JSON values.
            members: all architectures whose accuracy the table knows; None for the
                stored ones, or with `canonical_only` for all of their classes.
            provenance: MEASURED or PREDICTED.

        Raises:
            UserError: if a row of `choices` is not an architecture of the space (with
                `canonical_only`: not a representative); if a row or a seed occurs
                twice; if an accuracy is outside 0..100; if shapes do not fit.
        """
        choices = np.ascontiguousarray(choices, dtype=np.int8)
        check_choices(get_space(space), choices)
        if canonical_only and members is None:
            check_representatives(get_space(space), choices)
        packed = [
            _pack_column(ColumnKey(*key), data, len(choices))
            for key, data in sorted(columns.items())
        ]
        arrays = _arrays_of(choices, members, packed)
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "space": space,
            "origin": origin,
            "licence": licence,
            "canonical_only": canonical_only,
            "details": dict(details or {}),
            "created_by": creator(),
            "architectures": len(choices),
            "columns": [column.description for column in packed],
            "arrays": digest_all(arrays),
        }
        if provenance != MEASURED:
            # Only predicted tables have this entry, so older files keep their checksum.
            header["provenance"] = provenance
        return cls(seal(header), arrays)

    @classmethod
    def open(cls, path: Path | str) -> TruthTable:
        """Return the table in a file.

        Raises UserError if the file is missing, damaged or foreign.
        """
        path = Path(path)
        return cls(read_header(path), {}, path)

    def save(self, path: Path | str) -> None:
        """Write the table atomically: there is never a partial file.

        Raises UserError if the folder cannot be written to.
        """
        write_arrays(path, self.to_arrays())

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the table's file, the inverse of :meth:`from_arrays`."""
        arrays = {name: self._array(name) for name in self._header["arrays"]}
        return {"header": encode_header(self._header), **arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> TruthTable:
        """Return the table made of the arrays of its file.

        Raises ValueError if they are not those of :meth:`to_arrays`.
        """
        header = decode_header(arrays["header"])
        check_header(header)
        if header["space"] not in registry:
            raise ValueError("its space is not installed")
        content = {name: arrays[name] for name in header["arrays"]}
        whole = (
            header["schema"] == SCHEMA
            and header["checksum"] == header_checksum(header)
            and header["arrays"] == digest_all(content)
        )
        if not whole:
            raise ValueError("it is damaged, or has another schema")
        table = cls(header, content)
        if not all(table._fits(name, array) for name, array in content.items()):
            raise ValueError("its arrays do not fit together")
        return table

    def single_column(self, dataset: str, split: str, epochs: int) -> TruthTable:
        """Return the table with only one column.

        Raises UserError if there is no such column.
        """
        column = self.column(dataset, split, epochs)
        accuracies = self.matrix(*column.key)
        return self._derive(
            space=self.space,
            choices=self.architectures,
            columns={column.key: ColumnData(column.seeds, accuracies)},
            canonical_only=self.canonical_only,
            members=self._stored_members(),
        )

    def _derive(
        self,
        space: SearchSpace,
        choices: np.ndarray,
        columns: Mapping[ColumnKey, ColumnData],
        canonical_only: bool,
        members: CoveredArchitectures | None,
    ) -> TruthTable:
        """Return a table with the same name and origin, and a part of the content."""
        return TruthTable.build(
            name=self.name,
            space=space.name,
            choices=choices,
            columns=columns,
            origin=self.origin,
            licence=self.licence,
            canonical_only=canonical_only,
            details=self.details,
            members=members,
            provenance=self.provenance,
        )

    @property
    def measured(self) -> bool:
        """Whether the accuracies were measured."""
        return self.provenance == MEASURED

    @property
    def reference(self) -> TruthTable:
        """The table whose architectures are the population of ranks: this table."""
        return self

    def describe_provenance(self) -> str:
        """Return a text about the source of the accuracies."""
        if self.measured:
            return "measured"
        return "itself predicted by a surrogate, not measured"

    def describe_coverage(self) -> str:
        """Return a text with the number of stored architectures."""
        return f"{len(self):,} architectures"

    def describe_columns(self) -> str:
        """Return a text with the data sets, splits and epochs."""
        epochs: dict[str, list[str]] = {}
        for column in self.columns:
            source = f"{column.dataset}/{column.split}"
            epochs.setdefault(source, []).append(str(column.epochs))
        described = [
            f"{source} at {', '.join(numbers)} epochs"
            for source, numbers in epochs.items()
        ]
        return "; ".join(described) or "nothing"

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """Return a column.

        Raises UserError, which lists the existing columns, if there is no such column.
        """
        return self.columns[self._column_index(dataset, split, epochs)]

    def _column_index(self, dataset: str, split: str, epochs: int) -> int:
        """Return the index of a column, like :meth:`column`."""
        index = self._column_indices.get(ColumnKey(dataset, split, epochs))
        if index is None:
            keys = list(self._column_indices)
            raise missing_column(self.name, keys, dataset, split, epochs)
        return index

    @property
    def architectures(self) -> np.ndarray:
        """Stored architectures, (architectures, edges of all cell types) of int8."""
        return self._array("choices")

    def matrix(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return the accuracies of a column in per cent.

        Returns:
            accuracies, (stored architectures, trials) of float64, NaN for a missing
            trial.

        Raises:
            UserError: if there is no such column.
        """
        return self._accuracies(self._column_index(dataset, split, epochs), slice(None))

    def extent(self, dataset: str, split: str, epochs: int) -> Extent:
        """Return the number of trials of a column, and their range.

        Raises UserError if there is no such column.
        """
        accuracies = self.matrix(dataset, split, epochs)
        present = ~np.isnan(accuracies)
        counts = present.sum(axis=1)[present.any(axis=1)]
        values = accuracies[present]
        return Extent(
            trials=len(values),
            fewest=int(counts.min()),
            most=int(counts.max()),
            lowest=float(values.min()),
            highest=float(values.max()),
        )

    def _accuracies(self, index: int, rows: int | slice) -> np.ndarray:
        """Return some rows of a column, without unpacking the others."""
        stored = self._array(column_array(index))[rows]
        return unpack(stored, self._header["columns"][index]["divisor"])

    @cached_property
    def population(self) -> CoveredArchitectures:
        """All architectures whose accuracy the table knows, with their rows.

        They are the stored ones. With `canonical_only`, they are all architectures
        whose representative is stored, unless the space is too large to be listed.
        """
        members = self._stored_members()
        if members is not None:
            return members
        if not self.canonical_only or not self.space.enumerable:
            return CoveredArchitectures(self.architectures, np.arange(len(self)))
        choices = []
        rows = []
        for architecture, representative in self.space.classes.items():
            row = self._row_of_bytes.get(row_bytes(representative))
            if row is not None:
                choices.append(row_bytes(architecture))
                rows.append(row)
        edges = self.architectures.shape[1]
        matrix = np.frombuffer(b"".join(choices), dtype=np.int8).reshape(-1, edges)
        return CoveredArchitectures(matrix, np.array(rows, dtype=np.int64))

    def _stored_members(self) -> CoveredArchitectures | None:
        """Return the members listed in the file; None if it has no such list."""
        if "members" not in self._header["arrays"]:
            return None
        return CoveredArchitectures(self._array("members"), self._array("member_rows"))

    def means(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Return the mean accuracy of each architecture of the :attr:`population`.

        Returns:
            means, float64 in per cent; NaN for an architecture without trials.

        Raises:
            UserError: if there is no such column.
        """
        key = ColumnKey(dataset, split, epochs)
        if key not in self._means:
            matrix = self.matrix(*key)
            present = ~np.isnan(matrix)
            sums = np.where(present, matrix, 0.0).sum(axis=1)
            with np.errstate(invalid="ignore"):
                means = sums / present.sum(axis=1)
            # Equal means must compare equal, whatever trials they come from.
            self._means[key] = np.round(means, DECIMALS)[self.population.rows]
        return self._means[key]

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float | None:
        """Return an architecture's mean accuracy in per cent; None without a trial.

        It equals the value in :meth:`means`. Raises UserError if there is no such
        column.
        """
        means = self.means(dataset, split, epochs)
        row = self.row(architecture)
        if row is None:
            return None
        values = means[self.population.rows == row].tolist()
        if not values or isnan(values[0]):
            return None
        return float(values[0])

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """Return all trials of an architecture.

        Raises UserError if there are none; the message tells how many architectures
        have trials.
        """
        index = self._column_index(dataset, split, epochs)
        column = self.columns[index]
        row = self.row(architecture)
        accuracies = []
        seeds = []
        if row is not None:
            stored = self._accuracies(index, row).tolist()
            for accuracy, seed in zip(stored, column.seeds, strict=True):
                if not isnan(accuracy):
                    accuracies.append(accuracy)
                    seeds.append(seed)
        if not accuracies:
            what = "classes" if self.canonical_only else "architectures"
            raise UserError(
                f"truth '{self.name}' has no trial of {self.space.format(architecture)} on {dataset}/{split} "
                f"at {epochs} epochs: {column.count} {what} have one"
            )
        return Trials(tuple(accuracies), tuple(seeds))

    def row(self, architecture: Architecture) -> int | None:
        """Return the row of an architecture or of its class; None if there is none."""
        if self.canonical_only:
            architecture = self.space.canonical(architecture)
        return self._row_of_bytes.get(row_bytes(architecture))

    def holds_whole_space(self, dataset: str, split: str, epochs: int) -> bool:
        """Return whether a column has trials for every architecture of the space.

        Raises UserError if there is no such column.
        """
        means = self.means(dataset, split, epochs)
        known = int((~np.isnan(means)).sum())
        return known >= self.space.size

    def covers(self, space: SearchSpace) -> bool:
        """Return whether a space is the table's space, or a sub-space of it."""
        return covers_space(self.space.name, space)

    def within(self, space: SearchSpace) -> TruthTable:
        """Return the table for its space, or the part of it in a sub-space.

        The part stores each cell of the sub-space once, and knows the accuracy of every
        architecture with that cell. Raises UserError if the table is for another space,
        or has no cell of the sub-space.
        """
        if space.name == self.space.name:
            return self
        if not isinstance(space, OneShotSpace) or not self.covers(space):
            raise UserError(
                f"truth '{self.name}' is of space {self.space.name}, which does not cover {space.name}"
            )
        members = space.members()
        row_of_cell = self._rows_of_representatives()
        rows = np.array([row_of_cell.get(cell.tobytes(), -1) for cell in members.cells])
        kept = np.flatnonzero(rows >= 0)
        if not len(kept):
            raise UserError(f"truth '{self.name}' has no cell of {space.name}")
        new_rows = np.full(len(rows), -1)
        new_rows[kept] = np.arange(len(kept))
        columns = {}
        for column in self.columns:
            accuracies = self.matrix(*column.key)[rows[kept]]
            columns[column.key] = ColumnData(column.seeds, accuracies)
        row_of_member = new_rows[members.cell]
        covered = row_of_member >= 0
        return self._derive(
            space=space,
            choices=members.choices[members.first[kept]],
            columns=columns,
            canonical_only=True,
            members=CoveredArchitectures(
                choices=members.choices[covered], rows=row_of_member[covered]
            ),
        )

    def _rows_of_representatives(self) -> dict[bytes, int]:
        """Return the row of each class, by the bytes of its representative."""
        if self.canonical_only:
            return self._row_of_bytes
        rows = {}
        for row, choices in enumerate(self.architectures):
            representative = self.space.canonical(unflatten(self.space, choices))
            rows[row_bytes(representative)] = row
        return rows

    @cached_property
    def _row_of_bytes(self) -> dict[bytes, int]:
        """Row of each stored architecture, by the architecture's bytes."""
        return {
            choices.tobytes(): row for row, choices in enumerate(self.architectures)
        }

    def _array(self, name: str) -> np.ndarray:
        """Return an array; read it from the file and check it when first needed.

        Raises UserError if the file is damaged.
        """
        if name in self._arrays:
            return self._arrays[name]
        path = self._path
        assert path is not None
        try:
            with open_arrays(path) as file:
                array = file[name]
        except UNREADABLE as error:
            raise damaged(path) from error
        if digest(array) != self._header["arrays"][name]:
            raise damaged(path)
        if not self._fits(name, array):
            raise damaged(path)
        self._arrays[name] = array
        return array

    def _fits(self, name: str, array: np.ndarray) -> bool:
        """Return whether an array agrees with the header and the space.

        A valid checksum does not prove this, because anyone can compute one.
        """
        if name == "choices":
            return len(array) == len(self) and self._are_architectures(array)
        if name == "members":
            return self._are_architectures(array)
        if name == "member_rows":
            return self._are_member_rows(array)
        index = int(name.removeprefix(COLUMN_ARRAY))
        return self._are_accuracies(array, self._header["columns"][index])

    def _are_architectures(self, array: np.ndarray) -> bool:
        """Return whether an array holds rows of architectures of the space."""
        if array.dtype != np.int8 or array.ndim != 2:
            return False
        if array.shape[1] != len(operation_counts(self.space)):
            return False
        return are_choices(self.space, array)

    def _are_member_rows(self, array: np.ndarray) -> bool:
        """Return whether an array holds the index of a row for each member."""
        members = len(self._array("members"))
        if array.dtype != np.int32 or array.shape != (members,):
            return False
        return not np.any((array < 0) | (array >= len(self)))

    def _are_accuracies(self, array: np.ndarray, column: Mapping[str, Any]) -> bool:
        """Return whether an array holds the packed accuracies of a column."""
        divisor = column["divisor"]
        kind = "f" if divisor is None else "u"
        if array.dtype.kind != kind or array.shape != (len(self), len(column["seeds"])):
            return False
        accuracies = unpack(array, divisor)
        return not np.any((accuracies < 0) | (accuracies > 100))


class _PackedColumn(NamedTuple):
    """Array of a column, and its description in the header."""

    array: np.ndarray
    description: dict[str, Any]


def _arrays_of(
    choices: np.ndarray,
    members: CoveredArchitectures | None,
    columns: Sequence[_PackedColumn],
) -> dict[str, np.ndarray]:
    """Return the arrays of a table's file, without its header."""
    arrays = {"choices": choices}
    if members is not None:
        member_choices, member_rows = members
        arrays["members"] = member_choices.astype(np.int8)
        arrays["member_rows"] = member_rows.astype(np.int32)
    for index, column in enumerate(columns):
        arrays[column_array(index)] = column.array
    return arrays


def _pack_column(key: ColumnKey, data: ColumnData, architectures: int) -> _PackedColumn:
    """Return a column in stored form.

    Raises UserError if its shape is wrong, a seed occurs twice, or an accuracy is
    outside 0..100.
    """
    seeds, given = data
    accuracies = np.asarray(given, dtype=np.float64)
    where = f"{key.dataset}/{key.split} at {key.epochs} epochs"
    shape = (architectures, len(seeds))
    if accuracies.shape != shape:
        raise UserError(
            f"{where}: accuracies must be architectures x seeds {shape}, not {accuracies.shape}"
        )
    if len(set(seeds)) != len(seeds):
        raise UserError(f"{where}: a seed occurs twice in {', '.join(seeds)}")
    present = ~np.isnan(accuracies)
    values = accuracies[present]
    if np.any((values < 0) | (values > 100)):
        raise UserError(f"{where}: accuracies must be within 0..100 per cent")
    packed = pack(accuracies)
    description = {
        "dataset": key.dataset,
        "split": key.split,
        "epochs": int(key.epochs),
        "seeds": [str(seed) for seed in seeds],
        "count": int(present.any(axis=1).sum()),
        "divisor": packed.divisor,
    }
    return _PackedColumn(packed.array, description)
