"""A ground truth that predicts accuracies, by a linear model and decision trees.

The file is one `.npz` (:mod:`.sealed_arrays`) with these arrays:

* `surrogate`: a header as JSON text.
* `weights`: weights of the linear model.
* `trees_…`: the arrays of :class:`.trees.Trees`. They are stored, because another
  version of a library could fit different trees.
* `table_…`: the table that it was fitted on, which is the population for ranks.

This file does not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

import numpy as np

from archselect.nasbench_adapters.agreement import Agreement
from archselect.nasbench_adapters.arrays import open_arrays
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import check_value_types
from archselect.nasbench_adapters.space import Architecture, SearchSpace
from archselect.nasbench_adapters.spaces import get_space, registry
from archselect.nasbench_adapters.spaces.nb1shot1 import OneShotSpace
from archselect.nasbench_adapters.truth import nb301_encoding
from archselect.nasbench_adapters.truth.choices import canonical_rows
from archselect.nasbench_adapters.truth.features import feature_names, features
from archselect.nasbench_adapters.truth.ground_truth import (
    DECIMALS,
    MEASURED,
    Column,
    Provenance,
    Trials,
)
from archselect.nasbench_adapters.truth.sealed_arrays import (
    UNREADABLE,
    creator,
    decode_header,
    digest_all,
    encode_header,
    hash_json,
    header_checksum,
    seal,
    write_arrays,
)
from archselect.nasbench_adapters.truth.table import TruthTable
from archselect.nasbench_adapters.truth.trees import Trees

SCHEMA = 1
"""Version of the file format."""
SEED = "predicted"
"""Name of a prediction, in place of the seed of a training."""


class Encoding(NamedTuple):
    """A way to compute features from rows of a table.

    Attributes:
        feature_names: returns the names of the features of a space.
        features: returns the features of rows of a space, (architectures, names) of
            float32.
    """

    feature_names: Callable[[SearchSpace], list[str]]
    features: Callable[[SearchSpace, np.ndarray], np.ndarray]


ENCODINGS = {
    "archselect": Encoding(feature_names, features),
    "nasbench301": Encoding(nb301_encoding.feature_names, nb301_encoding.features),
}
"""The encodings by their names in a header."""


@dataclass(frozen=True, eq=False)
class LineAndTrees:
    """The sum of a linear model and decision trees.

    Attributes:
        intercept: intercept of the linear model, in per cent.
        weights: weights of the linear model, per cent per feature; zeros if there is no
            linear model.
        trees: trees whose sum is added.
    """

    intercept: float
    weights: np.ndarray
    trees: Trees

    def predict(self, encoded: np.ndarray) -> np.ndarray:
        """Return the prediction for each row of features, float64 in per cent."""
        line = self.intercept + encoded @ self.weights
        return line + self.trees.predict(encoded)


_HEADER_KINDS: dict[str, type | UnionType] = {
    "schema": int,
    "name": str,
    "space": str,
    "encoding": str,
    "features": list,
    "intercept": int | float,
    "origin": str,
    "licence": str,
    "provenance": str,
    "agreement": dict | None,
    "details": dict,
    "arrays": dict,
    "checksum": str,
}
_AGREEMENT_KINDS: dict[str, type | UnionType] = {
    field.name: int | float | None if field.name.startswith("best") else int | float
    for field in fields(Agreement)
}
_TABLE_PREFIX = "table_"
_TREES_PREFIX = "trees_"
_TABLE_HEADER = f"{_TABLE_PREFIX}header"


class Surrogate:
    """Predicted accuracies of one column: a :class:`.ground_truth.GroundTruth`.

    :func:`.fitting.fit_surrogate` fits one, :func:`.nb301_file.import_folder` converts
    a released one.

    Attributes:
        name: name of the surrogate.
        space: the search space; it predicts all architectures of it.
        columns: the column that it predicts.
        reference: the table that it was fitted on, or compared with; ranks and
            landscapes use its architectures.
        origin: data it was fitted on, and who fitted it.
        licence: licence of the accuracies that it was fitted on.
        provenance: whether these accuracies were MEASURED or PREDICTED.
        agreement: agreement of its cross-validated predictions; None if it was fitted
            elsewhere.
        details: further details, as JSON values.
        checksum: SHA-256 of the content, without the name and the version that wrote
            it.
        predicts: True, because it covers any architecture.
        measured: False, because it returns predictions.
    """

    predicts = True
    measured = False

    def __init__(
        self,
        header: dict[str, Any],
        model: LineAndTrees,
        table: TruthTable,
        within: str | None = None,
    ) -> None:
        self._header = header
        self._model = model
        self._table = table
        self._fitted_space: SearchSpace = get_space(header["space"])
        self._encode = ENCODINGS[header["encoding"]].features
        self.name: str = header["name"]
        self.space: SearchSpace = get_space(within or header["space"])
        self.reference: TruthTable = table.within(self.space)
        self.origin: str = header["origin"]
        self.licence: str = header["licence"]
        self.provenance: Provenance = header["provenance"]
        self.agreement: Agreement | None = None
        if header["agreement"]:
            self.agreement = Agreement(**header["agreement"])
        self.details: dict[str, Any] = header["details"]
        self.checksum: str = header["checksum"]
        if within is not None:
            self.checksum = hash_json([header["checksum"], within])
        self.columns: list[Column] = [
            Column(
                column.dataset, column.split, column.epochs, (SEED,), self.space.size
            )
            for column in self.reference.columns
        ]

    def __repr__(self) -> str:
        return f"<Surrogate {self.name}: {self.space.name}, {self.describe_columns()}>"

    @classmethod
    def build(
        cls,
        *,
        name: str,
        encoding: str,
        model: LineAndTrees,
        table: TruthTable,
        origin: str,
        licence: str,
        agreement: Agreement | None,
        details: Mapping[str, Any],
        provenance: Provenance,
    ) -> Surrogate:
        """Return a surrogate made of its parts.

        Args:
            name: name of the surrogate.
            encoding: one of :data:`ENCODINGS`.
            model: model that predicts from the features of that encoding.
            table: table with only the predicted column.
            origin: data it was fitted on, and who fitted it.
            licence: licence of the accuracies that it was fitted on.
            agreement: agreement of its cross-validated predictions, if any.
            details: further details, as JSON values.
            provenance: whether these accuracies were MEASURED or PREDICTED.
        """
        header: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "space": table.space.name,
            "encoding": encoding,
            "features": ENCODINGS[encoding].feature_names(table.space),
            "intercept": model.intercept,
            "origin": origin,
            "licence": licence,
            "provenance": provenance,
            "agreement": asdict(agreement) if agreement else None,
            "details": dict(details),
            "created_by": creator(),
            "arrays": digest_all(sealed_part(_arrays_of(model, table))),
        }
        return cls(seal(header), model, table)

    @staticmethod
    def is_surrogate_file(path: Path | str) -> bool:
        """Return whether a file holds a surrogate.

        It is False if the file is damaged or missing.
        """
        try:
            with open_arrays(Path(path)) as file:
                return "surrogate" in file
        except UNREADABLE:
            return False

    @classmethod
    def open(cls, path: Path | str) -> Surrogate:
        """Return the surrogate in a file.

        Raises UserError if the file is missing, damaged, foreign or of another version.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(
                f"no surrogate at {path}: 'archselect truth list' lists the existing ones"
            )
        try:
            with open_arrays(path) as file:
                arrays = dict(file)
            header = decode_header(arrays.pop("surrogate"))
            _check_header(path, header, arrays)
            model = _read_model(header, arrays)
            table = TruthTable.from_arrays(_with_prefix(arrays, _TABLE_PREFIX))
            return cls(header, model, table)
        except UNREADABLE as error:
            raise UserError(
                f"{path} is not a surrogate, or damaged: delete it, then fit or import it again"
            ) from error

    def save(self, path: Path | str) -> None:
        """Write the surrogate atomically: there is never a partial file.

        Raises UserError if the folder cannot be written to.
        """
        arrays = _arrays_of(self._model, self._table)
        write_arrays(path, {"surrogate": encode_header(self._header), **arrays})

    def describe_coverage(self) -> str:
        """Return a text about which architectures it covers."""
        return "any architecture"

    def describe_columns(self) -> str:
        """Return a text with the data set, split and epochs that it predicts."""
        return self.reference.describe_columns()

    def describe_provenance(self) -> str:
        """Return a text about the source of a prediction, and its quality."""
        quality = str(self.agreement or "how well was not measured here")
        fitted_on = ""
        if self.provenance != MEASURED:
            fitted_on = "; fitted on accuracies that are themselves predicted"
        return f"predicted by a surrogate, {quality}{fitted_on}"

    def column(self, dataset: str, split: str, epochs: int) -> Column:
        """Return the column.

        Raises UserError, which lists the existing columns, for any other column.
        """
        self.reference.column(dataset, split, epochs)
        return self.columns[0]

    def predict(self, architectures: Sequence[Architecture]) -> np.ndarray:
        """Return the accuracies of architectures of the space.

        Returns:
            one prediction per architecture, float64 in per cent, clipped to 0..100.
        """
        space = self.space
        if isinstance(space, OneShotSpace) and space.name != self._fitted_space.name:
            architectures = [space.in_truth(each) for each in architectures]
        return self.predict_rows(canonical_rows(self._fitted_space, architectures))

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions for rows of representatives, like :meth:`predict`.

        Args:
            rows: representatives, (architectures, edges of the space that it was fitted
                on) of int8.
        """
        encoded = self._encode(self._fitted_space, rows)
        return np.clip(self._model.predict(encoded), 0, 100)

    def mean(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> float:
        """Return the prediction in per cent.

        Raises UserError, which lists the existing columns, for any other column.
        """
        self.column(dataset, split, epochs)
        (prediction,) = self.predict([architecture])
        return float(np.round(prediction, DECIMALS))

    def lookup(
        self, architecture: Architecture, dataset: str, split: str, epochs: int
    ) -> Trials:
        """Return the prediction as the only trial.

        Raises UserError, which lists the existing columns, for any other column.
        """
        return Trials((self.mean(architecture, dataset, split, epochs),), (SEED,))

    def holds_whole_space(self, dataset: str, split: str, epochs: int) -> bool:
        """Return False, because it stores no trials, although it predicts the space.

        Raises UserError, which lists the existing columns, for any other column.
        """
        self.column(dataset, split, epochs)
        return False

    def covers(self, space: SearchSpace) -> bool:
        """Return whether a space is the surrogate's space, or a sub-space of it."""
        return self._table.covers(space)

    def within(self, space: SearchSpace) -> Surrogate:
        """Return the surrogate for its space, or for a sub-space of it.

        Raises UserError if it is for another space, or if its table has no architecture
        of the sub-space.
        """
        if space.name == self.space.name:
            return self
        return Surrogate(self._header, self._model, self._table, within=space.name)


def sealed_part(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays whose digests are in a surrogate's header.

    They are all arrays except the table's header, which names the version that wrote
    the table, and has a separate checksum.
    """
    return {name: array for name, array in arrays.items() if name != _TABLE_HEADER}


def _arrays_of(model: LineAndTrees, table: TruthTable) -> dict[str, np.ndarray]:
    """Return the arrays of a surrogate's file, without its header."""
    arrays = {"weights": model.weights}
    for name, array in model.trees.arrays().items():
        arrays[f"{_TREES_PREFIX}{name}"] = array
    for name, array in table.to_arrays().items():
        arrays[f"{_TABLE_PREFIX}{name}"] = array
    return arrays


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Any]:
    """Return the arrays whose names have a prefix, with the prefix removed."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _check_header(
    path: Path, header: dict[str, Any], arrays: Mapping[str, np.ndarray]
) -> None:
    """Raise UserError or ValueError unless a header is valid in this version."""
    check_value_types(header, _HEADER_KINDS)
    if header["agreement"] is not None:
        check_value_types(header["agreement"], _AGREEMENT_KINDS)
    if header["schema"] != SCHEMA:
        raise UserError(
            f"{path} has schema {header['schema']}, not {SCHEMA}: fit the surrogate again"
        )
    if header["checksum"] != header_checksum(header):
        raise ValueError("wrong checksum")
    if header["arrays"] != digest_all(sealed_part(arrays)):
        raise ValueError("wrong checksum of an array")
    if header["space"] not in registry:
        raise UserError(
            f"{path} is for the space '{header['space']}', which is not installed: install its package"
        )
    encoding = ENCODINGS[header["encoding"]]
    if header["features"] != encoding.feature_names(get_space(header["space"])):
        raise UserError(
            f"{path} was made with other features than this version has: fit the surrogate again"
        )


def _read_model(
    header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> LineAndTrees:
    """Return the model in a file.

    Raises ValueError if its arrays do not fit together, or a number is not finite.
    """
    count = len(header["features"])
    parts = [arrays[f"{_TREES_PREFIX}{field.name}"] for field in fields(Trees)]
    trees = Trees(*parts)
    trees.check(count)
    weights = arrays["weights"]
    if weights.shape != (count,) or weights.dtype.kind != "f":
        raise ValueError("its weights are not one number per feature")
    numbers = [header["intercept"]]
    if header["agreement"] is not None:
        numbers += header["agreement"].values()
    finite = all(isfinite(number) for number in numbers if number is not None)
    if not finite or not np.isfinite(weights).all():
        raise ValueError("it holds numbers that are not finite")
    return LineAndTrees(header["intercept"], weights, trees)
