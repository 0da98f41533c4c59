"""The compact columnar file that every ground truth is converted to once, and its lookups. No torch here.

One `.npz` without pickles. `header` is JSON text in UTF-8 as bytes; `choices` is int8,
architectures × edges (of all cell types, one after the other; -2 is a dropped edge);
`column0`, `column1`, … are architectures × trials, one per (dataset, split, epochs);
`members` and `member_rows`, where present, are all architectures the table speaks for
and the row each is stored in. A column whose accuracies are all of the form 100 k / d,
as shares of d images are, holds the unsigned integers k (the largest value of their
type: no such trial); any other is float32 with NaN.

Opening reads the header alone; an array is read, and held against its checksum, when it
is first needed.
"""

from __future__ import annotations

import hashlib
import io
import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, check_value_types
from archselect.nasbench_adapters.space import DROPPED, Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space, registry
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShotSpace
from archselect.nasbench_adapters.truth.column_names import missing_column

SCHEMA = 1
TOLERANCE = 1e-6
"""How near to 100 k / d, in points, an accuracy must be to count as it: rounding noise
of published files.
"""
UNREADABLE = (OSError, *DAMAGED)
"""What reading an archive of arrays raises; the second where numpy takes a damaged
header for one of Python 2.
"""
MEASURED, PREDICTED = "measured", "predicted"
"""Where accuracies come from: trainings, or a surrogate that was asked in place of
them.
"""

ColumnKey = tuple[str, str, int]


@dataclass(frozen=True)
class Column:
    """One column of a table: the seeds of its trials, and how many architectures have a trial."""

    dataset: str
    split: str
    epochs: int
    seeds: tuple[str, ...]
    count: int

    @property
    def key(self) -> ColumnKey:
        """(dataset, split, epochs)."""
        return self.dataset, self.split, self.epochs


@dataclass(frozen=True)
class Trials:
    """The accuracies of one architecture, in per cent, and the seed of each."""

    accuracies: tuple[float, ...]
    seeds: tuple[str, ...]

    @property
    def mean(self) -> float:
        """The mean of the trials, in per cent."""
        return sum(self.accuracies) / len(self.accuracies)


@dataclass(frozen=True)
class Extent:
    """What a column holds, in numbers.

    Attributes:
        trials: in all.
        fewest, most: trials of one architecture that has any.
        lowest, highest: accuracy of a trial, in per cent.
    """

    trials: int
    fewest: int
    most: int
    lowest: float
    highest: float


_KINDS: dict[str, type | UnionType] = {
    **{
        "schema": int,
        "name": str,
        "space": str,
        "origin": str,
        "licence": str,
        "canonical_only": bool,
    },
    **{
        "details": dict,
        "architectures": int,
        "columns": list,
        "arrays": dict,
        "checksum": str,
    },
}
_COLUMN_KINDS: dict[str, type | UnionType] = {
    **{
        "dataset": str,
        "split": str,
        "epochs": int,
        "seeds": list,
        "count": int,
        "divisor": int | None,
    }
}
"""Of the entries of a table's header, and of its columns."""


def _check_header(header: object) -> None:
    """Raises ValueError unless a header, whose checksum anyone can make, has what is read of it."""
    check_value_types(header, _KINDS)
    assert isinstance(header, dict)
    for column in header["columns"]:
        check_value_types(column, _COLUMN_KINDS)
        if (
            not all(isinstance(seed, str) for seed in column["seeds"])
            or (column["divisor"] or 1) < 1
        ):
            raise ValueError("a column without seeds, or with a divisor below 1")
    named = {"choices", *(f"column{place}" for place in range(len(header["columns"])))}
    if header["arrays"].keys() - {"members", "member_rows"} != named:
        raise ValueError("its arrays are not those of its columns")
    if ("members" in header["arrays"]) != ("member_rows" in header["arrays"]):
        raise ValueError("its arrays are not complete")
    if header.get("provenance", MEASURED) not in (MEASURED, PREDICTED):
        raise ValueError("its accuracies are neither measured nor predicted")


class TruthTable:
    """Accuracies of architectures of one space. Made by :meth:`build` or :meth:`open`.

    Attributes:
        name: of the table.
        space: the search space.
        columns: what the table holds.
        origin: who measured it, and where it was converted from.
        provenance: MEASURED, or PREDICTED where the accuracies are themselves a
            surrogate's.
        licence: of the data.
        canonical_only: whether it stores the representative of each class only, and
            speaks for the class.
        details: anything else that is worth knowing, as JSON values; for example the
            training recipe.
        checksum: SHA-256 of the content (the name and the version that wrote it apart).
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
        self._means: dict[ColumnKey, np.ndarray] = {}
        self.name: str = header["name"]
        self.space: SearchSpace = get_space(header["space"])
        self.origin: str = header["origin"]
        self.provenance: str = header.get("provenance", MEASURED)
        self.licence: str = header["licence"]
        self.canonical_only: bool = header["canonical_only"]
        self.details: dict[str, Any] = header["details"]
        self.checksum: str = header["checksum"]
        self.columns: list[Column] = [
            Column(c["dataset"], c["split"], c["epochs"], tuple(c["seeds"]), c["count"])
            for c in header["columns"]
        ]
        self._places = {column.key: place for place, column in enumerate(self.columns)}

    def __repr__(self) -> str:
        return f"<TruthTable {self.name}: {len(self)} architectures of {self.space.name}, {self.holdings()}>"

    def __len__(self) -> int:
        return int(self._header["architectures"])

    @classmethod
    def build(
        cls,
        *,
        name: str,
        space: str,
        choices: np.ndarray,
        columns: Mapping[ColumnKey, tuple[Sequence[str], np.ndarray]],
        origin: str,
        licence: str,
        canonical_only: bool = False,
        details: Mapping[str, Any] | None = None,
        members: tuple[np.ndarray, np.ndarray] | None = None,
        provenance: str = MEASURED,
    ) -> TruthTable:
        """A table from arrays.

        Args:
            choices: architectures × edges of all cell types: operation indices, -2 for
                a dropped edge.
            columns: per (dataset, split, epochs) the trials' seeds and their accuracies
                in per cent, architectures × trials, NaN where there is no such trial.
            members: all architectures that the table speaks for, and the row of
                `choices` for each; None where they are those stored, or with
                `canonical_only` all of the space.
            provenance: MEASURED or PREDICTED.

        Raises:
            UserError: if a row of `choices` is no architecture of the space (or, with
                `canonical_only`, no representative) or comes twice; if a seed comes
                twice; if an accuracy is outside 0..100; if shapes do not fit.
        """
        choices = np.ascontiguousarray(choices, dtype=np.int8)
        _check_choices(get_space(space), choices, canonical_only and members is None)
        arrays = {"choices": choices}
        if members is not None:
            arrays |= {
                "members": members[0].astype(np.int8),
                "member_rows": members[1].astype(np.int32),
            }
        described = []
        for index, ((dataset, split, epochs), (seeds, accuracies)) in enumerate(
            sorted(columns.items())
        ):
            where = f"{dataset}/{split} at {epochs} epochs"
            values = np.asarray(accuracies, dtype=np.float64)
            if values.shape != (len(choices), len(seeds)):
                wanted = (len(choices), len(seeds))
                raise UserError(
                    f"{where}: accuracies must be architectures x seeds {wanted}, not {values.shape}"
                )
            if len(set(seeds)) != len(seeds):
                raise UserError(f"{where}: a seed is named twice in {', '.join(seeds)}")
            present = ~np.isnan(values)
            if np.any((values[present] < 0) | (values[present] > 100)):
                raise UserError(f"{where}: accuracies must lie in 0..100 per cent")
            arrays[f"column{index}"], divisor = _pack(values)
            described.append(
                {
                    "dataset": dataset,
                    "split": split,
                    "epochs": int(epochs),
                    "seeds": [str(seed) for seed in seeds],
                    "count": int(present.any(axis=1).sum()),
                    "divisor": divisor,
                }
            )
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "space": space,
            "origin": origin,
            "licence": licence,
            "canonical_only": canonical_only,
            "details": dict(details or {}),
            "created_by": f"archselect {version('archselect')}",
            "architectures": len(choices),
            "columns": described,
            "arrays": {key: _digest(array) for key, array in arrays.items()},
        }
        if (
            provenance != MEASURED
        ):  # said of the exception alone: files from before this was said keep their checksum
            header["provenance"] = provenance
        return cls(header | {"checksum": _checksum(header)}, arrays)

    @classmethod
    def open(cls, path: Path | str) -> TruthTable:
        """The table in a file.

        Raises UserError if the file is missing, damaged or foreign.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(
                f"no truth table at {path}: 'archselect truth list' says which there are"
            )
        try:
            with open_arrays(path) as file:
                header = json.loads(file["header"].tobytes())
                schema, checksum = header["schema"], header["checksum"]
                if schema == SCHEMA:
                    _check_header(header)
        except UNREADABLE as error:
            raise UserError(
                f"{path} is no truth table, or damaged: build or import it again ('archselect truth --help')"
            ) from error
        if schema != SCHEMA:
            raise UserError(
                f"{path} has schema {schema}, not {SCHEMA}: upgrade archselect or import the source again"
            )
        if checksum != _checksum(header):
            raise _damaged(path)
        if header["space"] not in registry:
            raise UserError(
                f"{path} is of the space '{header['space']}', which is not installed"
            )
        return cls(header, {}, path)

    def save(self, path: Path | str) -> None:
        """Write the table, whole or not at all.

        Raises UserError if the folder cannot take it.
        """
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.stored())  # type: ignore[arg-type]
        write_atomically(Path(path), buffer.getvalue())

    def stored(self) -> dict[str, np.ndarray]:
        """The arrays of the table's file; the table is made of them again by :meth:`restored`."""
        arrays = {name: self._array(name) for name in self._header["arrays"]}
        return {
            "header": np.frombuffer(json.dumps(self._header).encode(), dtype=np.uint8),
            **arrays,
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, np.ndarray]) -> TruthTable:
        """The inverse of :meth:`stored`.

        Raises ValueError if the arrays are not those that were stored.
        """
        header = json.loads(arrays["header"].tobytes())
        _check_header(header)
        if header["space"] not in registry:
            raise ValueError("of a space that is not installed")
        own = {name: arrays[name] for name in header["arrays"]}
        digests = {name: _digest(array) for name, array in own.items()}
        if (
            header["schema"] != SCHEMA
            or header["checksum"] != _checksum(header)
            or digests != header["arrays"]
        ):
            raise ValueError("damaged, or of another schema")
        table = cls(header, own)
        if not all(table._fits(name, array) for name, array in own.items()):
            raise ValueError("its arrays do not fit together")
        return table

    def only(self, dataset: str, split: str, epochs: int) -> TruthTable:
        """The table with that column alone. Raises UserError if there is none."""
        column = self.column(dataset, split, epochs)
        members = (
            (self._array("members"), self._array("member_rows"))
            if "members" in self._header["arrays"]
            else None
        )
        return TruthTable.build(
            name=self.name,
            space=self.space.name,
            choices=self.architectures,
            columns={column.key: (column.seeds, self.matrix(*column.key))},
            origin=self.origin,
            licence=self.licence,
            canonical_only=self.canonical_only,
            details=self.details,
            members=members,
            provenance=self.provenance,
        )

    @property
    def reference(self) -> TruthTable:
        """The table whose architectures a rank is among: this one."""
        return self

    def how(self) -> str:
        """In words, how an accuracy of it comes about."""
        if self.provenance == MEASURED:
            return "measured"
        return "itself predicted by a surrogate, not measured"

    def holdings(self) -> str:
        """What the table holds, in words: datasets, splits and epochs."""
        epochs: dict[str, list[str]] = {}
        for column in self.columns:
            epochs.setdefault(f"{column.dataset}/{column.split}", []).append(
                str(column.epochs)
            )
        return (
            "; ".join(
                f"{name} at {', '.join(ends)} epochs" for name, ends in epochs.items()
            )
            or "nothing"
        )

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """The column of that key.

        Raises UserError, listing what there is, if there is none.
        """
        return self.columns[self._place(dataset, split, epochs)]

    def _place(self, dataset: str, split: str, epochs: int) -> int:
        place = self._places.get((dataset, split, epochs))
        if place is not None:
            return place
        raise missing_column(self.name, list(self._places), dataset, split, epochs)

    @property
    def architectures(self) -> np.ndarray:
        """The architectures stored: int8, architectures × edges of all cell types."""
        return self._array("choices")

    def matrix(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Accuracies in per cent, stored architectures × trials, NaN where there is no such trial."""
        return self._accuracies(self._place(dataset, split, epochs), slice(None))

    def extent(self, dataset: str, split: str, epochs: int) -> Extent:
        """Return how many trials a column holds, and their range.

        Raises UserError if there is no such column.
        """
        accuracies = self.matrix(dataset, split, epochs)
        present = ~np.isnan(accuracies)
        of_each = present.sum(axis=1)[present.any(axis=1)]
        values = accuracies[present]
        return Extent(
            len(values),
            int(of_each.min()),
            int(of_each.max()),
            float(values.min()),
            float(values.max()),
        )

    def _accuracies(self, place: int, rows: int | slice) -> np.ndarray:
        """Those of some rows of a column: a lookup must not unpack all of it."""
        return _unpack(
            self._array(f"column{place}")[rows],
            self._header["columns"][place]["divisor"],
        )

    @cached_property
    def population(self) -> tuple[np.ndarray, np.ndarray]:
        """All architectures the table speaks for (architectures × edges), and the row each is stored in.

        These are the stored ones; with `canonical_only`, all of the space whose
        representative is stored, unless the space is too large to be listed.
        """
        if "members" in self._header["arrays"]:
            return self._array("members"), self._array("member_rows")
        if not self.canonical_only or not self.space.enumerable:
            return self.architectures, np.arange(len(self))
        rows = self._rows
        found = [
            (flat, rows[representative])
            for architecture, canonical in self.space.classes.items()
            if (representative := _flat(canonical)) in rows
            for flat in (_flat(architecture),)
        ]
        edges = self.architectures.shape[1]
        choices = np.frombuffer(
            b"".join(flat for flat, _ in found), dtype=np.int8
        ).reshape(-1, edges)
        return choices, np.array([row for _, row in found], dtype=np.int64)

    def means(self, dataset: str, split: str, epochs: int) -> np.ndarray:
        """Mean of trials, in per cent, of each architecture of the :attr:`population`; NaN if it has none."""
        key = (dataset, split, epochs)
        if key not in self._means:
            matrix = self.matrix(*key)
            present = ~np.isnan(matrix)
            with np.errstate(invalid="ignore"):
                means = np.where(present, matrix, 0.0).sum(axis=1) / present.sum(axis=1)
            # Equal means must compare equal, whichever trials they are of.
            self._means[key] = np.round(means, 9)[self.population[1]]
        return self._means[key]

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float | None:
        """The mean of trials of an architecture as :meth:`means` has it, in per cent; None if there is no trial.

        Raises UserError if there is no such column.
        """
        means = self.means(dataset, split, epochs)
        row = self.row(architecture)
        found = [] if row is None else means[self.population[1] == row].tolist()
        return found[0] if found and found[0] == found[0] else None

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """All trials of an architecture.

        Raises UserError, saying what there is, if the table has none.
        """
        place = self._place(dataset, split, epochs)
        column, row = self.columns[place], self.row(architecture)
        trials = [] if row is None else self._accuracies(place, row).tolist()
        found = [
            (value, seed)
            for value, seed in zip(trials, column.seeds, strict=False)
            if value == value
        ]
        if not found:
            raise UserError(
                f"truth '{self.name}' has no trial of {self.space.format(architecture)} on {dataset}/{split} "
                f"at {epochs} epochs: {column.count} {'classes' if self.canonical_only else 'architectures'} "
                "have one"
            )
        accuracies, seeds = zip(*found, strict=True)
        return Trials(accuracies, seeds)

    def row(self, architecture: Architecture) -> int | None:
        """The row an architecture (or its class) is stored in, None if it is not."""
        if self.canonical_only:
            architecture = self.space.canonical(architecture)
        return self._rows.get(_flat(architecture))

    def speaks_for(self, space: SearchSpace) -> bool:
        """Whether the space is the table's, or a sub-space of it."""
        return serves(self.space.name, space)

    def within(self, space: SearchSpace) -> TruthTable:
        """What the table says of a space: itself, or for a sub-space its part, as a table of the sub-space.

        The part stores each cell of the sub-space once, and speaks for every
        architecture that is one. Raises UserError if the table is of another space, or
        has no cell of the sub-space.
        """
        if space.name == self.space.name:
            return self
        if not isinstance(space, OneShotSpace) or not self.speaks_for(space):
            raise UserError(
                f"truth '{self.name}' is of space {self.space.name}, which says nothing of {space.name}"
            )
        members = space.members()
        stored = self._rows
        if not self.canonical_only:
            canonical = (
                self.space.canonical(unflatten(self.space, row))
                for row in self.architectures
            )
            stored = {
                _flat(architecture): index
                for index, architecture in enumerate(canonical)
            }
        rows = np.array([stored.get(cell.tobytes(), -1) for cell in members.cells])
        found = np.flatnonzero(rows >= 0)
        if not len(found):
            raise UserError(f"truth '{self.name}' has no cell of {space.name}")
        place = np.full(len(rows), -1)
        place[found] = np.arange(len(found))
        spoken = place[members.cell] >= 0
        return TruthTable.build(
            name=self.name,
            space=space.name,
            choices=members.choices[members.first[found]],
            columns={
                c.key: (c.seeds, self.matrix(*c.key)[rows[found]]) for c in self.columns
            },
            origin=self.origin,
            licence=self.licence,
            canonical_only=True,
            details=self.details,
            members=(members.choices[spoken], place[members.cell[spoken]]),
            provenance=self.provenance,
        )

    @cached_property
    def _rows(self) -> dict[bytes, int]:
        return {row.tobytes(): index for index, row in enumerate(self.architectures)}

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            path = self._path
            assert path is not None
            try:
                with open_arrays(path) as file:
                    array = file[name]
            except UNREADABLE as error:
                raise _damaged(path) from error
            if _digest(array) != self._header["arrays"][name] or not self._fits(
                name, array
            ):
                raise _damaged(path)
            self._arrays[name] = array
        return self._arrays[name]

    def _fits(self, name: str, array: np.ndarray) -> bool:
        """Whether an array of a file, whose checksum anyone can make, is what the header says and the space has."""
        sizes = np.array(
            [len(names) for cell in self.space.cells for names in cell.operations]
        )
        if name in ("choices", "members"):
            there = (
                array.dtype == np.int8
                and array.ndim == 2
                and array.shape[1] == len(sizes)
            )
            there = there and (name == "members" or len(array) == len(self))
            return there and not np.any(
                (array >= sizes) | ((array < 0) & (array != DROPPED))
            )
        if name == "member_rows":
            of = self._array("members").shape[:1]
            return (
                array.dtype == np.int32
                and array.shape == of
                and not np.any((array < 0) | (array >= len(self)))
            )
        described = self._header["columns"][int(name.removeprefix("column"))]
        divisor, shape = described["divisor"], (len(self), len(described["seeds"]))
        if (
            array.dtype.kind != ("f" if divisor is None else "u")
            or array.shape != shape
        ):
            return False
        values = _unpack(array, divisor)
        return not np.any((values < 0) | (values > 100))


class TableBuilder:
    """Collects trials one by one and makes the table of them; what importers use.

    Raises UserError on a trial given twice and on an accuracy that is not within
    0..100.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._trials: dict[ColumnKey, dict[str, dict[Architecture, float]]] = {}

    def add(
        self,
        architecture: Architecture,
        dataset: str,
        split: str,
        epochs: int,
        seed: str,
        accuracy: float,
    ) -> None:
        """One trial, its accuracy in per cent."""
        if not 0 <= accuracy <= 100:
            raise UserError(
                f"accuracy {accuracy} of {self.space.format(architecture)} is outside 0..100 per cent"
            )
        trials = self._trials.setdefault((dataset, split, epochs), {}).setdefault(
            seed, {}
        )
        if architecture in trials:
            raise UserError(
                f"the trial of {self.space.format(architecture)} on {dataset}/{split} at {epochs} epochs "
                f"with seed {seed} is given twice"
            )
        trials[architecture] = accuracy

    def table(
        self,
        name: str,
        *,
        origin: str,
        licence: str,
        provenance: str = MEASURED,
        details: Mapping[str, Any] | None = None,
    ) -> TruthTable:
        """The table, architectures and seeds sorted.

        Raises UserError if no trial was added.
        """
        if not self._trials:
            raise UserError(
                f"nothing to import for truth '{name}': the source holds no trial ({origin})"
            )
        found = {
            a
            for seeds in self._trials.values()
            for trials in seeds.values()
            for a in trials
        }
        architectures = sorted(found, key=_flat)
        row = {architecture: index for index, architecture in enumerate(architectures)}
        columns = {}
        for key, seeds in self._trials.items():
            names = sorted(seeds, key=lambda seed: (len(seed), seed))
            values = np.full((len(architectures), len(names)), np.nan)
            for trial, seed in enumerate(names):
                for architecture, accuracy in seeds[seed].items():
                    values[row[architecture], trial] = accuracy
            columns[key] = (names, values)
        return TruthTable.build(
            name=name,
            space=self.space.name,
            choices=np.array(
                [np.frombuffer(_flat(a), dtype=np.int8) for a in architectures]
            ),
            columns=columns,
            origin=origin,
            licence=licence,
            provenance=provenance,
            details=details,
        )


def serves(truth_space: str, space: SearchSpace) -> bool:
    """Return whether a truth of one space, given by name, says anything of another: of the same, or of a sub-space."""
    if space.name == truth_space:
        return True
    return isinstance(space, OneShotSpace) and space.truth_space == truth_space


def flatten(architecture: Architecture) -> np.ndarray:
    """An architecture as a row of a table's `choices`: int8, edges of all cell types."""
    return np.frombuffer(_flat(architecture), dtype=np.int8)


def unflatten(space: SearchSpace, row: np.ndarray) -> Architecture:
    """The inverse of :func:`flatten`."""
    ends = np.cumsum([len(cell.edges) for cell in space.cells])
    return Architecture(
        tuple(
            tuple(None if choice == DROPPED else int(choice) for choice in part)
            for part in np.split(row, ends[:-1])
        )
    )


def _flat(architecture: Architecture) -> bytes:
    return array(
        "b",
        [
            DROPPED if choice is None else choice
            for row in architecture.choices
            for choice in row
        ],
    ).tobytes()


def _check_choices(
    space: SearchSpace, choices: np.ndarray, canonical_only: bool
) -> None:
    sizes = [len(names) for cell in space.cells for names in cell.operations]
    if choices.ndim != 2 or choices.shape[1] != len(sizes):
        raise UserError(
            f"choices of {space.name} must be architectures x {len(sizes)} edges, not {choices.shape}"
        )
    if np.any((choices >= np.array(sizes)) | ((choices < 0) & (choices != DROPPED))):
        raise UserError(
            f"choices of {space.name} must be operation indices of their edge, or {DROPPED}"
        )
    if len({row.tobytes() for row in choices}) != len(choices):
        raise UserError("an architecture is given twice")
    if canonical_only:
        for row in choices:
            architecture = unflatten(space, row)
            if space.canonical(architecture) != architecture:
                raise UserError(
                    f"{space.format(architecture)} is not the representative of its class"
                )


def _pack(values: np.ndarray) -> tuple[np.ndarray, int | None]:
    """The array to store, and the divisor d if it holds the k of accuracies 100 k / d."""
    present = ~np.isnan(values)
    divisor = _divisor(values[present])
    if divisor is None:
        return values.astype(np.float32), None
    kind: type[np.unsignedinteger[Any]] = (
        np.uint16 if divisor < np.iinfo(np.uint16).max else np.uint32
    )
    whole = np.full(values.shape, np.iinfo(kind).max, dtype=kind)
    whole[present] = np.rint(values[present] * divisor / 100)
    return whole, divisor


def _unpack(stored: np.ndarray, divisor: int | None) -> np.ndarray:
    if divisor is None:
        return stored.astype(np.float64)
    values = 100 * stored.astype(np.float64) / divisor
    values[stored == np.iinfo(stored.dtype).max] = np.nan
    return values


def _divisor(values: np.ndarray) -> int | None:
    """The least d such that every accuracy is 100 k / d within the tolerance; None if there is none."""
    candidates = np.array([*range(1, 10_001), 25_000, 50_000, 100_000, 1_000_000])
    shares = values[:32, None] * (candidates / 100)
    fits = np.all(
        np.abs(shares - np.rint(shares)) <= TOLERANCE * candidates / 100, axis=0
    )
    for divisor in candidates[fits].tolist():
        if np.all(
            np.abs(100 * np.rint(values * divisor / 100) / divisor - values)
            <= TOLERANCE
        ):
            return int(divisor)
    return None


def _digest(array: np.ndarray) -> str:
    form = f"{array.dtype.str}{array.shape}".encode()
    return hashlib.sha256(form + np.ascontiguousarray(array).tobytes()).hexdigest()


def _checksum(header: dict[str, Any]) -> str:
    content = {
        key: value
        for key, value in header.items()
        if key not in ("name", "created_by", "checksum")
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged (its checksum does not fit): delete it, then build or import it again"
    )
