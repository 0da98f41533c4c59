"""The records of a folder in one file, `records.parquet`: a hundred thousand are read in seconds. No torch here.

The single files stay the source of truth: a row counts only while its file is there and
has the size and time of last change that the row was made from, and what has no such
row is read from its file. So `records.parquet` may be deleted, lag behind, or be
written by two processes at once.

It has a column for each field of :class:`Record`, named by its place in the file;
scores and decisions are lists, and what is neither text nor number is JSON. Records are
built from the columns without being checked again, and what they have in common
(settings, machine, cell) is one object to many of them.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter

from archselect.benchmarks.store.columns import Columns, kinds
from archselect.benchmarks.store.facts import (
    Fact,
    check_fact,
    content_id,
    read_fact,
    read_fact_if_there,
)
from archselect.benchmarks.store.folder import Folder
from archselect.benchmarks.store.records import (
    Cost,
    Inputs,
    Record,
    Selected,
    check_records,
)
from archselect.nasbench_adapters.atomic_files import write_atomically
from archselect.nasbench_adapters.errors import UserError
from archselect.nasbench_adapters.input_files import DAMAGED
from archselect.nasbench_adapters.parquet import check_parquet

FEWEST = 1_000
"""Records beyond those in the file, and beyond a tenth of them, for which it is written
again.
"""
_AT_ONCE = 5_000
"""Records of a row group, so that memory stays bounded."""
_STAMP = ["file.name", "file.size", "file.changed"]
_SPLIT: tuple[type[Fact], ...] = (Inputs, Selected, Cost)
"""Facts within a record whose fields have columns of their own."""
_PLAIN = {int: pa.int64(), float: pa.float64(), str: pa.string()}
_LISTED = {
    kind: pa.list_(pa.field("item", of, nullable=False))
    for kind, of in {int: pa.int32(), float: pa.float64(), str: pa.string()}.items()
}


_set = object.__setattr__
"""Facts are frozen."""


class Stamp(NamedTuple):
    """A file's size in bytes and the time of its last change in nanoseconds."""

    size: int
    changed: int


def read_records(
    folder: Folder,
    ids: Iterable[str] | None = None,
    compacted: bool = False,
    checked: bool = False,
) -> Iterator[Record]:
    """The records of these ids, or all, in no order, read as they are asked for; ids without a file are left out.

    If asked to, `records.parquet` is brought up to date before, as by :func:`compact`.

    Raises UserError, naming file and field, for a damaged file; if `checked`, too, for
    a record that says what no run can have measured.
    """
    stamps = _stamps(folder)
    if compacted:
        _compact(folder, stamps, FEWEST)
    if ids is not None:
        stamps = {id: stamps[id] for id in ids if id in stamps}
    for group in _groups(folder):
        group = _current(group, stamps)
        try:
            built = _built(Record, group)
            check_records(built)
        except (
            ValueError
        ):  # not written by us, or impossible: the records are read from their files
            continue
        for name in group["file.name"].to_pylist():
            del stamps[name]
        yield from built
    for name in sorted(stamps):
        path = folder.path(Record, name)
        record = read_fact_if_there(path, Record)
        if record is None:
            continue
        if checked:
            check_fact(path, record)
        yield record


def compact(folder: Folder, fewest: int = FEWEST) -> int:
    """Bring `records.parquet` up to date, if it lacks at least so many records and a tenth; how many were added.

    Raises UserError for a damaged record, or if the folder cannot be written to.
    """
    return _compact(folder, _stamps(folder), fewest)


def _compact(folder: Folder, stamps: dict[str, Stamp], fewest: int) -> int:
    there = [_current(group, stamps) for group in _groups(folder, _STAMP)]
    missing = sorted(
        stamps.keys()
        - {name for group in there for name in group["file.name"].to_pylist()}
    )
    if not missing or len(missing) < max(fewest, (len(stamps) - len(missing)) // 10):
        return 0
    file = io.BytesIO()
    with pq.ParquetWriter(
        file, _schema(), compression="zstd", write_page_checksum=True
    ) as writer:
        for group in _groups(folder):
            if len(group := _current(group, stamps)):
                writer.write_table(group)
        for start in range(0, len(missing), _AT_ONCE):
            writer.write_table(
                _table(
                    folder,
                    {name: stamps[name] for name in missing[start : start + _AT_ONCE]},
                )
            )
    write_atomically(folder.compact_path, file.getvalue(), folder.root)
    return len(missing)


def _stamps(folder: Folder) -> dict[str, Stamp]:
    """Of each record's file, by its name without suffix."""
    found = {}
    records = folder.path(Record, "x").parent
    if records.is_dir():
        with os.scandir(records) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    with suppress(
                        FileNotFoundError
                    ):  # removed meanwhile, or a link to nothing
                        stat = entry.stat()
                        found[entry.name.removesuffix(".json")] = Stamp(
                            stat.st_size, stat.st_mtime_ns
                        )
    return found


def _groups(folder: Folder, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The row groups, of all columns or some; of a file that is damaged or of another schema, none (any more)."""
    try:
        check_parquet(folder.compact_path)
        file = pq.ParquetFile(folder.compact_path, page_checksum_verification=True)
        if (
            file.schema_arrow == _schema()
            and file.schema_arrow.metadata == _schema().metadata
        ):
            coming: deque[Future[pa.Table]] = deque()
            with ThreadPoolExecutor(1) as reader:
                for place in range(file.num_row_groups):
                    coming.append(reader.submit(file.read_row_group, place, columns))
                    if place:  # one is read while the one before it is used
                        yield coming.popleft().result()
                if coming:
                    yield coming.popleft().result()
    except (pa.ArrowException, OSError, UserError, *DAMAGED):
        return


def _current(group: pa.Table, stamps: dict[str, Stamp]) -> pa.Table:
    """The rows whose files are among these, and as they were."""
    rows = zip(
        *(group[f"file.{name}"].to_pylist() for name in ("name", "size", "changed")),
        strict=True,
    )
    found = {
        name: place
        for place, (name, *stamp) in enumerate(rows)
        if stamps.get(name) == tuple(stamp)
    }
    places = list(found.values())
    return (
        group if len(places) == len(group) else group.take(pa.array(places, pa.int64()))
    )


@cache
def _schema() -> pa.Schema:
    """All columns; the metadata tell one version of a record from another."""
    stamps = [
        ("file.name", pa.string()),
        ("file.size", pa.int64()),
        ("file.changed", pa.int64()),
    ]
    fields = [
        pa.field(name, kind, nullable=False)
        for name, kind in [*stamps, *_typed(Record)]
    ]
    return pa.schema(
        fields, metadata={"schema": content_id(Record.model_json_schema())}
    )


def _typed(fact: type[Fact], prefix: str = "") -> Iterator[tuple[str, pa.DataType]]:
    for name, field in fact.model_fields.items():
        kind: Any = field.annotation
        if kind in _SPLIT:
            yield from _typed(kind, f"{prefix}{name}.")
        elif get_origin(kind) is Columns:
            yield from (
                (f"{prefix}{name}.{key}", _LISTED[of])
                for key, of in kinds(*get_args(kind)).items()
            )
        else:
            yield f"{prefix}{name}", _PLAIN.get(kind, pa.string())


def _table(folder: Folder, stamps: dict[str, Stamp]) -> pa.Table:
    """The rows of these files."""
    columns: dict[str, Sequence[Any]] = {
        "file.name": list(stamps),
        "file.size": [stamp.size for stamp in stamps.values()],
        "file.changed": [stamp.changed for stamp in stamps.values()],
    }
    _split(
        Record,
        [read_fact(folder.path(Record, name), Record) for name in stamps],
        "",
        columns,
    )
    return pa.table(columns, schema=_schema())


def _split(
    fact: type[Fact],
    facts: Sequence[Fact],
    prefix: str,
    columns: dict[str, Sequence[Any]],
) -> None:
    """Add the columns of all fields."""
    for name, field in fact.model_fields.items():
        kind: Any = field.annotation
        values = [getattr(own, name) for own in facts]
        if kind in _SPLIT:
            _split(kind, values, f"{prefix}{name}.", columns)
        elif get_origin(kind) is Columns:
            lists = [own.lists() for own in values]
            columns |= {
                f"{prefix}{name}.{key}": [own[key] for own in lists]
                for key in kinds(*get_args(kind))
            }
        else:
            columns[f"{prefix}{name}"] = (
                values
                if kind in _PLAIN
                else [_adapter(kind).dump_json(own).decode() for own in values]
            )


def _built(fact: type[Fact], table: pa.Table, prefix: str = "") -> list[Any]:
    """The facts that a table holds, the other way round."""
    fields = {}
    for name, field in fact.model_fields.items():
        kind: Any = field.annotation
        path = f"{prefix}{name}"
        if kind in _SPLIT:
            fields[name] = _built(kind, table, f"{path}.")
        elif get_origin(kind) is Columns:
            (row,) = get_args(kind)
            fields[name] = _parts(row, table, path)
        elif kind in _PLAIN:
            fields[name] = table[path].to_pylist()
        else:
            texts = table[path].combine_chunks().dictionary_encode()
            distinct = _adapter(list[kind]).validate_json(
                f"[{','.join(texts.dictionary.to_pylist())}]"
            )
            if len(distinct) != len(texts.dictionary):
                raise ValueError(f"a text of {path} holds more than one value")
            fields[name] = [distinct[place] for place in texts.indices.to_pylist()]
    names = set(fields)
    return [
        _made(fact, dict(zip(fields, row, strict=True)), names)
        for row in zip(*fields.values(), strict=True)
    ]


def _made(fact: type[Fact], values: dict[str, Any], names: set[str]) -> Fact:
    """A fact of these values, as unpickling makes it: in a fraction of the time that model_construct takes."""
    made = fact.__new__(fact)
    _set(made, "__dict__", values)
    _set(made, "__pydantic_fields_set__", names)
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made


def _parts(row: type[NamedTuple], table: pa.Table, path: str) -> list[Columns[Any]]:
    """Of each record its part of the columns that all of the table share."""
    lists = {name: table[f"{path}.{name}"].combine_chunks() for name in kinds(row)}
    shared = {
        name: values.flatten().to_pylist()
        if kinds(row)[name] is str
        else values.flatten().to_numpy()
        for name, values in lists.items()
    }
    first, *others = [values.value_lengths() for values in lists.values()]
    if not all(first.equals(other) for other in others):
        raise ValueError(f"the columns of {path} differ in length")
    ends = first.to_numpy().cumsum().tolist()
    return [
        Columns.part(row, shared, start, stop)
        for start, stop in zip([0, *ends], ends, strict=False)
    ]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
