"""A surrogate: what accuracy an architecture would have, predicted by a sum of a line and trees. No torch here.

One `.npz` without pickles: `surrogate` is JSON text in UTF-8 as bytes, `weights` the
line's, `trees_…` the arrays of :class:`Trees`, and `table_…` the table that it was
fitted on, whole, so that a rank has something to be among. The trees are kept rather
than fitted again when the file is opened, because another version of a library may grow
others.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import check_value_types
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space, registry
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShotSpace
from archselect.nasbench_adapters.truth import nb301_encoding
from archselect.nasbench_adapters.truth.features import feature_names, features, rows_of
from archselect.nasbench_adapters.truth.table import (
    MEASURED,
    UNREADABLE,
    Column,
    Trials,
    TruthTable,
)
from archselect.nasbench_adapters.truth.trees import Trees

SCHEMA = 1
SEED = "predicted"
"""Stands where the seed of a training would: there was none."""

Encoding = tuple[
    Callable[[SearchSpace], list[str]], Callable[[SearchSpace, np.ndarray], np.ndarray]
]
ENCODINGS: dict[str, Encoding] = {
    "archselect": (feature_names, features),
    "nasbench301": (nb301_encoding.feature_names, nb301_encoding.features),
}
"""How rows of a table become features: their names, and the rows of numbers."""


_KINDS: dict[str, type | UnionType] = {
    **{
        "schema": int,
        "name": str,
        "space": str,
        "encoding": str,
        "features": list,
        "intercept": int | float,
    },
    **{
        "origin": str,
        "licence": str,
        "provenance": str,
        "agreement": dict | None,
        "details": dict,
    },
    **{"arrays": dict, "checksum": str},
}
"""Of the entries of a surrogate's header."""
_AGREEMENT: dict[str, type | UnionType] = {
    field.name: int | float | None if field.name.startswith("best") else int | float
    for field in fields(Agreement)
}


class Surrogate:
    """Predicted accuracies of one column.

    Made by :func:`.fitting.fit_surrogate`, :func:`.nb301_file.import_folder`.

    Attributes:
        name: of the surrogate.
        space: whose architectures it predicts; all of them.
        columns: the one that it predicts.
        reference: the table it was fitted on, or was compared with; ranks and
            landscapes are over its architectures.
        origin: what it was fitted on, and by whom.
        licence: of the accuracies behind it.
        provenance: whether those were MEASURED or themselves PREDICTED.
        agreement: its cross-validation; None where it was fitted elsewhere.
        details: anything else that is worth knowing, as JSON values.
        checksum: SHA-256 of the content (the name and the version that wrote it apart).
    """

    def __init__(
        self,
        header: dict[str, Any],
        weights: np.ndarray,
        trees: Trees,
        table: TruthTable,
        within: str | None = None,
    ) -> None:
        self._header, self._weights, self._trees, self._table = (
            header,
            weights,
            trees,
            table,
        )
        self._own: SearchSpace = get_space(header["space"])
        self._encode = ENCODINGS[header["encoding"]][1]
        self.name: str = header["name"]
        self.space: SearchSpace = get_space(within or header["space"])
        self.reference: TruthTable = table.within(self.space)
        self.origin: str = header["origin"]
        self.licence: str = header["licence"]
        self.provenance: str = header["provenance"]
        self.agreement: Agreement | None = (
            Agreement(**header["agreement"]) if header["agreement"] else None
        )
        self.details: dict[str, Any] = header["details"]
        self.checksum: str = (
            header["checksum"]
            if within is None
            else _hash([header["checksum"], within])
        )
        self.columns: list[Column] = [
            Column(c.dataset, c.split, c.epochs, (SEED,), self.space.size)
            for c in self.reference.columns
        ]

    def __repr__(self) -> str:
        return (
            f"<Surrogate {self.name}: {self.space.name}, {self.reference.holdings()}>"
        )

    @classmethod
    def build(
        cls,
        *,
        name: str,
        encoding: str,
        intercept: float,
        weights: np.ndarray,
        trees: Trees,
        table: TruthTable,
        origin: str,
        licence: str,
        agreement: Agreement | None,
        details: Mapping[str, Any],
        provenance: str,
    ) -> Surrogate:
        """A surrogate from its parts.

        Args:
            encoding: one of :data:`ENCODINGS`.
            intercept, weights: of the line, in per cent and per cent per feature; zeros
                for none.
            table: of one column, the one that is predicted.
            provenance: of the accuracies that it was fitted on.
        """
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "space": table.space.name,
            "encoding": encoding,
            "features": ENCODINGS[encoding][0](table.space),
            "intercept": intercept,
            "origin": origin,
            "licence": licence,
            "provenance": provenance,
            "agreement": asdict(agreement) if agreement else None,
            "details": dict(details),
            "created_by": f"archselect {version('archselect')}",
        }
        header["arrays"] = _digests(_arrays(weights, trees, table))
        return cls(header | {"checksum": _checksum(header)}, weights, trees, table)

    @staticmethod
    def is_one(path: Path | str) -> bool:
        """Whether the file at the path says that it is a surrogate; a damaged or missing one does not."""
        try:
            with open_arrays(Path(path)) as file:
                return "surrogate" in file
        except UNREADABLE:
            return False

    @classmethod
    def open(cls, path: Path | str) -> Surrogate:
        """The surrogate in a file.

        Raises UserError if the file is missing, damaged, foreign or of another version.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(
                f"no surrogate at {path}: 'archselect truth list' says which there are"
            )
        try:
            with open_arrays(path) as file:
                content = dict(file)
            header = json.loads(content.pop("surrogate").tobytes())
            check_value_types(header, _KINDS)
            if header["agreement"] is not None:
                check_value_types(header["agreement"], _AGREEMENT)
            if header["schema"] != SCHEMA:
                raise UserError(
                    f"{path} has schema {header['schema']}, not {SCHEMA}: fit the surrogate again"
                )
            if header["checksum"] != _checksum(header) or header["arrays"] != _digests(
                content
            ):
                raise ValueError("the checksum does not fit")
            if header["space"] not in registry:
                raise UserError(
                    f"{path} is of the space '{header['space']}', which is not installed"
                )
            if header["features"] != ENCODINGS[header["encoding"]][0](
                get_space(header["space"])
            ):
                raise UserError(
                    f"{path} was made for other features than this version's: fit the surrogate again"
                )
            trees = Trees(*(content[f"trees_{field.name}"] for field in fields(Trees)))
            trees.check(len(header["features"]))
            weights = content["weights"]
            if weights.shape != (len(header["features"]),) or weights.dtype.kind != "f":
                raise ValueError("its weights are not one number per feature")
            numbers = [header["intercept"], *(header["agreement"] or {}).values()]
            if not np.isfinite(weights).all() or not all(
                isfinite(value) for value in numbers if value is not None
            ):
                raise ValueError("it holds numbers that are not finite")
            return cls(
                header, weights, trees, TruthTable.restored(_parts(content, "table_"))
            )
        except UNREADABLE as error:
            raise UserError(
                f"{path} is no surrogate, or damaged: delete it, then fit or import it again"
            ) from error

    def save(self, path: Path | str) -> None:
        """Write the surrogate, whole or not at all.

        Raises UserError if the folder cannot take it.
        """
        buffer = io.BytesIO()
        header = np.frombuffer(json.dumps(self._header).encode(), dtype=np.uint8)
        arrays = _arrays(self._weights, self._trees, self._table)
        np.savez_compressed(buffer, surrogate=header, **arrays)  # type: ignore[arg-type]
        write_atomically(Path(path), buffer.getvalue())

    def holdings(self) -> str:
        """What it predicts, in words."""
        return self.reference.holdings()

    def how(self) -> str:
        """In words, how an accuracy of it comes about, and how good it is."""
        quality = str(self.agreement or "how well was not measured here")
        behind = (
            ""
            if self.provenance == MEASURED
            else "; fitted on accuracies that are themselves predicted"
        )
        return f"predicted by a surrogate, {quality}{behind}"

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """The column of that key.

        Raises UserError, listing what there is, if it is not the one predicted.
        """
        self.reference.column(dataset, split, epochs)
        return self.columns[0]

    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """The accuracies of architectures of the space in per cent, float64; cut off at 0 and 100."""
        if isinstance(self.space, OneShotSpace) and self.space.name != self._own.name:
            architectures = [
                self.space.in_truth(architecture) for architecture in architectures
            ]
        return self.predict_rows(rows_of(self._own, architectures))

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """As :meth:`predict`, of representatives of the surrogate's own space as rows of a table's `choices`."""
        encoded = self._encode(self._own, rows)
        line = self._header["intercept"] + encoded @ self._weights
        return np.clip(line + self._trees.predict(encoded), 0, 100)

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float:
        """The prediction, in per cent. Raises UserError if it is of another column."""
        self.column(dataset, split, epochs)
        return float(np.round(self.predict([architecture])[0], 9))

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """The prediction in the place of a trial.

        Raises UserError, listing what there is, for another column.
        """
        return Trials((self.mean(architecture, dataset, split, epochs),), (SEED,))

    def speaks_for(self, space: SearchSpace) -> bool:
        """Whether the space is the surrogate's, or a sub-space of it."""
        return self._table.speaks_for(space)

    def within(self, space: SearchSpace) -> Surrogate:
        """The surrogate for a sub-space.

        Raises UserError if it is of another space, or its table has nothing of it.
        """
        if space.name == self.space.name:
            return self
        return Surrogate(
            self._header, self._weights, self._trees, self._table, within=space.name
        )


GroundTruth = TruthTable | Surrogate
"""Whatever says which accuracy an architecture has."""


def _arrays(
    weights: np.ndarray, trees: Trees, table: TruthTable
) -> dict[str, np.ndarray]:
    return {
        "weights": weights,
        **{f"trees_{name}": array for name, array in trees.arrays().items()},
        **{f"table_{name}": array for name, array in table.stored().items()},
    }


def _parts(content: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {
        name.removeprefix(prefix): array
        for name, array in content.items()
        if name.startswith(prefix)
    }


def _digests(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Of every array but the table's header, which names the table's version and has a checksum of its own."""
    return {
        name: hashlib.sha256(
            f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
        ).hexdigest()
        for name, array in arrays.items()
        if name != "table_header"
    }


def _checksum(header: Mapping[str, Any]) -> str:
    return _hash(
        {
            key: value
            for key, value in header.items()
            if key not in ("name", "created_by", "checksum")
        }
    )


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
