"""Import of NAS-Bench-101: its official `nasbench_*.tfrecord`, or a CSV of its cells.

A record of the official file (:mod:`.tfrecord`) is one trial. Its payload is a JSON
list of the cell's hash, the epochs, the adjacency matrix, the operations and, in base
64, a protocol buffer `ModelMetrics`. The last evaluation in that buffer is the final
one. This file imports neither torch nor TensorFlow.
"""

from __future__ import annotations

import base64
import json
import struct
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces.nb101 import (
    BLOCKS,
    VertexGraph,
    canonical_graph,
    graph_hash,
    parse_graph,
    row_of,
)
from archselect.nasbench_adapters.truth.benchmark_results import wrong_form
from archselect.nasbench_adapters.truth.frames import (
    read_frame,
    read_header,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.ground_truth import ColumnKey
from archselect.nasbench_adapters.truth.protocol_buffer import read_fields
from archselect.nasbench_adapters.truth.rows import Rows
from archselect.nasbench_adapters.truth.table import ColumnData, TruthTable
from archselect.nasbench_adapters.truth.tfrecord import describe_place, read_records

ORIGIN = "measured by Ying et al. (NAS-Bench-101, ICML 2019)"
LICENCE = "Apache-2.0"
SPACE = "nb101"
DATASET = "cifar10"
EPOCHS = (4, 12, 36, 108)
"""Numbers of epochs of the trainings in the official file."""
CSV_EPOCHS = EPOCHS[-1]
"""Number of epochs of the trainings in a CSV of cells."""
CSV_PREFIXES = {"valid": "val", "test": "test"}
"""For each split, the start of the names of a CSV's columns of accuracies."""
MOST_TRIALS = 10
"""Largest number of trials per cell and number of epochs; the benchmark has three."""
EVALUATED = 10_000 // 256 * 256
"""Number of images behind an accuracy.

They are the full batches of 256 from 10,000 images (the benchmark's `evaluate.py`).
"""
ROUNDED = 1e-6
"""Largest rounding error of a stored accuracy.

The files have single precision, or six decimals.
"""
EVALUATION = 1
"""Number of the field with the evaluations in a `ModelMetrics`."""
VALID_ACCURACY = 4
"""Number of the field with the validation accuracy in an evaluation."""
TEST_ACCURACY = 5
"""Number of the field with the test accuracy in an evaluation."""

_Columns = dict[ColumnKey, ColumnData]


class _Cells:
    """Distinct cells, numbered in the order in which they are added."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._index)

    def add(self, module: VertexGraph) -> int:
        """Return the index of a new cell.

        Raises UserError if an equal cell was added before, in this or another form.
        """
        row = row_of(canonical_graph(module), BLOCKS)
        numbers = [DROPPED if choice is None else choice for choice in row]
        choices = np.array(numbers, dtype=np.int8).tobytes()
        if choices in self._index:
            raise UserError(
                f"{module} is equal to an earlier cell: keep one of the two"
            )
        index = len(self._index)
        self._index[choices] = index
        return index

    def table(
        self, name: str, path: Path, columns: Mapping[ColumnKey, ColumnData]
    ) -> TruthTable:
        """Return the table of the cells and of their accuracies.

        Args:
            name: name of the table.
            path: path of the source.
            columns: accuracies between 0 and 1, (cells, trials).

        Raises:
            UserError: if there is no trial.
        """
        if not self._index or not columns:
            raise UserError(
                f"nothing to import for truth '{name}': the source holds no trial ({path})"
            )
        choices = np.frombuffer(b"".join(self._index), dtype=np.int8)
        return TruthTable.build(
            name=name,
            space=SPACE,
            choices=choices.reshape(len(self), -1),
            columns={
                key: ColumnData(data.seeds, _per_cent(data.accuracies))
                for key, data in columns.items()
            },
            origin=f"{ORIGIN}, from {path.name}",
            licence=LICENCE,
            canonical_only=True,
        )


@dataclass(frozen=True)
class _TrialsOfEpochs:
    """All trials of one number of epochs, in the order of the file.

    Attributes:
        cells: index of each trial's cell.
        valid, test: accuracies between 0 and 1.
    """

    cells: array[int] = field(default_factory=lambda: array("i"))
    valid: array[float] = field(default_factory=lambda: array("d"))
    test: array[float] = field(default_factory=lambda: array("d"))


def import_file(path: Path, name: str) -> TruthTable:
    """Return the table of an official file.

    The file is `nasbench_only108.tfrecord` or `nasbench_full.tfrecord`, and is read
    record by record. Trials are named by their order in the file: "0", "1", "2".

    Raises UserError, which names the record, if the file is damaged or has another
    form, or if a cell has a wrong hash.
    """
    cells = _Cells()
    cell_of_text: dict[str, int] = {}
    trials: dict[int, _TrialsOfEpochs] = {}
    for record in read_records(path):
        try:
            payload = _parse_payload(record.payload)
            if payload.cell not in cell_of_text:
                cell_of_text[payload.cell] = cells.add(_parse_cell(payload))
            accuracies = _final_accuracies(base64.b64decode(payload.metrics))
        except UserError as error:
            raise UserError(f"{describe_place(path, record)}: {error}") from error
        except DAMAGED as error:
            raise wrong_form(describe_place(path, record), error) from error
        of_epochs = trials.setdefault(payload.epochs, _TrialsOfEpochs())
        of_epochs.cells.append(cell_of_text[payload.cell])
        of_epochs.valid.append(accuracies.valid)
        of_epochs.test.append(accuracies.test)
    columns: _Columns = {}
    for epochs, of_epochs in trials.items():
        columns |= _columns_of_epochs(path, epochs, of_epochs, len(cells))
    return cells.table(name, path, columns)


def _columns_of_epochs(
    path: Path, epochs: int, trials: _TrialsOfEpochs, cells: int
) -> _Columns:
    """Return the columns of one number of epochs.

    Raises UserError if a cell has too many trials.
    """
    cell = np.array(trials.cells)
    trial = _count_before(cell)
    count = int(trial.max()) + 1
    if count > MOST_TRIALS:
        raise UserError(
            f"{path}: a cell has {count} trials of {epochs} epochs, more than {MOST_TRIALS}"
        )
    seeds = [str(seed) for seed in range(count)]
    columns = {}
    for split, accuracies in (("valid", trials.valid), ("test", trials.test)):
        matrix = np.full((cells, count), np.nan)
        matrix[cell, trial] = np.array(accuracies)
        columns[ColumnKey(DATASET, split, epochs)] = ColumnData(seeds, matrix)
    return columns


def import_csv(path: Path, name: str) -> TruthTable:
    """Return the table of a CSV of cells at 108 epochs.

    Its columns are `adjacency` and `ops` as in the official file, and `val1`, `val2`,
    …, `test1`, `test2`, …. Accuracies are between 0 and 1; an empty field means that
    there is no trial. Other columns, such as a hash, are ignored.

    Raises UserError, which names the row (1 is the first row after the header), for a
    value that is missing, malformed, or occurs twice.
    """
    frame = _read_csv(path)
    columns = {}
    for split, prefix in CSV_PREFIXES.items():
        key = ColumnKey(DATASET, split, CSV_EPOCHS)
        columns[key] = _read_csv_column(path, frame, prefix)
    cells = _Cells()
    texts = zip(frame["adjacency"], frame["ops"], strict=True)
    for row, (adjacency, operations) in enumerate(texts, start=1):
        try:
            cells.add(parse_graph(f"{adjacency}:{operations}"))
        except UserError as error:
            raise UserError(f"{path}, row {row}: {error}") from error
    return cells.table(name, path, columns)


def _read_csv_column(path: Path, frame: pd.DataFrame, prefix: str) -> ColumnData:
    """Return the accuracies of a split of a CSV, between 0 and 1.

    Raises UserError if there are none, or one is not a number within 0..1.
    """
    possible = {f"{prefix}{trial}": str(trial - 1) for trial in range(1, 10)}
    seeds = {name: seed for name, seed in possible.items() if name in frame}
    if not seeds:
        raise UserError(
            f"{path} lacks the column {prefix}1; it needs adjacency, ops, val1 and test1"
        )
    texts = frame[list(seeds)]
    numbers = texts.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    given = (texts != "").to_numpy()
    within = (numbers >= 0) & (numbers <= 1)
    bad = given & ~within
    if bad.any():
        row = int(bad.any(axis=1).argmax()) + 1
        raise UserError(
            f"{path}, row {row}: an accuracy must be a number within 0..1 ({int(bad.sum())} values are not)"
        )
    return ColumnData(list(seeds.values()), numbers)


def is_csv_of_cells(path: Path) -> bool:
    """Return whether a CSV has the columns of :func:`import_csv`.

    Raises UserError if it cannot be read.
    """
    return not _missing_columns(read_header(path))


def _missing_columns(header: Iterable[str]) -> list[str]:
    """Return the columns of cells that a CSV lacks."""
    names = set(header)
    return [column for column in ("adjacency", "ops") if column not in names]


def _read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV with all columns as text.

    Raises UserError if it cannot be read or lacks columns of cells.
    """
    header = read_header(path)
    missing = _missing_columns(header)
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise UserError(
            f"{path} lacks the column{plural} {', '.join(missing)}; it needs adjacency, ops, val1 and test1"
        )
    frame = read_frame(path, header)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.raise_any()
    return frame


def _per_cent(shares: np.ndarray) -> np.ndarray:
    """Return accuracies between 0 and 1 in per cent, without rounding errors.

    The true accuracy is a number of images divided by :data:`EVALUATED`.
    """
    exact = np.rint(shares * EVALUATED) / EVALUATED
    rounded = np.abs(exact - shares) <= ROUNDED
    return 100 * np.where(rounded, exact, shares)


def _count_before(values: np.ndarray) -> np.ndarray:
    """Return, for each entry, the number of equal entries before it."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.searchsorted(ordered, ordered)
    counts = np.empty_like(order)
    counts[order] = np.arange(len(values)) - starts
    return counts


class _Payload(NamedTuple):
    """The content of a record.

    Attributes:
        digest: the benchmark's hash of the cell.
        epochs: number of epochs of the training.
        cell: adjacency matrix and operations, in the space's text form.
        metrics: a protocol buffer in base 64.
    """

    digest: str
    epochs: int
    cell: str
    metrics: str


def _parse_payload(payload: bytes) -> _Payload:
    """Return the content of a record.

    Raises ValueError if it has another form.
    """
    match json.loads(payload):
        case [
            str(digest),
            int(epochs),
            str(adjacency),
            str(operations),
            str(metrics),
        ] if epochs in EPOCHS:
            return _Payload(digest, epochs, f"{adjacency}:{operations}", metrics)
    known = ", ".join(map(str, EPOCHS))
    raise ValueError(
        f"not a list of hash, epochs ({known}), adjacency, operations and metrics"
    )


def _parse_cell(payload: _Payload) -> VertexGraph:
    """Return the cell of a record.

    Raises UserError if it is malformed, or has a wrong hash.
    """
    module = parse_graph(payload.cell)
    if graph_hash(module) != payload.digest:
        raise UserError(
            f"{payload.digest[:40]!r} is not the hash of {module}: get the file again"
        )
    return module


class _Accuracies(NamedTuple):
    """Validation and test accuracy of a trial, between 0 and 1."""

    valid: float
    test: float


def _final_accuracies(metrics: bytes) -> _Accuracies:
    """Return the accuracies of the last evaluation in a `ModelMetrics`.

    Raises ValueError if it has none.
    """
    evaluations = [
        entry.value for entry in read_fields(metrics) if entry.number == EVALUATION
    ]
    final = evaluations[-1] if evaluations else None
    if not isinstance(final, bytes):
        raise ValueError("no evaluation")
    values = {entry.number: entry.value for entry in read_fields(final)}
    return _Accuracies(
        valid=_accuracy(values.get(VALID_ACCURACY)),
        test=_accuracy(values.get(TEST_ACCURACY)),
    )


def _accuracy(stored: int | bytes | None) -> float:
    """Return an accuracy between 0 and 1 that is stored as a 64-bit float.

    Raises ValueError if it is missing or out of range.
    """
    if not isinstance(stored, bytes) or len(stored) != 8:
        raise ValueError("an evaluation without validation or test accuracy")
    (accuracy,) = struct.unpack("<d", stored)
    if not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} is outside 0..1")
    return float(accuracy)
