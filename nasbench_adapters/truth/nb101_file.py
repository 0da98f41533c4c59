"""Imports NAS-Bench-101: its official `nasbench_*.tfrecord`, and its cells as CSV.

Neither torch nor TensorFlow here.

The official file is a sequence of records: length, checksum of the length, payload,
checksum of the payload. A payload is a JSON list of the cell's hash, the epochs,
adjacency matrix, operations and, in base 64, a protocol buffer `ModelMetrics`, of which
what is needed is read here. One record is one trial; its last evaluation is the final
one.
"""

from __future__ import annotations

import base64
import json
import struct
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED, open_plain
from archselect.nasbench_adapters.space import DROPPED
from archselect.nasbench_adapters.spaces.nb101 import (
    BLOCKS,
    CellGraph,
    canonical_graph,
    graph_hash,
    parse_graph,
    row_of,
)
from archselect.nasbench_adapters.truth.long_csv import (
    read_frame,
    read_header,
    refuse_long_rows,
)
from archselect.nasbench_adapters.truth.rows import Rows
from archselect.nasbench_adapters.truth.table import ColumnKey, TruthTable

ORIGIN = "measured by Ying et al. (NAS-Bench-101, ICML 2019)"
LICENCE = "Apache-2.0"
SPACE, DATASET, SPLITS = "nb101", "cifar10", ("valid", "test")
EPOCHS = (4, 12, 36, 108)
CSV_EPOCHS = EPOCHS[-1]
MOST_TRIALS = 10
"""Of a cell and a number of epochs; the benchmark has three."""
EVALUATED = 10_000 // 256 * 256
"""Images an accuracy is of: of 10,000, those in whole batches of 256 (the benchmark's
`evaluate.py`).
"""
ROUNDED = 1e-6
"""How far from a share of those images a stored accuracy may be: single precision, or
six decimals.
"""

LONGEST = 1 << 14
"""Bytes of the longest payload that is read; real ones have about 400."""
BATCH = 1 << 12
"""Payloads whose checksums are computed together."""
EVALUATION, VALID_ACCURACY, TEST_ACCURACY = 1, 4, 5
"""Field numbers of the protocol buffer: the evaluations of `ModelMetrics`, and the
accuracies of one.
"""


class _Cells:
    """Numbers distinct cells in the order in which they come."""

    def __init__(self) -> None:
        self._index: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._index)

    def add(self, module: CellGraph) -> int:
        """The index of a new cell.

        Raises UserError if it came before, written in this way or another.
        """
        row = row_of(canonical_graph(module), BLOCKS)
        choices = np.array(
            [DROPPED if choice is None else choice for choice in row], dtype=np.int8
        ).tobytes()
        if choices in self._index:
            raise UserError(f"{module} is the same cell as one before it")
        return self._index.setdefault(choices, len(self._index))

    def table(
        self,
        name: str,
        path: Path,
        columns: Mapping[ColumnKey, tuple[Sequence[str], np.ndarray]],
    ) -> TruthTable:
        """The table of the cells and of their accuracies (cells × trials, as shares of one)."""
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
                key: (seeds, _per_cent(values))
                for key, (seeds, values) in columns.items()
            },
            origin=f"{ORIGIN}, from {path.name}",
            licence=LICENCE,
            canonical_only=True,
        )


def import_file(path: Path, name: str) -> TruthTable:
    """The table of an official `nasbench_only108.tfrecord` or `nasbench_full.tfrecord`, read record by record.

    Trials are named by their order in the file: "0", "1", "2". Raises UserError, with
    the record, if the file is damaged or of another form, or if a cell's hash is not
    the benchmark's.
    """
    cells, known = _Cells(), dict[str, int]()
    trials: dict[int, tuple[array[int], array[float], array[float]]] = {}
    for record, start, payload in _records(path):
        try:
            digest, epochs, adjacency, operations, metrics = _payload(payload)
            text = f"{adjacency}:{operations}"
            if text not in known:
                module = parse_graph(text)
                if graph_hash(module) != digest:
                    raise UserError(f"the hash of {module} is not {digest[:40]!r}")
                known[text] = cells.add(module)
            valid, test = _final_accuracies(base64.b64decode(metrics))
        except UserError as error:
            raise UserError(f"{_where(path, record, start)}: {error}") from error
        except DAMAGED as error:
            raise UserError(
                f"{_where(path, record, start)} is not of the benchmark's form ({type(error).__name__}: {error}): "
                "name a file as its authors released it"
            ) from error
        rows, valids, tests = trials.setdefault(
            epochs, (array("i"), array("d"), array("d"))
        )
        rows.append(known[text])
        valids.append(valid)
        tests.append(test)
    columns: dict[ColumnKey, tuple[Sequence[str], np.ndarray]] = {}
    for epochs, (rows, *values) in trials.items():
        place, trial = np.array(rows), _occurrence(np.array(rows))
        if trial.max() >= MOST_TRIALS:
            raise UserError(
                f"{path}: a cell has {trial.max() + 1} trials of {epochs} epochs, more than {MOST_TRIALS}"
            )
        seeds = [str(seed) for seed in range(trial.max() + 1)]
        for split, accuracies in zip(SPLITS, values, strict=True):
            matrix = np.full((len(cells), len(seeds)), np.nan)
            matrix[place, trial] = np.array(accuracies)
            columns[DATASET, split, epochs] = seeds, matrix
    return cells.table(name, path, columns)


def import_csv(path: Path, name: str) -> TruthTable:
    """The table of a CSV of cells at 108 epochs: `adjacency` and `ops` as in the official file, `val1`, …, `test1`, ….

    Accuracies are shares of one; an empty one is no trial. Other columns, a hash among
    them, are not read. Raises UserError, with the row (1 is the first below the
    header), for what is missing, malformed, or comes twice.
    """
    frame = _read_csv(path)
    columns: dict[ColumnKey, tuple[Sequence[str], np.ndarray]] = {}
    for split, prefix in zip(SPLITS, ("val", "test"), strict=True):
        found = [
            column
            for column in (f"{prefix}{trial}" for trial in range(1, 10))
            if column in frame
        ]
        if not found:
            raise UserError(
                f"{path} lacks the column {prefix}1; it needs adjacency, ops, val1 and test1"
            )
        texts = frame[found]
        values = texts.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
        bad = (texts != "").to_numpy() & ~((values >= 0) & (values <= 1))
        if bad.any():
            row = int(bad.any(axis=1).argmax()) + 1
            raise UserError(
                f"{path}, row {row}: an accuracy must be a number within 0..1 ({int(bad.sum())} are not)"
            )
        columns[DATASET, split, CSV_EPOCHS] = (
            [str(int(c.removeprefix(prefix)) - 1) for c in found],
            values,
        )
    cells = _Cells()
    for row, (adjacency, operations) in enumerate(
        zip(frame["adjacency"], frame["ops"], strict=True), start=1
    ):
        try:
            cells.add(parse_graph(f"{adjacency}:{operations}"))
        except UserError as error:
            raise UserError(f"{path}, row {row}: {error}") from error
    return cells.table(name, path, columns)


def is_csv_of_cells(path: Path) -> bool:
    """Whether a CSV has the columns of :func:`import_csv`.

    Raises UserError if it cannot be read.
    """
    return {"adjacency", "ops"} <= set(read_header(path))


def _read_csv(path: Path) -> pd.DataFrame:
    """Return a CSV with all columns as text.

    Raises UserError if it cannot be read or lacks columns of cells.
    """
    header = read_header(path)
    missing = [column for column in ("adjacency", "ops") if column not in header]
    if missing:
        plural = "s" * (len(missing) > 1)
        raise UserError(
            f"{path} lacks the column{plural} {', '.join(missing)}; it needs adjacency, ops, val1 and test1"
        )
    frame = read_frame(path, header)
    rows = Rows(path, frame)
    refuse_long_rows(rows)
    rows.raise_any()
    return frame


def _per_cent(values: np.ndarray) -> np.ndarray:
    """Shares of one as per cent, freed of rounding: an accuracy is a share of the images that were evaluated."""
    exact = np.rint(values * EVALUATED) / EVALUATED
    return 100 * np.where(np.abs(exact - values) <= ROUNDED, exact, values)


def _occurrence(values: np.ndarray) -> np.ndarray:
    """Of each entry, how many equal ones are before it."""
    order = np.argsort(values, kind="stable")
    starts = np.searchsorted(values[order], values[order])
    result = np.empty_like(order)
    result[order] = np.arange(len(values)) - starts
    return result


def _where(path: Path, record: int, start: int) -> str:
    return f"{path}, record {record} at byte {start}"


def _payload(payload: bytes) -> tuple[str, int, str, str, str]:
    match json.loads(payload):
        case [
            str(digest),
            int(epochs),
            str(adjacency),
            str(operations),
            str(metrics),
        ] if epochs in EPOCHS:
            return digest, epochs, adjacency, operations, metrics
    raise ValueError(
        f"not a list of hash, epochs ({', '.join(map(str, EPOCHS))}), adjacency, operations and metrics"
    )


def _final_accuracies(metrics: bytes) -> tuple[float, float]:
    """Validation and test accuracy of the last evaluation in a `ModelMetrics`.

    Raises ValueError if it has none.
    """
    final = None
    for number, value in _fields(metrics):
        if number == EVALUATION:
            final = value
    if not isinstance(final, bytes):
        raise ValueError("no evaluation")
    found = dict(_fields(final))
    accuracies = []
    for number in (VALID_ACCURACY, TEST_ACCURACY):
        stored = found.get(number)
        if not isinstance(stored, bytes) or len(stored) != 8:
            raise ValueError("an evaluation without validation or test accuracy")
        (accuracy,) = struct.unpack("<d", stored)
        if not 0 <= accuracy <= 1:
            raise ValueError(f"accuracy {accuracy} is outside 0..1")
        accuracies.append(accuracy)
    return accuracies[0], accuracies[1]


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protocol buffer's fields: a varint as a number, anything else as its bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            length, at = _varint(data, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        if length > len(data) - at:
            raise ValueError("a field that is cut off")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number whose bytes begin at `at`, seven bits each and the lowest first, and where they end."""
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number that does not end")


def _records(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """(number from 1, first byte, payload) of every record, its checksums verified.

    Raises UserError, with the record, if the file cannot be read, is cut off, or a
    checksum does not fit.
    """
    waiting: list[tuple[int, int, bytes]] = []
    sums: list[int] = []

    def checked() -> Iterator[tuple[int, int, bytes]]:
        right = masked(crc32c([payload for _, _, payload in waiting])) == np.array(
            sums, dtype=np.uint32
        )
        for fits, found in zip(right.tolist(), waiting, strict=True):
            if not fits:
                raise UserError(
                    f"{_where(path, *found[:2])} is damaged: its checksum does not fit; get the file again"
                )
            yield found
        waiting.clear()
        sums.clear()

    try:
        with open_plain(path) as file:
            start = record = 0
            while header := file.read(12):
                record += 1
                length = _length(header)
                if length is None:
                    raise UserError(
                        f"{_where(path, record, start)} is damaged, or the file no TFRecord file of the benchmark"
                    )
                rest = file.read(length + 4)
                if len(rest) < length + 4:
                    raise UserError(
                        f"{_where(path, record, start)} is cut off; get the file again"
                    )
                waiting.append((record, start, rest[:length]))
                sums.append(int.from_bytes(rest[length:], "little"))
                start += 12 + len(rest)
                if len(waiting) == BATCH:
                    yield from checked()
        yield from checked()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


@lru_cache(maxsize=1 << 12)
def _length(header: bytes) -> int | None:
    """The payload's length that a record's first twelve bytes tell; None if they are damaged or it is absurd."""
    if len(header) < 12:
        return None
    length, stored = struct.unpack("<QI", header)
    fits = int(masked(crc32c([header[:8]]))[0]) == stored
    return int(length) if fits and length <= LONGEST else None


def crc32c(payloads: Sequence[bytes]) -> np.ndarray:
    """The CRC-32C (Castagnoli) of every payload, uint32: byte by byte, but of all payloads at once."""
    sums = np.full(len(payloads), 0xFFFFFFFF, dtype=np.uint32)
    lengths = np.array([len(payload) for payload in payloads], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    longest = int(lengths.max(initial=0))
    padded = b"".join(payloads[index].ljust(longest, b"\0") for index in order.tolist())
    columns = np.ascontiguousarray(
        np.frombuffer(padded, dtype=np.uint8).reshape(len(payloads), longest).T
    )
    table, running = _table(), sums[order]
    # Sorted by length, those that still have a byte are the first ones.
    for place, active in enumerate(
        np.searchsorted(-lengths[order], -np.arange(longest)).tolist()
    ):
        now = running[:active]
        running[:active] = table[(now ^ columns[place, :active]) & 0xFF] ^ (now >> 8)
    sums[order] = running
    return ~sums


def masked(sums: np.ndarray) -> np.ndarray:
    """The checksums as TFRecord files store them: rotated by 15 bits to the right, plus a constant."""
    rotated = (sums >> np.uint32(15)) | (sums << np.uint32(17))
    return rotated + np.uint32(0xA282EAD8)


@cache
def _table() -> np.ndarray:
    """What each byte adds to a CRC-32C."""
    sums = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        sums = np.where(
            sums & 1, (sums >> 1) ^ np.uint32(0x82F63B78), sums >> 1
        ).astype(np.uint32)
    return sums
