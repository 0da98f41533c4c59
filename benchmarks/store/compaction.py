"""All records of a folder in one file, `records.parquet`, which is read in seconds.

The single files stay the source of truth. A row counts only if its file exists and has
the same size and modification time as when the row was made; every other record is read
from its file. So `records.parquet` can be deleted, be out of date, or be written by two
processes at once.

It has a column for each field of :class:`Record`, named by the field's place in the
file. Scores and decisions are lists; everything else that is neither text nor number is
JSON. Records are built from the columns without validation, and values that many
records share (settings, machine, cells) are one object. This module does not import
torch.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from archselect.benchmarks.store.columns import Columns, column_types
from archselect.benchmarks.store.facts import (
    Fact,
    check_fact,
    content_id,
    read_fact,
    read_fact_if_there,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Inputs,
    Record,
    SearchCost,
    Selected,
    check_records,
)
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.parquet import check_parquet

FEWEST = 1_000
"""The least number of missing records for which the file is written again.

At least a tenth of the records that it has must be missing, too.
"""
_GROUP_SIZE = 5_000
"""Number of records in a row group; it bounds the memory."""
_STAMP_COLUMNS = ["file.name", "file.size", "file.changed"]
_SPLIT: tuple[type[Fact], ...] = (Inputs, Selected, SearchCost)
"""Facts within a record whose fields have their own columns."""
_PLAIN = {
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
}
"""The type of a column, by that of a field; other fields are JSON."""


def _list_of(type_: pa.DataType) -> pa.DataType:
    """Return the type of lists without nulls."""
    item = pa.field("item", type_, nullable=False)
    return pa.list_(item)


_LISTED = {
    int: _list_of(pa.int32()),
    float: _list_of(pa.float64()),
    str: _list_of(pa.string()),
}
"""The type of a column of lists, by that of their values."""


class Stamp(NamedTuple):
    """A file's size in bytes, and the time of its last change in nanoseconds."""

    size: int
    changed: int


Stamps = dict[str, Stamp]
"""Stamps by the name of a record's file, without suffix."""


def read_records(
    folder: Folder,
    ids: Iterable[str] | None = None,
    compacted: bool = False,
    checked: bool = False,
) -> Iterator[Record]:
    """Yield records, in no fixed order, read one after the other.

    Args:
        folder: folder of the records.
        ids: ids of the records; None for all. Ids without a file are skipped.
        compacted: whether to update `records.parquet` first, by :func:`compact`.
        checked: whether to refuse a record with impossible values.

    Raises:
        UserError: a file is damaged, or a record is refused; the message names file and
            field.
    """
    stamps = _read_stamps(folder)
    if compacted:
        _compact(folder, stamps, FEWEST)
    if ids is not None:
        stamps = {id: stamps[id] for id in ids if id in stamps}
    for group in _read_groups(folder):
        rows = _current_rows(group, stamps)
        try:
            records = _build(Record, rows)
            check_records(records)
        except ValueError:
            # Another program wrote the rows, or they are impossible: read these records
            # from their files.
            continue
        for name in rows["file.name"].to_pylist():
            del stamps[name]
        yield from records
    yield from _read_files(folder, stamps, checked)


def _read_files(
    folder: Folder, names: Iterable[str], checked: bool
) -> Iterator[Record]:
    """Yield the records of single files; files removed in the meantime are skipped."""
    for name in sorted(names):
        path = folder.path(Record, name)
        record = read_fact_if_there(path, Record)
        if record is None:
            continue
        if checked:
            check_fact(path, record)
        yield record


# --- writing


def compact(folder: Folder, fewest: int = FEWEST) -> int:
    """Update `records.parquet`; return how many records were added.

    Nothing is written if it lacks fewer than `fewest` records, or fewer than a tenth of
    those that it has.

    Raises:
        UserError: a record is damaged, or the folder cannot be written.
    """
    return _compact(folder, _read_stamps(folder), fewest)


def _compact(folder: Folder, stamps: Stamps, fewest: int) -> int:
    missing = sorted(stamps.keys() - _compacted_names(folder, stamps))
    present = len(stamps) - len(missing)
    if not missing or len(missing) < max(fewest, present // 10):
        return 0
    file = io.BytesIO()
    with pq.ParquetWriter(
        file, _schema(), compression="zstd", write_page_checksum=True
    ) as writer:
        for group in _read_groups(folder):
            rows = _current_rows(group, stamps)
            if len(rows):
                writer.write_table(rows)
        for start in range(0, len(missing), _GROUP_SIZE):
            names = missing[start : start + _GROUP_SIZE]
            rows = _table(folder, {name: stamps[name] for name in names})
            writer.write_table(rows)
    write_atomically(folder.compact_path, file.getvalue(), folder.root)
    return len(missing)


def _compacted_names(folder: Folder, stamps: Stamps) -> set[str]:
    """Return the names of records with an up-to-date row in `records.parquet`."""
    names: set[str] = set()
    for group in _read_groups(folder, _STAMP_COLUMNS):
        rows = _current_rows(group, stamps)
        names.update(rows["file.name"].to_pylist())
    return names


def _read_stamps(folder: Folder) -> Stamps:
    """Return the stamp of each record's file."""
    records = folder.path(Record, "x").parent
    if not records.is_dir():
        return {}
    stamps = {}
    with os.scandir(records) as entries:
        for entry in entries:
            if not entry.name.endswith(".json") or entry.name.startswith("."):
                continue
            name = entry.name.removesuffix(".json")
            with suppress(
                FileNotFoundError
            ):  # removed in the meantime, or a broken link
                stat = entry.stat()
                stamps[name] = Stamp(stat.st_size, stat.st_mtime_ns)
    return stamps


# --- rows


def _read_groups(
    folder: Folder, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the row groups of `records.parquet`, with all columns or some.

    They end where the file is damaged. There are none if the file is missing or has
    another schema.
    """
    try:
        check_parquet(folder.compact_path)
        file = pq.ParquetFile(folder.compact_path, page_checksum_verification=True)
        schema = file.schema_arrow
        if schema != _schema() or schema.metadata != _schema().metadata:
            return
        yield from _read_ahead(file, columns)
    except (pa.ArrowException, OSError, UserError, *DAMAGED):
        return


def _read_ahead(
    file: pq.ParquetFile,
    columns: list[str] | None,
) -> Iterator[pa.Table]:
    """Yield the row groups of a file; read the next one while one is used."""
    reading: deque[Future[pa.Table]] = deque()
    with ThreadPoolExecutor(1) as reader:
        for place in range(file.num_row_groups):
            reading.append(reader.submit(file.read_row_group, place, columns))
            if len(reading) > 1:
                yield reading.popleft().result()
        if reading:
            yield reading.popleft().result()


def _current_rows(group: pa.Table, stamps: Stamps) -> pa.Table:
    """Return the rows whose files are wanted and have not changed since."""
    names = group["file.name"].to_pylist()
    sizes = group["file.size"].to_pylist()
    changes = group["file.changed"].to_pylist()
    places = {}
    for place, name in enumerate(names):
        made_from = (sizes[place], changes[place])
        if stamps.get(name) == made_from:
            places[name] = place
    if len(places) == len(group):
        return group
    current = pa.array(list(places.values()), pa.int64())
    return group.take(current)


@cache
def _schema() -> pa.Schema:
    """Return all columns; the metadata identify the version of a record."""
    columns = [
        ("file.name", pa.string()),
        ("file.size", pa.int64()),
        ("file.changed", pa.int64()),
        *_columns_of(Record),
    ]
    fields = []
    for name, type_ in columns:
        field = pa.field(name, type_, nullable=False)
        fields.append(field)
    version = content_id(Record.model_json_schema())
    return pa.schema(fields, metadata={"schema": version})


def _columns_of(
    fact: type[Fact], prefix: str = ""
) -> Iterator[tuple[str, pa.DataType]]:
    """Yield name and type of the columns of all fields of a fact."""
    for name, field in fact.model_fields.items():
        path = f"{prefix}{name}"
        kind: Any = field.annotation
        if kind in _SPLIT:
            yield from _columns_of(kind, f"{path}.")
        elif get_origin(kind) is Columns:
            for column, type_ in column_types(*get_args(kind)).items():
                yield f"{path}.{column}", _LISTED[type_]
        else:
            yield path, _PLAIN.get(kind, pa.string())


# --- from records to rows


def _table(folder: Folder, stamps: Stamps) -> pa.Table:
    """Return the rows of some records' files.

    Raises UserError if one is damaged.
    """
    columns: dict[str, Sequence[Any]] = {
        "file.name": list(stamps),
        "file.size": [stamp.size for stamp in stamps.values()],
        "file.changed": [stamp.changed for stamp in stamps.values()],
    }
    paths = [folder.path(Record, name) for name in stamps]
    records = [read_fact(path, Record) for path in paths]
    _add_columns(columns, Record, records)
    return pa.table(columns, schema=_schema())


def _add_columns(
    columns: dict[str, Sequence[Any]],
    fact: type[Fact],
    facts: Sequence[Fact],
    prefix: str = "",
) -> None:
    """Add the columns of all fields of some facts of a kind."""
    for name, field in fact.model_fields.items():
        path = f"{prefix}{name}"
        kind: Any = field.annotation
        values = [getattr(each, name) for each in facts]
        if kind in _SPLIT:
            _add_columns(columns, kind, values, f"{path}.")
        elif get_origin(kind) is Columns:
            lists = [rows.lists() for rows in values]
            for column in column_types(*get_args(kind)):
                columns[f"{path}.{column}"] = [by_name[column] for by_name in lists]
        elif kind in _PLAIN:
            columns[path] = values
        else:
            dump = _adapter(kind).dump_json
            columns[path] = [dump(value).decode() for value in values]


# --- from rows to records


def _build(
    fact: type[Fact],
    table: pa.Table,
    prefix: str = "",
) -> list[Any]:
    """Return the facts of a kind in a table, one per row.

    Raises ValueError for rows that :func:`_add_columns` did not make.
    """
    fields = {}
    for name, field in fact.model_fields.items():
        path = f"{prefix}{name}"
        kind: Any = field.annotation
        if kind in _SPLIT:
            fields[name] = _build(kind, table, f"{path}.")
        elif get_origin(kind) is Columns:
            (row,) = get_args(kind)
            fields[name] = _build_rows(row, table, path)
        elif kind in _PLAIN:
            fields[name] = table[path].to_pylist()
        else:
            fields[name] = _parse_texts(kind, table, path)
    names = set(fields)
    facts = []
    for row in zip(*fields.values(), strict=True):
        values = dict(zip(fields, row, strict=True))
        facts.append(_construct(fact, values, names))
    return facts


def _parse_texts(
    kind: Any,
    table: pa.Table,
    path: str,
) -> list[Any]:
    """Return the values of a column of JSON; equal texts give one object."""
    texts = table[path].combine_chunks().dictionary_encode()
    joined = ",".join(texts.dictionary.to_pylist())
    distinct = _adapter(list[kind]).validate_json(f"[{joined}]")
    if len(distinct) != len(texts.dictionary):
        raise ValueError(f"a text of {path} holds more than one value")
    return [distinct[place] for place in texts.indices.to_pylist()]


def _build_rows(
    row: type[NamedTuple], table: pa.Table, path: str
) -> list[Columns[Any]]:
    """Return, for each record, its part of columns that the whole table shares."""
    types = column_types(row)
    lists = {name: table[f"{path}.{name}"].combine_chunks() for name in types}
    shared = {}
    lengths = []
    for name, column in lists.items():
        shared[name] = _flat(column, types[name])
        lengths.append(column.value_lengths())
    if not all(lengths[0].equals(other) for other in lengths):
        raise ValueError(f"the columns of {path} differ in length")
    stops = lengths[0].to_numpy().cumsum().tolist()
    starts = [0, *stops[:-1]]
    return [
        Columns.view(row, shared, start, stop)
        for start, stop in zip(starts, stops, strict=False)
    ]


def _flat(column: pa.ListArray, type_: type) -> Any:
    """Return the values of a column of lists as one sequence."""
    values = column.flatten()
    return values.to_pylist() if type_ is str else values.to_numpy()


def _construct(
    fact: type[Fact],
    values: dict[str, Any],
    names: Collection[str],
) -> Fact:
    """Return a fact with these values, without validation.

    It is made like an unpickled object, which takes a fraction of the time of
    `model_construct`. Facts are frozen, so attributes are set through `object`.
    """
    made = fact.__new__(fact)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", names)
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the adapter that reads and writes a kind of value as JSON."""
    return TypeAdapter(kind)
